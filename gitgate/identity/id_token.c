#include "identity/id_token.h"

#include <string.h>

/* Far beyond any real time, and its milliseconds still fit. */
#define SECONDS_MAX ((json_int_t)1 << 40)

static int
refuse(struct gg_error *err, const char *why)
{
	return gg_fail(err, GG_E_REFUSED, "%s", why);
}

/* 1 there, 0 not there, GG_E_REFUSED: no time. */
static int
take_time(const json_t *claims, const char *name, int64_t *ms,
    struct gg_error *err)
{
	const json_t *v = json_object_get(claims, name);

	if (v == NULL)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) <= 0 ||
	    json_integer_value(v) > SECONDS_MAX)
		return gg_fail(err, GG_E_REFUSED,
		    "the token's \"%s\" is not a time in whole seconds", name);
	*ms = (int64_t)json_integer_value(v) * 1000;
	return 1;
}

struct times {
	int64_t exp, iat, nbf;
	int has_iat, has_nbf;
};

/* From when it counts, for how long it lives: where it does not say, now. */
static int64_t
born(const struct times *t, int64_t now_ms)
{
	if (t->has_iat)
		return t->iat;
	return t->has_nbf ? t->nbf : now_ms;
}

static int
check_times(const struct times *t, const struct id_token_want *want,
    int64_t now_ms, struct gg_error *err)
{
	int64_t life = t->exp - born(t, now_ms);

	if (now_ms >= t->exp + ID_TOKEN_SKEW_MS)
		return refuse(err,
		    "the token has expired: ask for a new one right before use");
	if (t->has_nbf && t->nbf > now_ms + ID_TOKEN_SKEW_MS)
		return refuse(err, "the token is not valid yet (nbf)");
	if (t->has_iat && t->iat > now_ms + ID_TOKEN_SKEW_MS)
		return refuse(err, "the token was made in the future (iat)");
	if (t->has_iat && life <= 0)
		return refuse(err, "the token expires before it was made");
	if (want->max_lifetime_ms != 0 && life > 0 &&
	    (uint64_t)life > want->max_lifetime_ms + ID_TOKEN_SKEW_MS)
		return gg_fail(err, GG_E_REFUSED,
		    "the token lives longer than the %llu s that are allowed for its issuer",
		    (unsigned long long)(want->max_lifetime_ms / 1000));
	return 0;
}

static int
take_times(const json_t *claims, const struct id_token_want *want,
    int64_t now_ms, struct gg_error *err)
{
	struct times t = { 0 };
	int rc = take_time(claims, "exp", &t.exp, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return refuse(err,
		    "the token does not say when it expires (exp)");
	if ((t.has_iat = take_time(claims, "iat", &t.iat, err)) < 0)
		return t.has_iat;
	if ((t.has_nbf = take_time(claims, "nbf", &t.nbf, err)) < 0)
		return t.has_nbf;
	if (want->need_iat && t.has_iat == 0)
		return refuse(err,
		    "the token does not say when it was made (iat)");
	return check_times(&t, want, now_ms, err);
}

static bool
text_is(const json_t *v, const char *want)
{
	return json_is_string(v) && strcmp(json_string_value(v), want) == 0;
}

static bool
is_text(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) > 0;
}

/* A token for several relying parties could be used by one of them against
 * another: unless that is wanted, it names us alone. */
static int
check_audience(const json_t *aud, const struct id_token_want *want,
    struct gg_error *err)
{
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;
	bool ours = false;

	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_is_array(aud) ?
		    json_array_get(aud, i) :
		    aud;

		if (!is_text(one))
			return refuse(err,
			    "the token does not say who it is for (aud)");
		ours = ours || strv_has(want->audience, json_string_value(one));
	}
	if (!ours)
		return gg_fail(err, GG_E_REFUSED,
		    "the token is for somebody else (aud): ask for one with the audience %.200s",
		    want->audience->n > 0 ? want->audience->v[0] :
					    "of this gate");
	if (n > 1 && !want->many_audiences)
		return refuse(err,
		    "the token has more than one audience (aud): ask for one with this gate's alone");
	return 0;
}

int
id_token_check(const json_t *claims, const struct id_token_want *want,
    int64_t now_ms, struct gg_error *err)
{
	const json_t *azp = json_object_get(claims, "azp");
	int rc;

	if (!json_is_object(claims))
		return refuse(err, "the token's payload is no JSON object");
	if (want->issuer != NULL &&
	    !text_is(json_object_get(claims, "iss"), want->issuer))
		return refuse(err, "the token is of another issuer (iss)");
	if ((rc = check_audience(json_object_get(claims, "aud"), want, err)) <
		0 ||
	    (rc = take_times(claims, want, now_ms, err)) < 0)
		return rc;
	if (!is_text(json_object_get(claims, "sub")))
		return refuse(err, "the token says of nobody who it is (sub)");
	if (want->nonce != NULL &&
	    !text_is(json_object_get(claims, "nonce"), want->nonce))
		return refuse(err,
		    "the token does not belong to this sign-in (nonce)");
	if (want->authorized_party != NULL && azp != NULL &&
	    !text_is(azp, want->authorized_party))
		return refuse(err,
		    "the token was made for another client (azp)");
	return 0;
}
