/*
 * TLS of the gate: its certificate, and whom it believes about clients; both
 * replaced while it runs when their files change (looked at every few
 * seconds) or config is read again. What cannot be used changes nothing.
 */
#ifndef GITGATE_ROLE_GATE_TLS_H
#define GITGATE_ROLE_GATE_TLS_H

#include "role/gate.h"

/*
 * Read what `tls:` names; after the walls, before the server. *tls: what it
 * starts with (NULL: plain HTTP), borrowed until gate_tls_started().
 * GG_E_INPUT with a sentence.
 */
GG_MUST_USE int gate_tls_open(struct gate *g, const struct config *c,
    const struct http_tls **tls, struct gg_error *err);
/* The server has its copy of the key: ours goes. */
void gate_tls_started(struct gate *g);
/* Put what another config names in force. GG_E_INPUT: the old stays. */
GG_MUST_USE int
gate_tls_reload(struct gate *g, const struct config *c, struct gg_error *err);
/* Every few seconds: have the files changed, does a certificate end soon? */
void gate_tls_tick(struct gate *g);
void gate_tls_metrics(struct gate *g, struct buf *out);
/* web_ops.verify_certificate */
GG_MUST_USE int gate_tls_identify(void *ctx, struct http_request *rq,
    struct principal *out, struct gg_error *err);

#endif
