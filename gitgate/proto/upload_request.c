#include "proto/upload_request.h"

#include "base/num.h"
#include "model/refname.h"
#include "proto/caps.h"
#include "proto/pktline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_OPTION_MAX_BYTES 4096
#define REF_PREFIXES_MAX        65536
#define DEEPEN_NOT_MAX          1024
#define TREE_DEPTH_MAX          100000

struct parser {
	struct upload_request *rq;
	size_t max_wants;
	size_t n_prefixes;
	bool has_command; /* v2 */
	bool has_wants;   /* v0: the want list is over */
};

/* What an argument's value must look like. */
enum value {
	VALUE_NONE,
	VALUE_OID,
	VALUE_WANT,
	VALUE_WANT_REF,
	VALUE_DEPTH,
	VALUE_TIME,
	VALUE_NOT_REF,
	VALUE_FILTER,
	VALUE_PREFIX,
	VALUE_DONE,
};

struct arg {
	const char *name; /* with its blank when it takes a value */
	enum value value;
};

static const struct arg fetch_args[] = {
	{ "want ", VALUE_WANT },
	{ "have ", VALUE_OID },
	{ "done", VALUE_DONE },
	{ "thin-pack", VALUE_NONE },
	{ "no-progress", VALUE_NONE },
	{ "include-tag", VALUE_NONE },
	{ "ofs-delta", VALUE_NONE },
	{ "shallow ", VALUE_OID },
	{ "deepen ", VALUE_DEPTH },
	{ "deepen-relative", VALUE_NONE },
	{ "deepen-since ", VALUE_TIME },
	{ "deepen-not ", VALUE_NOT_REF },
	{ "filter ", VALUE_FILTER },
	{ "want-ref ", VALUE_WANT_REF },
	{ "sideband-all", VALUE_NONE },
	{ "wait-for-done", VALUE_NONE },
};

static const struct arg ls_refs_args[] = {
	{ "peel", VALUE_NONE },
	{ "symrefs", VALUE_NONE },
	{ "unborn", VALUE_NONE },
	{ "ref-prefix ", VALUE_PREFIX },
};

/* v0: what may follow the want list, and what may follow its flush-pkt. */
static const struct arg v0_depth_args[] = {
	{ "shallow ", VALUE_OID },
	{ "deepen ", VALUE_DEPTH },
	{ "deepen-since ", VALUE_TIME },
	{ "deepen-not ", VALUE_NOT_REF },
	{ "filter ", VALUE_FILTER },
};
static const struct arg v0_have_args[] = {
	{ "have ", VALUE_OID },
	{ "done", VALUE_DONE },
};

static const char *const v0_caps[] = { "multi_ack", "multi_ack_detailed",
	"no-done", "thin-pack", "side-band", "side-band-64k", "ofs-delta",
	"shallow", "deepen-since", "deepen-not", "deepen-relative",
	"no-progress", "include-tag", "filter", "agent", "object-format",
	"session-id", "allow-tip-sha1-in-want",
	"allow-reachable-sha1-in-want" };

void
upload_request_free(struct upload_request *rq)
{
	if (rq == NULL)
		return;
	free(rq->wants);
	free(rq->filter);
	strv_release(&rq->want_refs);
	strv_release(&rq->deepen_not);
	free(rq);
}

static bool
is_plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

static bool
is_blob_limit(struct view v)
{
	uint64_t n;

	if (v.n > 1 && strchr("kmgKMG", v.p[v.n - 1]) != NULL)
		v.n--;
	return num_parse(v, INT64_MAX >> 30, &n, NULL) == 0;
}

