/*
 * How often one address, or one principal, may ask; and how many bad
 * credentials an address may send. What is refused is counted, and told in the
 * log once a minute.
 */
#ifndef GITGATE_ROLE_GATE_LIMITS_H
#define GITGATE_ROLE_GATE_LIMITS_H

#include "role/gate.h"

GG_MUST_USE int gate_limits_new(struct gate *g, struct gg_error *err);
/* One more request of the client. Seconds to wait; 0: go on. */
unsigned gate_limit_address(struct gate *g, const struct limits *l,
    const struct http_request *rq);
/* As web_ops.limit_principal and .limit_failed. */
unsigned gate_limit_principal(void *ctx, const char *name);
unsigned gate_limit_failed(void *ctx, const char *addr);
/* A plan's handler: 429 in the form that fits the path. */
void gate_limited(void *ctx, struct http_request *rq);
/* A 429 for git; the limit's key. */
void gate_reply_limited(struct http_request *rq, const char *limit,
    unsigned seconds);
void gate_limits_metrics(struct gate *g, struct buf *out);

#endif
