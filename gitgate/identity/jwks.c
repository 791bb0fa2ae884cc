/* A set of keys (RFC 7517 section 5). */
#include "identity/jwks.h"

#include "base/text.h"
#include "identity/jws.h"

#include <string.h>

#define KEY_PART_MAX_BYTES 2048 /* RSA's modulus is the largest: 1025 */

struct key {
	struct jwk *jwk;
	char *kid; /* NULL: none */
	bool has_alg;
	enum jws_alg alg; /* the only one that it is for */
};

struct jwks {
	struct key *v;
	size_t n;
	bool try_all; /* SPIFFE: a token need not name its key */
};

void
jwks_free(struct jwks *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		jwk_free(s->v[i].jwk);
		free(s->v[i].kid);
	}
	free(s->v);
	free(s);
}

size_t
jwks_n(const struct jwks *s)
{
	return s->n;
}

static bool
has_kid(const struct key *k, const char *kid)
{
	return k->kid != NULL && strcmp(k->kid, kid) == 0;
}

bool
jwks_has(const struct jwks *s, const char *kid)
{
	if (kid == NULL)
		return s->n == 1;
	for (size_t i = 0; i < s->n; i++)
		if (has_kid(&s->v[i], kid))
			return true;
	return false;
}

/* -- parsing -- */

static bool
text_is(const json_t *key, const char *name, const char *want)
{
	const char *s = json_string_value(json_object_get(key, name));

	return s != NULL && strcmp(s, want) == 0;
}

/* base64url; false where it is missing or malformed. */
static bool
take_bytes(const json_t *key, const char *name, struct buf *out)
{
	const json_t *v = json_object_get(key, name);

	return json_is_string(v) && json_string_length(v) > 0 &&
	    base64url_decode(out,
		view_of(json_string_value(v), json_string_length(v)),
		NULL) == 0;
}

static int
take_numbers(const json_t *key, struct jwk **out)
{
	GG_AUTO_RELEASE(buf) a = BUF_INIT(KEY_PART_MAX_BYTES);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(KEY_PART_MAX_BYTES);
	const char *crv = json_string_value(json_object_get(key, "crv"));

	if (text_is(key, "kty", "RSA") && take_bytes(key, "n", &a) &&
	    take_bytes(key, "e", &b))
		return jwk_rsa(buf_view(&a), buf_view(&b), out, NULL);
	if (text_is(key, "kty", "EC") && crv != NULL &&
	    take_bytes(key, "x", &a) && take_bytes(key, "y", &b))
		return jwk_ec(view_str(crv), buf_view(&a), buf_view(&b), out,
		    NULL);
	if (text_is(key, "kty", "OKP") && text_is(key, "crv", "Ed25519") &&
	    take_bytes(key, "x", &a))
		return jwk_ed25519(buf_view(&a), out, NULL);
	return GG_E_REFUSED;
}

static bool
may_verify(const json_t *ops)
{
	const json_t *op;
	size_t i;

	if (ops == NULL)
		return true;
	json_array_foreach(ops, i, op) if (json_is_string(op) &&
	    strcmp(json_string_value(op), "verify") == 0) return true;
	return false;
}

/* Is it there for signatures of this use? */
static bool
is_for(const json_t *key, const char *use)
{
	const json_t *v = json_object_get(key, "use");

	if (v == NULL)
		return strcmp(use, "sig") == 0;
	return json_is_string(v) && strcmp(json_string_value(v), use) == 0;
}

/* The algorithm that it is restricted to. False: none of ours. */
static bool
take_alg(const json_t *key, struct key *out)
{
	const json_t *v = json_object_get(key, "alg");

	if (v == NULL)
		return true;
	out->has_alg = true;
	return json_is_string(v) &&
	    jws_alg_parse(view_of(json_string_value(v), json_string_length(v)),
		&out->alg);
}

static bool
take_kid(const json_t *key, struct key *out)
{
	const json_t *v = json_object_get(key, "kid");

	if (v == NULL)
		return true;
	if (!json_is_string(v))
		return false;
	if ((out->kid = strdup(json_string_value(v))) == NULL)
		gg_die("no memory for a key");
	return true;
}

/* Adds the key if it can verify here. */
static void
take_key(struct jwks *s, const json_t *key, const char *use)
{
	struct key k = { 0 };

	if (!json_is_object(key) || !is_for(key, use) ||
	    !may_verify(json_object_get(key, "key_ops")) ||
	    !take_alg(key, &k) || take_numbers(key, &k.jwk) != 0)
		return;
	if ((k.has_alg && !jwk_fits(k.jwk, k.alg)) || !take_kid(key, &k)) {
		jwk_free(k.jwk);
		return;
	}
	s->v[s->n++] = k;
}

int
jwks_parse(struct view text, const char *use, struct jwks **out,
    struct gg_error *err)
{
	GG_AUTO(jwks) s = calloc(1, sizeof(*s));
	json_t *root, *keys, *key;
	size_t i;

	if (s == NULL)
		return gg_fail(err, GG_E_NOMEM, "keys");
	if (text.n > JWKS_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT,
		    "a key set of more than %d bytes", JWKS_MAX_BYTES);
	root = json_loadb(text.p != NULL ? text.p : "", text.n,
	    JSON_REJECT_DUPLICATES, NULL);
	keys = json_object_get(root, "keys");
	if (!json_is_array(keys)) {
		json_decref(root);
		return gg_fail(err, GG_E_INPUT, "it is no JSON Web Key Set");
	}
	if (json_array_size(keys) > JWKS_MAX_KEYS) {
		json_decref(root);
		return gg_fail(err, GG_E_LIMIT,
		    "a key set of more than %d keys", JWKS_MAX_KEYS);
	}
	s->v = calloc(json_array_size(keys) + 1, sizeof(*s->v));
	if (s->v == NULL) {
		json_decref(root);
		return gg_fail(err, GG_E_NOMEM, "keys");
	}
	s->try_all = strcmp(use, "jwt-svid") == 0;
	json_array_foreach(keys, i, key) take_key(s, key, use);
	json_decref(root);
	*out = gg_take(s);
	return 0;
}

/* -- use -- */

static bool
fits(const struct key *k, const char *kid, enum jws_alg alg)
{
	return (kid == NULL || has_kid(k, kid)) && jwk_fits(k->jwk, alg) &&
	    (!k->has_alg || k->alg == alg);
}

int
jwks_verify(const struct jwks *s, const char *kid, enum jws_alg alg,
    struct view signed_bytes, struct view sig, struct gg_error *err)
{
	size_t n = 0;

	if (kid != NULL && !jwks_has(s, kid))
		return gg_fail(err, GG_E_NOTFOUND,
		    "the token's key is not one of the issuer's");
	for (size_t i = 0; i < s->n; i++)
		n += fits(&s->v[i], kid, alg);
	if (n == 0)
		return kid != NULL ?
		    gg_fail(err, GG_E_REFUSED,
			"the issuer's key of that name is not one for %s",
			jws_alg_name(alg)) :
		    gg_fail(err, GG_E_NOTFOUND, "the issuer has no key for %s",
			jws_alg_name(alg));
	if (n > 1 && kid == NULL && !s->try_all)
		return gg_fail(err, GG_E_REFUSED,
		    "the token does not say which of the issuer's keys signed it (kid)");
	for (size_t i = 0; i < s->n; i++)
		if (fits(&s->v[i], kid, alg) &&
		    jwk_verify(s->v[i].jwk, alg, signed_bytes, sig, NULL) == 0)
			return 0;
	return gg_fail(err, GG_E_REFUSED, "the token's signature is wrong");
}
