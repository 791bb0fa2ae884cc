/*
 * One request to erase, as it stands, and what of it is to go next. For
 * role/gate_erasure*.c.
 */
#ifndef GITGATE_ROLE_ERASURE_JOB_H
#define GITGATE_ROLE_ERASURE_JOB_H

#include "audit/private.h"
#include "role/gate.h"

struct erasure_job {
	struct gate *gate;
	char id[ULID_SIZE];
	json_t *data; /* role/gate_erasure.h */
	/* what was found for the next batch */
	json_t *ranges;
	private_set places;
	uint64_t n_entries, n_values;
	/* the push of the last entry that was looked at */
	char push[ULID_SIZE];
	const char *why_not; /* a counter's name; NULL: it may be erased */
};
void erasure_job_release(struct erasure_job *j);
GG_DEFINE_AUTO_RELEASE(erasure_job);

/* A number of a JSON object; 0 where it has none of that name. */
uint64_t erasure_number(const json_t *o, const char *name);
/* The request's result, made where there is none yet; borrowed. */
json_t *erasure_result(struct erasure_job *j);
/* Did retention begin it, and nobody ask? */
bool erasure_is_retained(const struct erasure_job *j);
/*
 * Look at the next entries. What may go becomes the request's batch, which is
 * stored before anything else happens; at the end of the log "at" is "upto".
 */
GG_MUST_USE int erasure_look(struct erasure_job *j, struct gg_error *err);

#endif
