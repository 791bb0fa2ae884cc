/*
 * Streams, and the two threads that wake sleeping connections: the ticker
 * (keepalives, all that are due in one go, since each wake-up makes the
 * library walk its list of suspended connections) and the waiter (pipes).
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/wait.h"
#include "http/server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* Keepalives are sent in rounds at least so far apart. */
#define ROUND_MS 200

static ssize_t
read_stream(void *cls, uint64_t pos, char *out, size_t max)
{
	struct http_request *rq = cls;
	struct http_stream *st = &rq->stream;
	ssize_t n = 0;

	(void)pos;
	(void)pthread_mutex_lock(&rq->lock);
	if (st->overflow) {
		n = MHD_CONTENT_READER_END_WITH_ERROR;
	} else if (st->out.n > 0) {
		size_t take = st->out.n < max ? st->out.n : max;

		memcpy(out, st->out.p, take);
		buf_drop(&st->out, take);
		n = (ssize_t)take;
	} else if (st->closed) {
		n = MHD_CONTENT_READER_END_OF_STREAM;
	} else if (rq->s->cut) {
		n = MHD_CONTENT_READER_END_WITH_ERROR;
	} else {
		request_suspend(rq);
	}
	(void)pthread_mutex_unlock(&rq->lock);
	return n;
}

static void
stream_link(struct http_stream *st)
{
	struct http_server *s = st->rq->s;

	(void)pthread_mutex_lock(&s->lock);
	st->next = s->streams;
	if (st->next != NULL)
		st->next->prev = st;
	s->streams = st;
	(void)pthread_cond_signal(&s->tick);
	(void)pthread_mutex_unlock(&s->lock);
	(void)atomic_fetch_add(&s->n_streams, 1);
}

static void
stream_unlink(struct http_stream *st)
{
	struct http_server *s = st->rq->s;

	(void)pthread_mutex_lock(&s->lock);
	if (st->prev != NULL)
		st->prev->next = st->next;
	else
		s->streams = st->next;
	if (st->next != NULL)
		st->next->prev = st->prev;
	(void)pthread_mutex_unlock(&s->lock);
	(void)atomic_fetch_sub(&s->n_streams, 1);
}

struct http_stream *
http_stream_open(struct http_request *rq, unsigned status, const char *type,
    size_t max_buffered, struct view keepalive, int64_t keepalive_ms)
{
	struct http_stream *st = &rq->stream;
	struct MHD_Response *r;

	st->rq = rq;
	st->max = max_buffered;
	/* Room for keepalives, which are no fault of the client. */
	buf_init(&st->out, max_buffered + 4096);
	buf_init(&st->keepalive, 4096);
	buf_addv(&st->keepalive, keepalive);
	st->keepalive_ms = keepalive_ms;
	st->last_ms = clock_mono_ms();
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, (size_t)4096,
	    read_stream, rq, NULL);
	request_ref(rq);
	(void)atomic_fetch_add(&rq->s->refs, 1);
	stream_link(st);
	answer_give(rq, status, type, r);
	return st;
}

static bool
is_gone(const struct http_stream *st)
{
	return st->rq->gone || st->overflow;
}

void
http_stream_write(struct http_stream *st, struct view piece)
{
	struct http_request *rq = st->rq;

	(void)pthread_mutex_lock(&rq->lock);
	if (!is_gone(st) && piece.n > 0) {
		if (piece.n > st->max || st->out.n > st->max - piece.n)
			st->overflow = true;
		else
			buf_addv(&st->out, piece);
		if (st->out.failed != 0)
			st->overflow = true;
		st->last_ms = clock_mono_ms();
		request_resume(rq);
	}
	(void)pthread_mutex_unlock(&rq->lock);
}

bool
http_stream_gone(struct http_stream *st)
{
	bool gone;

	(void)pthread_mutex_lock(&st->rq->lock);
	gone = is_gone(st);
	(void)pthread_mutex_unlock(&st->rq->lock);
	return gone;
}

