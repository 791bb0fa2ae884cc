/* What upstream has lost, and lies beside the mirrors: how long it stays. */
#ifndef GITGATE_ROLE_GATE_RETENTION_ATTIC_H
#define GITGATE_ROLE_GATE_RETENTION_ATTIC_H

#include "role/gate.h"

/*
 * Look at the attic of every mirror (mirrors/<repository>.git/attic/pack),
 * once. A pack goes when no recording of the repository is from before it came
 * there, or after `retention: attic`; never while a push to the repository is
 * under way or held, and not by age while a legal hold is on it. It is logged
 * first. From the ticker only.
 */
GG_MUST_USE int
attic_sweep(struct gate *g, const struct config *c, struct gg_error *err);

#endif
