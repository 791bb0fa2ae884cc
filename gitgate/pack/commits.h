/*
 * The history graph, as far as a push makes it necessary to look: which
 * commits an update brings, whether one stands on another, merge bases.
 * Dates are the pusher's claim: they only order the work, never decide.
 *
 * A commit's parents are those in its bytes: no grafts, no replace refs.
 */
#ifndef GITGATE_PACK_COMMITS_H
#define GITGATE_PACK_COMMITS_H

#include "base/auto.h"
#include "base/error.h"
#include "model/oid.h"
#include "pack/objects.h"
#include "pack/oidmap.h"

#include <stdint.h>

struct commit_node {
	struct oid oid;
	struct oid tree;
	int64_t time;
	uint32_t first_parent; /* index into commits.parents */
	uint32_t n_parents;
	uint32_t flags; /* of the walk under way */
	bool loaded;
	bool missing;   /* not there, or no commit */
	bool shallow;   /* its parents are unknown: it counts as a root */
	bool in_mirror; /* valid once loaded */
};

struct commits {
	struct objects *objects; /* borrowed */
	struct oidmap shallow;   /* the client's shallow lines */
	struct oidmap index;
	struct commit_node *nodes;
	size_t n, alloc;
	struct u32s parents;
	struct u32s touched; /* nodes whose flags are set */
};

void commits_release(struct commits *c);
GG_DEFINE_AUTO_RELEASE(commits);

/* The node of oid, made if need be; not loaded. */
uint32_t commits_node(struct commits *c, const struct oid *oid);
/* Read it if it was not yet; a missing one is no failure (node.missing). */
GG_MUST_USE int
commits_load(struct commits *c, uint32_t node, struct gg_error *err);
static inline uint32_t
commits_parent(const struct commits *c, uint32_t node, uint32_t i)
{
	return c->parents.v[c->nodes[node].first_parent + i];
}

/*
 * The commits reachable from tip and from none of bases, newest first.
 * mirror_is_base: one that the mirror has is a base. At most max of them:
 * then *too_many and the list is what was seen. What cannot be read
 * as a base is left out, which can only make the list longer.
 */
GG_MUST_USE int commits_new(struct commits *c, uint32_t tip,
    const struct u32s *bases, bool mirror_is_base, uint64_t max,
    struct u32s *out, bool *too_many, struct gg_error *err);

/*
 * The merge bases of two commits (perhaps with older common ancestors among
 * them). Gives up past max commits: *too_many, *out empty.
 */
GG_MUST_USE int
commits_merge_bases(struct commits *c, uint32_t one, uint32_t two, uint64_t max,
    struct u32s *out, bool *too_many, struct gg_error *err);

/* Is old reachable from tip? False also when giving up (*too_many). */
GG_MUST_USE int commits_contains(struct commits *c, uint32_t tip, uint32_t old,
    uint64_t max, bool *yes, bool *too_many, struct gg_error *err);

/*
 * Every commit reachable from tips, newest first, one call each. A visit
 * that does not return 0 ends the walk with that value.
 */
GG_MUST_USE int commits_each(struct commits *c, const struct u32s *tips,
    int (*visit)(void *ctx, uint32_t node, struct gg_error *err), void *ctx,
    struct gg_error *err);

#endif
