/*
 * Notices: who is told that a push is held, approved, rejected, upstream, ...
 *
 * The audit log is where they come from: a thread reads it on from a mark in
 * the store and writes one row per event and target, in one transaction with
 * the mark. So nothing is forgotten by a crash, and an act never waits for a
 * notice. Rows are delivered by the messenger (or a program in hooks-dir) at
 * least once, with the same id each time, and tried again with growing pauses
 * for three days.
 */
#ifndef GITGATE_ROLE_GATE_NOTICES_H
#define GITGATE_ROLE_GATE_NOTICES_H

#include "base/error.h"

struct gate;

/* Once the HTTP server's workers are there. */
GG_MUST_USE int notices_start(struct gate *g, struct gg_error *err);
/* Before the store is closed; what is being delivered was waited for with the
 * workers. */
void notices_stop(struct gate *g);

#endif
