#include "crypto/jwk.h"

#include "base/buf.h"
#include "crypto/pkey.h"

#define RSA_BITS_MAX 8192

enum family { FAMILY_RSA, FAMILY_P256, FAMILY_P384, FAMILY_P521, FAMILY_ED };

struct jwk {
	EVP_PKEY *pkey;
	enum family family;
};

/* RFC 7518 section 3.1, RFC 8037 section 3.1. */
static const struct {
	const char *name;
	const char *digest;
	enum family family;
	enum pkey_padding padding;
} algs[JWS_ALG_COUNT] = {
	[JWS_RS256] = { "RS256", "SHA256", FAMILY_RSA, PKEY_PLAIN },
	[JWS_RS384] = { "RS384", "SHA384", FAMILY_RSA, PKEY_PLAIN },
	[JWS_RS512] = { "RS512", "SHA512", FAMILY_RSA, PKEY_PLAIN },
	[JWS_PS256] = { "PS256", "SHA256", FAMILY_RSA, PKEY_PSS },
	[JWS_PS384] = { "PS384", "SHA384", FAMILY_RSA, PKEY_PSS },
	[JWS_PS512] = { "PS512", "SHA512", FAMILY_RSA, PKEY_PSS },
	[JWS_ES256] = { "ES256", "SHA256", FAMILY_P256, PKEY_PLAIN },
	[JWS_ES384] = { "ES384", "SHA384", FAMILY_P384, PKEY_PLAIN },
	[JWS_ES512] = { "ES512", "SHA512", FAMILY_P521, PKEY_PLAIN },
	[JWS_EDDSA] = { "EdDSA", NULL, FAMILY_ED, PKEY_PLAIN },
};

static const struct {
	const char *name;
	enum family family;
} curves[] = {
	{ "P-256", FAMILY_P256 },
	{ "P-384", FAMILY_P384 },
	{ "P-521", FAMILY_P521 },
};

/* Bytes of a coordinate, and of r and s. */
static size_t
width(enum family f)
{
	return f == FAMILY_P256 ? 32 : f == FAMILY_P384 ? 48 : 66;
}

const char *
jws_alg_name(enum jws_alg a)
{
	return (unsigned)a < JWS_ALG_COUNT ? algs[a].name : "?";
}

bool
jws_alg_parse(struct view v, enum jws_alg *out)
{
	for (unsigned i = 0; i < JWS_ALG_COUNT; i++) {
		if (view_eq_str(v, algs[i].name)) {
			*out = (enum jws_alg)i;
			return true;
		}
	}
	/* RFC 9864's name, which says the curve too */
	if (!view_eq_str(v, "Ed25519"))
		return false;
	*out = JWS_EDDSA;
	return true;
}

static struct jwk *
new_key(enum family f)
{
	struct jwk *k = calloc(1, sizeof(*k));

	if (k == NULL)
		gg_die("no memory for a key");
	k->family = f;
	return k;
}

int
jwk_rsa(struct view n, struct view e, struct jwk **out, struct gg_error *err)
{
	GG_AUTO(jwk) k = new_key(FAMILY_RSA);
	int rc;

	if ((rc = pkey_rsa(n, e, RSA_BITS_MAX, &k->pkey, err)) != 0)
		return rc;
	*out = gg_take(k);
	return 0;
}

static int
ec(enum family f, const char *name, struct view x, struct view y,
    struct jwk **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) point = BUF_INIT(160);
	GG_AUTO(jwk) k = new_key(f);
	int rc;

	if (x.n != width(f) || y.n != width(f))
		return gg_fail(err, GG_E_REFUSED,
		    "the key's coordinates have a wrong length");
	buf_addc(&point, 4); /* both coordinates follow (SEC 1, 2.3.3) */
	buf_addv(&point, x);
	buf_addv(&point, y);
	if ((rc = buf_check(&point, err)) != 0 ||
	    (rc = pkey_ec(name, buf_view(&point), &k->pkey, err)) != 0)
		return rc;
	*out = gg_take(k);
	return 0;
}

int
jwk_ec(struct view curve, struct view x, struct view y, struct jwk **out,
    struct gg_error *err)
{
	for (size_t i = 0; i < GG_COUNT(curves); i++)
		if (view_eq_str(curve, curves[i].name))
			return ec(curves[i].family, curves[i].name, x, y, out,
			    err);
	return gg_fail(err, GG_E_REFUSED, "a key on a curve that is not taken");
}

int
jwk_ed25519(struct view x, struct jwk **out, struct gg_error *err)
{
	GG_AUTO(jwk) k = new_key(FAMILY_ED);
	int rc;

	if ((rc = pkey_ed25519(x, &k->pkey, err)) != 0)
		return rc;
	*out = gg_take(k);
	return 0;
}

void
jwk_free(struct jwk *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

bool
jwk_fits(const struct jwk *k, enum jws_alg alg)
{
	return (unsigned)alg < JWS_ALG_COUNT && k->family == algs[alg].family;
}

static bool
is_curve(enum family f)
{
	return f == FAMILY_P256 || f == FAMILY_P384 || f == FAMILY_P521;
}

/* OpenSSL refuses numbers that are 0 or not below the curve's order, RSA
 * signatures of another length than the modulus, and an s of Ed25519 that is
 * too large. */
int
jwk_verify(const struct jwk *k, enum jws_alg alg, struct view signed_bytes,
    struct view sig, struct gg_error *err)
{
	size_t w;

	if (!jwk_fits(k, alg))
		return gg_fail(err, GG_E_REFUSED, "the key is not one for %s",
		    jws_alg_name(alg));
	if (!is_curve(k->family))
		return pkey_verify(k->pkey, algs[alg].digest, algs[alg].padding,
		    sig, signed_bytes, err);
	w = width(k->family);
	if (sig.n != 2 * w)
		return gg_fail(err, GG_E_REFUSED,
		    "the signature has a wrong length");
	return pkey_verify_ecdsa(k->pkey, algs[alg].digest, view_of(sig.p, w),
	    view_of(sig.p + w, w), signed_bytes, err);
}
