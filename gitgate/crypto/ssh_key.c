#include "crypto/ssh_key.h"

#include "base/auto.h"
#include "base/buf.h"
#include "crypto/digest.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384

static void
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

#define AUTO_PKEY     __attribute__((cleanup(pkey_freep))) EVP_PKEY
#define AUTO_MD_CTX   __attribute__((cleanup(md_ctx_freep))) EVP_MD_CTX
#define AUTO_PKEY_CTX __attribute__((cleanup(pkey_ctx_freep))) EVP_PKEY_CTX
#define AUTO_BLD      __attribute__((cleanup(bld_freep))) OSSL_PARAM_BLD
#define AUTO_PARAMS   __attribute__((cleanup(params_freep))) OSSL_PARAM
#define AUTO_BN       __attribute__((cleanup(bn_freep))) BIGNUM
#define AUTO_ECDSA    __attribute__((cleanup(ecdsa_freep))) ECDSA_SIG
#define AUTO_DER      __attribute__((cleanup(openssl_freep))) unsigned char

/* What a key of each kind is made of, and what its signatures look like. */
enum family { FAMILY_ED25519, FAMILY_ECDSA, FAMILY_RSA };
struct kind {
	const char *name;  /* of the key */
	const char *sig;   /* of its signatures; NULL: see rsa_digest() */
	const char *curve; /* OpenSSL's name */
	const char *ssh_curve;
	const char *digest;
	enum family family;
	bool security_key; /* the signed bytes are wrapped by the token */
};

static const struct kind kinds[] = {
	{ "ssh-ed25519", "ssh-ed25519", NULL, NULL, NULL, FAMILY_ED25519,
	    false },
	{ "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com", NULL,
	    NULL, NULL, FAMILY_ED25519, true },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "P-256", "nistp256",
	    "SHA256", FAMILY_ECDSA, false },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "P-384", "nistp384",
	    "SHA384", FAMILY_ECDSA, false },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "P-521", "nistp521",
	    "SHA512", FAMILY_ECDSA, false },
	{ "sk-ecdsa-sha2-nistp256@openssh.com",
	    "sk-ecdsa-sha2-nistp256@openssh.com", "P-256", "nistp256", "SHA256",
	    FAMILY_ECDSA, true },
	{ "ssh-rsa", NULL, NULL, NULL, NULL, FAMILY_RSA, false },
};

bool
ssh_cut_u32(struct view *v, uint32_t *out)
{
	uint32_t x = 0;

	if (v->n < 4)
		return false;
	for (size_t i = 0; i < 4; i++)
		x = x << 8 | (unsigned char)v->p[i];
	view_skip(v, 4);
	*out = x;
	return true;
}

bool
ssh_cut_string(struct view *v, struct view *out)
{
	struct view left = *v;
	uint32_t n;

	if (!ssh_cut_u32(&left, &n) || n > left.n)
		return false;
	*out = view_of(left.p, n);
	view_skip(&left, n);
	*v = left;
	return true;
}

static int
malformed(struct gg_error *err)
{
	return gg_fail(err, GG_E_REFUSED, "the key or signature is malformed");
}

static const unsigned char *
bytes(struct view v)
{
	return (const unsigned char *)v.p;
}

/* -- keys -- */

static int
key_from_params(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **out,
    struct gg_error *err)
{
	AUTO_PARAMS *params = OSSL_PARAM_BLD_to_param(bld);
	AUTO_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	AUTO_PKEY_CTX *check = NULL;
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return malformed(err);
	*out = key;
	check = EVP_PKEY_CTX_new(key, NULL);
	if (check == NULL || EVP_PKEY_public_check(check) != 1)
		return malformed(err);
	return 0;
}

static int
ec_key(const struct kind *k, struct view blob, EVP_PKEY **out,
    struct gg_error *err)
{
	AUTO_BLD *bld = OSSL_PARAM_BLD_new();
	struct view curve, point;

	if (!ssh_cut_string(&blob, &curve) || !ssh_cut_string(&blob, &point) ||
	    !view_eq_str(curve, k->ssh_curve) || point.n == 0)
		return malformed(err);
	if (bld == NULL ||
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
		k->curve, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
		point.p, point.n) != 1)
		return gg_fail(err, GG_E_NOMEM, "key");
	return key_from_params("EC", bld, out, err);
}

static int
rsa_key(struct view blob, EVP_PKEY **out, struct gg_error *err)
{
	AUTO_BLD *bld = OSSL_PARAM_BLD_new();
	struct view e_bytes, n_bytes;
	AUTO_BN *e = NULL;
	AUTO_BN *n = NULL;
	int bits;

	if (!ssh_cut_string(&blob, &e_bytes) ||
	    !ssh_cut_string(&blob, &n_bytes) || blob.n != 0 || e_bytes.n > 16 ||
	    n_bytes.n > RSA_BITS_MAX / 8 + 1)
		return malformed(err);
	e = BN_bin2bn(bytes(e_bytes), (int)e_bytes.n, NULL);
	n = BN_bin2bn(bytes(n_bytes), (int)n_bytes.n, NULL);
	if (bld == NULL || e == NULL || n == NULL)
		return gg_fail(err, GG_E_NOMEM, "key");
	bits = BN_num_bits(n);
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return gg_fail(err, GG_E_REFUSED,
		    "an RSA key of %d bits is not taken", bits);
	if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		return gg_fail(err, GG_E_NOMEM, "key");
	return key_from_params("RSA", bld, out, err);
}

