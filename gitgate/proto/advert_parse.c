/* Reading what an upstream announces: v0/v1 advertisements and v2 ls-refs. */
#include "base/text.h"
#include "model/refname.h"
#include "proto/advert.h"
#include "proto/caps.h"
#include "proto/pktline.h"

#include <stdlib.h>
#include <string.h>

#define SHALLOW_MAX 1000000

struct parser {
	struct advert *a;
	size_t n_lines;
	bool empty;      /* the "capabilities^{}" line came */
	bool in_shallow; /* no ref may follow */
	bool skipped;    /* the last ref was left out: so is its peeled line */
	size_t alloc_shallow;
};

static bool
cut_oid(struct view *line, struct oid *out)
{
	struct view hex;

	return view_cut(line, ' ', &hex) && oid_parse(hex, out);
}

/*
 * A ref that gitgate cannot name (not UTF-8, or over-long) is left out: it
 * can then be neither seen, moved nor built on. What breaks the grammar of
 * refnames is refused by advert_add().
 */
static bool
is_nameable(struct view name)
{
	return name.n <= REFNAME_MAX_BYTES && utf8_is_valid(name);
}

static int
set_target(char **at, struct view name, struct gg_error *err)
{
	if (!refname_is_valid(name))
		return gg_fail(err, GG_E_PEER,
		    "upstream names a symref target that is no refname");
	free(*at);
	if ((*at = view_dup(name)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "refname");
	return 0;
}

static int
take_shallow(struct parser *p, struct view hex, struct gg_error *err)
{
	struct oid oid, *grown;
	size_t want;

	if (!oid_parse(hex, &oid))
		return gg_fail(err, GG_E_PEER, "bad shallow line");
	if (p->a->n_shallow >= SHALLOW_MAX)
		return gg_fail(err, GG_E_LIMIT,
		    "upstream announces more than %d shallow commits",
		    SHALLOW_MAX);
	if (p->a->n_shallow == p->alloc_shallow) {
		want = p->alloc_shallow ? p->alloc_shallow * 2 : 4;
		grown = reallocarray(p->a->shallow, want, sizeof(*grown));
		if (grown == NULL)
			return gg_fail(err, GG_E_NOMEM, "shallow list");
		p->a->shallow = grown;
		p->alloc_shallow = want;
	}
	p->a->shallow[p->a->n_shallow++] = oid;
	p->in_shallow = true;
	return 0;
}

/* "name^{}": the value behind the tag in the line before. */
static int
take_peeled(struct parser *p, struct view name, const struct oid *oid,
    struct gg_error *err)
{
	struct advert_ref *last;

	if (p->skipped)
		return 0;
	if (view_eq_str(name, "HEAD") && p->a->n_refs == 0)
		return 0;
	last = p->a->n_refs > 0 ? &p->a->refs[p->a->n_refs - 1] : NULL;
	if (last == NULL || !view_eq_str(name, last->name) ||
	    !oid_is_zero(&last->peeled) || oid_is_zero(oid))
		return gg_fail(err, GG_E_PEER,
		    "a peeled value does not follow its ref");
	last->peeled = *oid;
	return 0;
}

static int
take_ref(struct parser *p, struct view name, const struct oid *oid,
    struct gg_error *err)
{
	p->skipped = false;
	if (view_eq_str(name, ".have"))
		return 0;
	if (oid_is_zero(oid))
		return gg_fail(err, GG_E_PEER, "a ref has the zero oid");
	if (view_eq_str(name, "HEAD")) {
		if (!oid_is_zero(&p->a->head_oid))
			return gg_fail(err, GG_E_PEER, "HEAD came twice");
		p->a->head_oid = *oid;
		return 0;
	}
	if (!is_nameable(name)) {
		p->skipped = true;
		return 0;
	}
	return advert_add(p->a, name, oid, err);
}

static int
take_v0_line(struct parser *p, struct view line, struct gg_error *err)
{
	struct view caps = { 0 }, name, all = line;
	struct oid oid;
	int rc;

	if (view_has_prefix(line, "ERR "))
		return gg_fail(err, GG_E_UNAVAILABLE, "upstream says: %.*s",
		    (int)(all.n > 300 ? 296 : all.n - 4), all.p + 4);
	if (p->n_lines++ == 0) {
		if (!view_cut(&line, '\0', &name))
			return gg_fail(err, GG_E_PEER,
			    "the first line has no capabilities");
		caps = line;
		line = name;
		if ((rc = caps_parse(caps, &p->a->caps, err)) != 0)
			return rc;
	} else if (view_has_prefix(line, "shallow ")) {
		view_skip(&line, strlen("shallow "));
		return take_shallow(p, line, err);
	}
	if (p->empty || p->in_shallow || !cut_oid(&line, &oid))
		return gg_fail(err, GG_E_PEER, "bad line in upstream's refs");
	if (oid_is_zero(&oid) && view_eq_str(line, "capabilities^{}") &&
	    p->n_lines == 1) {
		p->empty = true;
		return 0;
	}
	if (view_has_suffix(line, "^{}")) {
		line.n -= 3;
		return take_peeled(p, line, &oid, err);
	}
	return take_ref(p, line, &oid, err);
}

/* "symref=HEAD:refs/heads/main": after sorting, since it names any ref. */
static int
apply_symref_caps(struct advert *a, struct gg_error *err)
{
	const struct advert_ref *found;
	struct view rest, name;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < a->caps.n; i++) {
		rest = view_str(a->caps.v[i]);
		if (!view_has_prefix(rest, "symref="))
			continue;
		view_skip(&rest, strlen("symref="));
		if (!view_cut(&rest, ':', &name))
			return gg_fail(err, GG_E_PEER, "bad symref capability");
		if (view_eq_str(name, "HEAD"))
			rc = set_target(&a->head_target, rest, err);
		else if ((found = advert_find(a, name)) != NULL)
			rc = set_target(&a->refs[found - a->refs].symref, rest,
			    err);
	}
	return rc;
}

