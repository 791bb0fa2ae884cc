#include "role/messenger.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "ipc/codec.h"
#include "role/delivery_batch.h"
#include "role/messenger_delivery.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES 8192
#define BODY_MAX_BYTES ((size_t)1 << 20)

/* -- taking apart -- */

void
errand_order_release(struct errand_order *o)
{
	free(o->name);
	free(o->url);
	free(o->id);
	free(o->subject);
	/* A code to be changed for a token is as good as one. */
	if (o->body.p != NULL)
		explicit_bzero(o->body.p, o->body.n);
	buf_release(&o->body);
	*o = (struct errand_order){ 0 };
}

int
errand_decode(struct frame *f, struct errand_order *out, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	GG_AUTO_FD fd = frame_take_fd(f, 0);
	uint8_t kind = dec_u8(&d);
	int rc;

	out->name = dec_str(&d, TEXT_MAX_BYTES);
	out->url = dec_str(&d, TEXT_MAX_BYTES);
	out->id = dec_str(&d, TEXT_MAX_BYTES);
	out->subject = dec_str(&d, TEXT_MAX_BYTES);
	buf_init(&out->body,
	    kind == ERRAND_DELIVERY ? DELIVERY_BATCH_MAX : BODY_MAX_BYTES);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	if (kind >= ERRAND_KIND_COUNT || fd < 0)
		return gg_fail(err, GG_E_PEER, "an errand of no known kind");
	out->kind = (enum errand_kind)kind;
	return fd_pread_all(fd, &out->body, err);
}

/* -- what is sent -- */

static void
wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->n);
	buf_release(b);
}

void
errand_request_release(struct errand_request *x)
{
	for (size_t i = 0; i < x->headers.n; i++)
		explicit_bzero(x->headers.v[i], strlen(x->headers.v[i]));
	strv_release(&x->headers);
	wipe(&x->body);
	wipe(&x->password);
	wipe(&x->url);
}

/*
 * An issuer that the operator named may be anywhere; where it sends us on to
 * (its document's jwks_uri, token_endpoint) only if that is the same origin,
 * or public.
 */
static enum outgoing_reach
reach_of(const char *url, const char *issuer, const char *other)
{
	if (outgoing_same_origin(url, issuer) ||
	    outgoing_same_origin(url, other))
		return REACH_NAMED;
	return REACH_PUBLIC;
}

/* application/x-www-form-urlencoded, as RFC 6749 appendix B has it. */
static void
form_encode(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || strchr("-._*", c) != NULL)
			buf_addc(out, (char)c);
		else if (c == ' ')
			buf_addc(out, '+');
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* client_secret_basic (RFC 6749 2.3.1). */
static int
add_basic(const struct provider *p, struct errand_request *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) secret = BUF_INIT(65536);
	struct buf pair = BUF_INIT(262144), value = BUF_INIT(524288);
	int rc = file_read_secret(p->client_secret_file, &secret, err);

	if (rc == 0) {
		form_encode(&pair, view_str(p->client_id));
		buf_addc(&pair, ':');
		form_encode(&pair, buf_view(&secret));
		buf_adds(&value, "Authorization: Basic ");
		base64_encode(&value, buf_view(&pair));
		if ((rc = buf_check(&value, err)) == 0)
			strv_addv(&out->headers, buf_view(&value));
	}
	if (secret.p != NULL)
		explicit_bzero(secret.p, secret.n);
	wipe(&pair);
	wipe(&value);
	return rc;
}

static int
prepare_token(const struct provider *p, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	int rc = 0;

	out->r.kind = OUTGOING_POST;
	buf_addv(&out->body, buf_view(&o->body));
	if (p->client_secret_file != NULL) {
		rc = add_basic(p, out, err);
	} else {
		buf_adds(&out->body,
		    out->body.n > 0 ? "&client_id=" : "client_id=");
		form_encode(&out->body, view_str(p->client_id));
	}
	strv_add(&out->headers,
	    "Content-Type: application/x-www-form-urlencoded");
	return rc;
}

