/* What lies in state-dir without a push that needs it. */
#ifndef GITGATE_ROLE_GATE_RETENTION_ORPHANS_H
#define GITGATE_ROLE_GATE_RETENTION_ORPHANS_H

#include "role/gate.h"

/*
 * One step through pushes/ and policies/, again and again, with a pause of an
 * hour between: directories of no push that are older than a day are logged
 * and removed, so are files of recordings that are gone, and rule files by
 * which no recorded push was judged. From the ticker only.
 */
GG_MUST_USE int
orphans_step(struct gate *g, const struct snapshot *snap, struct gg_error *err);

#endif