bool
upload_filter_is_allowed(struct view spec)
{
	static const char *const types[] = { "commit", "tree", "blob", "tag" };
	uint64_t depth;

	if (view_eq_str(spec, "blob:none"))
		return true;
	if (view_has_prefix(spec, "blob:limit=")) {
		view_skip(&spec, strlen("blob:limit="));
		return spec.n > 0 && spec.p[spec.n - 1] != '\0' &&
		    is_blob_limit(spec);
	}
	if (view_has_prefix(spec, "tree:")) {
		view_skip(&spec, strlen("tree:"));
		return num_parse(spec, TREE_DEPTH_MAX, &depth, NULL) == 0;
	}
	if (!view_has_prefix(spec, "object:type="))
		return false;
	view_skip(&spec, strlen("object:type="));
	for (size_t i = 0; i < GG_COUNT(types); i++)
		if (view_eq_str(spec, types[i]))
			return true;
	return false;
}

static int
count_want(struct parser *p, struct gg_error *err)
{
	if (p->rq->n_wants + p->rq->want_refs.n >= p->max_wants)
		return gg_fail(err, GG_E_LIMIT, "more than %zu wants",
		    p->max_wants);
	return 0;
}

static int
take_want(struct parser *p, struct view hex, struct gg_error *err)
{
	struct upload_request *rq = p->rq;
	struct oid oid, *grown;
	size_t want;
	int rc;

	if (!oid_parse(hex, &oid) || oid_is_zero(&oid))
		return gg_fail(err, GG_E_PEER, "a want is no object id");
	if ((rc = count_want(p, err)) != 0)
		return rc;
	if (rq->n_wants == rq->alloc) {
		want = rq->alloc ? rq->alloc * 2 : 8;
		grown = reallocarray(rq->wants, want, sizeof(*grown));
		if (grown == NULL)
			return gg_fail(err, GG_E_NOMEM, "wants");
		rq->wants = grown;
		rq->alloc = want;
	}
	rq->wants[rq->n_wants++] = oid;
	return 0;
}

static int
take_want_ref(struct parser *p, struct view name, struct gg_error *err)
{
	int rc;

	if (!refname_is_valid(name) && !view_eq_str(name, "HEAD"))
		return gg_fail(err, GG_E_PEER, "a want-ref is no refname");
	if ((rc = count_want(p, err)) != 0)
		return rc;
	strv_addv(&p->rq->want_refs, name);
	return strv_check(&p->rq->want_refs, err);
}

static int
take_deepen_not(struct parser *p, struct view name, struct gg_error *err)
{
	if (name.n == 0 || name.n > REFNAME_MAX_BYTES || !is_plain(name) ||
	    name.p[0] == '-' || memchr(name.p, ' ', name.n) != NULL)
		return gg_fail(err, GG_E_PEER, "bad deepen-not");
	if (p->rq->deepen_not.n >= DEEPEN_NOT_MAX)
		return gg_fail(err, GG_E_PEER, "too many deepen-not lines");
	strv_addv(&p->rq->deepen_not, name);
	return strv_check(&p->rq->deepen_not, err);
}

