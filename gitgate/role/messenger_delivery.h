/*
 * Deliveries of the audit log to what is not HTTP: files, syslog, the
 * journal. Writing there may block (a dead file server, a full socket), so
 * each delivery is a thread's; a target has one at a time.
 */
#ifndef GITGATE_ROLE_MESSENGER_DELIVERY_H
#define GITGATE_ROLE_MESSENGER_DELIVERY_H

#include "base/error.h"
#include "config/config.h"
#include "role/messenger.h"

/* Is it one of these? */
bool delivery_has_thread(const struct config *c, const struct errand_order *o);
/* Begin; the answer is sent by deliveries_turn(). Takes the order's body.
 * GG_E_UNAVAILABLE while the one before has not ended. */
GG_MUST_USE int delivery_begin(struct messenger *m, uint32_t id,
    struct errand_order *o, struct gg_error *err);
/* A descriptor that becomes readable when one has ended; -1: err. */
int deliveries_wake_fd(struct gg_error *err);
/* Answer those that ended. */
void deliveries_turn(struct messenger *m);
/* Those that have not ended. */
unsigned deliveries_running(const struct messenger *m);
/* Webhooks: the request (messenger_errand.c). */
GG_MUST_USE int
delivery_prepare(const struct delivery_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err);

#endif
