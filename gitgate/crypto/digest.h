/* SHA-2 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104). */
#ifndef GITGATE_CRYPTO_DIGEST_H
#define GITGATE_CRYPTO_DIGEST_H

#include "base/auto.h"
#include "base/view.h"

#include <stddef.h>

#define DIGEST_SHA256_BYTES    32
#define DIGEST_SHA256_HEX_SIZE (2 * DIGEST_SHA256_BYTES + 1)

/*
 * None of these can fail but for want of memory or a broken library; the
 * process dies then, for no decision may rest on a digest that is not one.
 */
void
digest_sha256(const void *p, size_t n, unsigned char out[DIGEST_SHA256_BYTES]);
/* Lower-case hex with its NUL. */
void digest_sha256_hex(struct view v, char out[DIGEST_SHA256_HEX_SIZE]);
void hmac_sha256(struct view key, struct view data,
    unsigned char out[DIGEST_SHA256_BYTES]);

/* SHA-2 of 256, 384 or 512 bits; the rest of out is left alone. */
#define DIGEST_SHA2_MAX_BYTES 64
void digest_sha2(unsigned bits, struct view v,
    unsigned char out[DIGEST_SHA2_MAX_BYTES]);

/* Piece by piece: new, update..., final; final may be called once. */
struct digest_ctx;
struct digest_ctx *digest_ctx_new(void);
void digest_ctx_update(struct digest_ctx *d, const void *p, size_t n);
void
digest_ctx_final(struct digest_ctx *d, unsigned char out[DIGEST_SHA256_BYTES]);
/* NULL is fine. */
void digest_ctx_free(struct digest_ctx *d);
GG_DEFINE_AUTO(digest_ctx);

#endif
