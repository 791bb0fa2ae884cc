/* Ed25519 (RFC 8032), the raw forms: 32-byte seed, 32-byte public key. */
#ifndef GITGATE_CRYPTO_SIGN_H
#define GITGATE_CRYPTO_SIGN_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#define SIGN_SEED_BYTES   32
#define SIGN_PUBLIC_BYTES 32
#define SIGN_BYTES        64

/* A private key. Its memory is wiped when it is freed. */
struct sign_key;

/* A key from its seed; the caller wipes the seed. 0 or GG_E_NOMEM. */
GG_MUST_USE int sign_key_new(const unsigned char seed[SIGN_SEED_BYTES],
    struct sign_key **out, struct gg_error *err);
/* NULL is fine. */
void sign_key_free(struct sign_key *k);
GG_DEFINE_AUTO(sign_key);

/* Its public key, borrowed. */
const unsigned char *sign_key_public(const struct sign_key *k);
/* 0 or GG_E_NOMEM. Safe from many threads. */
GG_MUST_USE int sign_make(const struct sign_key *k, struct view msg,
    unsigned char out[SIGN_BYTES], struct gg_error *err);
/* True only for a good signature; any failure is false. */
bool sign_verify(const unsigned char pub[SIGN_PUBLIC_BYTES], struct view msg,
    const unsigned char sig[SIGN_BYTES]);

#endif
