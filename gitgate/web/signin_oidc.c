/*
 * Signing in by OpenID Connect: authorization code flow with PKCE, state bound
 * to the browser, nonce. What speaks to the provider is web_ops' part.
 */
#include "base/fd.h"
#include "base/text.h"
#include "web/signin.h"

#include <stdlib.h>

#define SECRET_CHARS 43 /* what auth_random() gives */

static char *
redirect_uri(const struct web_call *c, const struct provider *p)
{
	return path_f("%s/-/login/%s/callback", c->cfg->public_url, p->name);
}

/* -- there -- */

static void
wipe(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

struct secrets {
	char *state, *nonce, *verifier, *data;
};

static void
secrets_release(struct secrets *s)
{
	wipe(s->state);
	wipe(s->nonce);
	wipe(s->verifier);
	wipe(s->data);
}
GG_DEFINE_AUTO_RELEASE(secrets);

static int
secrets_make(struct secrets *s, struct gg_error *err)
{
	json_t *o;

	s->state = auth_random();
	s->nonce = auth_random();
	s->verifier = auth_random();
	if (s->state == NULL || s->nonce == NULL || s->verifier == NULL)
		return gg_fail(err, GG_E_NOMEM, "sign-in");
	o = json_pack("{s:s, s:s}", "nonce", s->nonce, "verifier", s->verifier);
	s->data = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return s->data != NULL ? 0 : gg_fail(err, GG_E_NOMEM, "sign-in");
}

static void
reply_full(struct web_call *c, const char *limit)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	page_begin(c, &b, "Too many sign-ins", "");
	html_lit(&b, "<h1>Too many sign-ins</h1><p>Too many are under way (");
	html_texts(&b, limit);
	html_lit(&b, "). Wait a few minutes, then try again.</p>");
	page_reply_with(c, 429, &b, "Retry-After", "600");
}

void
signin_oidc_begin(struct web_call *c, const struct provider *p)
{
	GG_AUTO_MEM char *back = redirect_uri(c, p);
	GG_AUTO_RELEASE(oidc_site) site = { 0 };
	GG_AUTO_RELEASE(secrets) s = { NULL, NULL, NULL, NULL };
	GG_AUTO_RELEASE(buf) challenge = BUF_INIT(64);
	GG_AUTO_RELEASE(buf) url = BUF_INIT((size_t)16 << 10);
	struct gg_error err = { 0 };
	int rc;

	if ((rc = c->ops->oidc_site(c->ops->ctx, p, &site, &err)) != 0 ||
	    (rc = secrets_make(&s, &err)) != 0) {
		signin_unavailable(c, &err);
		return;
	}
	oidc_challenge(s.verifier, &challenge);
	oidc_authorization_url(p, &site, back, s.state, s.nonce,
	    buf_str(&challenge), &url);
	if ((rc = buf_check(&url, &err)) == 0)
		rc = signin_remember(c, p, s.state, s.data, &err);
	if (rc == GG_E_LIMIT)
		reply_full(c, err.msg);
	else if (rc == GG_E_REFUSED)
		signin_show(c, 403, err.msg);
	else if (rc != 0)
		signin_unavailable(c, &err);
	else
		signin_go(c, p->title, buf_str(&url));
}

/* -- and back -- */

/* Words for an "error" of RFC 6749 4.1.2.1; "error_description" is whatever
 * somebody puts into a link, and is not shown. */
static const char *
words_of(const char *error)
{
	static const struct {
		const char *code, *words;
	} known[] = {
		{ "access_denied",
		    "the sign-in was refused or given up there" },
		{ "login_required", "nobody was signed in there" },
		{ "consent_required", "nobody agreed to it there" },
		{ "interaction_required",
		    "it would have had to ask something" },
		{ "temporarily_unavailable",
		    "it is not available at the moment" },
		{ "server_error", "it had an error of its own" },
		{ "invalid_request",
		    "it did not understand this gate's request" },
		{ "invalid_scope",
		    "it does not know what was asked for (scopes)" },
		{ "unauthorized_client", "it does not let this gate ask" },
		{ "unsupported_response_type",
		    "it does not do this kind of sign-in" },
	};

	for (size_t i = 0; i < GG_COUNT(known); i++)
		if (strcmp(known[i].code, error) == 0)
			return known[i].words;
	return "it answered with an error";
}

