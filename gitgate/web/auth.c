/* Who asks: tokens, sessions, and whether our own page sent the request. */
#include "base/clock.h"
#include "base/text.h"
#include "identity/auth_header.h"
#include "identity/jws.h"
#include "identity/session.h"
#include "identity/token.h"
#include "web/web_priv.h"

#include <strings.h>

#define TOUCH_MS 60000 /* last uses are stored to the minute */

bool
auth_is_https(const struct config *cfg)
{
	return strncasecmp(cfg->public_url, "https://", 8) == 0;
}

const char *
auth_cookie_name(const struct config *cfg)
{
	return auth_is_https(cfg) ? "__Host-gitgate" : "gitgate-session";
}

char *
auth_random(void)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(64);
	unsigned char r[32];

	random_bytes(r, sizeof(r));
	base64url_encode(&b, view_of(r, sizeof(r)));
	explicit_bzero(r, sizeof(r));
	return buf_check(&b, NULL) == 0 ? buf_take(&b) : NULL;
}

json_t *
auth_client_json(const struct web_call *c)
{
	const char *agent = http_header(c->rq, "User-Agent");
	struct view v = view_str(agent != NULL ? agent : "");
	GG_AUTO_RELEASE(buf) b = BUF_INIT(512);

	utf8_replace(&b, v, 200);
	return json_pack("{s:o, s:o}", "addr",
	    json_text(http_client_addr(c->rq)), "agent",
	    json_text(buf_str(&b)));
}

static int
use_token(struct web_call *c, struct view token, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_token) t = { 0 };
	char hash[DIGEST_SHA256_HEX_SIZE];
	int64_t now = clock_wall_ms();
	enum credential_state state;
	int rc;

	if (!token_is_wellformed(token))
		return gg_fail(err, GG_E_REFUSED, "not a token of this gate");
	digest_sha256_hex(token, hash);
	rc = store_token_find(c->ops->store, hash, &t, err);
	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_REFUSED, "unknown token");
	if (rc != 0)
		return rc;
	state = token_state(t.created_ms, t.expires_ms, t.revoked_ms, now);
	if (state != CREDENTIAL_GOOD)
		return gg_fail(err, GG_E_REFUSED, "this token is %s",
		    credential_state_name(state));
	if (now - t.used_ms >= TOUCH_MS)
		/* A fact for people; the request does not depend on it. */
		(void)!store_token_used(c->ops->store, t.id, now, NULL);
	c->who.method = AUTH_TOKEN;
	c->who.name = gg_take(t.principal);
	c->who.credential_id = gg_take(t.id);
	c->who.owner = gg_take(t.owner);
	strv_copy(&c->who.groups, &t.groups);
	/* A person is the same one with a token as with a session. */
	if ((rc = store_person_aliases(c->ops->store, c->who.name,
		 &c->who.aliases, err)) == 0 &&
	    c->who.owner[0] != '\0')
		rc = store_person_aliases(c->ops->store, c->who.owner,
		    &c->who.aliases, err);
	return rc != 0 ? rc : strv_check(&c->who.groups, err);
}

/* An issuer's token. What cannot be known now has words for the client. */
static int
use_jwt(struct web_call *c, struct view token, struct gg_error *err)
{
	int rc = c->ops->verify_token == NULL ?
	    gg_fail(err, GG_E_REFUSED, "not a token of this gate") :
	    c->ops->verify_token(c->ops->ctx, token, &c->who, err);

	if (rc == GG_E_UNAVAILABLE)
		rc = err->code = GG_E_LIMIT;
	/* Whoever it acts for is the same person under another name. */
	if (rc == 0 && c->who.owner != NULL)
		rc = store_person_aliases(c->ops->store, c->who.owner,
		    &c->who.aliases, err);
	return rc;
}

/* Basic: the password is the token; the name does not matter. */
static int
use_header(struct web_call *c, const char *value, struct gg_error *err)
{
	GG_AUTO_RELEASE(auth_header) h = { 0 };

	if (auth_header_parse(view_str(value), &h, NULL) != 0)
		return gg_fail(err, GG_E_REFUSED, "malformed credentials");
	if (h.scheme == AUTH_SCHEME_NONE)
		return 0;
	if (jws_is_likely(view_str(h.secret)))
		return use_jwt(c, view_str(h.secret), err);
	return use_token(c, view_str(h.secret), err);
}

