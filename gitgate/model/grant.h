/* A grant: what one principal may do, for a limited time, because somebody
 * else said so beforehand (docs/identity.md, "Grants"). */
#ifndef GITGATE_MODEL_GRANT_H
#define GITGATE_MODEL_GRANT_H

#include "base/auto.h"
#include "base/strv.h"
#include "base/view.h"
#include "model/report.h"

#include <stdbool.h>

enum grant_state {
	GRANT_ASKED,
	GRANT_ACTIVE,
	GRANT_REJECTED,
	GRANT_EXPIRED,
	GRANT_REVOKED,   /* after it was approved */
	GRANT_WITHDRAWN, /* before */
	GRANT_STATE_COUNT
};
const char *grant_state_name(enum grant_state s);
bool grant_state_parse(struct view v, enum grant_state *out);
/* May a grant go from a to b? Asked and active are the open states. */
bool grant_move_is_allowed(enum grant_state a, enum grant_state b);

/*
 * What is granted. fetch and push give access to a repository; the kinds of
 * update give approvals in advance for updates of that kind that rules hold.
 */
enum {
	GRANT_FETCH = 1,
	GRANT_PUSH = 2,
	GRANT_ACCESS = 3,
	GRANT_UPDATES = 124, /* all of GRANT_UPDATE() */
};
#define GRANT_UPDATE(kind) (4u << (kind))
#define GRANT_VERB_COUNT   7
/* Name of the verb of bit 1 << i: fetch, push, create, fast-forward, force,
 * delete, tag-move. */
const char *grant_verb_name(unsigned i);
/* Its bit, 0 for an unknown word. */
unsigned grant_verb_parse(struct view v);

/* Exact: a glob means the bytes it matches and no twins of them, there are no
 * exclusions, and repositories are compared without regard to case. */
struct grant_scope {
	struct strv repositories; /* globs, lower case; at least one */
	struct strv refs;         /* globs; none: every ref */
	struct strv paths;        /* globs; none: every path */
	struct strv rules;        /* names; none: whatever rule holds */
	unsigned verbs;
};
void grant_scope_release(struct grant_scope *s);
GG_DEFINE_AUTO_RELEASE(grant_scope);
void grant_scope_copy(struct grant_scope *to, const struct grant_scope *from);

#endif
