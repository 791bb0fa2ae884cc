#include "role/courier.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "model/refname.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPDATES_MAX       100000
#define OPTIONS_MAX       1024
#define LIST_MAX_BYTES    ((size_t)256 << 20)
#define ANSWER_MAX_BYTES  ((size_t)1 << 30)
#define MESSAGE_MAX_BYTES 1024

struct gate_link *
gate_link_new(int sock)
{
	struct gate_link *g = calloc(1, sizeof(*g));

	if (g == NULL)
		gg_die("no memory for a gate");
	g->sock = sock;
	atomic_init(&g->users, 1);
	return g;
}

struct gate_link *
gate_link_use(struct gate_link *g)
{
	atomic_fetch_add(&g->users, 1);
	return g;
}

void
gate_link_drop(struct gate_link *g)
{
	if (g == NULL || atomic_fetch_sub(&g->users, 1) != 1)
		return;
	fd_close(g->sock);
	free(g);
}

void
job_free(struct job *j)
{
	if (j == NULL)
		return;
	gate_link_drop(j->gate);
	upstream_free(j->upstream);
	strv_release(&j->offered);
	strv_release(&j->options);
	fd_close(j->list_fd);
	fd_close(j->data_fd);
	free(j->repository);
	free(j->push_id);
	free(j);
}

static int
decode_body(struct frame *f, struct job *j, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	unsigned want_fds = 0;
	int rc;

	j->repository = dec_str(&d, REPOSITORY_MAX_BYTES);
	if (f->type == MSG_LIST_REFS) {
		j->service = dec_u8(&d) != 0 ? UPSTREAM_RECEIVE_PACK :
					       UPSTREAM_UPLOAD_PACK;
		j->settle = dec_u8(&d) != 0;
	} else if (f->type == MSG_FETCH) {
		want_fds = 2;
	} else if (f->type == MSG_RELAY) {
		j->push_id = dec_str(&d, 64);
		j->atomic = dec_u8(&d) != 0;
		j->has_pack = dec_u8(&d) != 0;
		dec_strv(&d, &j->options, OPTIONS_MAX);
		want_fds = j->has_pack ? 2 : 1;
	}
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	if (f->n_fds != want_fds)
		return gg_fail(err, GG_E_PEER, "%s with %u descriptors",
		    msg_name(f->type), f->n_fds);
	return strv_check(&j->options, err);
}

int
job_decode(struct frame *f, struct job **out, struct gg_error *err)
{
	struct job *j = calloc(1, sizeof(*j));
	int rc;

	if (j == NULL)
		return gg_fail(err, GG_E_NOMEM, "a request");
	j->type = f->type;
	j->id = f->id;
	j->list_fd = frame_take_fd(f, 0);
	j->data_fd = frame_take_fd(f, 1);
	if ((rc = decode_body(f, j, err)) != 0) {
		job_free(j);
		return rc;
	}
	*out = j;
	return 0;
}

static void
answer(const struct job *j, enum msg_type type, struct view body, int fd)
{
	struct gg_error err;
	int rc = frame_send(j->gate->sock, type, j->id, body, &fd,
	    fd >= 0 ? 1 : 0, &err);

	/* A gate that has gone asks again when it is back. */
	(void)rc;
}

/* What the gate can act on; all else is "not now". */
static enum gg_code
outward(int rc)
{
	switch (rc) {
	case GG_E_STALE:
	case GG_E_REFUSED:
	case GG_E_NOTFOUND:
		return (enum gg_code)rc;
	default:
		return GG_E_UNAVAILABLE;
	}
}

void
job_fail(const struct job *j, int rc, const struct gg_error *err,
    bool maybe_applied)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(MESSAGE_MAX_BYTES);
	enum gg_code code = outward(rc);

	if (maybe_applied)
		code = GG_E_UNAVAILABLE;
	enc_u8(&body, (uint8_t)-code);
	enc_str(&body, err->msg);
	enc_u8(&body, maybe_applied);
	answer(j, MSG_REQUEST_FAILED, buf_view(&body), -1);
}

static void
answer_memfile(const struct job *j, enum msg_type type, const struct buf *b)
{
	struct gg_error err = { 0 };
	int rc = buf_check(b, &err);
	GG_AUTO_FD fd = rc == 0 ?
	    fd_memfile(msg_name(type), buf_view(b), &err) :
	    -1;

	if (fd < 0)
		job_fail(j, err.code, &err, type == MSG_RELAY_DONE);
	else
		answer(j, type, view_of(NULL, 0), fd);
}

