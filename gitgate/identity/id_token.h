/*
 * Claims: from a token whose signature is good to a principal. Pure logic.
 */
#ifndef GITGATE_IDENTITY_ID_TOKEN_H
#define GITGATE_IDENTITY_ID_TOKEN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "config/config.h"
#include "config/template.h"
#include "identity/jws.h"
#include "model/push.h"

#include <jansson.h>
#include <stdint.h>

#define ID_TOKEN_SKEW_MS (60 * (int64_t)1000)

/* Times, issuer, audience and subject. */
struct id_token_want {
	const char *issuer;           /* byte for byte; NULL: not looked at */
	const struct strv *audience;  /* one of these, ... */
	bool many_audiences;          /* ... beside others only if true */
	uint64_t max_lifetime_ms;     /* exp - iat; 0: not looked at */
	const char *nonce;            /* NULL: not looked at */
	const char *authorized_party; /* "azp" where there is one; NULL: any */
	bool need_iat;
};
/* GG_E_REFUSED with a sentence that names the claim and not its value. */
GG_MUST_USE int id_token_check(const json_t *claims,
    const struct id_token_want *want, int64_t now_ms, struct gg_error *err);

/* The text of a claim: a name, or a path "kubernetes.io/serviceaccount/uid"
 * where no claim has that whole name. Numbers and booleans as their text.
 * False: not there, or a list or object. */
bool claim_text(const json_t *claims, const char *name, struct buf *out);
/* Do all rules match (a list claim: any member)? *which: the claim of the
 * first that does not (borrowed from rules). */
bool claims_match(const json_t *claims, const struct claim_rule *rules,
    size_t n, const char **which);
/*
 * Fill "{claim}" in a template; bytes that a principal's name may not have
 * are refused, not replaced: GG_E_REFUSED names the claim. GG_E_NOTFOUND: a
 * claim of the template is missing or empty.
 */
GG_MUST_USE int claims_fill(const char *template, const json_t *claims,
    char **out, struct gg_error *err);
/* Groups by rules, each once, only valid names, at most 200. */
GG_MUST_USE int
claims_groups(const json_t *claims, const struct group_rule *rules, size_t n,
    struct strv *out, struct gg_error *err);

/* -- issuers of machines' tokens -- */

/*
 * Which of the issuers does an unverified token say it is of? By "iss", byte
 * for byte; SPIFFE by the trust domain of "sub". NULL: none; borrowed.
 */
const struct issuer *
issuer_select(const struct issuer *v, size_t n, const json_t *claims);
/* What jws_parse() takes as "typ" of their tokens. */
extern const char *const issuer_token_types[];
/* For jwks_parse(): the "use" of the issuer's keys. */
const char *issuer_key_use(const struct issuer *issuer);
/*
 * The token's signature by the issuer's keys with its algorithms; SPIFFE also
 * limits the header. As jws_verify(): GG_E_NOTFOUND asks for newer keys.
 */
GG_MUST_USE int issuer_verify(const struct issuer *issuer, const struct jws *j,
    const struct jwks *keys, struct gg_error *err);
/*
 * An issuer's verified token to a principal: id_token_check(), the profile's
 * refusals, `require`, principal, owner, groups, what is verified (a chosen
 * set of claims). credential_id is "jti", or "" where there is none.
 * GG_E_REFUSED with a sentence that a job's author can act on.
 */
GG_MUST_USE int
issuer_principal(const struct issuer *issuer, const json_t *claims,
    int64_t now_ms, struct principal *out, struct gg_error *err);
/* May this token touch the gate's repository (issuer's `repositories`)? Names
 * are compared as forges do, without regard to case. 0 or GG_E_REFUSED. */
GG_MUST_USE int issuer_repository(const struct issuer *issuer,
    const json_t *claims, const char *repository, struct gg_error *err);
#endif
