#include "crypto/pkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#define RSA_EXPONENT_BITS_MAX 64
#define ECDSA_NUMBER_MAX      80

void
pkey_freep(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void
md_ctx_freep(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static void
md_freep(EVP_MD **p)
{
	EVP_MD_free(*p);
}

static void
pkey_ctx_freep(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}

static void
bld_freep(OSSL_PARAM_BLD **p)
{
	OSSL_PARAM_BLD_free(*p);
}

static void
params_freep(OSSL_PARAM **p)
{
	OSSL_PARAM_free(*p);
}

static void
bn_freep(BIGNUM **p)
{
	BN_free(*p);
}

static void
ecdsa_freep(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}

static void
openssl_freep(unsigned char **p)
{
	OPENSSL_free(*p);
}

#define AUTO_MD_CTX   __attribute__((cleanup(md_ctx_freep))) EVP_MD_CTX
#define AUTO_MD       __attribute__((cleanup(md_freep))) EVP_MD
#define AUTO_PKEY_CTX __attribute__((cleanup(pkey_ctx_freep))) EVP_PKEY_CTX
#define AUTO_BLD      __attribute__((cleanup(bld_freep))) OSSL_PARAM_BLD
#define AUTO_PARAMS   __attribute__((cleanup(params_freep))) OSSL_PARAM
#define AUTO_BN       __attribute__((cleanup(bn_freep))) BIGNUM
#define AUTO_ECDSA    __attribute__((cleanup(ecdsa_freep))) ECDSA_SIG
#define AUTO_DER      __attribute__((cleanup(openssl_freep))) unsigned char

static int
malformed(struct gg_error *err)
{
	return gg_fail(err, GG_E_REFUSED, "the key or signature is malformed");
}

static const unsigned char *
bytes(struct view v)
{
	return (const unsigned char *)(v.n > 0 ? v.p : "");
}

static int
key_from_params(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **out,
    struct gg_error *err)
{
	AUTO_PARAMS *params = OSSL_PARAM_BLD_to_param(bld);
	AUTO_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return malformed(err);
	*out = key;
	return 0;
}

static int
check_rsa(const BIGNUM *n, const BIGNUM *e, int bits_max, struct gg_error *err)
{
	int bits = BN_num_bits(n);

	if (bits < PKEY_RSA_BITS_MIN || bits > bits_max)
		return gg_fail(err, GG_E_REFUSED,
		    "an RSA key of %d bits is not taken", bits);
	if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) ||
	    BN_num_bits(e) > RSA_EXPONENT_BITS_MAX)
		return gg_fail(err, GG_E_REFUSED,
		    "an RSA key with these numbers is not taken");
	return 0;
}

int
pkey_rsa(struct view n_bytes, struct view e_bytes, int bits_max, EVP_PKEY **out,
    struct gg_error *err)
{
	AUTO_BLD *bld = OSSL_PARAM_BLD_new();
	AUTO_BN *e = NULL;
	AUTO_BN *n = NULL;
	int rc;

	/* some writers put a zero before each */
	if (e_bytes.n > 16 || n_bytes.n > (size_t)bits_max / 8 + 1)
		return gg_fail(err, GG_E_REFUSED,
		    "an RSA key of that size is not taken");
	e = BN_bin2bn(bytes(e_bytes), (int)e_bytes.n, NULL);
	n = BN_bin2bn(bytes(n_bytes), (int)n_bytes.n, NULL);
	if (bld == NULL || e == NULL || n == NULL)
		return gg_fail(err, GG_E_NOMEM, "key");
	if ((rc = check_rsa(n, e, bits_max, err)) != 0)
		return rc;
	if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		return gg_fail(err, GG_E_NOMEM, "key");
	return key_from_params("RSA", bld, out, err);
}

int
pkey_ec(const char *curve, struct view point, EVP_PKEY **out,
    struct gg_error *err)
{
	AUTO_BLD *bld = OSSL_PARAM_BLD_new();
	AUTO_PKEY_CTX *check = NULL;
	int rc;

	if (point.n == 0)
		return malformed(err);
	if (bld == NULL ||
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
		curve, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
		point.p, point.n) != 1)
		return gg_fail(err, GG_E_NOMEM, "key");
	if ((rc = key_from_params("EC", bld, out, err)) != 0)
		return rc;
	check = EVP_PKEY_CTX_new(*out, NULL);
	if (check == NULL || EVP_PKEY_public_check(check) != 1) {
		EVP_PKEY_free(*out);
		*out = NULL;
		return malformed(err);
	}
	return 0;
}

int
pkey_ed25519(struct view pub, EVP_PKEY **out, struct gg_error *err)
{
	if (pub.n != 32)
		return malformed(err);
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes(pub),
	    pub.n);
	return *out != NULL ? 0 : malformed(err);
}

static bool
set_pss(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

int
pkey_verify(EVP_PKEY *key, const char *digest, enum pkey_padding padding,
    struct view sig, struct view data, struct gg_error *err)
{
	AUTO_MD_CTX *ctx = EVP_MD_CTX_new();
	AUTO_MD *md = digest != NULL ? EVP_MD_fetch(NULL, digest, NULL) : NULL;
	EVP_PKEY_CTX *params = NULL; /* ctx frees it */

	if (ctx == NULL || (digest != NULL && md == NULL))
		return gg_fail(err, GG_E_NOMEM, "signature check");
	if (EVP_DigestVerifyInit(ctx, &params, md, NULL, key) != 1 ||
	    (padding == PKEY_PSS && !set_pss(params)) ||
	    EVP_DigestVerify(ctx, bytes(sig), sig.n, bytes(data), data.n) != 1)
		return gg_fail(err, GG_E_REFUSED, "the signature does not fit");
	return 0;
}

/* OpenSSL wants DER. */
int
pkey_verify_ecdsa(EVP_PKEY *key, const char *digest, struct view r_bytes,
    struct view s_bytes, struct view data, struct gg_error *err)
{
	AUTO_ECDSA *sig = ECDSA_SIG_new();
	BIGNUM *r, *s;
	AUTO_DER *der = NULL;
	int n;

	if (r_bytes.n > ECDSA_NUMBER_MAX || s_bytes.n > ECDSA_NUMBER_MAX)
		return malformed(err);
	r = BN_bin2bn(bytes(r_bytes), (int)r_bytes.n, NULL);
	s = BN_bin2bn(bytes(s_bytes), (int)s_bytes.n, NULL);
	if (sig == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return gg_fail(err, GG_E_NOMEM, "signature");
	}
	if ((n = i2d_ECDSA_SIG(sig, &der)) <= 0)
		return malformed(err);
	return pkey_verify(key, digest, PKEY_PLAIN, view_of(der, (size_t)n),
	    data, err);
}
