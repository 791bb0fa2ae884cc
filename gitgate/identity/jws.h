/*
 * A JSON Web Signature in compact form (RFC 7515), verified as RFC 8725 asks:
 * algorithm allow list, no key or URL taken from the header, no "crit", no
 * unencoded payload, no JSON serialisation.
 */
#ifndef GITGATE_IDENTITY_JWS_H
#define GITGATE_IDENTITY_JWS_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"
#include "crypto/jwk.h"

#include <jansson.h>

#define JWS_MAX_BYTES  16384
#define JWKS_MAX_BYTES 262144
#define JWKS_MAX_KEYS  100

/* -- a set of keys (RFC 7517) -- */
struct jwks;
/*
 * Parse {"keys":[...]}. Keys of kinds, uses or algorithms that cannot verify
 * here are passed over; a set without any usable key is an empty one.
 * use: "sig" (a key without use counts too) or "jwt-svid" (SPIFFE: only keys
 * that say so). GG_E_INPUT when it is no key set; GG_E_LIMIT.
 */
GG_MUST_USE int jwks_parse(struct view json, const char *use, struct jwks **out,
    struct gg_error *err);
void jwks_free(struct jwks *s);
GG_DEFINE_AUTO(jwks);
size_t jwks_n(const struct jwks *s);
/* Has it a key of that id? kid NULL: has it exactly one usable key? */
bool jwks_has(const struct jwks *s, const char *kid);

/* -- a token -- */
struct jws {
	enum jws_alg alg;
	char *kid;      /* NULL: none */
	json_t *header; /* owned */
	json_t *claims; /* owned; NULL when the payload is no JSON object */
	struct buf payload;
	struct view signed_bytes; /* borrowed from the token */
	struct buf sig;
};
void jws_release(struct jws *j);
GG_DEFINE_AUTO_RELEASE(jws);
/* Does it look like one (two dots, begins with "eyJ")? For telling a JWT from
 * a static token; says nothing else. */
bool jws_is_likely(struct view token);
/*
 * Read without believing: shape, header, payload. types: accepted "typ" values
 * without regard to case (NULL-ended; a token without typ is accepted).
 * GG_E_REFUSED with a reason that holds none of its bytes; GG_E_LIMIT over
 * JWS_MAX_BYTES. token must outlive *out.
 */
GG_MUST_USE int jws_parse(struct view token, const char *const *types,
    struct jws *out, struct gg_error *err);
/* The algorithms of these names, as bits 1 << alg; unknown ones are none. */
unsigned jws_algorithms(const struct strv *names);
/* Check its signature: algorithm among allowed (bit 1 << alg), key by kid or
 * the only one that fits. GG_E_REFUSED; GG_E_NOTFOUND when no key has the kid
 * (fetch the set again, once). */
GG_MUST_USE int jws_verify(const struct jws *j, const struct jwks *keys,
    unsigned allowed, struct gg_error *err);

#endif
