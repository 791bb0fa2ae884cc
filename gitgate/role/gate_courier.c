#include "role/gate.h"

#include "base/fd.h"
#include "ipc/codec.h"
#include "role/gate_peer.h"

#include <stdlib.h>

/* One request to the courier. */
struct call {
	struct peer_call peer; /* first: answer() gets a pointer to it */
	bool maybe_applied;
	int fd; /* of REFS, RELAY_DONE; -1 */
	void (*text)(void *ctx, struct view text);
	void *ctx;
};

static void
on_failed(struct call *k, const struct frame *f)
{
	struct dec d = dec_of(f->body);
	int code = -(int)dec_u8(&d);
	GG_AUTO_MEM char *text = dec_str(&d, sizeof(k->peer.err.msg) - 1);
	bool maybe = dec_u8(&d) != 0;

	if (d.failed || code == 0)
		code = GG_E_UNAVAILABLE;
	k->maybe_applied = maybe || d.failed;
	k->peer.rc = gg_fail(&k->peer.err, (enum gg_code)code, "%s", text);
}

static void
on_text(struct peer *p, struct call *k, const struct frame *f)
{
	struct dec d = dec_of(f->body);
	struct view text = dec_bytes(&d);

	/* Given up meanwhile, the asker still waits for this. */
	k->peer.busy = true;
	pthread_mutex_unlock(&p->mutex);
	if (k->text != NULL && !d.failed)
		k->text(k->ctx, text);
	pthread_mutex_lock(&p->mutex);
	k->peer.busy = false;
}

static bool
answer(struct peer *p, struct peer_call *peer_call, struct frame *f)
{
	struct call *k = (struct call *)peer_call;

	if (f->type == MSG_RELAY_TEXT) {
		on_text(p, k, f);
		return false;
	}
	if (f->type == MSG_REQUEST_FAILED)
		on_failed(k, f);
	else if (f->n_fds == 1)
		k->fd = frame_take_fd(f, 0);
	return true;
}

int
courier_new(struct gate *g, struct gg_error *err)
{
	return peer_new(g, ROLE_COURIER, EV_courier_gone, answer, &g->courier,
	    err);
}

void
courier_connected(struct gate *g, int fd)
{
	peer_connected(g->courier, fd);
}

bool
courier_is_connected(struct gate *g)
{
	return peer_is_connected(g->courier);
}

void
courier_abandon(struct gate *g)
{
	peer_abandon(g->courier);
}

/*
 * Send one request and wait for its end. Timeouts are the courier's; it
 * always answers or dies.
 */
static int
run(struct gate *g, const struct peer_request *r, struct call *k,
    struct gg_error *err)
{
	int rc;

	k->fd = -1;
	rc = peer_run(g->courier, r, &k->peer, err);
	if (k->peer.dropped)
		k->maybe_applied = true;
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
	rc = run(g, &(struct peer_request){ MSG_LIST_REFS, .body = &body }, &k,
	    err);
	if (rc != 0)
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
	int fds[2] = { list_fd, pipe_fd }, rc;
	struct call k = { 0 };

	enc_str(&body, repository);
	/* Our copy of the pipe must close once it is sent, so that the
	 * inspector sees the end when the courier closes its own. */
	rc = run(g,
	    &(struct peer_request){ MSG_FETCH, &body, fds, 2, &pipe_end, 0 },
	    &k, err);
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
	rc = run(g,
	    &(struct peer_request){
		MSG_RELAY, &body, fds, o->pack_fd >= 0 ? 2 : 1, NULL, 0 },
	    &k, err);
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
