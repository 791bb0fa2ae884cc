/*
 * Which paths a commit changes, by the merge rule, and the net difference of
 * two trees. Results go into the records of the change report.
 */
#ifndef GITGATE_PACK_CHANGES_H
#define GITGATE_PACK_CHANGES_H

#include "base/error.h"
#include "model/job.h"
#include "model/report.h"
#include "pack/commits.h"
#include "pack/merge_rule.h"
#include "pack/objects.h"

#include <stdint.h>

/* What is left of the budgets of one inspection, and where to look. */
struct changes {
	struct objects *objects;
	struct commits *commits;
	const struct job_limits *limits;
	uint64_t entries_left;
	uint64_t paths_left;
};

/*
 * The paths of one commit. *cut is the key of the limit ("walk-entries",
 * "listed-paths") where the list ends early, else untouched. GG_E_LIMIT
 * with *limit set for a tree that is too deep or a path that is too long.
 */
GG_MUST_USE int
changes_of_commit(struct changes *c, uint32_t node, struct path_changes *out,
    const char **cut, const char **limit, struct gg_error *err);
/* From one tree to another (zero: the empty one). */
GG_MUST_USE int changes_net(struct changes *c, const struct oid *old_tree,
    const struct oid *new_tree, struct path_changes *out, const char **cut,
    const char **limit, struct gg_error *err);

/* CHANGE_* of going from one value to another. */
unsigned
change_kinds(const struct tree_value *from, const struct tree_value *to);

#endif
