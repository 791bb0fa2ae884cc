/*
 * Relaying a push: a command list written anew, and behind it the very pack
 * that was inspected. Compare-and-swap is upstream's, by the old oids.
 */
#include "upstream/upstream.h"

#include "base/failpoint.h"
#include "model/oid.h"
#include "proto/caps.h"
#include "proto/pktline.h"
#include "proto/sideband.h"
#include "upstream/pktreader.h"
#include "upstream/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REPORT_MAX_BYTES   ((size_t)64 << 20)
#define COMMANDS_MAX_BYTES ((size_t)64 << 20)
#define TEXT_PIECE_BYTES   4096

/* What is used of what upstream offers. */
struct chosen {
	struct buf caps; /* as in the first command */
	bool sideband;
	bool push_options;
};

static bool
has_delete(const struct ref_updates *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (oid_is_zero(&u->v[i].new_oid))
			return true;
	return false;
}

/* A push means what it says: what upstream cannot do is not left out. */
static int
check_offer(const struct relay_push *p, const struct strv *offered,
    struct gg_error *err)
{
	const char *format = caps_value(offered, "object-format");

	if (!caps_has(offered, "report-status") &&
	    !caps_has(offered, "report-status-v2"))
		return gg_fail(err, GG_E_REFUSED,
		    "upstream offers no report-status");
	if (format != NULL && strcmp(format, "sha1") != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "upstream's object format is not sha1");
	if (p->atomic && !caps_has(offered, "atomic"))
		return gg_fail(err, GG_E_REFUSED,
		    "upstream does not offer atomic pushes");
	if (p->options->n > 0 && !caps_has(offered, "push-options"))
		return gg_fail(err, GG_E_REFUSED,
		    "upstream does not take push options");
	if (has_delete(p->updates) && !caps_has(offered, "delete-refs"))
		return gg_fail(err, GG_E_REFUSED,
		    "upstream does not let refs be deleted");
	return 0;
}

static int
choose(const struct relay_push *p, const struct strv *offered, struct chosen *c,
    struct gg_error *err)
{
	int rc = check_offer(p, offered, err);

	if (rc != 0)
		return rc;
	buf_adds(&c->caps,
	    caps_has(offered, "report-status-v2") ? "report-status-v2" :
						    "report-status");
	c->sideband = caps_has(offered, "side-band-64k");
	if (c->sideband)
		buf_adds(&c->caps, " side-band-64k");
	if (p->atomic)
		buf_adds(&c->caps, " atomic");
	c->push_options = p->options->n > 0;
	if (c->push_options)
		buf_adds(&c->caps, " push-options");
	if (caps_has(offered, "object-format"))
		buf_adds(&c->caps, " object-format=sha1");
	if (caps_has(offered, "agent"))
		buf_adds(&c->caps, " agent=gitgate/" GG_VERSION);
	return buf_check(&c->caps, err);
}

static int
format_commands(const struct relay_push *p, const struct chosen *c,
    struct buf *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) line = BUF_INIT(PKT_BODY_MAX);
	char old_hex[OID_HEX + 1], new_hex[OID_HEX + 1];

	for (size_t i = 0; i < p->updates->n; i++) {
		const struct ref_update *u = &p->updates->v[i];

		oid_format(&u->old_oid, old_hex);
		oid_format(&u->new_oid, new_hex);
		buf_clear(&line);
		buf_addf(&line, "%s %s %s", old_hex, new_hex, u->refname);
		if (i == 0) {
			buf_addc(&line, '\0');
			buf_addc(&line, ' ');
			buf_addv(&line, buf_view(&c->caps));
		}
		pkt_add(out, buf_view(&line));
	}
	pkt_flush(out);
	if (c->push_options) {
		for (size_t i = 0; i < p->options->n; i++)
			pkt_add(out, view_str(p->options->v[i]));
		pkt_flush(out);
	}
	return buf_check(out, err);
}

/* Does upstream still have what the push was judged against? */
static int
check_lease(const struct ref_updates *u, const struct advert *a,
    struct gg_error *err)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct advert_ref *r = advert_find(a,
		    view_str(u->v[i].refname));
		bool same = r == NULL ? oid_is_zero(&u->v[i].old_oid) :
					oid_eq(&r->oid, &u->v[i].old_oid);

		if (!same)
			return gg_fail(err, GG_E_STALE, "upstream moved");
	}
	return 0;
}

/* Upstream's answer as it comes. */
struct answer {
	const struct relay_push *p;
	struct pktreader reader;
	struct redact_stream text;
	struct buf clean;
	struct buf report;
	bool sideband;
	bool ended;
};

static void
let_text_go(struct answer *a)
{
	struct view v = buf_view(&a->clean);

	while (v.n > 0) {
		size_t n = v.n < TEXT_PIECE_BYTES ? v.n : TEXT_PIECE_BYTES;

		a->p->text(a->p->ctx, view_of(v.p, n));
		view_skip(&v, n);
	}
	buf_clear(&a->clean);
}

static int
take_band(struct answer *a, struct view body, struct gg_error *err)
{
	int band = (unsigned char)body.p[0];

	view_skip(&body, 1);
	switch (band) {
	case SIDEBAND_DATA:
		buf_addv(&a->report, body);
		return buf_check(&a->report, err);
	case SIDEBAND_TEXT:
		redact_stream_feed(&a->text, body, &a->clean);
		let_text_go(a);
		return 0;
	case SIDEBAND_ERROR:
		body = pkt_text(body);
		if (body.n > 300)
			body.n = 300;
		return gg_fail(err, GG_E_PEER, "upstream broke off: %.*s",
		    (int)body.n, body.n > 0 ? body.p : "");
	default:
		return gg_fail(err, GG_E_PEER, "unknown sideband");
	}
}

