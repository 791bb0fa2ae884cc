/* Upstream's refs: by ls-refs of version 2, else by the advertisement. */
#include "upstream/upstream.h"

#include "proto/caps.h"
#include "proto/pktline.h"
#include "upstream/session.h"

#include <string.h>

#define AGENT "gitgate/" GG_VERSION

/* The capability lines of version 2 behind "version 2". */
static int
parse_v2_caps(struct view v, struct strv *caps, struct gg_error *err)
{
	enum pkt_kind kind;
	struct view body;
	int rc;

	while ((rc = pkt_next(&v, &kind, &body, err)) == 1) {
		if (kind == PKT_FLUSH)
			return v.n == 0 ?
			    strv_check(caps, err) :
			    gg_fail(err, GG_E_PEER, "bytes after capabilities");
		body = pkt_text(body);
		if (kind != PKT_DATA || caps->n >= CAPS_MAX ||
		    body.n > CAPS_ONE_MAX_BYTES ||
		    (body.n > 0 && memchr(body.p, '\0', body.n) != NULL))
			break;
		strv_addv(caps, body);
	}
	return rc < 0 ?
	    rc :
	    gg_fail(err, GG_E_PEER, "upstream's capabilities are malformed");
}

static bool
is_v2(struct view v, struct view *rest)
{
	enum pkt_kind kind;
	struct view body;

	*rest = v;
	return pkt_next(rest, &kind, &body, NULL) == 1 && kind == PKT_DATA &&
	    view_eq_str(pkt_text(body), "version 2");
}

static int
format_ls_refs(const struct strv *caps, struct buf *out, struct gg_error *err)
{
	const char *features = caps_value(caps, "ls-refs");
	GG_AUTO_RELEASE(strv) words = STRV_INIT;
	const char *format = caps_value(caps, "object-format");

	if (features == NULL)
		return gg_fail(err, GG_E_PEER, "upstream offers no ls-refs");
	if (format != NULL && strcmp(format, "sha1") != 0)
		return gg_fail(err, GG_E_PEER,
		    "upstream's object format is not sha1");
	if (caps_parse(view_str(features), &words, err) != 0)
		return GG_E_PEER;
	pkt_addf(out, "command=ls-refs\n");
	if (caps_has(caps, "agent"))
		pkt_addf(out, "agent=%s\n", AGENT);
	if (format != NULL)
		pkt_addf(out, "object-format=sha1\n");
	pkt_delim(out);
	pkt_addf(out, "peel\n");
	pkt_addf(out, "symrefs\n");
	if (strv_has(&words, "unborn"))
		pkt_addf(out, "unborn\n");
	pkt_flush(out);
	return buf_check(out, err);
}

static int
list_v2(struct session *s, struct view caps_lines, struct advert **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) caps = STRV_INIT;
	GG_AUTO_RELEASE(buf) question = BUF_INIT(65536);
	GG_AUTO_RELEASE(buf) answer = BUF_INIT(ADVERT_MAX_BYTES);
	struct session_body b = {
		.file = -1, .take = buf_collect, .ctx = &answer
	};
	int rc;

	if ((rc = parse_v2_caps(caps_lines, &caps, err)) != 0 ||
	    (rc = format_ls_refs(&caps, &question, err)) != 0)
		return rc;
	b.head = buf_view(&question);
	if ((rc = session_exchange(s, &b, err)) != 0 ||
	    (rc = advert_parse_v2(buf_view(&answer), out, err)) != 0)
		return rc;
	strv_copy(&(*out)->caps, &caps);
	return 0;
}

static int
check_count(const struct upstream *u, const struct advert *a,
    struct gg_error *err)
{
	if (a->n_refs > u->limits.upstream_refs)
		return gg_fail(err, GG_E_LIMIT,
		    "limit upstream-refs: upstream has %zu refs", a->n_refs);
	return 0;
}

int
upstream_list(const struct upstream *u, enum upstream_service service,
    struct redact *red, struct advert **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(session) s = { .child = CARRIER_INIT };
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(ADVERT_MAX_BYTES);
	GG_AUTO(advert) a = NULL;
	struct view rest;
	int rc;

	rc = session_open(&s, u, service, service == UPSTREAM_UPLOAD_PACK, red,
	    err);
	if (rc == 0)
		rc = session_advert(&s, &bytes, err);
	if (rc != 0)
		return rc;
	if (s.v2 && is_v2(buf_view(&bytes), &rest)) {
		rc = list_v2(&s, rest, &a, err);
	} else {
		session_leave(&s);
		rc = advert_parse_v0(buf_view(&bytes), &a, err);
	}
	if (rc == 0)
		rc = check_count(u, a, err);
	if (rc == 0)
		*out = gg_take(a);
	return rc;
}
