/*
 * Is what came well-formed, complete and needed? (docs/inspection.md,
 * "Connectivity".)
 */
#ifndef GITGATE_PACK_CONNECT_H
#define GITGATE_PACK_CONNECT_H

#include "base/error.h"
#include "model/job.h"
#include "pack/commits.h"
#include "pack/objects.h"

#include <stdint.h>

struct connect {
	struct objects *objects;
	struct commits *commits;
	const struct push_job *job;
	const struct push_job_refs *refs;
	unsigned relax;    /* obj_check.h */
	uint64_t sent_end; /* where what the pusher sent ends in the pack */
	int64_t deadline;  /* clock_mono_ms() */
	uint64_t *entries_left;
};

/*
 * From every new tip down: each object of the pack is checked, each other
 * one must be known upstream. 0; GG_E_PEER (malformed, missing, unneeded);
 * GG_E_LIMIT with *limit set; GG_E_CORRUPT.
 */
GG_MUST_USE int connect_check(const struct connect *c, const char **limit,
    struct gg_error *err);

#endif
