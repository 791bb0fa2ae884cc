/*
 * The gate's audit log as a part of its process: opened at the start, fitted to
 * the database, and the index of its entries kept up with it. The log itself is
 * store/auditlog.h.
 */
#ifndef GITGATE_ROLE_GATE_LOG_H
#define GITGATE_ROLE_GATE_LOG_H

#include "role/gate.h"

/*
 * Open g->log, and with it the right to change anything in the state directory:
 * one gate has it. Waits up to 10 s for another process: after a supervisor was
 * killed and at once started again, the gate of before still has the log; it
 * ends by itself, finding its supervisor gone, but nobody waited for it.
 * GG_E_EXISTS: another still has it; GG_E_UNAVAILABLE: our supervisor has gone
 * meanwhile; else as auditlog_open().
 */
GG_MUST_USE int
gate_log_open(struct gate *g, const struct config *c, struct gg_error *err);
/*
 * With log and store open: see that they belong together, index what the store
 * lacks and from now on what is appended, put the public key beside the log.
 * GG_E_CORRUPT: they do not fit, with what to do.
 */
GG_MUST_USE int
gate_log_fit(struct gate *g, const struct config *c, struct gg_error *err);
/* An entry of type (borrowed), with our version and the policy in force. */
void gate_log_note(struct gate *g, const char *type);
/*
 * Index what the store could not take when it was logged. What comes meanwhile
 * has to wait for it. Nothing to do: returns at once.
 */
void gate_log_heal(struct gate *g);

#endif
