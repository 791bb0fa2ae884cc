#include "identity/jws.h"

#include "base/text.h"
#include "identity/jwks.h"

#include <string.h>
#include <strings.h>

#define KID_MAX_BYTES 1024

static int
refuse(struct gg_error *err, const char *why)
{
	return gg_fail(err, GG_E_REFUSED, "%s", why);
}

void
jws_release(struct jws *j)
{
	free(j->kid);
	json_decref(j->header);
	json_decref(j->claims);
	buf_release(&j->payload);
	buf_release(&j->sig);
	*j = (struct jws){ 0 };
}

static size_t
count_dots(struct view v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++)
		n += v.p[i] == '.';
	return n;
}

bool
jws_is_likely(struct view token)
{
	return view_has_prefix(token, "eyJ") && count_dots(token) == 2;
}

/* -- shape -- */

static int
split(struct view token, struct view part[3], struct gg_error *err)
{
	if (view_has_prefix(token, "{"))
		return refuse(err,
		    "the token is in JSON serialization: only the compact one is taken");
	if (count_dots(token) == 4)
		return refuse(err,
		    "the token is encrypted (JWE): only signed ones are taken");
	if (count_dots(token) != 2)
		return refuse(err, "the token has not three parts");
	(void)view_cut(&token, '.', &part[0]);
	(void)view_cut(&token, '.', &part[1]);
	part[2] = token;
	if (part[2].n == 0)
		return refuse(err, "the token is not signed");
	if (part[0].n == 0)
		return refuse(err, "the token has no header");
	return 0;
}

static int
decode(struct view part, struct buf *out, struct gg_error *err)
{
	buf_init(out, JWS_MAX_BYTES);
	if (base64url_decode(out, part, NULL) != 0)
		return refuse(err, "a part of the token is not base64url");
	return 0;
}

/* NULL: not JSON, or (*duplicate) with a member twice. */
static json_t *
parse_json(struct view text, bool *duplicate)
{
	json_error_t e;
	json_t *v = json_loadb(text.n > 0 ? text.p : "", text.n,
	    JSON_REJECT_DUPLICATES, &e);

	*duplicate = v == NULL &&
	    json_error_code(&e) == json_error_duplicate_key;
	return v;
}

/* -- header -- */

static bool
is_type(const json_t *typ, const char *const *types)
{
	const char *s = json_string_value(typ);

	for (; s != NULL && *types != NULL; types++)
		if (strcasecmp(s, *types) == 0)
			return true;
	return false;
}

/*
 * What would change what a signature means is refused. Members that say where
 * a key is or bring one ("jku", "x5u", "jwk", "x5c") are not looked at: keys
 * come from the configured issuer.
 */
static int
check_members(const json_t *h, struct gg_error *err)
{
	static const char *const refused[] = { "crit", "b64", "zip", "enc" };

	for (size_t i = 0; i < GG_COUNT(refused); i++)
		if (json_object_get(h, refused[i]) != NULL)
			return gg_fail(err, GG_E_REFUSED,
			    "the token's header has \"%s\", which is not taken",
			    refused[i]);
	return 0;
}

static int
take_alg(const json_t *h, enum jws_alg *out, struct gg_error *err)
{
	const json_t *alg = json_object_get(h, "alg");
	struct view v = view_of(json_string_value(alg),
	    json_string_length(alg));

	if (!json_is_string(alg))
		return refuse(err, "the token names no algorithm");
	if (v.n == 4 && strncasecmp(v.p, "none", 4) == 0)
		return refuse(err, "the token is not signed (alg none)");
	if (view_has_prefix(v, "HS"))
		return refuse(err,
		    "the token is signed with a shared secret (HMAC), which is never taken");
	if (!jws_alg_parse(v, out))
		return refuse(err, "the token's algorithm is not taken");
	return 0;
}

static int
take_kid(const json_t *h, char **out, struct gg_error *err)
{
	const json_t *kid = json_object_get(h, "kid");

	if (kid == NULL)
		return 0;
	if (!json_is_string(kid) || json_string_length(kid) > KID_MAX_BYTES)
		return refuse(err, "the token's key id is no short text");
	if ((*out = strdup(json_string_value(kid))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "token");
	return 0;
}

static int
take_header(struct view part, const char *const *types, struct jws *j,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(0);
	const json_t *typ;
	bool duplicate;
	int rc;

	if ((rc = decode(part, &text, err)) != 0)
		return rc;
	j->header = parse_json(buf_view(&text), &duplicate);
	if (duplicate)
		return refuse(err, "the token's header has a member twice");
	if (!json_is_object(j->header))
		return refuse(err, "the token's header is no JSON object");
	typ = json_object_get(j->header, "typ");
	if (typ != NULL && !is_type(typ, types))
		return refuse(err,
		    "the token is of a type that is not taken here");
	if ((rc = check_members(j->header, err)) != 0 ||
	    (rc = take_alg(j->header, &j->alg, err)) != 0)
		return rc;
	return take_kid(j->header, &j->kid, err);
}

/* -- the whole -- */

static int
parse(struct view token, const char *const *types, struct jws *j,
    struct gg_error *err)
{
	struct view part[3] = { { 0 } };
	bool duplicate;
	int rc;

	if ((rc = split(token, part, err)) != 0 ||
	    (rc = take_header(part[0], types, j, err)) != 0 ||
	    (rc = decode(part[1], &j->payload, err)) != 0 ||
	    (rc = decode(part[2], &j->sig, err)) != 0)
		return rc;
	j->signed_bytes = view_of(token.p, part[0].n + 1 + part[1].n);
	j->claims = parse_json(buf_view(&j->payload), &duplicate);
	if (duplicate)
		return refuse(err, "the token has a claim twice");
	if (!json_is_object(j->claims)) {
		json_decref(j->claims);
		j->claims = NULL;
	}
	return 0;
}

int
jws_parse(struct view token, const char *const *types, struct jws *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(jws) j = { 0 };
	int rc;

	if (token.n > JWS_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT,
		    "the token has more than %d bytes", JWS_MAX_BYTES);
	if ((rc = parse(token, types, &j, err)) != 0)
		return rc;
	*out = j;
	j = (struct jws){ 0 };
	return 0;
}

int
jws_verify(const struct jws *j, const struct jwks *keys, unsigned allowed,
    struct gg_error *err)
{
	if ((allowed & (1U << j->alg)) == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the token is signed with %s, which is not allowed for its issuer",
		    jws_alg_name(j->alg));
	return jwks_verify(keys, j->kid, j->alg, j->signed_bytes,
	    buf_view(&j->sig), err);
}

unsigned
jws_algorithms(const struct strv *names)
{
	unsigned allowed = 0;
	enum jws_alg a = JWS_RS256;

	for (size_t i = 0; i < names->n; i++)
		if (jws_alg_parse(view_str(names->v[i]), &a))
			allowed |= 1U << a;
	return allowed;
}
