/*
 * ID tokens as credentials: whose they are, and for which repository. Keys are
 * fetched by the messenger when a token needs them, kept by
 * identity/key_cache.h, and shared by all requests.
 */
#ifndef GITGATE_ROLE_GATE_ISSUERS_H
#define GITGATE_ROLE_GATE_ISSUERS_H

#include "base/error.h"
#include "config/config.h"
#include "model/push.h"

struct gate;

GG_MUST_USE int issuers_new(struct gate *g, struct gg_error *err);
/*
 * web_ops.verify_token: the token's signature, times, claims. ctx: the gate.
 * Waits for the issuer's keys if need be, with few others at most. GG_E_REFUSED
 * with a sentence for the client; GG_E_UNAVAILABLE likewise, when the keys
 * cannot be had now.
 */
GG_MUST_USE int issuers_verify(void *ctx, struct view token,
    struct principal *out, struct gg_error *err);
/* A new config is in force: keys of issuers that it changed are forgotten. */
void issuers_reloaded(struct gate *g);
/*
 * May a token that was verified for this request touch the repository? By what
 * the issuer's `repositories` say, and the first one that it touches is the
 * only one, until it expires. GG_E_REFUSED with a sentence for the client; or
 * what the store says.
 */
GG_MUST_USE int
token_bind(struct gate *g, const struct config *c, struct view token,
    const char *repository, const char *client_addr, struct gg_error *err);
/* The network of an address, as it is kept of a token's first use: 24 bits, of
 * IPv6 48 ("192.0.2.0/24"); "" for what is no address. */
#define TOKEN_NETWORK_SIZE 64
void token_network(const char *addr, char out[TOKEN_NETWORK_SIZE]);
/* The store's rows changed: what was seen of them is read again. */
void token_uses_forget(void);

#endif
