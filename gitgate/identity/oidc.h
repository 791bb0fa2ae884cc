/*
 * OpenID Connect as a relying party (OpenID Connect Core 1.0, Discovery 1.0;
 * RFC 6749, 7636, 9207): what is said and how answers are read. Pure; the
 * gate fetches and keeps (role/gate_signin.c).
 */
#ifndef GITGATE_IDENTITY_OIDC_H
#define GITGATE_IDENTITY_OIDC_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"
#include "identity/jws.h"

#include <jansson.h>
#include <stdint.h>

#define OIDC_URL_MAX_BYTES  2048
#define OIDC_CODE_MAX_BYTES 2048

/* What a provider's discovery document says. */
struct oidc_site {
	char *authorization, *token, *jwks; /* URLs */
	bool names_issuer; /* "iss" is in every answer (RFC 9207) */
};
void oidc_site_release(struct oidc_site *s);
GG_DEFINE_AUTO_RELEASE(oidc_site);
void oidc_site_copy(struct oidc_site *to, const struct oidc_site *from);

/* Where the document is. */
void oidc_discovery_url(const struct provider *p, struct buf *out);
/* GG_E_REFUSED: it is no such document, is another issuer's, or names URLs
 * that are not https (http where the issuer itself is). */
GG_MUST_USE int oidc_site_read(const struct provider *p, struct view json,
    struct oidc_site *out, struct gg_error *err);

/* S256 of a verifier (RFC 7636 4.2). */
void oidc_challenge(const char *verifier, struct buf *out);
/* Where the browser goes. */
void oidc_authorization_url(const struct provider *p,
    const struct oidc_site *site, const char *redirect_uri, const char *state,
    const char *nonce, const char *challenge, struct buf *out);
/* The form that changes a code, without client authentication. */
void oidc_token_form(const char *code, const char *verifier,
    const char *redirect_uri, struct buf *out);

struct oidc_tokens {
	char *id_token;
	char *access_token; /* NULL: none; used for at_hash only */
};
void oidc_tokens_release(struct oidc_tokens *t); /* wipes */
GG_DEFINE_AUTO_RELEASE(oidc_tokens);
/* The token endpoint's answer. GG_E_REFUSED without its bytes. */
GG_MUST_USE int oidc_tokens_read(struct view json, struct oidc_tokens *out,
    struct gg_error *err);

/* The provider's algorithms as bits for jws_verify(). */
unsigned oidc_algorithms(const struct provider *p);
/* What jws_parse() takes as "typ". */
extern const char *const oidc_token_types[];
/* Claims of an ID token whose signature is good: issuer, audience and azp,
 * times, nonce, at_hash. GG_E_REFUSED names the claim. */
GG_MUST_USE int oidc_check(const struct provider *p, const struct jws *j,
    const char *access_token, const char *nonce, int64_t now_ms,
    struct gg_error *err);

/* The person behind the claims. */
struct oidc_person {
	char *name; /* the principal template, filled */
	char *subject;
	struct strv groups, emails; /* emails: verified */
	int64_t signed_in_ms;       /* 0: not said */
};
void oidc_person_release(struct oidc_person *p);
GG_DEFINE_AUTO_RELEASE(oidc_person);
/* GG_E_REFUSED with a sentence for the person. */
GG_MUST_USE int oidc_person_of(const struct provider *p, const json_t *claims,
    struct oidc_person *out, struct gg_error *err);

#endif
