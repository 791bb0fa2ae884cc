/*
 * What a grant covers, and what grants make of a decision. Pure logic over
 * records; the store keeps them and the gate asks at the moment of decision.
 *
 * Doubt holds: a path that is not known, evidence that was cut, a change too
 * large to be looked at, a rule that does not want it: no grant covers it. A
 * denial is never lifted.
 */
#ifndef GITGATE_HOLD_GRANT_COVER_H
#define GITGATE_HOLD_GRANT_COVER_H

#include "base/error.h"
#include "hold/quorum.h"
#include "model/grant.h"
#include "model/push.h"
#include "model/verdict.h"

#include <jansson.h>

#define GRANT_GLOB_MAX_BYTES 256

/*
 * Is this something that can be granted at all? GG_E_INPUT with a sentence:
 * no repository or verb, a list of more than list_max, a glob that is broken,
 * too long, an exclusion or has control bytes, paths together with fetch or
 * push.
 */
GG_MUST_USE int grant_scope_check(const struct grant_scope *s, size_t list_max,
    struct gg_error *err);

/* {"repositories","refs","paths","rules","verbs"}, each a list of texts; new
 * reference. */
json_t *grant_scope_to_json(const struct grant_scope *s);
/* Members that are missing are empty lists, others are refused; repositories
 * become lower case. GG_E_INPUT; the caller still checks it. */
GG_MUST_USE int grant_scope_from_json(const json_t *o, struct grant_scope *out,
    struct gg_error *err);

/* Does it give this access (GRANT_FETCH, GRANT_PUSH) to the repository? */
bool grant_gives_access(const struct grant_scope *s, unsigned verb,
    const char *repository);
/* Does it cover the ref, and its target where it is symbolic (else NULL)? */
bool grant_covers_ref(const struct grant_scope *s, const char *refname,
    const char *target);

/* A grant in force. Borrowed. */
struct grant_in_force {
	const char *id;
	const char *principal;
	const struct grant_scope *scope;
	int64_t expires_ms;
	const struct quorum_review *approvals;
	size_t n_approvals;
};

/* The push that was judged. Borrowed. */
struct grant_case {
	const char *repository;
	const struct principal *pusher;
	const struct strv *people; /* authors and committers */
	/* per ref of the decision what a symbolic one leads to, or NULL; may
	 * be NULL as a whole */
	const char *const *symref_targets;
	int64_t now_ms;
};

/* Does the grant cover what this reason held in this ref? */
bool grant_covers(const struct grant_in_force *g, const struct grant_case *c,
    const struct ref_decision *ref, const char *target,
    const struct reason *reason);

/*
 * Where grants approve all that holds the push, its updates are allowed and
 * each names the grants that did it; else nothing changes. True when it was
 * lifted. The approvers count as they would in a review of a hold, except
 * that nobody counts for a push of their own, whatever a need says.
 */
bool grants_lift(struct decision *d, const struct grant_case *c,
    const struct grant_in_force *grants, size_t n);
/* As it was before grants_lift() lifted it. */
void grants_unlift(struct decision *d);

/*
 * "And the same for a while": what a grant would cover that is given together
 * with an approval of a hold. updates: as the hold has them. GG_E_REFUSED with
 * the reason where a rule does not want it, or something was not looked at.
 */
GG_MUST_USE int grant_offer(const char *repository, const json_t *updates,
    size_t list_max, struct grant_scope *out, struct gg_error *err);

#endif
