/* Public keys and their signatures in OpenSSL's terms: what the files of
 * crypto/ share. */
#ifndef GITGATE_CRYPTO_PKEY_H
#define GITGATE_CRYPTO_PKEY_H

#include "base/error.h"
#include "base/view.h"

#include <openssl/evp.h>

#define PKEY_RSA_BITS_MIN 2048

void pkey_freep(EVP_PKEY **p);
#define AUTO_PKEY __attribute__((cleanup(pkey_freep))) EVP_PKEY

/*
 * Keys from their numbers, big-endian; the caller frees *out with
 * EVP_PKEY_free() or AUTO_PKEY. GG_E_REFUSED: not a key that is taken.
 */
/* A modulus of PKEY_RSA_BITS_MIN to bits_max bits, an odd exponent of at least
 * 3 and at most 64 bits (a longer one only makes checks slow). */
GG_MUST_USE int pkey_rsa(struct view n, struct view e, int bits_max,
    EVP_PKEY **out, struct gg_error *err);
/* curve: OpenSSL's name; point: as in SEC 1, on the curve. */
GG_MUST_USE int pkey_ec(const char *curve, struct view point, EVP_PKEY **out,
    struct gg_error *err);
GG_MUST_USE int
pkey_ed25519(struct view pub, EVP_PKEY **out, struct gg_error *err);

enum pkey_padding { PKEY_PLAIN, PKEY_PSS };
/* digest: OpenSSL's name, NULL for Ed25519. PKEY_PSS: RSA with MGF1 of the
 * same digest and a salt of its length. 0 or GG_E_REFUSED. */
GG_MUST_USE int
pkey_verify(EVP_PKEY *key, const char *digest, enum pkey_padding padding,
    struct view sig, struct view data, struct gg_error *err);
/* An ECDSA signature's two numbers, at most 80 bytes each. */
GG_MUST_USE int pkey_verify_ecdsa(EVP_PKEY *key, const char *digest,
    struct view r, struct view s, struct view data, struct gg_error *err);

#endif
