/*
 * SAML messages, read and written by a process of their own (saml_main.c),
 * one for each. Worker threads only; ctx is the gate (struct web_ops).
 */
#ifndef GITGATE_ROLE_GATE_SAML_H
#define GITGATE_ROLE_GATE_SAML_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"
#include "config/config.h"

#include <jansson.h>
#include <stdint.h>

struct gate;

/* So many messages are in hand at once; more are GG_E_LIMIT. */
#define SAML_AT_ONCE 8

GG_MUST_USE int saml_new(struct gate *g, struct gg_error *err);
/* The process that a ticket of ours asked for; takes fd. */
void saml_connected(struct gate *g, uint32_t ticket, int fd);

/*
 * Where to send a browser to sign in: *url is malloc'ed. GG_E_INPUT when the
 * provider's metadata or our key is of no use; GG_E_UNAVAILABLE when no
 * process answers; GG_E_LIMIT.
 */
GG_MUST_USE int saml_begin(void *ctx, const struct config *c,
    const struct provider *p, const char *request_id, const char *relay_state,
    char **url, struct gg_error *err);

/*
 * A Response (XML, already decoded) that must answer request_id ("": none).
 * *out, a new reference, is what saml_response_check() says. GG_E_REFUSED
 * with a sentence for the log; the others as above.
 */
GG_MUST_USE int saml_finish(void *ctx, const struct config *c,
    const struct provider *p, const char *request_id, struct view xml,
    json_t **out, struct gg_error *err);

/* Our metadata for the provider's operator: *xml is malloc'ed. */
GG_MUST_USE int saml_our_metadata(void *ctx, const struct config *c,
    const struct provider *p, char **xml, struct gg_error *err);

#endif
