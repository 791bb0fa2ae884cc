/*
 * The second step of signing in with a local account: a one-time code, or
 * setting codes up where the gate asks everybody for them. Between the steps
 * the store remembers, for one browser, whose password was right.
 */
#include "base/clock.h"
#include "base/log.h"
#include "crypto/totp.h"
#include "web/qr.h"
#include "web/signin.h"

#include <pthread.h>
#include <stdlib.h>

/* Codes sent at once are counted as codes sent one by one. */
static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;

/* No provider has this name. */
static const struct provider local = { .name = (char[]){ "" } };

struct step {
	char *user;
	char *proof;  /* which password was right: a hash of its hash */
	char *secret; /* being set up; "": it has one */
};

static void
step_release(struct step *s)
{
	if (s->secret != NULL)
		explicit_bzero(s->secret, strlen(s->secret));
	free(s->user);
	free(s->proof);
	free(s->secret);
	*s = (struct step){ 0 };
}
GG_DEFINE_AUTO_RELEASE(step);

static void
proof_of(const struct stored_user *u, char out[DIGEST_SHA256_HEX_SIZE])
{
	digest_sha256_hex(view_str(u->password_hash), out);
}

static char *
dump(const struct step *s)
{
	json_t *j = json_pack("{s:s, s:s, s:s}", "user", s->user, "proof",
	    s->proof, "secret", s->secret);
	char *text = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

static int
load(const char *text, struct step *s, struct gg_error *err)
{
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	s->user = view_dup(view_str(json_get(j, "user")));
	s->proof = view_dup(view_str(json_get(j, "proof")));
	s->secret = view_dup(view_str(json_get(j, "secret")));
	json_decref(j);
	return s->user != NULL && s->proof != NULL && s->secret != NULL ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "sign-in");
}

/* -- pages -- */

/* The gate's name without its scheme: what an app shows. */
static const char *
issuer_name(const struct config *cfg)
{
	const char *at = strstr(cfg->public_url, "://");

	return at != NULL ? at + 3 : cfg->public_url;
}

static void
add_secret(const struct web_call *c, struct buf *b, const struct step *s)
{
	GG_AUTO_RELEASE(buf) uri = BUF_INIT(2048);

	totp_uri(&uri, issuer_name(c->cfg), s->user, s->secret);
	html_lit(b,
	    "<p>This gate asks for a code beside the password. Add this key "
	    "to an authenticator app, then enter the code that it shows.</p>");
	qr_svg(b, buf_str(&uri));
	html_lit(b, "<p><code id=\"secret\">");
	for (size_t i = 0; s->secret[i] != '\0'; i += 4) {
		html_text(b, view_of(s->secret + i, strnlen(s->secret + i, 4)));
		html_lit(b, " ");
	}
	html_lit(b, "</code></p><p><a id=\"otpauth\" href=\"");
	html_attrs(b, buf_str(&uri));
	html_lit(b, "\">Open it in an app on this device</a></p>");
	explicit_bzero(uri.p, uri.n);
}

static void
add_form(struct buf *b, const char *token, const char *state, const char *next)
{
	html_lit(b, "<form method=\"post\" action=\"/-/login\">");
	signin_hidden(b, "csrf", token);
	signin_hidden(b, "next", page_safe_next(next));
	signin_hidden(b, "step", state);
	html_lit(b,
	    "<label for=\"code\">Code</label><input id=\"code\" name=\"code\" "
	    "inputmode=\"numeric\" autocomplete=\"one-time-code\" "
	    "maxlength=\"16\" required autofocus>"
	    "<button class=\"primary\">Go on</button></form>"
	    "<p><a href=\"/-/login\">Begin anew</a></p>");
}

/* Remember the step and show its page; it may be finished once. */
static void
ask(struct web_call *c, unsigned status, const struct step *s, const char *next,
    const char *complaint)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);
	GG_AUTO_MEM char *state = auth_random();
	GG_AUTO_MEM char *token = signin_form_token(c);
	GG_AUTO_MEM char *data = dump(s);
	struct gg_error err = { 0 };
	int rc;

	if (state == NULL || token == NULL || data == NULL) {
		http_reply_text(c->rq, 500, "no memory");
		return;
	}
	rc = signin_remember(c, &local, state, data, &err);
	explicit_bzero(data, strlen(data));
	if (rc == GG_E_REFUSED) {
		signin_show(c, 403, "Your browser sent no cookie.");
		return;
	}
	if (rc != 0) {
		signin_unavailable(c, &err);
		return;
	}
	page_begin(c, &b, "Sign in", "");
	html_lit(&b, "<div class=\"card narrow\"><h1>");
	html_texts(&b, s->secret[0] ? "Set up one-time codes" : "Your code");
	html_lit(&b, "</h1>");
	if (complaint[0] != '\0') {
		html_lit(&b, "<p class=\"alert\" role=\"alert\">");
		html_texts(&b, complaint);
		html_lit(&b, "</p>");
	}
	if (s->secret[0] != '\0')
		add_secret(c, &b, s);
	else
		html_lit(&b,
		    "<p>Enter the code that your authenticator app "
		    "shows.</p>");
	add_form(&b, token, state, next);
	html_lit(&b, "</div>");
	page_reply(c, status, &b);
	explicit_bzero(b.p, b.n);
}

/* -- the first step is over -- */

