#include "role/gate.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 20

/* One request that waits for its answer. */
struct call {
	struct call *next;
	uint32_t id;
	int sock; /* of the courier that was asked */
	bool done;
	bool busy; /* text is being told: the asker stays */
	int rc;
	struct gg_error err;
	bool maybe_applied;
	int fd; /* of REFS, RELAY_DONE; -1 */
	void (*text)(void *ctx, struct view text);
	void *ctx;
};

struct courier {
	struct gate *gate;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int sock; /* -1: none */
	uint32_t next_id;
	bool stopping; /* nothing is asked or waited for any more */
	struct call *calls;
};

int
courier_new(struct gate *g, struct gg_error *err)
{
	struct courier *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (c == NULL)
		return gg_fail(err, GG_E_NOMEM, "courier");
	c->gate = g;
	c->sock = -1;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
	g->courier = c;
	return 0;
}

static void
finish(struct courier *c, struct call *call)
{
	call->done = true;
	pthread_cond_broadcast(&c->cond);
}

/* All that were asked of the courier at sock (-1: of any) and have no answer:
 * it has gone, or is not waited for. */
static void
fail_all(struct courier *c, int sock, const char *why)
{
	for (struct call *k = c->calls; k != NULL; k = k->next) {
		if (k->done || (sock >= 0 && k->sock != sock))
			continue;
		k->rc = gg_fail(&k->err, GG_E_UNAVAILABLE, "%s", why);
		k->maybe_applied = true;
		finish(c, k);
	}
}

static void
on_failed(struct call *k, const struct frame *f)
{
	struct dec d = dec_of(f->body);
	int code = -(int)dec_u8(&d);
	GG_AUTO_MEM char *text = dec_str(&d, sizeof(k->err.msg) - 1);
	bool maybe = dec_u8(&d) != 0;

	if (d.failed || code == 0)
		code = GG_E_UNAVAILABLE;
	k->maybe_applied = maybe || d.failed;
	k->rc = gg_fail(&k->err, (enum gg_code)code, "%s", text);
}

/* With the mutex held; gives it up around the text callback. */
static void
on_frame(struct courier *c, struct frame *f)
{
	struct call *k = c->calls;
	struct dec d = dec_of(f->body);

	while (k != NULL && k->id != f->id)
		k = k->next;
	if (k == NULL || k->done)
		return; /* its asker has given up */
	if (f->type == MSG_RELAY_TEXT) {
		struct view text = dec_bytes(&d);

		/* Given up meanwhile, the asker still waits for this. */
		k->busy = true;
		pthread_mutex_unlock(&c->mutex);
		if (k->text != NULL && !d.failed)
			k->text(k->ctx, text);
		pthread_mutex_lock(&c->mutex);
		k->busy = false;
		pthread_cond_broadcast(&c->cond);
		return;
	}
	if (f->type == MSG_REQUEST_FAILED)
		on_failed(k, f);
	else if (f->n_fds == 1)
		k->fd = frame_take_fd(f, 0);
	finish(c, k);
}

struct reader {
	struct courier *courier;
	int sock;
};

static void *
read_courier(void *arg)
{
	struct reader *r = arg;
	struct courier *c = r->courier;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err = { 0 };
	int rc;

	while ((rc = frame_recv(r->sock, ROLE_COURIER, ROLE_GATE, &f, &err)) >
	    0) {
		pthread_mutex_lock(&c->mutex);
		on_frame(c, &f);
		pthread_mutex_unlock(&c->mutex);
	}
	if (!atomic_load(&c->gate->stopping))
		log_event(EV_courier_gone,
		    kv_str("error", rc < 0 ? err.msg : "it ended"));
	pthread_mutex_lock(&c->mutex);
	if (c->sock == r->sock)
		c->sock = -1;
	fail_all(c, r->sock, "the courier ended before its answer");
	fd_close(r->sock);
	pthread_mutex_unlock(&c->mutex);
	free(r);
	return NULL;
}

void
courier_connected(struct gate *g, int fd)
{
	struct courier *c = g->courier;
	struct reader *r = calloc(1, sizeof(*r));
	pthread_attr_t attr;
	pthread_t t;

	if (r == NULL)
		gg_die("no memory for the courier");
	*r = (struct reader){ c, fd };
	pthread_mutex_lock(&c->mutex);
	c->sock = fd;
	pthread_mutex_unlock(&c->mutex);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	if (pthread_create(&t, &attr, read_courier, r) != 0)
		gg_die("no thread for the courier");
	pthread_attr_destroy(&attr);
	pthread_mutex_lock(&c->mutex);
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->mutex);
}

bool
courier_is_connected(struct gate *g)
{
	bool yes;

	pthread_mutex_lock(&g->courier->mutex);
	yes = g->courier->sock >= 0;
	pthread_mutex_unlock(&g->courier->mutex);
	return yes;
}

void
courier_abandon(struct gate *g)
{
	struct courier *c = g->courier;

	pthread_mutex_lock(&c->mutex);
	c->stopping = true;
	fail_all(c, -1, "the gate stops");
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->mutex);
}

