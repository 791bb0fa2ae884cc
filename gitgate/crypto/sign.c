#include "crypto/sign.h"

#include "crypto/pkey.h"

#include <string.h>

struct sign_key {
	EVP_PKEY *pkey; /* OpenSSL clears the private half when it is freed */
	unsigned char pub[SIGN_PUBLIC_BYTES];
};

static void
md_ctx_freep(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

#define AUTO_MD_CTX __attribute__((cleanup(md_ctx_freep))) EVP_MD_CTX

int
sign_key_new(const unsigned char seed[SIGN_SEED_BYTES], struct sign_key **out,
    struct gg_error *err)
{
	GG_AUTO(sign_key) k = calloc(1, sizeof(*k));
	size_t n = sizeof(k->pub);

	if (k == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for a key");
	k->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
	    SIGN_SEED_BYTES);
	if (k->pkey == NULL ||
	    EVP_PKEY_get_raw_public_key(k->pkey, k->pub, &n) != 1 ||
	    n != sizeof(k->pub))
		return gg_fail(err, GG_E_NOMEM, "Ed25519 key");
	*out = gg_take(k);
	return 0;
}

void
sign_key_free(struct sign_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

const unsigned char *
sign_key_public(const struct sign_key *k)
{
	return k->pub;
}

int
sign_make(const struct sign_key *k, struct view msg,
    unsigned char out[SIGN_BYTES], struct gg_error *err)
{
	AUTO_MD_CTX *ctx = EVP_MD_CTX_new();
	const unsigned char *p = (const unsigned char *)(msg.n > 0 ? msg.p :
								     "");
	size_t n = SIGN_BYTES;

	if (ctx == NULL ||
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) != 1 ||
	    EVP_DigestSign(ctx, out, &n, p, msg.n) != 1 || n != SIGN_BYTES)
		return gg_fail(err, GG_E_NOMEM, "Ed25519 signature");
	return 0;
}

bool
sign_verify(const unsigned char pub[SIGN_PUBLIC_BYTES], struct view msg,
    const unsigned char sig[SIGN_BYTES])
{
	AUTO_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
	    pub, SIGN_PUBLIC_BYTES);
	AUTO_MD_CTX *ctx = EVP_MD_CTX_new();
	const unsigned char *p = (const unsigned char *)(msg.n > 0 ? msg.p :
								     "");

	return key != NULL && ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, sig, SIGN_BYTES, p, msg.n) == 1;
}
