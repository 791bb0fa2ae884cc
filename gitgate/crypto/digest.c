#include "crypto/digest.h"

#include "base/error.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <limits.h>
#include <string.h>

struct digest_ctx {
	EVP_MD_CTX *md;
};

void
digest_sha256(const void *p, size_t n, unsigned char out[DIGEST_SHA256_BYTES])
{
	if (SHA256(n > 0 ? p : (const void *)"", n, out) == NULL)
		gg_die("sha256 failed");
}

void
digest_sha256_hex(struct view v, char out[DIGEST_SHA256_HEX_SIZE])
{
	unsigned char d[DIGEST_SHA256_BYTES];

	digest_sha256(v.p, v.n, d);
	hex_encode(d, sizeof(d), out);
}

void
hmac_sha256(struct view key, struct view data,
    unsigned char out[DIGEST_SHA256_BYTES])
{
	unsigned int n = 0;
	const char *k = key.n > 0 ? key.p : "";
	const char *d = data.n > 0 ? data.p : "";

	if (key.n > INT_MAX ||
	    HMAC(EVP_sha256(), k, (int)key.n, (const unsigned char *)d, data.n,
		out, &n) == NULL ||
	    n != DIGEST_SHA256_BYTES)
		gg_die("hmac-sha256 failed");
}

struct digest_ctx *
digest_ctx_new(void)
{
	GG_AUTO(digest_ctx) d = calloc(1, sizeof(*d));

	if (d == NULL || (d->md = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestInit_ex(d->md, EVP_sha256(), NULL) != 1)
		gg_die("no memory for a digest");
	return gg_take(d);
}

void
digest_ctx_update(struct digest_ctx *d, const void *p, size_t n)
{
	if (n > 0 && EVP_DigestUpdate(d->md, p, n) != 1)
		gg_die("sha256 failed");
}

void
digest_ctx_final(struct digest_ctx *d, unsigned char out[DIGEST_SHA256_BYTES])
{
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(d->md, out, &n) != 1 || n != DIGEST_SHA256_BYTES)
		gg_die("sha256 failed");
}

void
digest_ctx_free(struct digest_ctx *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->md);
	free(d);
}

void
digest_sha2(unsigned bits, struct view v,
    unsigned char out[DIGEST_SHA2_MAX_BYTES])
{
	const EVP_MD *md = bits == 512 ? EVP_sha512() :
	    bits == 384                ? EVP_sha384() :
					 EVP_sha256();

	if (EVP_Digest(v.n > 0 ? v.p : "", v.n, out, NULL, md, NULL) != 1)
		gg_die("sha-2 failed");
}
