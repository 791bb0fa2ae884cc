/*
 * Public keys as JSON Web Keys (RFC 7517, 7518, 8037) and the signature
 * algorithms of JWS that use them. Verification only.
 */
#ifndef GITGATE_CRYPTO_JWK_H
#define GITGATE_CRYPTO_JWK_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

/* "none" and the HMAC family are not here, on purpose. */
enum jws_alg {
	JWS_RS256,
	JWS_RS384,
	JWS_RS512,
	JWS_PS256,
	JWS_PS384,
	JWS_PS512,
	JWS_ES256,
	JWS_ES384,
	JWS_ES512,
	JWS_EDDSA, /* Ed25519; "EdDSA" and "Ed25519" */
	JWS_ALG_COUNT
};
const char *jws_alg_name(enum jws_alg a);
bool jws_alg_parse(struct view v, enum jws_alg *out);

struct jwk; /* one public key */

/* RSA from big-endian modulus and exponent: 2048..8192 bits, e odd and >= 3.
 * GG_E_REFUSED otherwise. */
GG_MUST_USE int
jwk_rsa(struct view n, struct view e, struct jwk **out, struct gg_error *err);
/* EC from curve name ("P-256", "P-384", "P-521") and coordinates of exactly
 * its width; the point must be on the curve. */
GG_MUST_USE int jwk_ec(struct view curve, struct view x, struct view y,
    struct jwk **out, struct gg_error *err);
/* OKP, "Ed25519", 32 bytes. */
GG_MUST_USE int
jwk_ed25519(struct view x, struct jwk **out, struct gg_error *err);
void jwk_free(struct jwk *k);
GG_DEFINE_AUTO(jwk);

/* Is the key of the kind that the algorithm takes? */
bool jwk_fits(const struct jwk *k, enum jws_alg alg);
/*
 * 0 when sig (as in a JWS: for ECDSA r||s of fixed width) is the key's over
 * signed; GG_E_REFUSED when not, or when key and algorithm do not fit.
 */
GG_MUST_USE int jwk_verify(const struct jwk *k, enum jws_alg alg,
    struct view signed_bytes, struct view sig, struct gg_error *err);

#endif