/* RFC 9207: an answer of another provider, sent on to us, says so. */
static int
check_issuer(struct web_call *c, const struct provider *p, struct gg_error *err)
{
	const char *iss = http_query(c->rq, "iss");
	GG_AUTO_RELEASE(oidc_site) site = { 0 };
	int rc;

	if (iss != NULL && strcmp(iss, p->issuer) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "This answer is not of %s (iss). Try again.", p->title);
	if (iss != NULL)
		return 0;
	if ((rc = c->ops->oidc_site(c->ops->ctx, p, &site, err)) != 0)
		return rc;
	return site.names_issuer ?
	    gg_fail(err, GG_E_REFUSED,
		"This answer does not say that it is of %s (iss). Try again.",
		p->title) :
	    0;
}

static bool
code_is_plain(const char *code)
{
	size_t n = code != NULL ? strlen(code) : 0;

	if (n == 0 || n > OIDC_CODE_MAX_BYTES)
		return false;
	for (; *code != '\0'; code++)
		if (*code < ' ' || *code > '~')
			return false;
	return true;
}

/* What the provider answered, for a sign-in that is this browser's. */
static int
check_answer(struct web_call *c, const struct provider *p, struct gg_error *err)
{
	const char *error = http_query(c->rq, "error");
	int rc = check_issuer(c, p, err);

	if (rc != 0)
		return rc;
	if (error != NULL)
		return gg_fail(err, GG_E_REFUSED, "%s says: %s.", p->title,
		    words_of(error));
	if (!code_is_plain(http_query(c->rq, "code")))
		return gg_fail(err, GG_E_REFUSED, "%s gave no code. Try again.",
		    p->title);
	return 0;
}

static int
exchange(struct web_call *c, const struct provider *p,
    const struct stored_sign_in *pending, struct oidc_person *out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *back = redirect_uri(c, p);
	json_t *data = json_loads(pending->data, JSON_REJECT_DUPLICATES, NULL);
	struct oidc_exchange x = { .code = http_query(c->rq, "code"),
		.verifier = json_get(data, "verifier"),
		.redirect_uri = back,
		.nonce = json_get(data, "nonce") };
	int rc;

	if (strlen(x.verifier) != SECRET_CHARS ||
	    strlen(x.nonce) != SECRET_CHARS)
		rc = gg_fail(err, GG_E_CORRUPT, "a sign-in is damaged");
	else
		rc = c->ops->oidc_code(c->ops->ctx, p, &x, out, err);
	json_decref(data);
	return rc;
}

static void
finish(struct web_call *c, const struct provider *p)
{
	GG_AUTO_RELEASE(stored_sign_in) pending = { 0 };
	GG_AUTO_RELEASE(oidc_person) who = { 0 };
	const char *state = http_query(c->rq, "state");
	struct gg_error err = { 0 };
	struct proven proven;
	int rc;

	if (state == NULL || strlen(state) != SECRET_CHARS)
		rc = gg_fail(&err, GG_E_REFUSED,
		    "This sign-in was not begun here. Try again.");
	else
		rc = signin_recall(c, p, state, false, &pending, &err);
	if (rc == GG_E_REFUSED) {
		signin_refuse_unasked(c, p, &err);
		return;
	}
	if (rc == 0 && (rc = check_answer(c, p, &err)) == 0)
		rc = exchange(c, p, &pending, &who, &err);
	if (rc == GG_E_REFUSED || rc == GG_E_NOTFOUND) {
		signin_refuse(c, p, &err);
		return;
	}
	if (rc != 0) {
		signin_unavailable(c, &err);
		return;
	}
	proven = (struct proven){ .issuer = p->issuer,
		.subject = who.subject,
		.name = who.name,
		.groups = &who.groups,
		.emails = &who.emails,
		.signed_in_ms = who.signed_in_ms };
	signin_accept(c, p, &proven, pending.next);
}

void
signin_oidc_callback(struct web_call *c)
{
	const struct provider *p = config_find_provider(c->cfg, c->name);
	struct throttle t;

	if (p == NULL || p->kind != PROVIDER_OIDC) {
		page_error(c, 404, "Not found",
		    "There is no such way to sign in.");
		return;
	}
	if (strcmp(http_method(c->rq), "GET") != 0) {
		http_reply_text(c->rq, 405, "only GET");
		return;
	}
	throttle_keys(c, NULL, &t);
	if (signin_may_try(c, &t))
		finish(c, p);
}
