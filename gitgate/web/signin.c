/* Signing in with a local account, and out again. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/password.h"
#include "web/web_priv.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#define THROTTLE_MS      (15 * 60 * (int64_t)1000)
#define COMPUTE_AT_ONCE  2 /* Argon2id takes 64 MiB each */
#define COMPUTE_WAIT_SEC 10

static sem_t compute;
static pthread_once_t compute_once = PTHREAD_ONCE_INIT;

static void
compute_init(void)
{
	(void)sem_init(&compute, 0, COMPUTE_AT_ONCE);
}

static bool
compute_enter(void)
{
	struct timespec until;
	int rc;

	(void)pthread_once(&compute_once, compute_init);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += COMPUTE_WAIT_SEC;
	do
		rc = sem_timedwait(&compute, &until);
	while (rc != 0 && errno == EINTR);
	return rc == 0;
}

static const char *
form_cookie_name(const struct config *cfg)
{
	return auth_is_https(cfg) ? "__Host-gitgate-form" : "gitgate-form";
}

static char *
cookie_text(const struct config *cfg, const char *name, const char *value,
    const char *more)
{
	return path_f("%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s", name, value,
	    auth_is_https(cfg) ? "; Secure" : "", more);
}

/*
 * The form's token before there is a session: a random one, in the form and
 * in a cookie; another site can set neither.
 */
static void
show_form(struct web_call *c, unsigned status, const char *complaint)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);
	const char *again = http_cookie(c->rq, form_cookie_name(c->cfg));
	GG_AUTO_MEM char *token = NULL;
	GG_AUTO_MEM char *cookie = NULL;
	const char *next = http_query(c->rq, "next");

	token = again != NULL && strlen(again) == 43 ?
	    view_dup(view_str(again)) :
	    auth_random();
	if (token == NULL) {
		http_reply_text(c->rq, 500, "no memory");
		return;
	}
	cookie = cookie_text(c->cfg, form_cookie_name(c->cfg), token, "");
	if (next == NULL)
		next = http_form(c->rq, "next");
	page_begin(c, &b, "Sign in", "");
	html_lit(&b, "<div class=\"card narrow\"><h1>Sign in</h1>");
	if (complaint[0] != '\0') {
		html_lit(&b, "<p class=\"alert\" role=\"alert\">");
		html_texts(&b, complaint);
		html_lit(&b, "</p>");
	}
	html_lit(&b,
	    "<form method=\"post\" action=\"/-/login\"><input type=\"hidden\" "
	    "name=\"csrf\" value=\"");
	html_attrs(&b, token);
	html_lit(&b, "\"><input type=\"hidden\" name=\"next\" value=\"");
	html_attrs(&b, page_safe_next(next));
	html_lit(&b,
	    "\"><label for=\"user\">Name</label><input id=\"user\" "
	    "name=\"user\" autocomplete=\"username\" autocapitalize=\"none\" "
	    "required autofocus><label for=\"password\">Password</label>"
	    "<input id=\"password\" name=\"password\" type=\"password\" "
	    "autocomplete=\"current-password\" required>"
	    "<button class=\"primary\">Sign in</button></form></div>");
	page_reply_with(c, status, &b, "Set-Cookie", cookie);
}

void
signin_page(struct web_call *c)
{
	if (c->session.is_open)
		page_redirect(c, page_safe_next(http_query(c->rq, "next")),
		    NULL);
	else
		show_form(c, 200, "");
}

/* The two keys that failures are counted by. */
struct throttle {
	char user[160], addr[80];
};

static void
throttle_keys(const struct web_call *c, const char *user, struct throttle *t)
{
	(void)snprintf(t->user, sizeof(t->user), "user:%s", user);
	(void)snprintf(t->addr, sizeof(t->addr), "addr:%s",
	    http_client_addr(c->rq));
}

/* 1: too many failures; 0; or the store's code. */
static int
is_throttled(const struct web_call *c, const struct throttle *t,
    struct gg_error *err)
{
	int64_t since = clock_wall_ms() - THROTTLE_MS;
	uint64_t by_user = 0, by_addr = 0;
	int rc;

	if ((rc = store_signin_count(c->ops->store, t->user, since, &by_user,
		 err)) != 0 ||
	    (rc = store_signin_count(c->ops->store, t->addr, since, &by_addr,
		 err)) != 0)
		return rc;
	return by_user >= c->cfg->limits.signin_tries ||
	    by_addr >= c->cfg->limits.signin_tries;
}

static int
note_session(struct web_call *c, const char *type, const char *user,
    struct gg_error *err)
{
	json_t *e = json_pack("{s:s, s:{s:s}, s:o}", "type", type, "auth",
	    "method", "session", "client", auth_client_json(c));
	int rc = e == NULL ? gg_fail(err, GG_E_NOMEM, "audit entry") : 0;

	if (rc == 0 && user != NULL)
		json_object_set_new(e, "principal", json_text(user));
	if (rc == 0)
		rc = c->ops->audit(c->ops->ctx, e, err);
	json_decref(e);
	return rc;
}

/* A name that is nobody's may be a password in the wrong field: the log, which
 * forgets nothing, does not keep it. */
static int
note_failure(struct web_call *c, const char *user, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	bool known = principal_name_is_valid(view_str(user)) &&
	    store_user_find(c->ops->store, user, &u, NULL) == 0;

	return note_session(c, "session.failure", known ? user : NULL, err);
}