/* Is the stored session still good? Ends it where it is not. */
static bool
session_is_good(struct web_call *c, int64_t now)
{
	const struct limits *l = &c->cfg->limits;
	const struct stored_session *s = &c->session.s;
	int64_t idle = (int64_t)l->session_idle_ms;

	if (session_state(s->created_ms, s->used_ms, idle,
		(int64_t)l->session_total_ms, now) != CREDENTIAL_GOOD) {
		(void)!store_session_remove(c->ops->store, c->session.hash,
		    NULL);
		return false;
	}
	if (now - s->used_ms > (idle / 4 < TOUCH_MS ? idle / 4 : TOUCH_MS))
		(void)!store_session_used(c->ops->store, c->session.hash, now,
		    NULL);
	return true;
}

/* May whoever vouched for the session's person still do so? Another issuer
 * under the same name may not (SAML's is in its metadata, not here). */
static bool
is_vouched_for(const struct web_call *c)
{
	const struct stored_session *s = &c->session.s;
	const struct provider *p;

	if (s->provider[0] == '\0')
		return c->cfg->identity.local_accounts;
	p = config_find_provider(c->cfg, s->provider);
	return p != NULL &&
	    (p->kind != PROVIDER_OIDC || strcmp(p->issuer, s->issuer) == 0);
}

static void
add_once(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (!strv_has(to, from->v[i]))
			strv_add(to, from->v[i]);
}

/*
 * Groups: of a local account (or the one that a provider's subject is linked
 * to) those of now; of a provider those of the sign-in. 1: signed out.
 */
static int
session_principal(struct web_call *c, struct gg_error *err)
{
	const struct stored_session *s = &c->session.s;
	bool local = s->provider[0] == '\0';
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	int rc = store_user_find(c->ops->store, s->person, &u, err);

	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	if (rc == GG_E_NOTFOUND ? local : u.disabled_ms != 0)
		return 1;
	c->who.name = view_dup(view_str(s->person));
	c->who.credential_id = view_dup(view_str(s->id));
	if (!local) {
		c->who.issuer = view_dup(view_str(s->issuer));
		c->who.subject = view_dup(view_str(s->subject));
	}
	if (c->who.name == NULL || c->who.credential_id == NULL ||
	    (!local && (c->who.issuer == NULL || c->who.subject == NULL)))
		return gg_fail(err, GG_E_NOMEM, "session");
	add_once(&c->who.groups, &u.groups);
	add_once(&c->who.groups, &s->groups);
	add_once(&c->who.aliases, &s->aliases);
	if ((rc = store_person_aliases(c->ops->store, s->person,
		 &c->who.aliases, err)) != 0)
		return rc;
	return strv_check(&c->who.groups, err);
}

static int
use_session(struct web_call *c, const char *id, struct gg_error *err)
{
	int rc;

	digest_sha256_hex(view_str(id), c->session.hash);
	rc = store_session_find(c->ops->store, c->session.hash, &c->session.s,
	    err);
	if (rc == GG_E_NOTFOUND ||
	    (rc == 0 &&
		(!session_is_good(c, clock_wall_ms()) || !is_vouched_for(c))))
		return 0; /* signed out */
	if (rc != 0 || (rc = session_principal(c, err)) != 0)
		return rc == 1 ? 0 : rc;
	c->who.method = AUTH_SESSION;
	c->session.is_open = true;
	return 0;
}

/* A browser offers certificates by itself, and another site can make it: on
 * pages they are no identity. */
static bool
certificate_counts(const struct web_call *c)
{
	const char *path = http_path(c->rq);

	return c->ops->verify_certificate != NULL && strcmp(path, "/") != 0 &&
	    (strncmp(path, "/-/", 3) != 0 || strncmp(path, "/-/api/", 7) == 0);
}

static int
use_certificate(struct web_call *c, struct gg_error *err)
{
	int rc = c->ops->verify_certificate(c->ops->ctx, c->rq, &c->who, err);

	return rc == GG_E_NOTFOUND ? 0 : rc;
}

/*
 * Good credentials go through whatever their address did before: who shares it
 * with a guesser is not locked out, and a token cannot be guessed. Passwords
 * have limits of their own (sign-in-tries).
 */
static int
count_refused(struct web_call *c, struct gg_error *err)
{
	struct gg_error why = *err;
	unsigned wait;

	if (c->ops->limit_failed == NULL ||
	    (wait = c->ops->limit_failed(c->ops->ctx,
		 http_client_addr(c->rq))) == 0)
		return GG_E_REFUSED;
	http_retry_after(c->rq, wait);
	return gg_fail(err, GG_E_LIMIT,
	    "limit failed-auth: %.200s; and too many credentials from this "
	    "address were refused: try again in %u s",
	    why.msg, wait);
}

