/*
 * SHA-256 (FIPS 180-4) and HMAC (RFC 2104) for the inspector, which by
 * design is linked with no cryptographic library: it names a finding by a
 * keyed digest, so that the name gives nothing away. Everything else hashes
 * with crypto/digest.h. NIST's and RFC 4231's vectors: tests/unit/test_checksum.c.
 */
#ifndef GITGATE_BASE_SHA256_H
#define GITGATE_BASE_SHA256_H

#include "base/view.h"

#include <stdint.h>

#define SHA256_BYTES 32

struct sha256 {
	uint32_t h[8];
	uint64_t n; /* bytes so far */
	unsigned char block[64];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, struct view v);
void sha256_end(struct sha256 *s, unsigned char out[SHA256_BYTES]);

struct hmac_sha256 {
	struct sha256 inner, outer;
};
void hmac_sha256_begin(struct hmac_sha256 *m, struct view key);
static inline void
hmac_sha256_add(struct hmac_sha256 *m, struct view v)
{
	sha256_add(&m->inner, v);
}
void hmac_sha256_end(struct hmac_sha256 *m, unsigned char out[SHA256_BYTES]);

#endif
