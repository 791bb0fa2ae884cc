#include "hold/grant_cover.h"

#include "config/config.h"
#include "model/refname.h"

#include <stdlib.h>
#include <string.h>

static bool
any_matches(const struct strv *globs, const char *text)
{
	if (globs->n == 0)
		return true;
	for (size_t i = 0; i < globs->n; i++)
		if (glob_match(globs->v[i], view_str(text)))
			return true;
	return false;
}

static bool
repository_is_meant(const struct grant_scope *s, const char *repository)
{
	char name[REPOSITORY_MAX_BYTES + 1];
	size_t n = strlen(repository);

	if (n >= sizeof(name) || s->repositories.n == 0)
		return false;
	for (size_t i = 0; i <= n; i++) {
		char c = repository[i];

		name[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return any_matches(&s->repositories, name);
}

bool
grant_gives_access(const struct grant_scope *s, unsigned verb,
    const char *repository)
{
	return (s->verbs & verb) == verb && repository_is_meant(s, repository);
}

bool
grant_covers_ref(const struct grant_scope *s, const char *refname,
    const char *target)
{
	return any_matches(&s->refs, refname) &&
	    (target == NULL || any_matches(&s->refs, target));
}

/* All that made the rule match is known, and is inside. */
static bool
paths_are_covered(const struct grant_scope *s, const struct reason *r)
{
	if (s->paths.n == 0)
		return true;
	if (r->n_matches == 0 || r->n_matches_all != r->n_matches)
		return false;
	for (size_t i = 0; i < r->n_matches; i++)
		if (*r->matches[i].path == '\0' ||
		    !any_matches(&s->paths, r->matches[i].path))
			return false;
	return true;
}

bool
grant_covers(const struct grant_in_force *g, const struct grant_case *c,
    const struct ref_decision *ref, const char *target,
    const struct reason *reason)
{
	const struct grant_scope *s = g->scope;

	return reason->may_grant && g->expires_ms > c->now_ms &&
	    strcmp(g->principal, c->pusher->name) == 0 &&
	    (s->verbs & GRANT_UPDATE(ref->kind)) != 0 &&
	    repository_is_meant(s, c->repository) &&
	    grant_covers_ref(s, ref->refname, target) &&
	    (s->rules.n == 0 || strv_has(&s->rules, reason->rule)) &&
	    paths_are_covered(s, reason);
}

/* -- lifting -- */

/* The approvals of all grants that cover this reason. */
struct gathered {
	struct quorum_review *v;
	size_t n;
	struct strv ids;
};

static void
gathered_release(struct gathered *a)
{
	free(a->v);
	strv_release(&a->ids);
}
GG_DEFINE_AUTO_RELEASE(gathered);

static void
gather(struct gathered *out, const struct grant_in_force *g)
{
	struct quorum_review *grown = reallocarray(out->v,
	    out->n + g->n_approvals + 1, sizeof(*grown));

	if (grown == NULL)
		gg_die("no memory for approvals");
	out->v = grown;
	for (size_t i = 0; i < g->n_approvals; i++)
		if (g->approvals[i].approve)
			out->v[out->n++] = g->approvals[i];
	strv_add(&out->ids, g->id);
}

static bool
needs_are_met(const struct decision *d, const struct reason *r,
    const struct quorum_push *push, const struct gathered *have)
{
	bool any = false;

	for (size_t i = 0; i < d->n_needs; i++) {
		struct need need = d->needs[i];
		size_t want = need.required > 0 ? need.required : 1;

		if (strcmp(need.rule, r->rule) != 0)
			continue;
		need.allow_self = false;
		if (quorum_count(&need, push, have->v, have->n) < want)
			return false;
		any = true;
	}
	return any;
}

static bool
reason_is_met(const struct decision *d, const struct grant_case *c, size_t u,
    const struct reason *r, const struct grant_in_force *grants, size_t n,
    struct strv *ids)
{
	const char *target = c->symref_targets != NULL ? c->symref_targets[u] :
							 NULL;
	struct quorum_push push = { c->pusher->name, c->pusher->owner,
		&c->pusher->aliases, c->people };
	GG_AUTO_RELEASE(gathered) have = { 0 };

	for (size_t i = 0; i < n; i++)
		if (grant_covers(&grants[i], c, &d->refs[u], target, r))
			gather(&have, &grants[i]);
	if (have.n == 0 || !needs_are_met(d, r, &push, &have))
		return false;
	for (size_t i = 0; i < have.ids.n; i++)
		if (!strv_has(ids, have.ids.v[i]))
			strv_add(ids, have.ids.v[i]);
	return true;
}

static bool
ref_is_met(const struct decision *d, const struct grant_case *c, size_t u,
    const struct grant_in_force *grants, size_t n, struct strv *ids)
{
	const struct ref_decision *ref = &d->refs[u];

	if (ref->verdict != VERDICT_HOLD)
		return ref->verdict == VERDICT_ALLOW;
	for (size_t i = 0; i < ref->n_reasons; i++)
		if (ref->reasons[i].verdict != VERDICT_ALLOW &&
		    !reason_is_met(d, c, u, &ref->reasons[i], grants, n, ids))
			return false;
	return ids->n > 0 && ids->failed == 0;
}

bool
grants_lift(struct decision *d, const struct grant_case *c,
    const struct grant_in_force *grants, size_t n)
{
	bool all = d->verdict == VERDICT_HOLD && d->n_refs > 0 && n > 0;

	for (size_t u = 0; u < d->n_refs && all; u++)
		all = ref_is_met(d, c, u, grants, n, &d->refs[u].grants);
	for (size_t u = 0; u < d->n_refs; u++) {
		if (!all)
			strv_release(&d->refs[u].grants);
		else
			d->refs[u].verdict = VERDICT_ALLOW;
	}
	if (all)
		d->verdict = VERDICT_ALLOW;
	return all;
}

void
grants_unlift(struct decision *d)
{
	for (size_t u = 0; u < d->n_refs; u++)
		if (d->refs[u].grants.n > 0) {
			strv_release(&d->refs[u].grants);
			d->refs[u].verdict = VERDICT_HOLD;
			d->verdict = verdict_strictest(d->verdict,
			    VERDICT_HOLD);
		}
}
