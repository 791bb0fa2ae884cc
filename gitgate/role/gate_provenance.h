/*
 * What a push claims of how its commits were made: in a few words for the
 * audit log, and its records for the pages (store/provenance.h).
 */
#ifndef GITGATE_ROLE_GATE_PROVENANCE_H
#define GITGATE_ROLE_GATE_PROVENANCE_H

#include "role/gate_push.h"

/*
 * What the messages of its commits claim, per ref and in bounded form, as
 * request.commit_claims (docs/formats.md, "The recorded push"): before
 * entries of the log are made of it.
 */
void push_sum_up_claims(struct push *p);
/*
 * Store the records that it brings, before it is held or goes upstream: a
 * crash behind this leaves rows of a push that ends as aborted, which nobody
 * is shown; one before it leaves a push that came to nothing.
 */
GG_MUST_USE int push_keep_provenance(struct push *p, struct gg_error *err);

#endif