static int
run_list(struct job *j, struct redact *red, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(ANSWER_MAX_BYTES);
	GG_AUTO(advert) a = NULL;
	int rc = upstream_list(j->upstream, j->service, red, &a, err);

	if (rc != 0)
		return rc;
	if (j->service == UPSTREAM_RECEIVE_PACK) {
		strv_copy(&j->offered, &a->caps);
		if ((rc = strv_check(&j->offered, err)) != 0)
			return rc;
		courier_keep_offer(j->courier, j);
	}
	advert_encode(a, &out);
	answer_memfile(j, MSG_REFS, &out);
	return 0;
}

static int
run_fetch(struct job *j, struct redact *red, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) lines = BUF_INIT(LIST_MAX_BYTES);
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	uint64_t bytes = 0;
	int rc;

	if ((rc = fd_pread_all(j->list_fd, &lines, err)) != 0 ||
	    (rc = fd_nonblock(j->data_fd, true, err)) != 0)
		return rc;
	rc = upstream_fetch(j->upstream, buf_view(&lines), j->data_fd, red,
	    &bytes, err);
	fd_close(fd_take(&j->data_fd));
	if (rc != 0)
		return rc;
	enc_u64(&body, bytes);
	answer(j, MSG_FETCH_DONE, buf_view(&body), -1);
	return 0;
}

static int
read_updates(struct view lines, struct ref_updates *out, struct gg_error *err)
{
	struct view line, old_hex, new_hex;
	struct oid old_oid, new_oid;
	int rc;

	while (view_cut(&lines, '\n', &line)) {
		if (!view_cut(&line, ' ', &old_hex) ||
		    !view_cut(&line, ' ', &new_hex) ||
		    !oid_parse(old_hex, &old_oid) ||
		    !oid_parse(new_hex, &new_oid) || !refname_is_valid(line) ||
		    (oid_is_zero(&old_oid) && oid_is_zero(&new_oid)) ||
		    ref_updates_find(out, line) != NULL)
			return gg_fail(err, GG_E_REFUSED,
			    "the command list is malformed");
		rc = ref_updates_add(out, &old_oid, &new_oid, line, UPDATES_MAX,
		    err);
		if (rc != 0)
			return rc;
	}
	if (lines.n != 0 || out->n == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the command list is malformed");
	return 0;
}

static void
send_text(void *ctx, struct view text)
{
	const struct job *j = ctx;
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8192);

	enc_bytes(&body, text);
	answer(j, MSG_RELAY_TEXT, buf_view(&body), -1);
}

static int
run_relay(struct job *j, struct redact *red, bool *begun, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) lines = BUF_INIT(LIST_MAX_BYTES);
	GG_AUTO_RELEASE(buf) out = BUF_INIT(ANSWER_MAX_BYTES);
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	GG_AUTO(relay_result) result = NULL;
	struct relay_push p = { .updates = &updates,
		.options = &j->options,
		.atomic = j->atomic,
		.pack = j->data_fd,
		.caps = j->offered_known ? &j->offered : NULL,
		.text = send_text,
		.ctx = j };
	int rc;

	if ((rc = fd_pread_all(j->list_fd, &lines, err)) != 0 ||
	    (rc = read_updates(buf_view(&lines), &updates, err)) != 0)
		return rc;
	rc = upstream_relay(j->upstream, &p, red, &result, begun, err);
	if (rc != 0)
		return rc;
	relay_result_encode(result, &out);
	answer_memfile(j, MSG_RELAY_DONE, &out);
	return 0;
}

void
job_run(struct job *j)
{
	GG_AUTO_RELEASE(redact) red = { 0 };
	struct gg_error err = { 0 };
	bool begun = false;
	int rc;

	redact_init(&red);
	switch ((int)j->type) {
	case MSG_LIST_REFS:
		rc = run_list(j, &red, &err);
		break;
	case MSG_FETCH:
		rc = run_fetch(j, &red, &err);
		break;
	default:
		rc = run_relay(j, &red, &begun, &err);
		break;
	}
	if (rc == 0)
		return;
	(void)redact_error(&red, rc, &err);
	log_event(EV_upstream_failed, kv_str("repository", j->repository),
	    kv_str("request", msg_name(j->type)), kv_str("push", j->push_id),
	    kv_err(&err));
	/* Ours to know, from the log; no pusher's. */
	upstream_redact_places(j->upstream, &red);
	(void)redact_error(&red, rc, &err);
	job_fail(j, rc, &err, begun);
}