static void
reply_unavailable(struct web_call *c, const struct gg_error *err)
{
	log_event(EV_http_error, kv_str("path", "/-/login"), kv_err(err));
	page_error(c, 503, "Not available",
	    "Signing in is not possible at the moment. Try again soon.");
}

static void
let_in(struct web_call *c, const char *user)
{
	GG_AUTO_MEM char *id = NULL;
	GG_AUTO_MEM char *cookie = NULL;
	struct gg_error err = { 0 };

	/* An earlier session of this browser ends here. */
	if (c->session.is_open)
		(void)!store_session_remove(c->ops->store, c->session.hash,
		    NULL);
	if (note_session(c, "session.login", user, &err) != 0 ||
	    auth_session_open(c, user, &id, &err) != 0) {
		reply_unavailable(c, &err);
		return;
	}
	cookie = cookie_text(c->cfg, auth_cookie_name(c->cfg), id, "");
	page_redirect(c, page_safe_next(http_form(c->rq, "next")), cookie);
	explicit_bzero(cookie, strlen(cookie));
	explicit_bzero(id, strlen(id));
}

static void
keep_out(struct web_call *c, const char *user)
{
	struct gg_error err = { 0 };

	log_event(EV_auth_failed, kv_str("user", user),
	    kv_str("addr", http_client_addr(c->rq)));
	if (note_failure(c, user, &err) != 0) {
		reply_unavailable(c, &err);
		return;
	}
	show_form(c, 403, "Name or password is wrong.");
}

static int
count_failure(const struct web_call *c, const struct throttle *t,
    struct gg_error *err)
{
	int64_t now = clock_wall_ms();
	int rc = store_signin_failed(c->ops->store, t->user, now, err);

	return rc != 0 ? rc :
			 store_signin_failed(c->ops->store, t->addr, now, err);
}

enum sign_in { SIGN_IN_WRONG, SIGN_IN_FITS, SIGN_IN_THROTTLED };

/* Which of them; the store's code, or GG_E_UNAVAILABLE when too many sign in
 * at once. */
static int
check_password(struct web_call *c, const struct throttle *t, const char *user,
    const char *password, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	struct view pw = view_str(password);
	bool known, fits = false;
	int rc = GG_E_NOTFOUND;

	if (principal_name_is_valid(view_str(user)))
		rc = store_user_find(c->ops->store, user, &u, err);
	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	known = rc == 0 && u.disabled_ms == 0;
	if (!compute_enter())
		return gg_fail(err, GG_E_UNAVAILABLE, "too many sign-ins");
	/* Counted before the next one may try: guesses sent at once are counted
	 * as guesses sent one by one. */
	if ((rc = is_throttled(c, t, err)) == 0) {
		fits = known ? password_verify(u.password_hash, pw) :
			       password_verify_dummy(pw);
		if (!known || !fits)
			rc = count_failure(c, t, err);
	} else if (rc == 1) {
		rc = SIGN_IN_THROTTLED;
	}
	(void)sem_post(&compute);
	if (rc != 0)
		return rc;
	return known && fits ? SIGN_IN_FITS : SIGN_IN_WRONG;
}

static void
reply_throttled(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	page_begin(c, &b, "Too many tries", "");
	html_lit(&b,
	    "<h1>Too many tries</h1><p>There were too many failed sign-ins. "
	    "Wait 15 minutes, then try again.</p>");
	page_reply_with(c, 429, &b, "Retry-After", "900");
}

void
signin_act(struct web_call *c)
{
	const char *user = http_form(c->rq, "user");
	const char *password = http_form(c->rq, "password");
	const char *token = http_form(c->rq, "csrf");
	const char *cookie = http_cookie(c->rq, form_cookie_name(c->cfg));
	struct gg_error err = { 0 };
	struct throttle t;
	int rc;

	if (!auth_origin_is_ours(c) || token == NULL || cookie == NULL ||
	    token[0] == '\0' ||
	    !view_eq_consttime(view_str(token), view_str(cookie))) {
		show_form(c, 403, "This form was too old. Please try again.");
		return;
	}
	if (user == NULL || password == NULL || strlen(user) > 128 ||
	    strlen(password) > PASSWORD_MAX_BYTES) {
		show_form(c, 403, "Name or password is wrong.");
		return;
	}
	throttle_keys(c, user, &t);
	if ((rc = is_throttled(c, &t, &err)) == 0)
		rc = check_password(c, &t, user, password, &err);
	else if (rc == 1)
		rc = SIGN_IN_THROTTLED;
	if (rc < 0)
		reply_unavailable(c, &err);
	else if (rc == SIGN_IN_THROTTLED)
		reply_throttled(c);
	else if (rc == SIGN_IN_WRONG)
		keep_out(c, user);
	else
		let_in(c, user);
}

void
signout_act(struct web_call *c)
{
	GG_AUTO_MEM char *cookie = NULL;
	struct gg_error err = { 0 };

	if (c->session.is_open) {
		if (!auth_origin_is_ours(c) ||
		    !auth_csrf_is_ours(c, http_form(c->rq, "csrf"))) {
			page_error(c, 403, "Not accepted",
			    "This form did not come from this site.");
			return;
		}
		if (store_session_remove(c->ops->store, c->session.hash,
			NULL) != 0) {
			page_error(c, 503, "Not available",
			    "Signing out failed. Try again soon.");
			return;
		}
		/* It has happened; the gate's log says if this fails. */
		(void)!note_session(c, "session.logout", c->who.name, &err);
	}
	cookie = cookie_text(c->cfg, auth_cookie_name(c->cfg), "",
	    "; Max-Age=0");
	page_redirect(c, "/-/login", cookie);
}