static int
wait_for_socket(struct courier *c, struct gg_error *err)
{
	struct timespec until;
	int timed_out = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CONNECT_TIMEOUT_S;
	while (c->sock < 0 && !c->stopping && timed_out == 0)
		timed_out = pthread_cond_timedwait(&c->cond, &c->mutex, &until);
	if (c->stopping)
		return gg_fail(err, GG_E_UNAVAILABLE, "the gate stops");
	if (c->sock < 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the courier is not running");
	return 0;
}

static void
forget(struct courier *c, struct call *k)
{
	for (struct call **at = &c->calls; *at != NULL; at = &(*at)->next) {
		if (*at == k) {
			*at = k->next;
			return;
		}
	}
}

/*
 * Send one request and wait for its end. Timeouts are the courier's; it
 * always answers or dies. k->rc tells.
 */
static int
run(struct gate *g, enum msg_type type, const struct buf *body, const int *fds,
    unsigned n_fds, struct call *k, struct gg_error *err)
{
	struct courier *c = g->courier;
	int rc;

	k->fd = -1;
	if ((rc = buf_check(body, err)) != 0)
		return rc;
	pthread_mutex_lock(&c->mutex);
	rc = wait_for_socket(c, err);
	if (rc == 0) {
		k->id = ++c->next_id;
		k->sock = c->sock;
		k->next = c->calls;
		c->calls = k;
		rc = frame_send(c->sock, type, k->id, buf_view(body), fds,
		    n_fds, err);
		while (rc == 0 && (!k->done || k->busy))
			pthread_cond_wait(&c->cond, &c->mutex);
		forget(c, k);
	}
	pthread_mutex_unlock(&c->mutex);
	if (rc == 0 && k->rc != 0) {
		*err = k->err;
		rc = k->rc;
	}
	if (rc != 0)
		fd_close(fd_take(&k->fd));
	return rc;
}

int
courier_list(struct gate *g, const char *repository, bool receive_pack,
    bool settle, struct advert **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	struct call k = { 0 };
	int rc;

	enc_str(&body, repository);
	enc_u8(&body, receive_pack ? 1 : 0);
	enc_u8(&body, settle ? 1 : 0);
	if ((rc = run(g, MSG_LIST_REFS, &body, NULL, 0, &k, err)) != 0)
		return rc;
	GG_AUTO_FD fd = k.fd;

	if ((rc = fd_pread_all(fd, &bytes, err)) != 0)
		return rc;
	return advert_decode(buf_view(&bytes), out, err);
}

int
courier_fetch(struct gate *g, const char *repository, int list_fd, int pipe_fd,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(4096);
	GG_AUTO_FD pipe_end = pipe_fd;
	int fds[2] = { list_fd, pipe_fd };
	struct courier *c = g->courier;
	struct call k = { .fd = -1 };
	int rc;

	enc_str(&body, repository);
	/* As run(), but our copy of the pipe must close once it is sent, so
	 * that the inspector sees the end when the courier closes its own. */
	pthread_mutex_lock(&c->mutex);
	rc = wait_for_socket(c, err);
	if (rc == 0) {
		k.id = ++c->next_id;
		k.sock = c->sock;
		k.next = c->calls;
		c->calls = &k;
		rc = frame_send(c->sock, MSG_FETCH, k.id, buf_view(&body), fds,
		    2, err);
		fd_close(fd_take(&pipe_end));
		while (rc == 0 && !k.done)
			pthread_cond_wait(&c->cond, &c->mutex);
		forget(c, &k);
	}
	pthread_mutex_unlock(&c->mutex);
	if (rc == 0 && k.rc != 0) {
		*err = k.err;
		rc = k.rc;
	}
	fd_close(k.fd);
	return rc;
}

static int
command_lines(const struct ref_updates *u, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) lines = BUF_INIT((size_t)16 << 20);
	char a[OID_HEX + 1], b[OID_HEX + 1];

	for (size_t i = 0; i < u->n; i++) {
		oid_format(&u->v[i].old_oid, a);
		oid_format(&u->v[i].new_oid, b);
		buf_addf(&lines, "%s %s %s\n", a, b, u->v[i].refname);
	}
	if (buf_check(&lines, err) != 0)
		return -1;
	return fd_memfile("commands", buf_view(&lines), err);
}

int
courier_relay(struct gate *g, const struct relay_order *o,
    struct relay_result **out, bool *maybe_applied, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16384);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT((size_t)16 << 20);
	GG_AUTO_FD lines = command_lines(o->updates, err);
	struct call k = { .text = o->text, .ctx = o->ctx };
	int fds[2] = { lines, o->pack_fd }, rc;

	*maybe_applied = false;
	if (lines < 0)
		return err->code;
	enc_str(&body, o->repository);
	enc_str(&body, o->push_id);
	enc_u8(&body, o->atomic ? 1 : 0);
	enc_u8(&body, o->pack_fd >= 0 ? 1 : 0);
	enc_strv(&body, o->options);
	rc = run(g, MSG_RELAY, &body, fds, o->pack_fd >= 0 ? 2 : 1, &k, err);
	*maybe_applied = rc != 0 && k.maybe_applied;
	if (rc != 0)
		return rc;
	GG_AUTO_FD fd = k.fd;

	*maybe_applied = true; /* until its result is understood */
	if ((rc = fd_pread_all(fd, &bytes, err)) != 0 ||
	    (rc = relay_result_decode(buf_view(&bytes), out, err)) != 0)
		return rc;
	*maybe_applied = false;
	return 0;
}