/* The lines up to the flush-pkt, one by one; nothing may follow it. */
static int
each_line(struct view pkts, struct parser *p,
    int (*take)(struct parser *, struct view, struct gg_error *),
    struct gg_error *err)
{
	enum pkt_kind kind;
	struct view body;
	int rc;

	for (;;) {
		if ((rc = pkt_next(&pkts, &kind, &body, err)) < 0)
			return rc;
		if (rc == 0)
			return gg_fail(err, GG_E_PEER,
			    "upstream's refs end early");
		if (kind == PKT_FLUSH)
			break;
		if (kind != PKT_DATA)
			return gg_fail(err, GG_E_PEER,
			    "unexpected pkt-line among upstream's refs");
		if ((rc = take(p, pkt_text(body), err)) != 0)
			return rc;
	}
	if (pkts.n != 0)
		return gg_fail(err, GG_E_PEER,
		    "%zu bytes after upstream's refs", pkts.n);
	return advert_sort(p->a, err);
}

static void
skip_version_1(struct view *pkts)
{
	struct view rest = *pkts, body;
	enum pkt_kind kind;

	if (pkt_next(&rest, &kind, &body, NULL) == 1 && kind == PKT_DATA &&
	    view_eq_str(pkt_text(body), "version 1"))
		*pkts = rest;
}

int
advert_parse_v0(struct view pkts, struct advert **out, struct gg_error *err)
{
	GG_AUTO(advert) a = advert_new();
	struct parser p = { .a = a };
	int rc;

	if (pkts.n > ADVERT_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT, "advertisement of %zu bytes",
		    pkts.n);
	skip_version_1(&pkts);
	if ((rc = each_line(pkts, &p, take_v0_line, err)) != 0 ||
	    (rc = apply_symref_caps(a, err)) != 0)
		return rc;
	*out = gg_take(a);
	return 0;
}

struct attrs {
	struct oid peeled;
	struct view target;
};

static int
cut_attrs(struct view line, struct attrs *out, struct gg_error *err)
{
	struct view one;
	bool more = line.n > 0;

	while (more) {
		more = view_cut(&line, ' ', &one);
		if (!more)
			one = line;
		if (view_has_prefix(one, "peeled:")) {
			view_skip(&one, strlen("peeled:"));
			if (!oid_is_zero(&out->peeled) ||
			    !oid_parse(one, &out->peeled) ||
			    oid_is_zero(&out->peeled))
				return gg_fail(err, GG_E_PEER,
				    "bad peeled attribute");
		} else if (view_has_prefix(one, "symref-target:")) {
			view_skip(&one, strlen("symref-target:"));
			if (out->target.n > 0 || one.n == 0)
				return gg_fail(err, GG_E_PEER,
				    "bad symref-target attribute");
			out->target = one;
		}
		/* others may be added to the protocol: passed over */
	}
	return 0;
}

static int
take_unborn(struct parser *p, struct view name, struct view line,
    struct gg_error *err)
{
	struct attrs at = { 0 };
	int rc;

	if ((rc = cut_attrs(line, &at, err)) != 0)
		return rc;
	if (!view_eq_str(name, "HEAD"))
		return 0;
	if (at.target.n == 0 || !oid_is_zero(&p->a->head_oid) ||
	    p->a->head_target != NULL)
		return gg_fail(err, GG_E_PEER, "bad line for an unborn HEAD");
	return set_target(&p->a->head_target, at.target, err);
}

static int
take_v2_line(struct parser *p, struct view line, struct gg_error *err)
{
	struct view id, name, attrs = { 0 };
	struct attrs at = { 0 };
	struct oid oid;
	size_t before = p->a->n_refs;
	int rc;

	if (view_has_prefix(line, "ERR "))
		return gg_fail(err, GG_E_UNAVAILABLE, "upstream says: %.*s",
		    (int)(line.n > 300 ? 296 : line.n - 4), line.p + 4);
	if (!view_cut(&line, ' ', &id))
		return gg_fail(err, GG_E_PEER, "bad line in upstream's refs");
	if (view_cut(&line, ' ', &name))
		attrs = line;
	else
		name = line;
	if (view_eq_str(id, "unborn"))
		return take_unborn(p, name, attrs, err);
	if (!oid_parse(id, &oid))
		return gg_fail(err, GG_E_PEER, "bad oid in upstream's refs");
	if ((rc = cut_attrs(attrs, &at, err)) != 0)
		return rc;
	if (view_eq_str(name, "HEAD") && p->a->head_target != NULL)
		return gg_fail(err, GG_E_PEER, "HEAD came twice");
	if ((rc = take_ref(p, name, &oid, err)) != 0)
		return rc;
	if (view_eq_str(name, "HEAD"))
		return at.target.n > 0 ?
		    set_target(&p->a->head_target, at.target, err) :
		    0;
	if (p->a->n_refs == before)
		return 0;
	p->a->refs[before].peeled = at.peeled;
	return at.target.n > 0 ?
	    set_target(&p->a->refs[before].symref, at.target, err) :
	    0;
}

int
advert_parse_v2(struct view pkts, struct advert **out, struct gg_error *err)
{
	GG_AUTO(advert) a = advert_new();
	struct parser p = { .a = a };
	int rc;

	if (pkts.n > ADVERT_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT, "list of refs of %zu bytes",
		    pkts.n);
	if ((rc = each_line(pkts, &p, take_v2_line, err)) != 0)
		return rc;
	*out = gg_take(a);
	return 0;
}
