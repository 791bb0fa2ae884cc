#include "role/gate_messenger.h"

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/codec.h"
#include "role/gate.h"
#include "role/gate_peer.h"

#include <string.h>

#define ANSWER_MAX_BYTES ((size_t)64 << 20)
#define SLACK_MS         5000 /* it always answers, unless it hangs */

/* One errand under way. */
struct run {
	struct peer_call peer; /* first: answer() gets a pointer to it */
	unsigned status;
	uint64_t max_age_s, retry_after_s;
	int fd;
};

void
errand_answer_release(struct errand_answer *a)
{
	/* A token endpoint's answer holds tokens. */
	if (a->body.p != NULL)
		explicit_bzero(a->body.p, a->body.n);
	buf_release(&a->body);
}

static void
on_failed(struct run *k, const struct frame *f)
{
	struct dec d = dec_of(f->body);
	int code = -(int)dec_u8(&d);
	GG_AUTO_MEM char *text = dec_str(&d, sizeof(k->peer.err.msg) - 1);

	/* What the configuration lacks is ours, not the asker's. */
	if (d.failed || (code != GG_E_REFUSED && code != GG_E_LIMIT))
		code = GG_E_UNAVAILABLE;
	k->peer.rc = gg_fail(&k->peer.err, (enum gg_code)code, "%s", text);
}

static void
on_done(struct run *k, struct frame *f)
{
	struct dec d = dec_of(f->body);

	k->status = dec_u32(&d);
	k->max_age_s = dec_u64(&d);
	k->retry_after_s = dec_u64(&d);
	k->fd = frame_take_fd(f, 0);
	if (d.failed || k->fd < 0)
		k->peer.rc = gg_fail(&k->peer.err, GG_E_UNAVAILABLE,
		    "the messenger's answer is malformed");
}

static bool
answer(struct peer *p, struct peer_call *peer_call, struct frame *f)
{
	struct run *k = (struct run *)peer_call;

	(void)p;
	if (f->type == MSG_ERRAND_DONE)
		on_done(k, f);
	else
		on_failed(k, f);
	return true;
}

int
messenger_new(struct gate *g, struct gg_error *err)
{
	return peer_new(g, ROLE_MESSENGER, EV_messenger_gone, answer,
	    &g->messenger, err);
}

void
messenger_connected(struct gate *g, int fd)
{
	peer_connected(g->messenger, fd);
}

void
messenger_abandon(struct gate *g)
{
	peer_abandon(g->messenger);
}

static int
run_once(struct gate *g, const struct errand *e, struct run *k,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8192);
	GG_AUTO_FD fd = fd_memfile("errand", e->body, err);
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	const struct limits *limits = &snap->config->limits;
	struct peer_request r = { MSG_ERRAND, &body, &fd, 1, NULL,
		clock_mono_ms() + SLACK_MS +
		    (int64_t)(e->kind == ERRAND_DELIVERY ?
			    limits->delivery_ms :
			    limits->messenger_ms) };

	*k = (struct run){ .fd = -1 };
	if (fd < 0)
		return err->code;
	enc_u8(&body, (uint8_t)e->kind);
	enc_str(&body, e->name);
	enc_str(&body, e->url);
	enc_str(&body, e->id);
	enc_str(&body, e->subject);
	return peer_run(g->messenger, &r, &k->peer, err);
}

int
messenger_run(struct gate *g, const struct errand *e, struct errand_answer *out,
    struct gg_error *err)
{
	struct run k;
	int rc = run_once(g, e, &k, err);

	/* A messenger that begins anew, for a new config or a new secret, loses
	 * what lies in its socket. Reading twice does no
	 * harm, nor does one checkpoint twice; who gets the audit log knows
	 * entries by their number. */
	if (rc == GG_E_UNAVAILABLE && (k.peer.dropped || k.peer.unsent) &&
	    (e->kind == ERRAND_ISSUER || e->kind == ERRAND_PROVIDER ||
		e->kind == ERRAND_WITNESS || e->kind == ERRAND_DELIVERY) &&
	    !atomic_load(&g->stopping)) {
		fd_close(k.fd);
		rc = run_once(g, e, &k, err);
	}
	GG_AUTO_FD fd = k.fd;

	if (rc != 0)
		return rc;
	buf_init(&out->body, ANSWER_MAX_BYTES);
	out->status = k.status;
	out->max_age_s = k.max_age_s;
	out->retry_after_s = k.retry_after_s;
	return fd_pread_all(fd, &out->body, err);
}
