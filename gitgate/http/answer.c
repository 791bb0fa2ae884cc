/* Answers: built on any thread, queued by the network thread. */
#include "base/fd.h"
#include "http/server_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char *
extra_get(const struct http_headers *h, const char *name)
{
	for (; h != NULL && h->name != NULL; h++)
		if (strcasecmp(h->name, name) == 0)
			return h->value;
	return NULL;
}

static void
add_headers(struct MHD_Response *r, const char *type,
    const struct http_headers *extra)
{
	if (type != NULL)
		(void)MHD_add_response_header(r, "Content-Type", type);
	if (extra_get(extra, "Cache-Control") == NULL)
		(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	for (; extra != NULL && extra->name != NULL; extra++)
		(void)MHD_add_response_header(r, extra->name, extra->value);
}

struct MHD_Response *
answer_text(const char *text)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct MHD_Response *r;

	buf_addf(&b, "%s\n", text);
	r = MHD_create_response_from_buffer(b.n, b.p, MHD_RESPMEM_MUST_COPY);
	if (r != NULL)
		add_headers(r, "text/plain; charset=utf-8", NULL);
	return r;
}

/*
 * Store the answer and wake the connection. Takes r. An answer after another
 * one, or to a client that has gone, is dropped.
 */
static void
give(struct http_request *rq, unsigned status, struct MHD_Response *r)
{
	bool wanted;

	(void)pthread_mutex_lock(&rq->lock);
	wanted = !rq->answered && !rq->gone;
	rq->answered = true;
	if (wanted) {
		rq->status = status;
		rq->response = r;
		request_resume(rq);
	}
	(void)pthread_mutex_unlock(&rq->lock);
	if (!wanted && r != NULL)
		MHD_destroy_response(r);
}

void
answer_give(struct http_request *rq, unsigned status, const char *type,
    struct MHD_Response *r)
{
	if (r != NULL)
		add_headers(r, type, NULL);
	give(rq, status, r);
}

void
http_reply(struct http_request *rq, unsigned status, const char *type,
    struct view body, const struct http_headers *extra)
{
	/* The library copies it and does not write to it. */
	struct MHD_Response *r = MHD_create_response_from_buffer(body.n,
	    (void *)(uintptr_t)body.p, MHD_RESPMEM_MUST_COPY);
	char seconds[16];

	if (r != NULL)
		add_headers(r, type, extra);
	if (r != NULL && rq->retry_after > 0 &&
	    (status == 429 || status == 503) &&
	    extra_get(extra, "Retry-After") == NULL) {
		(void)snprintf(seconds, sizeof(seconds), "%u", rq->retry_after);
		(void)MHD_add_response_header(r, "Retry-After", seconds);
	}
	give(rq, status, r);
}

void
http_reply_text(struct http_request *rq, unsigned status, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof(text) - 2)
		n = (int)sizeof(text) - 2;
	text[n] = '\n';
	http_reply(rq, status, "text/plain; charset=utf-8",
	    view_of(text, (size_t)n + 1), NULL);
}

static ssize_t
send_head(struct http_request *rq, char *out, size_t max)
{
	size_t n = rq->head.n - rq->head_sent;

	if (n > max)
		n = max;
	memcpy(out, rq->head.p + rq->head_sent, n);
	rq->head_sent += n;
	return (ssize_t)n;
}

static ssize_t
read_fd(void *cls, uint64_t pos, char *out, size_t max)
{
	struct http_request *rq = cls;
	ssize_t n;

	(void)pos;
	if (rq->head_sent < rq->head.n)
		return send_head(rq, out, max);
	do
		n = read(rq->fd, out, max);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == 0) {
		rq->fd_ended = true;
		return MHD_CONTENT_READER_END_OF_STREAM;
	}
	if (errno == EAGAIN)
		return stream_await_fd(rq) == 0 ?
		    0 :
		    MHD_CONTENT_READER_END_WITH_ERROR;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

void
http_reply_fd(struct http_request *rq, unsigned status, const char *type,
    struct view head, int fd, void (*done)(void *arg, bool complete), void *arg)
{
	struct MHD_Response *r;
	bool ended;

	rq->head.max = head.n;
	buf_addv(&rq->head, head);
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
	    (size_t)32 * 1024, read_fd, rq, NULL);
	if (r == NULL || buf_check(&rq->head, NULL) != 0 ||
	    fd_nonblock(fd, true, NULL) != 0) {
		if (r != NULL)
			MHD_destroy_response(r);
		fd_close(fd);
		http_reply_text(rq, 500, "internal error");
		if (done != NULL)
			done(arg, false);
		return;
	}
	add_headers(r, type, NULL);
	(void)pthread_mutex_lock(&rq->lock);
	ended = rq->gone || rq->answered;
	if (!ended) {
		rq->fd = fd;
		rq->done = done;
		rq->done_arg = arg;
	}
	(void)pthread_mutex_unlock(&rq->lock);
	give(rq, status, r);
	if (ended) {
		fd_close(fd);
		if (done != NULL)
			done(arg, false);
	}
}

void
http_body_accept(struct http_request *rq, http_sink sink, void *arg,
    uint64_t drain_max)
{
	bool gone;

	(void)pthread_mutex_lock(&rq->lock);
	gone = rq->gone || rq->accepted || rq->answered ||
	    rq->plan.body != HTTP_BODY_STREAM;
	if (!gone) {
		rq->accepted = true;
		rq->sink = sink;
		rq->sink_arg = arg;
		rq->drain_max = drain_max;
		request_resume(rq);
	}
	(void)pthread_mutex_unlock(&rq->lock);
	if (gone)
		(void)sink(arg, view_of(NULL, 0), false);
}