static int
ed25519_key(struct view blob, EVP_PKEY **out, struct gg_error *err)
{
	struct view pub;

	if (!ssh_cut_string(&blob, &pub) || pub.n != 32)
		return malformed(err);
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes(pub),
	    pub.n);
	return *out != NULL ? 0 : malformed(err);
}

static int
read_key(struct view blob, const struct kind **kind, EVP_PKEY **out,
    struct gg_error *err)
{
	struct view name;

	if (!ssh_cut_string(&blob, &name))
		return malformed(err);
	for (size_t i = 0; i < GG_COUNT(kinds); i++) {
		if (!view_eq_str(name, kinds[i].name))
			continue;
		*kind = &kinds[i];
		if (kinds[i].family == FAMILY_ECDSA)
			return ec_key(*kind, blob, out, err);
		return kinds[i].family == FAMILY_RSA ?
		    rsa_key(blob, out, err) :
		    ed25519_key(blob, out, err);
	}
	return gg_fail(err, GG_E_REFUSED, "keys of type %.*s are not taken",
	    (int)(name.n < 40 ? name.n : 40), name.p);
}

/* -- signatures -- */

static int
verify_digest(EVP_PKEY *key, const char *digest, struct view sig,
    struct view data, struct gg_error *err)
{
	AUTO_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_MD *md = digest != NULL ? EVP_MD_fetch(NULL, digest, NULL) : NULL;
	int ok;

	if (ctx == NULL || (digest != NULL && md == NULL)) {
		EVP_MD_free(md);
		return gg_fail(err, GG_E_NOMEM, "signature check");
	}
	ok = EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, bytes(sig), sig.n, bytes(data), data.n) == 1;
	EVP_MD_free(md);
	return ok ? 0 :
		    gg_fail(err, GG_E_REFUSED, "the signature does not fit");
}

/* SSH sends r and s; OpenSSL wants DER. */
static int
verify_ecdsa(EVP_PKEY *key, const char *digest, struct view raw,
    struct view data, struct gg_error *err)
{
	AUTO_ECDSA *sig = ECDSA_SIG_new();
	struct view r_bytes, s_bytes;
	BIGNUM *r, *s;
	AUTO_DER *der = NULL;
	int n;

	if (!ssh_cut_string(&raw, &r_bytes) ||
	    !ssh_cut_string(&raw, &s_bytes) || raw.n != 0 || r_bytes.n > 80 ||
	    s_bytes.n > 80)
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
	return verify_digest(key, digest, view_of(der, (size_t)n), data, err);
}

static const char *
rsa_digest(struct view name)
{
	if (view_eq_str(name, "rsa-sha2-256"))
		return "SHA256";
	return view_eq_str(name, "rsa-sha2-512") ? "SHA512" : NULL;
}

/*
 * What a security key really signs: the digest of its application, its flags
 * and counter, the digest of the data. Flag 1 says that a person was there.
 */
static int
unwrap(struct view key_blob, struct view *sig, struct view data,
    struct buf *out, struct gg_error *err)
{
	unsigned char digest[DIGEST_SHA256_BYTES];
	struct view part, application = { 0 };

	while (ssh_cut_string(&key_blob, &part))
		application = part;
	if (sig->n != 5 || (sig->p[0] & 1) == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the security key was not touched");
	digest_sha256(application.p, application.n, digest);
	buf_add(out, digest, sizeof(digest));
	buf_addv(out, *sig);
	digest_sha256(data.p, data.n, digest);
	buf_add(out, digest, sizeof(digest));
	return buf_check(out, err);
}

int
ssh_key_verify(struct view key_blob, struct view sig, struct view data,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) wrapped = BUF_INIT(4096);
	const struct kind *kind = NULL;
	AUTO_PKEY *key = NULL;
	struct view name, raw;
	int rc;

	if ((rc = read_key(key_blob, &kind, &key, err)) != 0)
		return rc;
	if (!ssh_cut_string(&sig, &name) || !ssh_cut_string(&sig, &raw) ||
	    (kind->sig != NULL && !view_eq_str(name, kind->sig)))
		return malformed(err);
	if (kind->security_key) {
		if ((rc = unwrap(key_blob, &sig, data, &wrapped, err)) != 0)
			return rc;
		data = buf_view(&wrapped);
	} else if (sig.n != 0) {
		return malformed(err);
	}
	if (kind->family == FAMILY_ECDSA)
		return verify_ecdsa(key, kind->digest, raw, data, err);
	if (kind->family == FAMILY_ED25519)
		return verify_digest(key, NULL, raw, data, err);
	if (rsa_digest(name) == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "RSA signatures with SHA-1 are not taken");
	return verify_digest(key, rsa_digest(name), raw, data, err);
}
