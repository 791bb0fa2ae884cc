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
 * Find what earlier pushes of the same principal, which were let through, brought
 * for checkpoints that its commits name (Entire pushes them apart): as
 * request.earlier_records, so that the push is judged by the same when it is
 * judged again. Of what they say only what policy asks for, no prompt's text.
 */
GG_MUST_USE int push_find_earlier(struct push *p, struct gg_error *err);
/*
 * Store the records that it brings, before it is held or goes upstream: a
 * crash behind this leaves rows of a push that ends as aborted, which nobody
 * is shown; one before it leaves a push that came to nothing.
 */
GG_MUST_USE int push_keep_provenance(struct push *p, struct gg_error *err);

#endif