static int
take_filter(struct parser *p, struct view spec, struct gg_error *err)
{
	if (!upload_filter_is_allowed(spec))
		return gg_fail(err, GG_E_PEER,
		    "filter \"%.*s\" is not supported",
		    (int)(spec.n > 100 ? 100 : spec.n), spec.p);
	if (p->rq->filter[0] != '\0')
		return gg_fail(err, GG_E_PEER, "more than one filter");
	free(p->rq->filter);
	if ((p->rq->filter = view_dup(spec)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "filter");
	return 0;
}

static int
take_number(struct view v, uint64_t least, uint64_t most, struct gg_error *err)
{
	uint64_t n;

	if (num_parse(v, most, &n, NULL) != 0 || n < least)
		return gg_fail(err, GG_E_PEER, "bad depth or time");
	return 0;
}

static int
take_value(struct parser *p, enum value kind, struct view v,
    struct gg_error *err)
{
	struct oid oid;

	switch (kind) {
	case VALUE_NONE:
		return 0;
	case VALUE_DONE:
		p->rq->done = true;
		return 0;
	case VALUE_OID:
		if (!oid_parse(v, &oid))
			return gg_fail(err, GG_E_PEER, "bad object id");
		return 0;
	case VALUE_WANT:
		return take_want(p, v, err);
	case VALUE_WANT_REF:
		return take_want_ref(p, v, err);
	case VALUE_DEPTH:
		return take_number(v, 1, INT32_MAX, err);
	case VALUE_TIME:
		return take_number(v, 0, INT64_MAX, err);
	case VALUE_NOT_REF:
		return take_deepen_not(p, v, err);
	case VALUE_FILTER:
		return take_filter(p, v, err);
	case VALUE_PREFIX:
		if (v.n > REFNAME_MAX_BYTES || !is_plain(v) ||
		    p->n_prefixes++ >= REF_PREFIXES_MAX)
			return gg_fail(err, GG_E_PEER, "bad ref-prefix");
		return 0;
	}
	return gg_fail(err, GG_E_PEER, "bad argument");
}

static int
take_arg(struct parser *p, const struct arg *args, size_t n, struct view line,
    struct gg_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct view name = view_str(args[i].name);
		struct view value = line;

		if (name.p[name.n - 1] != ' ') {
			if (view_eq(line, name))
				return take_value(p, args[i].value,
				    view_of(NULL, 0), err);
			continue;
		}
		if (!view_has_prefix(line, args[i].name))
			continue;
		view_skip(&value, name.n);
		return take_value(p, args[i].value, value, err);
	}
	return gg_fail(err, GG_E_PEER, "\"%.*s\" is not supported here",
	    (int)(line.n > 60 ? 60 : line.n), line.p);
}

static int
check_v0_caps(struct view list, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) caps = STRV_INIT;
	int rc;

	if ((rc = caps_parse(list, &caps, err)) != 0)
		return rc;
	for (size_t i = 0; i < caps.n; i++) {
		struct view rest = view_str(caps.v[i]), name = rest;
		bool known = false;

		(void)view_cut(&rest, '=', &name);
		for (size_t j = 0; j < GG_COUNT(v0_caps); j++)
			known = known || view_eq_str(name, v0_caps[j]);
		if (!known)
			return gg_fail(err, GG_E_PEER,
			    "capability %.60s was not offered", caps.v[i]);
		if (view_eq_str(name, "object-format") &&
		    !view_eq_str(rest, "sha1"))
			return gg_fail(err, GG_E_PEER,
			    "only object-format=sha1 is supported");
	}
	return 0;
}

static int
take_v0_want(struct parser *p, struct view line, struct gg_error *err)
{
	struct view hex = line;
	bool first = p->rq->n_wants == 0;
	int rc;

	if (view_cut(&line, ' ', &hex)) {
		if (!first)
			return gg_fail(err, GG_E_PEER, "bad want line");
		if ((rc = check_v0_caps(line, err)) != 0)
			return rc;
	}
	return take_want(p, hex, err);
}

/* A line before the first flush-pkt. */
static int
take_v0_line(struct parser *p, struct view line, struct gg_error *err)
{
	if (!p->has_wants && view_has_prefix(line, "want ")) {
		view_skip(&line, strlen("want "));
		return take_v0_want(p, line, err);
	}
	if (p->rq->n_wants == 0)
		return gg_fail(err, GG_E_PEER, "a fetch must begin with want");
	p->has_wants = true;
	return take_arg(p, v0_depth_args, GG_COUNT(v0_depth_args), line, err);
}