static int
take_packet(void *ctx, enum pkt_kind kind, struct view body,
    struct gg_error *err)
{
	struct answer *a = ctx;

	if (a->ended)
		return gg_fail(err, GG_E_PEER, "bytes after upstream's report");
	if (kind == PKT_DATA && view_has_prefix(body, "ERR "))
		return gg_fail(err, GG_E_PEER, "upstream: %.*s",
		    (int)(body.n - 4 < 300 ? body.n - 4 : 300), body.p + 4);
	if (kind == PKT_FLUSH) {
		a->ended = true;
		if (!a->sideband)
			pkt_flush(&a->report);
		return buf_check(&a->report, err);
	}
	if (kind != PKT_DATA || body.n == 0)
		return gg_fail(err, GG_E_PEER,
		    "unexpected pkt-line in upstream's answer");
	if (a->sideband)
		return take_band(a, body, err);
	pkt_add(&a->report, body);
	return buf_check(&a->report, err);
}

static int
take(void *ctx, struct view bytes, struct gg_error *err)
{
	struct answer *a = ctx;
	int rc = pktreader_feed(&a->reader, bytes, take_packet, a, err);

	return rc != 0 ? rc : a->ended ? 1 : 0;
}

static void
clean_text(const struct redact *red, char **text)
{
	struct buf b = BUF_INIT((size_t)1 << 20);

	if (*text == NULL || **text == '\0')
		return;
	redact_text(red, view_str(*text), &b);
	free(*text);
	if ((*text = buf_take(&b)) == NULL)
		gg_die("no memory for upstream's words");
}

static int
parse_report(struct answer *a, const struct redact *red,
    struct relay_result **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) expected = STRV_INIT;
	struct relay_result *r;
	int rc;

	for (size_t i = 0; i < a->p->updates->n; i++)
		strv_add(&expected, a->p->updates->v[i].refname);
	if ((rc = strv_check(&expected, err)) != 0 ||
	    (rc = relay_result_parse(buf_view(&a->report), &expected, out,
		 err)) != 0)
		return rc;
	r = *out;
	clean_text(red, &r->unpack_message);
	for (size_t i = 0; i < r->n_refs; i++) {
		clean_text(red, &r->refs[i].message);
		for (size_t k = 0; k < r->refs[i].options.n; k++)
			clean_text(red, &r->refs[i].options.v[k]);
	}
	return 0;
}

static int
send_and_read(struct session *s, const struct relay_push *p,
    const struct strv *offered, struct answer *a, bool *begun,
    struct gg_error *err)
{
	struct chosen c = { .caps = BUF_INIT(1024) };
	GG_AUTO_RELEASE(buf) commands = BUF_INIT(COMMANDS_MAX_BYTES);
	struct session_body b = {
		.file = p->pack, .take = take, .ctx = a, .begun = begun
	};
	struct stat st;
	int rc = choose(p, offered, &c, err);

	if (rc == 0)
		rc = format_commands(p, &c, &commands, err);
	a->sideband = c.sideband;
	buf_release(&c.caps);
	if (rc != 0)
		return rc;
	if (p->pack >= 0) {
		if (fstat(p->pack, &st) != 0 || !S_ISREG(st.st_mode))
			return gg_fail(err, GG_E_SYS, "the pack file");
		b.file_bytes = st.st_size;
	}
	b.head = buf_view(&commands);
	FAILPOINT("courier.relay-begin");
	rc = session_exchange(s, &b, err);
	FAILPOINT("courier.relay-sent");
	if (rc == 0 && !a->ended)
		rc = gg_fail(err, GG_E_PEER,
		    "upstream's answer to the push ends early");
	return rc;
}

/* On one connection: what upstream has now, and on its base the push. */
static int
relay_after_advert(struct session *s, const struct relay_push *p,
    struct answer *a, bool *begun, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	GG_AUTO(advert) now = NULL;
	int rc;

	if ((rc = session_advert(s, &bytes, err)) != 0 ||
	    (rc = advert_parse_v0(buf_view(&bytes), &now, err)) != 0)
		return rc;
	buf_release(&bytes);
	if ((rc = check_lease(p->updates, now, err)) == 0)
		rc = send_and_read(s, p, &now->caps, a, begun, err);
	if (rc != 0 && !*begun)
		session_leave(s);
	return rc;
}

int
upstream_relay(const struct upstream *u, const struct relay_push *p,
    struct redact *red, struct relay_result **out, bool *begun,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(session) s = { .child = CARRIER_INIT };
	struct answer a = { .p = p };
	int rc;

	*begun = false;
	if (p->updates->n == 0)
		return gg_fail(err, GG_E_INPUT, "a push without commands");
	rc = session_open(&s, u, UPSTREAM_RECEIVE_PACK, false, red, err);
	if (rc != 0)
		return rc;
	pktreader_init(&a.reader);
	buf_init(&a.clean, SIZE_MAX / 2);
	buf_init(&a.report, REPORT_MAX_BYTES);
	upstream_redact_places(u, red);
	redact_stream_init(&a.text, red, u->limits.upstream_text_bytes);
	if (u->kind == UPSTREAM_HTTP && p->caps != NULL)
		rc = send_and_read(&s, p, p->caps, &a, begun, err);
	else
		rc = relay_after_advert(&s, p, &a, begun, err);
	redact_stream_finish(&a.text, &a.clean);
	let_text_go(&a);
	if (rc == 0)
		rc = parse_report(&a, red, out, err);
	FAILPOINT("courier.relay-answered");
	redact_stream_release(&a.text);
	buf_release(&a.clean);
	buf_release(&a.report);
	pktreader_release(&a.reader);
	return rc;
}