static int
step_for(const struct stored_user *u, struct step *s, struct gg_error *err)
{
	char proof[DIGEST_SHA256_HEX_SIZE], secret[TOTP_SECRET_SIZE] = "";

	proof_of(u, proof);
	if (u->totp_secret[0] == '\0')
		totp_secret_new(secret);
	s->user = view_dup(view_str(u->name));
	s->proof = view_dup(view_str(proof));
	s->secret = view_dup(view_str(secret));
	explicit_bzero(secret, sizeof(secret));
	return s->user != NULL && s->proof != NULL && s->secret != NULL ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "sign-in");
}

void
signin_totp_begin(struct web_call *c, const char *user, const char *next)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	GG_AUTO_RELEASE(step) s = { 0 };
	struct gg_error err = { 0 };

	if (store_user_find(c->ops->store, user, &u, &err) != 0) {
		signin_unavailable(c, &err);
		return;
	}
	if (u.totp_secret[0] == '\0' && !c->cfg->identity.totp_required) {
		signin_accept_local(c, user, next);
		return;
	}
	if (step_for(&u, &s, &err) != 0)
		signin_unavailable(c, &err);
	else
		ask(c, 200, &s, next, "");
}

/* -- the second -- */

/* Is the account still the one whose password was right, and is the code one
 * of its secret's that was not used? 0; GG_E_REFUSED; the store's codes. */
static int
check_code(struct web_call *c, const struct step *s, const char *code,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	char proof[DIGEST_SHA256_HEX_SIZE];
	bool sets_up = s->secret[0] != '\0';
	int64_t step;
	int rc = store_user_find(c->ops->store, s->user, &u, err);

	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_REFUSED, "the account is gone");
	if (rc != 0)
		return rc;
	proof_of(&u, proof);
	if (u.disabled_ms != 0 || strcmp(proof, s->proof) != 0)
		return gg_fail(err, GG_E_REFUSED, "the account has changed");
	if (sets_up && u.totp_secret[0] != '\0')
		return gg_fail(err, GG_E_REFUSED,
		    "codes were set up meanwhile");
	step = totp_match(sets_up ? s->secret : u.totp_secret, view_str(code),
	    clock_wall_ms() / 1000, sets_up ? 0 : u.totp_step);
	if (step == 0)
		return gg_fail(err, GG_E_REFUSED, "the code was wrong");
	if (!sets_up)
		return store_user_use_totp(c->ops->store, u.name, u.totp_secret,
		    step, err);
	rc = signin_note(c, "account.totp", u.name, NULL, NULL, err);
	if (rc == 0)
		rc = store_user_set_totp(c->ops->store, u.name, s->secret, step,
		    true, err);
	return rc == GG_E_EXISTS ?
	    gg_fail(err, GG_E_REFUSED, "codes were set up meanwhile") :
	    rc;
}

enum { CODE_FITS, CODE_THROTTLED };

/* CODE_FITS, CODE_THROTTLED; GG_E_REFUSED, and counted; the store's codes. */
static int
try_code(struct web_call *c, const struct throttle *t, const struct step *s,
    const char *code, struct gg_error *err)
{
	struct gg_error other = { 0 };
	int rc;

	(void)pthread_mutex_lock(&one_by_one);
	if ((rc = is_throttled(c, t, err)) == 0) {
		rc = check_code(c, s, code, err);
		if (rc == GG_E_REFUSED && count_failure(c, t, &other) != 0) {
			*err = other;
			rc = other.code;
		}
	} else if (rc == 1) {
		rc = CODE_THROTTLED;
	}
	(void)pthread_mutex_unlock(&one_by_one);
	return rc;
}

/* Logged as a wrong password is; then once more. */
static void
keep_out(struct web_call *c, const struct throttle *t, const struct step *s,
    const char *next, const struct gg_error *why)
{
	struct gg_error err = { 0 };

	log_event(EV_auth_failed, kv_str("user", s->user),
	    kv_str("addr", http_client_addr(c->rq)), kv_err(why));
	if (signin_note(c, "session.failure", s->user, NULL, why->msg, &err) !=
	    0) {
		signin_unavailable(c, &err);
		return;
	}
	if (signin_may_try(c, t))
		ask(c, 403, s, next,
		    "That code is wrong, or it was used already. "
		    "Enter the one that your app shows now.");
}

static void
finish(struct web_call *c, const struct stored_sign_in *x, const char *code)
{
	GG_AUTO_RELEASE(step) s = { 0 };
	struct gg_error err = { 0 };
	struct throttle t;
	int rc;

	if (load(x->data, &s, &err) != 0) {
		signin_unavailable(c, &err);
		return;
	}
	throttle_keys(c, s.user, &t);
	rc = try_code(c, &t, &s, code, &err);
	if (rc == CODE_FITS)
		signin_accept_local(c, s.user, x->next);
	else if (rc == CODE_THROTTLED)
		signin_reply_throttled(c);
	else if (rc == GG_E_REFUSED)
		keep_out(c, &t, &s, x->next, &err);
	else
		signin_unavailable(c, &err);
}

void
signin_totp_act(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_sign_in) x = { 0 };
	const char *state = http_form(c->rq, "step");
	const char *code = http_form(c->rq, "code");
	struct gg_error err = { 0 };
	int rc = signin_recall(c, &local, state, false, &x, &err);

	if (rc == GG_E_REFUSED)
		signin_show(c, 403, err.msg);
	else if (rc != 0)
		signin_unavailable(c, &err);
	else
		finish(c, &x, code != NULL ? code : "");
}