/* 1 and a data line, 0 a flush-pkt, 2 a delim-pkt, or a code. */
static int
next_line(struct view *in, struct view *line, struct gg_error *err)
{
	enum pkt_kind kind;
	int rc = pkt_next(in, &kind, line, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return gg_fail(err, GG_E_PEER, "the request ends early");
	*line = pkt_text(*line);
	if (kind == PKT_DATA)
		return 1;
	if (kind == PKT_FLUSH)
		return 0;
	if (kind == PKT_DELIM)
		return 2;
	return gg_fail(err, GG_E_PEER, "unexpected pkt-line in a request");
}

static int
parse_v0(struct parser *p, struct view in, struct gg_error *err)
{
	struct view line;
	int rc;

	while ((rc = next_line(&in, &line, err)) == 1)
		if ((rc = take_v0_line(p, line, err)) != 0)
			return rc;
	if (rc < 0)
		return rc;
	if (rc == 2 || p->rq->n_wants == 0)
		return gg_fail(err, GG_E_PEER, "a fetch without a want");
	while (in.n > 0) {
		if (p->rq->done)
			return gg_fail(err, GG_E_PEER, "a line after done");
		if ((rc = next_line(&in, &line, err)) < 0)
			return rc;
		if (rc == 2)
			return gg_fail(err, GG_E_PEER,
			    "a delim-pkt in a request of v0");
		if (rc == 1 &&
		    (rc = take_arg(p, v0_have_args, GG_COUNT(v0_have_args),
			 line, err)) != 0)
			return rc;
	}
	return 0;
}

static int
take_v2_cap(struct parser *p, struct view line, struct gg_error *err)
{
	if (view_has_prefix(line, "command=")) {
		view_skip(&line, strlen("command="));
		if (p->has_command)
			return gg_fail(err, GG_E_PEER, "two commands");
		p->has_command = true;
		if (view_eq_str(line, "ls-refs"))
			p->rq->kind = UPLOAD_LS_REFS;
		else if (view_eq_str(line, "fetch"))
			p->rq->kind = UPLOAD_FETCH_V2;
		else
			return gg_fail(err, GG_E_PEER,
			    "command \"%.*s\" is not offered",
			    (int)(line.n > 60 ? 60 : line.n), line.p);
		return 0;
	}
	if (view_eq_str(line, "object-format=sha1"))
		return 0;
	if ((view_has_prefix(line, "agent=") ||
		view_has_prefix(line, "session-id=") ||
		view_has_prefix(line, "server-option=")) &&
	    line.n <= SERVER_OPTION_MAX_BYTES && is_plain(line))
		return 0;
	return gg_fail(err, GG_E_PEER, "capability \"%.*s\" is not offered",
	    (int)(line.n > 60 ? 60 : line.n), line.p);
}

static int
parse_v2_args(struct parser *p, struct view *in, struct gg_error *err)
{
	bool fetch = p->rq->kind == UPLOAD_FETCH_V2;
	const struct arg *args = fetch ? fetch_args : ls_refs_args;
	size_t n = fetch ? GG_COUNT(fetch_args) : GG_COUNT(ls_refs_args);
	struct view line;
	int rc;

	while ((rc = next_line(in, &line, err)) == 1)
		if ((rc = take_arg(p, args, n, line, err)) != 0)
			return rc;
	return rc == 2 ? gg_fail(err, GG_E_PEER, "a second delim-pkt") : rc;
}

static int
parse_v2(struct parser *p, struct view in, struct gg_error *err)
{
	struct view line;
	int rc;

	while ((rc = next_line(&in, &line, err)) == 1)
		if ((rc = take_v2_cap(p, line, err)) != 0)
			return rc;
	if (rc < 0)
		return rc;
	if (!p->has_command)
		return gg_fail(err, GG_E_PEER, "a request without a command");
	if (rc == 2 && (rc = parse_v2_args(p, &in, err)) != 0)
		return rc;
	if (in.n != 0)
		return gg_fail(err, GG_E_PEER, "%zu bytes after the request",
		    in.n);
	return 0;
}

int
upload_request_parse(struct view body, bool v2, size_t max_wants,
    struct upload_request **out, struct gg_error *err)
{
	GG_AUTO(upload_request) rq = calloc(1, sizeof(*rq));
	struct parser p = { .rq = rq, .max_wants = max_wants };
	int rc = 0;

	if (rq == NULL || (rq->filter = strdup("")) == NULL)
		return gg_fail(err, GG_E_NOMEM, "fetch request");
	rq->kind = UPLOAD_FETCH_V0;
	if (view_eq_str(body, "0000"))
		rq->kind = UPLOAD_PROBE;
	else
		rc = v2 ? parse_v2(&p, body, err) : parse_v0(&p, body, err);
	if (rc != 0)
		return rc;
	*out = gg_take(rq);
	return 0;
}
