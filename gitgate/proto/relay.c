#include "proto/relay.h"

#include "ipc/codec.h"
#include "model/refname.h"
#include "proto/pktline.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES  4096
#define OPTIONS_MAX     64
#define RELAY_MAX_REFS  100000
#define REF_LEAST_BYTES (4 + 1 + 4 + 4)

struct relay_result *
relay_result_new(void)
{
	struct relay_result *r = calloc(1, sizeof(*r));

	if (r == NULL)
		gg_die("no memory for upstream's answer");
	return r;
}

void
relay_result_free(struct relay_result *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_refs; i++) {
		free(r->refs[i].refname);
		free(r->refs[i].message);
		strv_release(&r->refs[i].options);
	}
	free(r->refs);
	free(r->unpack_message);
	free(r);
}

struct relay_ref *
relay_result_add(struct relay_result *r)
{
	/* The room is the next power of two: no field for it is needed. */
	if ((r->n_refs & (r->n_refs - 1)) == 0) {
		size_t want = r->n_refs ? r->n_refs * 2 : 1;
		struct relay_ref *v = reallocarray(r->refs, want, sizeof(*v));

		if (v == NULL)
			gg_die("no memory for upstream's answer");
		r->refs = v;
	}
	r->refs[r->n_refs] = (struct relay_ref){ 0 };
	return &r->refs[r->n_refs++];
}

const struct relay_ref *
relay_result_find(const struct relay_result *r, const char *refname)
{
	for (size_t i = 0; i < r->n_refs; i++)
		if (r->refs[i].refname != NULL &&
		    strcmp(r->refs[i].refname, refname) == 0)
			return &r->refs[i];
	return NULL;
}

void
relay_result_encode(const struct relay_result *r, struct buf *out)
{
	enc_u8(out, r->unpack_ok);
	enc_str(out, r->unpack_message);
	enc_u32(out, (uint32_t)r->n_refs);
	for (size_t i = 0; i < r->n_refs; i++) {
		enc_str(out, r->refs[i].refname);
		enc_u8(out, r->refs[i].ok);
		enc_str(out, r->refs[i].message);
		enc_strv(out, &r->refs[i].options);
	}
}

static void
read_ref(struct dec *d, struct relay_ref *r)
{
	r->refname = dec_str(d, REFNAME_MAX_BYTES);
	if (!refname_is_valid(view_str(r->refname)))
		d->failed = true;
	r->ok = dec_flag(d);
	r->message = dec_str(d, TEXT_MAX_BYTES);
	dec_strv(d, &r->options, OPTIONS_MAX);
}

