/*
 * Witnesses of the audit log (C2SP tlog-witness): others who sign what the
 * log's checkpoint says, and who refuse to when it is not a continuation of
 * what they signed before. One thread asks them through the messenger. A
 * checkpoint is published at once with our own signature; theirs follow.
 */
#ifndef GITGATE_ROLE_GATE_WITNESS_H
#define GITGATE_ROLE_GATE_WITNESS_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"

struct gate;

/*
 * Who the witnesses of a config are, and what a quorum of them is; *out has
 * them in the config's order. policy_fd: text of the config's policy file, or
 * -1. GG_E_INPUT with file and line.
 */
struct tlog_policy;
GG_MUST_USE int witness_load(struct gate *g, struct config *c, int policy_fd,
    struct tlog_policy **out, struct gg_error *err);
/* When the messenger can be asked. */
GG_MUST_USE int witness_start(struct gate *g, struct gg_error *err);
/* Asks nobody any more; when the messenger was let go. */
void witness_stop(struct gate *g);
/*
 * 0, or GG_E_UNAVAILABLE with a sentence for whoever wants to push: the audit
 * log cannot be written, or this config requires a quorum of witnesses, and there was none for too long, none
 * yet since the start, or so many know another history that there cannot be.
 */
GG_MUST_USE int
witness_admit(struct gate *g, const struct config *c, struct gg_error *err);
void witness_metrics(struct gate *g, struct buf *b);

#endif
