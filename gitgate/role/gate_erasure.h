/*
 * Erasing personal data (docs/operations.md, "Erasing personal data"): what the
 * command line asked for, and what `retention: personal-data` says, is done by
 * a thread of its own. First the log says what goes (an entry
 * "redaction"); then the openings go; then the database's copies. Each step can
 * be done again, so a crash is only a pause.
 *
 * A request (store/erasure.h) is a JSON object. Asked for: "principal" and
 * "reason" (who, why), one of "name", "push", "addr" and "entries" (a list of
 * [first, last]) or none (all), "before" (wall ms), "force", "recordings",
 * "dry"; "retained" where retention began it. Its own: "at" and "upto" (which entries are still to be looked at),
 * "batch" (the "redaction" under way), "result": "values", "entries", "kept"
 * (of pushes under a legal hold), "open" (of pushes that have not ended),
 * "clear" (written by an older version, cannot be erased), "redactions"
 * (indexes), "ranges" (the first of them), "places".
 */
#ifndef GITGATE_ROLE_GATE_ERASURE_H
#define GITGATE_ROLE_GATE_ERASURE_H

#include "role/gate.h"

/* The thread; it ends when the gate is stopping, and is waited for. */
GG_MUST_USE int erasure_start(struct gate *g, struct gg_error *err);
void erasure_stop(void);
void erasure_metrics(struct buf *out);

#endif