static int
cmp_str(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
has_double(const struct relay_result *r)
{
	GG_AUTO_MEM const char **names = NULL;

	if (r->n_refs < 2)
		return false;
	if ((names = calloc(r->n_refs, sizeof(*names))) == NULL)
		gg_die("no memory for upstream's answer");
	for (size_t i = 0; i < r->n_refs; i++)
		names[i] = r->refs[i].refname;
	qsort(names, r->n_refs, sizeof(*names), cmp_str);
	for (size_t i = 1; i < r->n_refs; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return true;
	return false;
}

/* Upstream says that the pack failed, and that a ref moved all the same. */
static bool
contradicts_itself(const struct relay_result *r)
{
	for (size_t i = 0; i < r->n_refs; i++)
		if (r->refs[i].ok && !r->unpack_ok)
			return true;
	return false;
}

static int
check_whole(const struct relay_result *r, struct gg_error *err)
{
	if (has_double(r))
		return gg_fail(err, GG_E_PEER,
		    "upstream reports on a ref twice");
	if (contradicts_itself(r))
		return gg_fail(err, GG_E_PEER,
		    "upstream says ok for a ref of a push that it refused");
	return 0;
}

int
relay_result_decode(struct view v, struct relay_result **out,
    struct gg_error *err)
{
	struct dec d = dec_of(v);
	GG_AUTO(relay_result) r = relay_result_new();
	uint32_t n;
	int rc;

	r->unpack_ok = dec_flag(&d);
	r->unpack_message = dec_str(&d, TEXT_MAX_BYTES);
	n = dec_count(&d, REF_LEAST_BYTES);
	if (n > RELAY_MAX_REFS)
		d.failed = true;
	for (uint32_t i = 0; i < n && !d.failed; i++)
		read_ref(&d, relay_result_add(r));
	if ((rc = dec_end(&d, err)) != 0 || (rc = check_whole(r, err)) != 0)
		return gg_wrap(err, rc, "relay result");
	*out = gg_take(r);
	return 0;
}

/* A copy for people: cut, and NUL bytes replaced. */
static int
keep_text(char **at, struct view text, struct gg_error *err)
{
	if (text.n > TEXT_MAX_BYTES)
		text.n = TEXT_MAX_BYTES;
	free(*at);
	if ((*at = view_dup(text)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "upstream's words");
	for (size_t i = 0; i < text.n; i++)
		if ((*at)[i] == '\0')
			(*at)[i] = '?';
	return 0;
}

static int
take_unpack(struct relay_result *r, struct view line, struct gg_error *err)
{
	if (!view_has_prefix(line, "unpack "))
		return gg_fail(err, GG_E_PEER,
		    "upstream's report does not begin with \"unpack\"");
	view_skip(&line, strlen("unpack "));
	r->unpack_ok = view_eq_str(line, "ok");
	return keep_text(&r->unpack_message,
	    r->unpack_ok ? view_of(NULL, 0) : line, err);
}

static int
take_option(struct relay_result *r, struct view line, struct gg_error *err)
{
	struct relay_ref *last = r->n_refs > 0 ? &r->refs[r->n_refs - 1] : NULL;

	if (last == NULL || last->options.n >= OPTIONS_MAX ||
	    line.n > TEXT_MAX_BYTES || line.n == 0 ||
	    memchr(line.p, '\0', line.n) != NULL)
		return gg_fail(err, GG_E_PEER,
		    "bad option line in upstream's report");
	strv_addv(&last->options, line);
	return strv_check(&last->options, err);
}

static int
take_ref(struct relay_result *r, const struct strv *expected, bool ok,
    struct view line, struct gg_error *err)
{
	struct view name = line, reason = { 0 };
	struct relay_ref *ref;

	if (!ok && view_cut(&line, ' ', &name))
		reason = line;
	if (!refname_is_valid(name))
		return gg_fail(err, GG_E_PEER,
		    "bad refname in upstream's report");
	if (r->n_refs >= expected->n)
		return gg_fail(err, GG_E_PEER,
		    "upstream reports on more refs than were sent");
	ref = relay_result_add(r);
	ref->ok = ok;
	if ((ref->refname = view_dup(name)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "refname");
	if (!strv_has(expected, ref->refname))
		return gg_fail(err, GG_E_PEER,
		    "upstream reports on %s, which was not sent", ref->refname);
	return keep_text(&ref->message, reason, err);
}

static int
take_line(struct relay_result *r, const struct strv *expected, struct view line,
    struct gg_error *err)
{
	bool ok = view_has_prefix(line, "ok ");

	if (ok || view_has_prefix(line, "ng ")) {
		view_skip(&line, 3);
		return take_ref(r, expected, ok, line, err);
	}
	if (view_has_prefix(line, "option "))
		return take_option(r, line, err);
	return gg_fail(err, GG_E_PEER, "bad line in upstream's report");
}

int
relay_result_parse(struct view pkts, const struct strv *expected,
    struct relay_result **out, struct gg_error *err)
{
	GG_AUTO(relay_result) r = relay_result_new();
	enum pkt_kind kind;
	struct view body;
	int rc;

	for (bool first = true;; first = false) {
		if ((rc = pkt_next(&pkts, &kind, &body, err)) < 0)
			return rc;
		if (rc == 0)
			return gg_fail(err, GG_E_PEER,
			    "upstream's report ends early");
		if (kind == PKT_FLUSH && !first)
			break;
		if (kind != PKT_DATA)
			return gg_fail(err, GG_E_PEER,
			    "unexpected pkt-line in upstream's report");
		body = pkt_text(body);
		rc = first ? take_unpack(r, body, err) :
			     take_line(r, expected, body, err);
		if (rc != 0)
			return rc;
	}
	if (pkts.n != 0)
		return gg_fail(err, GG_E_PEER,
		    "%zu bytes after upstream's report", pkts.n);
	if ((rc = check_whole(r, err)) != 0)
		return rc;
	*out = gg_take(r);
	return 0;
}