int
auth_identify(struct web_call *c, bool allow_session, struct gg_error *err)
{
	unsigned n = http_header_count(c->rq, "Authorization");
	const char *cookie;
	int rc = 0;

	c->who = (struct principal){ .method = AUTH_ANONYMOUS };
	if (n > 1)
		return gg_fail(err, GG_E_REFUSED,
		    "two Authorization headers; send one credential");
	if (n == 1)
		rc = use_header(c, http_header(c->rq, "Authorization"), err);
	else if (allow_session &&
	    (cookie = http_cookie(c->rq, auth_cookie_name(c->cfg))) != NULL)
		rc = use_session(c, cookie, err);
	if (rc == 0 && n == 0 && c->who.name == NULL && certificate_counts(c))
		rc = use_certificate(c, err);
	if (rc == GG_E_REFUSED) {
		refused_note(c, err);
		return count_refused(c, err);
	}
	if (rc != 0)
		return rc;
	if (c->who.name == NULL)
		c->who.name = view_dup(view_str("anonymous"));
	if (c->who.credential_id == NULL)
		c->who.credential_id = view_dup(view_str(""));
	if (c->who.name == NULL || c->who.credential_id == NULL)
		return gg_fail(err, GG_E_NOMEM, "principal");
	return 0;
}

unsigned
auth_refused_status(const struct web_call *c)
{
	return http_header_count(c->rq, "Authorization") > 0 ? 401 : 403;
}

int
web_authenticate(const struct web_ops *ops, struct http_request *rq,
    bool allow_session, struct principal *out, struct gg_error *err)
{
	struct web_call c = { .ops = ops, .rq = rq };
	int rc;

	c.cfg = ops->config(ops->ctx);
	c.rs = ops->ruleset(ops->ctx);
	rc = auth_identify(&c, allow_session, err);
	if (rc == 0) {
		*out = c.who;
		c.who = (struct principal){ 0 };
	}
	web_call_release(&c);
	return rc;
}

/* "https://host:port" of a URL. */
static struct view
origin_of(const char *url)
{
	const char *host = strstr(url, "://");
	struct view v = view_str(url), origin;

	if (host == NULL)
		return v;
	view_skip(&v, (size_t)(host + 3 - url));
	if (!view_cut(&v, '/', &origin))
		return view_str(url);
	return view_of(url, (size_t)(origin.p + origin.n - url));
}

/*
 * Browsers say where a request comes from; one that says nothing has only
 * the token (which another site cannot know).
 */
bool
auth_origin_is_ours(const struct web_call *c)
{
	const char *site = http_header(c->rq, "Sec-Fetch-Site");
	const char *origin = http_header(c->rq, "Origin");

	if (site != NULL)
		return strcmp(site, "same-origin") == 0;
	return origin == NULL ||
	    view_eq(view_str(origin), origin_of(c->cfg->public_url));
}

bool
auth_csrf_is_ours(const struct web_call *c, const char *token)
{
	return c->session.is_open && token != NULL &&
	    c->session.s.csrf != NULL && c->session.s.csrf[0] != '\0' &&
	    view_eq_consttime(view_str(token), view_str(c->session.s.csrf));
}

int
auth_session_fill(struct web_call *c, struct stored_session *s, char **id,
    struct gg_error *err)
{
	char ulid[ULID_SIZE];

	ulid_new(ulid);
	*id = auth_random();
	s->id = view_dup(view_str(ulid));
	s->csrf = auth_random();
	s->client_addr = view_dup(view_str(http_client_addr(c->rq)));
	s->created_ms = s->used_ms = clock_wall_ms();
	if (s->signed_in_ms == 0)
		s->signed_in_ms = s->created_ms;
	if (*id == NULL || s->id == NULL || s->csrf == NULL ||
	    s->client_addr == NULL)
		return gg_fail(err, GG_E_NOMEM, "session");
	return 0;
}

int
auth_session_open(struct web_call *c, const struct stored_session *s,
    const char *id, struct gg_error *err)
{
	char hash[DIGEST_SHA256_HEX_SIZE];

	digest_sha256_hex(view_str(id), hash);
	return store_session_add(c->ops->store, hash, s, err);
}
