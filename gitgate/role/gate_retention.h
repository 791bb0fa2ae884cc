/*
 * How long recordings stay: the files of pushes that ended long enough ago go
 * in small steps on the gate's ticker. First the log says what goes, with its
 * digests; then the files; then the rows are marked. Rows and log entries
 * stay. What must not go: docs/operations.md, "Retention".
 */
#ifndef GITGATE_ROLE_GATE_RETENTION_H
#define GITGATE_ROLE_GATE_RETENTION_H

#include "role/gate.h"

/* One step; from the ticker only. */
void retention_tick(struct gate *g);
/* Bytes of all recordings, and when the oldest came (0: none), as of the last
 * whole look at them. */
void retention_metrics(struct buf *out);

#endif
