/*
 * One step of a ref's history, whole: who moved it, how that was decided and
 * by whom, what is claimed of its making, and receipts for the log's entries
 * that say so.
 */
#ifndef GITGATE_WEB_EXPLAIN_H
#define GITGATE_WEB_EXPLAIN_H

#include "web/web_priv.h"

/*
 * The step that the query arguments repository, ref and oid (an id or how it
 * begins; the newest without it) name: {"repository", "ref", "step",
 * "entries", "receipts", "push", "vkey"} (docs/formats.md, "A step
 * explained"). A new reference. p gets the push (id NULL: there is none).
 * GG_E_PEER for a wrong argument; GG_E_NOTFOUND, also for what the caller may
 * not see.
 */
GG_MUST_USE int explain_load(struct web_call *c, struct stored_push *p,
    json_t **out, struct gg_error *err);

#endif
