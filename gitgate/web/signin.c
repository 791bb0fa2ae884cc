/* Signing in with a local account, and out again. */
#include "web/signin.h"
#include "base/log.h"
#include "crypto/password.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

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

void
signin_page(struct web_call *c)
{
	if (c->session.is_open)
		page_redirect(c, page_safe_next(http_query(c->rq, "next")),
		    NULL);
	else
		signin_show(c, 200, "");
}

/* A name that is nobody's may be a password in the wrong field: the log, which
 * forgets nothing, does not keep it. */
static int
note_failure(struct web_call *c, const char *user, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	bool known = principal_name_is_valid(view_str(user)) &&
	    store_user_find(c->ops->store, user, &u, NULL) == 0;

	return signin_note(c, "session.failure", known ? user : NULL, NULL,
	    NULL, err);
}

static void
keep_out(struct web_call *c, const char *user)
{
	struct gg_error err = { 0 };

	log_event(EV_auth_failed, kv_str("user", user),
	    kv_str("addr", http_client_addr(c->rq)));
	if (note_failure(c, user, &err) != 0) {
		signin_unavailable(c, &err);
		return;
	}
	signin_show(c, 403, "Name or password is wrong.");
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
	known = rc == 0 && u.disabled_ms == 0 && u.password_hash[0] != '\0';
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

void
signin_act(struct web_call *c)
{
	const char *user = http_form(c->rq, "user");
	const char *password = http_form(c->rq, "password");
	struct gg_error err = { 0 };
	struct throttle t;
	int rc;

	if (!signin_form_is_ours(c)) {
		signin_show(c, 403, "This form was too old. Please try again.");
		return;
	}
	if (!c->cfg->identity.local_accounts) {
		signin_show(c, 403, "This gate has no accounts of its own.");
		return;
	}
	if (http_form(c->rq, "step") != NULL) {
		signin_totp_act(c);
		return;
	}
	if (user == NULL || password == NULL || strlen(user) > 128 ||
	    strlen(password) > PASSWORD_MAX_BYTES) {
		signin_show(c, 403, "Name or password is wrong.");
		return;
	}
	throttle_keys(c, user, &t);
	if ((rc = is_throttled(c, &t, &err)) == 0)
		rc = check_password(c, &t, user, password, &err);
	else if (rc == 1)
		rc = SIGN_IN_THROTTLED;
	if (rc < 0)
		signin_unavailable(c, &err);
	else if (rc == SIGN_IN_THROTTLED)
		signin_reply_throttled(c);
	else if (rc == SIGN_IN_WRONG)
		keep_out(c, user);
	else
		signin_totp_begin(c, user, http_form(c->rq, "next"));
}

static void
begin(struct web_call *c, const struct provider *p)
{
	switch (p->kind) {
	case PROVIDER_OIDC:
		signin_oidc_begin(c, p);
		return;
	case PROVIDER_SAML:
		signin_saml_begin(c, p);
		return;
	}
	page_error(c, 404, "Not found", "There is no such way to sign in.");
}

/* POST /-/login/NAME: begin at a provider. */
void
signin_provider_act(struct web_call *c)
{
	const struct provider *p = config_find_provider(c->cfg, c->name);
	struct throttle t;

	if (p == NULL) {
		page_error(c, 404, "Not found",
		    "There is no such way to sign in.");
		return;
	}
	if (!signin_form_is_ours(c)) {
		signin_show(c, 403, "This form was too old. Please try again.");
		return;
	}
	throttle_keys(c, NULL, &t);
	if (signin_may_try(c, &t))
		begin(c, p);
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
		(void)!signin_note(c, "session.logout", c->who.name,
		    &c->session.s, NULL, &err);
	}
	cookie = signin_cookie(c->cfg, auth_cookie_name(c->cfg), "",
	    "; Max-Age=0");
	page_redirect(c, "/-/login", cookie);
}
