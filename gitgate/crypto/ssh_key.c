#include "crypto/ssh_key.h"

#include "base/auto.h"
#include "base/buf.h"
#include "crypto/digest.h"
#include "crypto/pkey.h"

#define RSA_BITS_MAX 16384

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

/* -- keys -- */

static int
ec_key(const struct kind *k, struct view blob, EVP_PKEY **out,
    struct gg_error *err)
{
	struct view curve, point;

	if (!ssh_cut_string(&blob, &curve) || !ssh_cut_string(&blob, &point) ||
	    !view_eq_str(curve, k->ssh_curve))
		return malformed(err);
	return pkey_ec(k->curve, point, out, err);
}

static int
rsa_key(struct view blob, EVP_PKEY **out, struct gg_error *err)
{
	struct view e, n;

	if (!ssh_cut_string(&blob, &e) || !ssh_cut_string(&blob, &n) ||
	    blob.n != 0)
		return malformed(err);
	return pkey_rsa(n, e, RSA_BITS_MAX, out, err);
}

static int
ed25519_key(struct view blob, EVP_PKEY **out, struct gg_error *err)
{
	struct view pub;

	if (!ssh_cut_string(&blob, &pub))
		return malformed(err);
	return pkey_ed25519(pub, out, err);
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

/* SSH sends r and s, each with its length. */
static int
verify_ecdsa(EVP_PKEY *key, const char *digest, struct view raw,
    struct view data, struct gg_error *err)
{
	struct view r, s;

	if (!ssh_cut_string(&raw, &r) || !ssh_cut_string(&raw, &s) ||
	    raw.n != 0)
		return malformed(err);
	return pkey_verify_ecdsa(key, digest, r, s, data, err);
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
		return pkey_verify(key, NULL, PKEY_PLAIN, raw, data, err);
	if (rsa_digest(name) == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "RSA signatures with SHA-1 are not taken");
	return pkey_verify(key, rsa_digest(name), PKEY_PLAIN, raw, data, err);
}
