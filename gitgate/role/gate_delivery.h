/*
 * Delivery of the audit log (docs/audit-export.md): each target of
 * `audit-delivery` has a cursor in the store, the first entry that has not
 * arrived there. The log itself is the queue. Entries from the cursor on are
 * given to the messenger in batches, and the cursor moves, durably, when it
 * said that they arrived: so each entry arrives at least once and in order,
 * whatever process is killed in between. Nothing is given up. Each target has
 * a thread while there is something for it: none waits for another.
 */
#ifndef GITGATE_ROLE_GATE_DELIVERY_H
#define GITGATE_ROLE_GATE_DELIVERY_H

#include "base/buf.h"
#include "base/error.h"

struct gate;

GG_MUST_USE int deliveries_start(struct gate *g, struct gg_error *err);
/* Once nobody waits for the messenger any more; before log and store are
 * closed. */
void deliveries_stop(struct gate *g);
/* For /metrics. */
void deliveries_metrics(struct gate *g, struct buf *b);

#endif
