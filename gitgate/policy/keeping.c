#include "policy/keeping.h"

#include "config/config.h"
#include "policy/ruleset_priv.h"

#include <stdarg.h>
#include <stdio.h>

static void deny(struct ref_decision *ref, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
deny(struct ref_decision *ref, const char *fmt, ...)
{
	struct reason *out = ref_decision_add(ref);
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&out->message, fmt, ap) < 0)
		gg_die("no memory for a decision");
	va_end(ap);
	if ((out->rule = strdup(RULE_KEPT)) == NULL)
		gg_die("no memory for a decision");
	out->verdict = ref->verdict = VERDICT_DENY;
}

/* Upstream and the gate never both answer for a ref. What is kept may be
 * deleted without a rule that keeps it: it goes nowhere. */
static void
settle_place(struct ref_decision *ref, unsigned at)
{
	if (ref->verdict == VERDICT_DENY)
		return;
	if (ref->keep && (at & POLICY_UPSTREAM_HAS) != 0)
		deny(ref,
		    "upstream has %s itself; only a ref that upstream has not "
		    "can be kept",
		    ref->refname);
	else if (ref->keep && (at & POLICY_IN_THE_WAY) != 0)
		deny(ref, "a ref that %s cannot stand beside is there already",
		    ref->refname);
	else if (!ref->keep && (at & POLICY_KEPT) != 0 &&
	    ref->kind == UPDATE_DELETE)
		ref->keep = true;
	else if (!ref->keep && (at & POLICY_KEPT) != 0)
		deny(ref,
		    "%s is kept at the gate, and no rule keeps it now: delete "
		    "it there (git push --delete, or gitgate kept drop), then "
		    "push it again",
		    ref->refname);
}

/* What is forwarded goes in the pack that came: a kept ref beside it would
 * send its objects along. */
static void
settle_mixed(struct decision *d)
{
	const char *sent = NULL;

	for (size_t u = 0; u < d->n_refs; u++) {
		if (d->refs[u].verdict == VERDICT_DENY)
			return;
		if (!d->refs[u].keep && sent == NULL)
			sent = d->refs[u].refname;
	}
	for (size_t u = 0; sent != NULL && u < d->n_refs; u++)
		if (d->refs[u].keep)
			deny(&d->refs[u],
			    "%s is kept at the gate: push it apart from %s",
			    d->refs[u].refname, sent);
}

void
settle_keeping(const struct policy_input *in, struct decision *d)
{
	for (size_t u = 0; u < d->n_refs; u++)
		settle_place(&d->refs[u],
		    in->places != NULL ? in->places[u] : 0);
	settle_mixed(d);
	for (size_t u = 0; u < d->n_refs; u++)
		d->refs[u].keep = d->refs[u].keep &&
		    d->refs[u].verdict != VERDICT_DENY;
}

bool
ruleset_keeps(const struct ruleset *rs, const struct principal *p,
    const char *repository, const char *refname)
{
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		if (r->keep && !rule_has_content(r) && r->during.n == 0 &&
		    r->outside.n == 0 &&
		    (r->updates == 0 ||
			(r->updates & (1U << UPDATE_CREATE)) != 0) &&
		    who_match(&r->who, p) &&
		    repositories_match(&r->repositories, repository) &&
		    (r->refs.n == 0 ||
			glob_list_match(&r->refs, view_str(refname))))
			return true;
	}
	return false;
}
