/* Inside pack/: what one inspection holds. */
#ifndef GITGATE_PACK_INSPECT_STATE_H
#define GITGATE_PACK_INSPECT_STATE_H

#include "pack/changes.h"
#include "pack/commits.h"
#include "pack/connect.h"
#include "pack/fsck_levels.h"
#include "pack/index_child.h"
#include "pack/inspect.h"
#include "pack/objects.h"
#include "pack/oidmap.h"
#include "pack/pack_scan.h"
#include "pack/secrets.h"

enum inspect_state {
	INSPECT_NEW,
	INSPECT_FEEDING,
	INSPECT_INDEXED,
	INSPECT_REPORTED,
};

#define DIFF_COMMITS_MAX 50

/* What the diff shows of one update. */
struct diff_plan {
	struct oid from; /* what it is compared with; zero: nothing */
	struct oid old_tree, new_tree;
	struct oid old_blob, new_blob; /* behind a tag: no path */
	struct oid commits[DIFF_COMMITS_MAX];
	size_t n_commits, n_commits_all;
};

struct inspection {
	const struct push_job *job;       /* borrowed */
	const struct push_job_refs *refs; /* borrowed */
	const char **limit;               /* the caller's */
	enum inspect_state state;
	bool git; /* libgit2 is up */
	unsigned relax;
	int64_t deadline;
	struct pack_scan *scan;
	struct index_child *child;
	char *idx;
	struct objects *objects;
	struct commits commits;
	struct changes changes;
	/* the report being made: commit id to its index; why its list of
	 * paths is cut, or NULL */
	struct change_report *report;
	struct oidmap listed;
	const char **cut;
	size_t cut_alloc;
	struct diff_plan *plans; /* one per update */
	struct scanner *scanner; /* borrowed; NULL: secrets are not wanted */
	struct masks masks;      /* what was found */
};

GG_MUST_USE int diff_plan_make(struct inspection *in,
    const struct ref_update *update, const struct update_report *u,
    struct diff_plan *plan, struct gg_error *err);

/* libgit2 as a reader; in->git is then to be set. */
GG_MUST_USE int inspection_setup_git(struct gg_error *err);
/* The mirror, and the pack that in->idx names; commits and changes. */
GG_MUST_USE int
inspection_open_objects(struct inspection *in, struct gg_error *err);
/* Part of a diff: from plan's trees, or of one commit. */
GG_MUST_USE int inspection_diff_part(struct inspection *in,
    const struct view_job *job, const struct diff_plan *plan, int fd,
    uint64_t *written, struct gg_error *err);

/* What a tip shows: its tree, or the blob that it is; both zero for no tip. */
GG_MUST_USE int inspection_tip(struct inspection *in, const struct oid *tip,
    struct oid *tree, struct oid *blob, struct gg_error *err);

#endif