void
http_stream_close(struct http_stream *st)
{
	struct http_request *rq = st->rq;
	struct http_server *s = rq->s;

	stream_unlink(st);
	(void)pthread_mutex_lock(&rq->lock);
	st->closed = true;
	if (!rq->gone)
		request_resume(rq);
	(void)pthread_mutex_unlock(&rq->lock);
	request_unref(rq);
	server_unref(s);
}

/* Send the keepalive when it is due; yields when to look again. */
static int64_t
tick_stream(struct http_stream *st, int64_t now)
{
	struct http_request *rq = st->rq;
	int64_t due;

	if (st->keepalive.n == 0 || st->keepalive_ms <= 0)
		return INT64_MAX;
	(void)pthread_mutex_lock(&rq->lock);
	due = st->last_ms + st->keepalive_ms;
	if (due <= now) {
		/* Only to who took all before: the rest is on its way. */
		if (!is_gone(st) && st->out.n == 0) {
			buf_addv(&st->out, buf_view(&st->keepalive));
			request_resume(rq);
		}
		st->last_ms = now;
		due = now + st->keepalive_ms;
	}
	(void)pthread_mutex_unlock(&rq->lock);
	return due;
}

void *
stream_ticker(void *server)
{
	struct http_server *s = server;
	int64_t now, next, due;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->stop_threads) {
		if (s->streams == NULL) {
			(void)pthread_cond_wait(&s->tick, &s->lock);
			continue;
		}
		now = clock_mono_ms();
		next = now + 1000;
		for (struct http_stream *st = s->streams; st; st = st->next) {
			due = tick_stream(st, now);
			if (due < next)
				next = due;
		}
		(void)cond_wait_until(&s->tick, &s->lock,
		    next > now + ROUND_MS ? next : now + ROUND_MS);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
wake_waiter(struct http_server *s, int fd)
{
	struct http_request *rq = NULL;

	(void)pthread_mutex_lock(&s->lock);
	if (fd >= 0 && (size_t)fd < s->n_waiters && s->waiters[fd] != NULL) {
		rq = s->waiters[fd];
		request_ref(rq);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (rq == NULL)
		return;
	(void)pthread_mutex_lock(&rq->lock);
	request_resume(rq);
	(void)pthread_mutex_unlock(&rq->lock);
	request_unref(rq);
}

void *
stream_waiter(void *server)
{
	struct http_server *s = server;
	struct epoll_event ev[64];

	for (;;) {
		int n = epoll_wait(s->epoll, ev, GG_COUNT(ev), -1);

		if (n < 0 && errno != EINTR)
			gg_die("epoll_wait fails");
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == s->wake)
				return NULL;
			wake_waiter(s, ev[i].data.fd);
		}
	}
}

int
stream_await_fd(struct http_request *rq)
{
	struct http_server *s = rq->s;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT,
		.data.fd = rq->fd };
	bool ok = (size_t)rq->fd < s->n_waiters;

	if (ok) {
		(void)pthread_mutex_lock(&s->lock);
		s->waiters[rq->fd] = rq;
		(void)pthread_mutex_unlock(&s->lock);
	}
	(void)pthread_mutex_lock(&rq->lock);
	ok = ok && !s->cut;
	if (ok) {
		request_suspend(rq);
		ok = epoll_ctl(s->epoll,
			 rq->fd_armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, rq->fd,
			 &ev) == 0;
		rq->fd_armed = rq->fd_armed || ok;
		if (!ok)
			request_resume(rq);
	}
	(void)pthread_mutex_unlock(&rq->lock);
	return ok ? 0 : -1;
}

void
stream_forget_fd(struct http_request *rq)
{
	struct http_server *s = rq->s;

	if (rq->fd < 0)
		return;
	(void)pthread_mutex_lock(&s->lock);
	if ((size_t)rq->fd < s->n_waiters && s->waiters[rq->fd] == rq)
		s->waiters[rq->fd] = NULL;
	(void)pthread_mutex_unlock(&s->lock);
	if (rq->fd_armed)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, rq->fd, NULL);
	fd_close(fd_take(&rq->fd));
}
