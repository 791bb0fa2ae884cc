#include "model/verdict.h"

#include <stdlib.h>
#include <string.h>

const char *
verdict_name(enum verdict v)
{
	switch (v) {
	case VERDICT_DENY:
		return "deny";
	case VERDICT_HOLD:
		return "hold";
	case VERDICT_ALLOW:
		return "allow";
	}
	return "deny";
}

const char *
reason_word(const struct reason *r)
{
	return r->keep && r->verdict == VERDICT_ALLOW ?
	    "keep" :
	    verdict_name(r->verdict);
}

bool
decision_keeps(const struct decision *d)
{
	return d->n_refs > 0 && d->refs[0].keep;
}

struct decision *
decision_new(size_t n_refs)
{
	struct decision *d = calloc(1, sizeof(*d));

	if (d != NULL && n_refs > 0)
		d->refs = calloc(n_refs, sizeof(*d->refs));
	if (d == NULL || (n_refs > 0 && d->refs == NULL))
		gg_die("no memory for a decision");
	d->n_refs = n_refs;
	return d;
}

static void
reason_release(struct reason *r)
{
	for (size_t i = 0; i < r->n_matches; i++) {
		free(r->matches[i].path);
		free(r->matches[i].change);
	}
	free(r->matches);
	strv_release(&r->patterns);
	free(r->rule);
	free(r->message);
}

void
decision_free(struct decision *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n_refs; i++) {
		for (size_t j = 0; j < d->refs[i].n_reasons; j++)
			reason_release(&d->refs[i].reasons[j]);
		free(d->refs[i].reasons);
		strv_release(&d->refs[i].grants);
		free(d->refs[i].refname);
	}
	for (size_t i = 0; i < d->n_needs; i++) {
		free(d->needs[i].rule);
		strv_release(&d->needs[i].from);
		strv_release(&d->needs[i].people);
	}
	free(d->refs);
	free(d->needs);
	free(d);
}

/* Room for one more of size bytes; these lists are as short as rule sets. */
static void *
one_more(void *v, size_t n, size_t size)
{
	if ((v = reallocarray(v, n + 1, size)) == NULL)
		gg_die("no memory for a decision");
	return v;
}

struct reason *
ref_decision_add(struct ref_decision *r)
{
	r->reasons = one_more(r->reasons, r->n_reasons, sizeof(*r->reasons));
	r->reasons[r->n_reasons] = (struct reason){ 0 };
	return &r->reasons[r->n_reasons++];
}

struct need *
decision_add_need(struct decision *d)
{
	d->needs = one_more(d->needs, d->n_needs, sizeof(*d->needs));
	d->needs[d->n_needs] = (struct need){ 0 };
	return &d->needs[d->n_needs++];
}

void
reason_add_match(struct reason *r, const char *path, const char *change,
    const struct oid *commit)
{
	struct match *m;

	r->n_matches_all++;
	if (r->n_matches >= REASON_MAX_MATCHES)
		return;
	r->matches = one_more(r->matches, r->n_matches, sizeof(*r->matches));
	m = &r->matches[r->n_matches++];
	*m = (struct match){ .path = strdup(path ? path : ""),
		.change = strdup(change ? change : "") };
	if (commit != NULL)
		m->commit = *commit;
	if (m->path == NULL || m->change == NULL)
		gg_die("no memory for a decision");
}