static int
prepare_provider(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	const struct provider *p = config_find_provider(c, o->name);

	if (p == NULL || p->client_id == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no such provider");
	out->r.url = o->url;
	out->r.reach = reach_of(o->url, p->issuer, NULL);
	out->r.ca_file = p->ca_file;
	strv_add(&out->headers, "Accept: application/json");
	return o->kind == ERRAND_TOKEN ? prepare_token(p, o, out, err) : 0;
}

static int
prepare_issuer(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	const struct issuer *i = config_find_issuer(c, o->name);

	if (i == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no such issuer");
	out->r.url = o->url;
	out->r.reach = reach_of(o->url, i->issuer, i->jwks_uri);
	out->r.ca_file = i->ca_file;
	strv_add(&out->headers, "Accept: application/json");
	return 0;
}

static int
prepare_notice(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	const struct notice_target *t = config_find_notice(c, o->name);

	if (t == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no such notice target");
	return notice_prepare(t, o, clock_wall_ms() / 1000, out, err);
}

/* C2SP tlog-witness. The operator named the place, whatever the gate says. */
static int
prepare_witness(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	const struct witness *w = config_find_witness(c, o->name);

	if (w == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no such witness");
	buf_addf(&out->url, "%s/add-checkpoint", w->url);
	out->r.kind = OUTGOING_POST;
	out->r.url = buf_str(&out->url);
	out->r.reach = REACH_NAMED;
	out->r.ca_file = w->ca_file;
	buf_addv(&out->body, buf_view(&o->body));
	strv_add(&out->headers, "Content-Type: text/plain; charset=utf-8");
	return buf_check(&out->url, err);
}

static int
prepare_delivery(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	const struct delivery_target *t = config_find_delivery(c, o->name);

	if (t == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no such target");
	out->r.timeout_ms = c->limits.delivery_ms;
	out->r.timeout_name = "delivery-timeout";
	return delivery_prepare(t, o, clock_wall_ms() / 1000, out, err);
}

int
errand_prepare(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err)
{
	int rc;

	*out = (struct errand_request){ 0 };
	buf_init(&out->body,
	    o->kind == ERRAND_DELIVERY ? DELIVERY_BATCH_MAX :
					 2 * BODY_MAX_BYTES);
	buf_init(&out->password, 65536);
	buf_init(&out->url, 65536);
	out->r.timeout_ms = c->limits.messenger_ms;
	out->r.timeout_name = "messenger-timeout";
	out->r.answer_bytes = c->limits.messenger_bytes;
	if (o->kind == ERRAND_ISSUER)
		rc = prepare_issuer(c, o, out, err);
	else if (o->kind == ERRAND_NOTICE)
		rc = prepare_notice(c, o, out, err);
	else if (o->kind == ERRAND_WITNESS)
		rc = prepare_witness(c, o, out, err);
	else if (o->kind == ERRAND_DELIVERY)
		rc = prepare_delivery(c, o, out, err);
	else
		rc = prepare_provider(c, o, out, err);
	if (rc != 0)
		return rc;
	out->r.headers = &out->headers;
	out->r.body = buf_view(&out->body);
	if ((rc = strv_check(&out->headers, err)) != 0)
		return rc;
	return buf_check(&out->body, err);
}

/* -- answering -- */

/* One under way. */
struct errand_run {
	struct messenger *messenger;
	uint64_t gate_no;
	uint32_t id;
	enum errand_kind kind;
	char *name;
};

void
errand_answer_failed(const struct messenger *m, uint32_t id, int rc,
    const struct gg_error *why)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(1024);
	struct gg_error ignored;

	enc_u8(&body, (uint8_t)-rc);
	enc_str(&body, why->msg);
	/* A gate that has gone asks again when it is back. */
	(void)!frame_send(m->gate, MSG_ERRAND_FAILED, id, buf_view(&body), NULL,
	    0, &ignored);
}

void
errand_answer(const struct messenger *m, uint32_t id,
    const struct outgoing_answer *a)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(64);
	struct gg_error err = { 0 };
	GG_AUTO_FD fd = fd_memfile("answer", buf_view(&a->body), &err);

	if (fd < 0) {
		errand_answer_failed(m, id, GG_E_UNAVAILABLE, &err);
		return;
	}
	enc_u32(&body, a->status);
	enc_u64(&body, a->max_age_s);
	enc_u64(&body, a->retry_after_s);
	(void)!frame_send(m->gate, MSG_ERRAND_DONE, id, buf_view(&body), &fd, 1,
	    &err);
}

static const char *
kind_name(enum errand_kind k)
{
	static const char *const names[] = { "issuer", "provider", "token",
		"notice", "witness", "delivery" };

	return names[k];
}

static void
note_failure(enum errand_kind kind, const char *name,
    const struct gg_error *err)
{
	log_event(EV_errand_failed, kv_str("errand", kind_name(kind)),
	    kv_str("name", name), kv_err(err));
}

static void
on_done(void *ctx, const struct outgoing_answer *a)
{
	struct errand_run *run = ctx;
	struct messenger *m = run->messenger;

	if (run->kind == ERRAND_NOTICE)
		m->n_notices--;
	if (a->rc != 0)
		note_failure(run->kind, run->name, &a->err);
	if (m->gate >= 0 && run->gate_no == m->gate_no) {
		if (a->rc == 0)
			errand_answer(m, run->id, a);
		else
			errand_answer_failed(m, run->id, a->rc, &a->err);
	}
	free(run->name);
	free(run);
}

/* Pinned keys: answered as an issuer would. */
static int
read_pinned(struct messenger *m, uint32_t id, const struct errand_order *o,
    struct gg_error *err)
{
	const struct issuer *i = config_find_issuer(m->sup.config, o->name);
	struct outgoing_answer a = { .status = 200 };
	int rc;

	if (i == NULL || i->jwks_file == NULL)
		return gg_fail(err, GG_E_NOTFOUND, "no such issuer");
	buf_init(&a.body, (size_t)m->sup.config->limits.messenger_bytes);
	rc = file_read(i->jwks_file, &a.body, err);
	if (rc == 0)
		errand_answer(m, id, &a);
	buf_release(&a.body);
	return rc;
}

static int
begin(struct messenger *m, uint32_t id, const struct errand_order *o,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(errand_request) x = { 0 };
	struct errand_run *run;
	int rc = errand_prepare(m->sup.config, o, &x, err);

	if (rc != 0)
		return rc;
	if (outgoing_running(m->outgoing) >= m->sup.config->limits.errands)
		return gg_fail(err, GG_E_LIMIT,
		    "limit errands: too many requests are under way");
	if ((run = calloc(1, sizeof(*run))) == NULL ||
	    (run->name = strdup(o->name)) == NULL)
		gg_die("no memory for an errand");
	run->messenger = m;
	run->gate_no = m->gate_no;
	run->id = id;
	run->kind = o->kind;
	rc = outgoing_start(m->outgoing, &x.r, on_done, run, err);
	if (rc != 0) {
		free(run->name);
		free(run);
		return rc;
	}
	m->n_notices += o->kind == ERRAND_NOTICE;
	return 0;
}

void
errand_run(struct messenger *m, uint32_t id, struct errand_order *o)
{
	struct gg_error err = { 0 };
	int rc;

	if (delivery_has_thread(m->sup.config, o))
		rc = delivery_begin(m, id, o, &err);
	else if (o->kind == ERRAND_ISSUER && o->url[0] == '\0')
		rc = read_pinned(m, id, o, &err);
	else
		rc = begin(m, id, o, &err);

	if (rc == 0)
		return;
	note_failure(o->kind, o->name, &err);
	errand_answer_failed(m, id, rc, &err);
}
