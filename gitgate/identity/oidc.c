#include "identity/oidc.h"

#include "base/text.h"
#include "crypto/digest.h"
#include "identity/id_token.h"

#include <stdlib.h>
#include <string.h>

#define SUBJECT_MAX_BYTES 255 /* OpenID Connect Core, section 2 */
#define TOKEN_MAX_BYTES   65536

const char *const oidc_token_types[] = { "JWT", NULL };

/* -- discovery -- */

void
oidc_site_release(struct oidc_site *s)
{
	free(s->authorization);
	free(s->token);
	free(s->jwks);
	*s = (struct oidc_site){ 0 };
}

void
oidc_site_copy(struct oidc_site *to, const struct oidc_site *from)
{
	to->authorization = str_copy(from->authorization);
	to->token = str_copy(from->token);
	to->jwks = str_copy(from->jwks);
	to->names_issuer = from->names_issuer;
}

void
oidc_discovery_url(const struct provider *p, struct buf *out)
{
	struct view base = view_str(p->issuer);

	if (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	buf_addv(out, base);
	buf_adds(out, "/.well-known/openid-configuration");
}

/* https://..., or http:// where the issuer is (on this machine): printable,
 * without quotes or a fragment. */
static bool
url_is_good(const struct provider *p, const char *url)
{
	if (url == NULL || strlen(url) > OIDC_URL_MAX_BYTES ||
	    (strncmp(url, "https://", 8) != 0 &&
		(strncmp(url, "http://", 7) != 0 ||
		    strncmp(p->issuer, "http://", 7) != 0)))
		return false;
	for (; *url != '\0'; url++)
		if (*url <= ' ' || *url > '~' ||
		    strchr("\"'<>\\^`{|}#", *url) != NULL)
			return false;
	return true;
}

int
oidc_site_read(const struct provider *p, struct view json,
    struct oidc_site *out, struct gg_error *err)
{
	json_t *doc = json_loadb(json.p != NULL ? json.p : "", json.n,
	    JSON_REJECT_DUPLICATES, NULL);
	const char *iss = json_string_value(json_object_get(doc, "issuer"));
	const char *const urls[] = {
		json_string_value(json_object_get(doc,
		    "authorization_endpoint")),
		json_string_value(json_object_get(doc, "token_endpoint")),
		json_string_value(json_object_get(doc, "jwks_uri")),
	};
	int rc = 0;

	if (iss == NULL)
		rc = gg_fail(err, GG_E_REFUSED,
		    "its discovery document is none");
	else if (strcmp(iss, p->issuer) != 0)
		rc = gg_fail(err, GG_E_REFUSED,
		    "its discovery document is of another issuer");
	for (size_t i = 0; rc == 0 && i < GG_COUNT(urls); i++)
		if (!url_is_good(p, urls[i]))
			rc = gg_fail(err, GG_E_REFUSED,
			    "its discovery document names a place that cannot be used");
	if (rc == 0) {
		out->authorization = str_copy(urls[0]);
		out->token = str_copy(urls[1]);
		out->jwks = str_copy(urls[2]);
		out->names_issuer = json_is_true(json_object_get(doc,
		    "authorization_response_iss_parameter_supported"));
	}
	json_decref(doc);
	return rc;
}

/* -- what is sent -- */

void
oidc_challenge(const char *verifier, struct buf *out)
{
	unsigned char d[DIGEST_SHA256_BYTES];

	digest_sha256(verifier, strlen(verifier), d);
	base64url_encode(out, view_of(d, sizeof(d)));
}

static void
add_field(struct buf *out, char before, const char *name, const char *value)
{
	if (before != '\0')
		buf_addc(out, before);
	buf_addf(out, "%s=", name);
	for (; *value != '\0'; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || strchr("-._~", c) != NULL)
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

void
oidc_authorization_url(const struct provider *p, const struct oidc_site *site,
    const char *redirect_uri, const char *state, const char *nonce,
    const char *challenge, struct buf *out)
{
	GG_AUTO_RELEASE(buf) scope = BUF_INIT(4096);

	for (size_t i = 0; i < p->scopes.n; i++)
		buf_addf(&scope, "%s%s", i > 0 ? " " : "", p->scopes.v[i]);
	if (scope.failed != 0)
		out->failed = scope.failed;
	buf_adds(out, site->authorization);
	add_field(out, strchr(site->authorization, '?') != NULL ? '&' : '?',
	    "response_type", "code");
	add_field(out, '&', "client_id", p->client_id);
	add_field(out, '&', "redirect_uri", redirect_uri);
	add_field(out, '&', "scope", buf_str(&scope));
	add_field(out, '&', "state", state);
	add_field(out, '&', "nonce", nonce);
	add_field(out, '&', "code_challenge", challenge);
	add_field(out, '&', "code_challenge_method", "S256");
}

void
oidc_token_form(const char *code, const char *verifier,
    const char *redirect_uri, struct buf *out)
{
	add_field(out, '\0', "grant_type", "authorization_code");
	add_field(out, '&', "code", code);
	add_field(out, '&', "redirect_uri", redirect_uri);
	add_field(out, '&', "code_verifier", verifier);
}

/* -- what comes back -- */

static void
wipe(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

void
oidc_tokens_release(struct oidc_tokens *t)
{
	wipe(t->id_token);
	wipe(t->access_token);
	*t = (struct oidc_tokens){ 0 };
}

int
oidc_tokens_read(struct view json, struct oidc_tokens *out,
    struct gg_error *err)
{
	json_t *doc = json_loadb(json.p != NULL ? json.p : "", json.n,
	    JSON_REJECT_DUPLICATES, NULL);
	const char *id = json_string_value(json_object_get(doc, "id_token"));
	const char *access = json_string_value(json_object_get(doc,
	    "access_token"));
	int rc = 0;

	if (id == NULL || strlen(id) > JWS_MAX_BYTES ||
	    (access != NULL && strlen(access) > TOKEN_MAX_BYTES)) {
		rc = gg_fail(err, GG_E_REFUSED, "it gave no ID token");
	} else {
		out->id_token = str_copy(id);
		out->access_token = str_copy(access);
	}
	json_decref(doc);
	return rc;
}

unsigned
oidc_algorithms(const struct provider *p)
{
	return jws_algorithms(&p->algorithms);
}

/* The left half of the access token's hash, by the algorithm's (OpenID Connect
 * Core 3.1.3.6). */
static int
check_at_hash(const struct jws *j, const char *access_token,
    struct gg_error *err)
{
	const json_t *at_hash = json_object_get(j->claims, "at_hash");
	unsigned char d[DIGEST_SHA2_MAX_BYTES];
	struct buf want = BUF_INIT(128);
	unsigned bits = 256;
	bool good;

	if (at_hash == NULL || access_token == NULL)
		return 0;
	if (j->alg == JWS_RS384 || j->alg == JWS_PS384 || j->alg == JWS_ES384)
		bits = 384;
	else if (j->alg == JWS_RS512 || j->alg == JWS_PS512 ||
	    j->alg == JWS_ES512 || j->alg == JWS_EDDSA)
		bits = 512;
	digest_sha2(bits, view_str(access_token), d);
	base64url_encode(&want, view_of(d, bits / 16));
	good = json_is_string(at_hash) && want.failed == 0 &&
	    strcmp(json_string_value(at_hash), buf_str(&want)) == 0;
	buf_release(&want);
	return good ? 0 :
		      gg_fail(err, GG_E_REFUSED,
			  "the token is not of its access token (at_hash)");
}

/* With several audiences the token says for whom it was made, and that is us
 * (OpenID Connect Core 3.1.3.7). */
static int
check_party(const struct jws *j, struct gg_error *err)
{
	if (json_array_size(json_object_get(j->claims, "aud")) > 1 &&
	    json_object_get(j->claims, "azp") == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the token does not say for which client it was made (azp)");
	return 0;
}

int
oidc_check(const struct provider *p, const struct jws *j,
    const char *access_token, const char *nonce, int64_t now_ms,
    struct gg_error *err)
{
	char *us[] = { p->client_id };
	const struct strv audience = { .v = us, .n = 1 };
	const struct id_token_want want = {
		.issuer = p->issuer,
		.audience = &audience,
		.many_audiences = true,
		.nonce = nonce,
		.authorized_party = p->client_id,
		.need_iat = true,
	};
	int rc = id_token_check(j->claims, &want, now_ms, err);

	if (rc == 0)
		rc = check_party(j, err);
	return rc != 0 ? rc : check_at_hash(j, access_token, err);
}

/* -- the person -- */

void
oidc_person_release(struct oidc_person *p)
{
	free(p->name);
	free(p->subject);
	strv_release(&p->groups);
	strv_release(&p->emails);
	*p = (struct oidc_person){ 0 };
}

/* Some providers write the boolean as a text. */
static bool
is_verified(const json_t *claims)
{
	const json_t *v = json_object_get(claims, "email_verified");

	return json_is_true(v) ||
	    (json_is_string(v) && strcmp(json_string_value(v), "true") == 0);
}

static void
take_email(const struct provider *p, const json_t *claims, struct strv *out)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1024);

	if ((p->trust_email || is_verified(claims)) &&
	    claim_text(claims, p->email_claim, &b) && b.failed == 0 &&
	    email_is_valid(buf_view(&b)))
		strv_add(out, buf_str(&b));
}

int
oidc_person_of(const struct provider *p, const json_t *claims,
    struct oidc_person *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(oidc_person) x = { 0 };
	const char *sub = json_string_value(json_object_get(claims, "sub"));
	const json_t *at = json_object_get(claims, "auth_time");
	int rc;

	if (sub == NULL || sub[0] == '\0' || strlen(sub) > SUBJECT_MAX_BYTES)
		return gg_fail(err, GG_E_REFUSED, "%s did not say who you are.",
		    p->title);
	if ((rc = claims_fill(p->principal, claims, &x.name, err)) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "%s gave no name that can be used here. Ask your administrator.",
		    p->title);
	if ((rc = claims_groups(claims, p->groups, p->n_groups, &x.groups,
		 err)) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "%s gave groups that cannot be used here. Ask your administrator.",
		    p->title);
	x.subject = str_copy(sub);
	take_email(p, claims, &x.emails);
	if (json_is_integer(at) && json_integer_value(at) > 0 &&
	    json_integer_value(at) < INT64_MAX / 1000)
		x.signed_in_ms = json_integer_value(at) * 1000;
	if (strv_check(&x.emails, err) != 0)
		return GG_E_NOMEM;
	*out = x;
	x = (struct oidc_person){ 0 };
	return 0;
}
