/*
 * Signing in: what local accounts, OIDC and SAML share. A way of signing in
 * proves who somebody is; signin_accept() makes a session of it.
 */
#ifndef GITGATE_WEB_SIGNIN_H
#define GITGATE_WEB_SIGNIN_H

#include "web/web_priv.h"

/* -- signin_form.c: the browser before there is a session -- */
/* Did our own sign-in page send this form (token and cookie agree)? */
bool signin_form_is_ours(struct web_call *c);
/* The sign-in page, with a complaint ("" for none). */
void signin_show(struct web_call *c, unsigned status, const char *complaint);
/*
 * Send the browser to a provider. By a page that goes on by itself and has a
 * link, not by a redirect: "form-action 'self'" would hold for every hop of
 * the provider's too.
 */
void signin_go(struct web_call *c, const char *title, const char *url);
/* "name=value; Path=/; HttpOnly; SameSite=Lax..." */
char *signin_cookie(const struct config *cfg, const char *name,
    const char *value, const char *more);
/* Not now: the operators' log gets err. */
void signin_unavailable(struct web_call *c, const struct gg_error *err);

/* A sign-in that is under way at a provider. */
/*
 * Remember it under `state` (random, secret) for this browser: data is the
 * protocol's own JSON, next is taken from the form. GG_E_LIMIT, its words the
 * limit's key.
 */
GG_MUST_USE int signin_remember(struct web_call *c, const struct provider *p,
    const char *state, const char *data, struct gg_error *err);
/*
 * Take it out again, once. any_browser: a cross-site POST comes without our
 * cookie; its browser is then compared by the caller
 * (signin_is_browser_of()). GG_E_REFUSED: unknown, used, too old, another
 * browser's.
 */
GG_MUST_USE int
signin_recall(struct web_call *c, const struct provider *p, const char *state,
    bool any_browser, struct stored_sign_in *out, struct gg_error *err);
bool signin_is_browser_of(struct web_call *c, const struct stored_sign_in *x);

/* The form's token of this browser (signin_form_is_ours()), a new one where it
 * has none; malloc'ed, NULL without memory. */
char *signin_form_token(struct web_call *c);
/* <input type="hidden" name="NAME" value="VALUE"> */
void signin_hidden(struct buf *b, const char *name, const char *value);

/* -- signin_totp.c: the second step of local accounts -- */
/* The password was right: ask for a code, or for setting codes up, or let them
 * in. Answers. */
void signin_totp_begin(struct web_call *c, const char *user, const char *next);
/* The second step's form (it has a field "step"). Answers. */
void signin_totp_act(struct web_call *c);

/* -- signin_throttle.c -- */
/* The two keys that failures are counted by. */
struct throttle {
	char user[160], addr[80];
};
/* user NULL: by address only (a provider counts its accounts itself). */
void
throttle_keys(const struct web_call *c, const char *user, struct throttle *t);
/* 1: too many failures; 0; or the store's code. */
GG_MUST_USE int is_throttled(const struct web_call *c, const struct throttle *t,
    struct gg_error *err);
GG_MUST_USE int count_failure(const struct web_call *c,
    const struct throttle *t, struct gg_error *err);
void signin_reply_throttled(struct web_call *c);
/* Not throttled? Otherwise, or where that cannot be told, it has been
 * answered. */
bool signin_may_try(struct web_call *c, const struct throttle *t);

/* -- signin_saml.c -- */
/* Send the browser to the provider. Answers. */
void signin_saml_begin(struct web_call *c, const struct provider *p);

/* -- signin_person.c -- */
/* A person, as their provider proved them. Borrowed. */
struct proven {
	const char *issuer, *subject; /* who says so, and its own stable id */
	const char *name;             /* the principal template, filled */
	const struct strv *groups;
	const struct strv *emails; /* verified ones only */
	int64_t signed_in_ms;      /* when they proved it; 0: now */
};
/* Let them in: their name here, the log, a new session, on to next. Answers. */
void signin_accept(struct web_call *c, const struct provider *p,
    const struct proven *who, const char *next);
/* Keep somebody out: counted, logged, audited; shows why->msg, a sentence
 * without secrets or bytes of the provider's. Answers. */
void signin_refuse(struct web_call *c, const struct provider *p,
    const struct gg_error *why);
/* An answer to no sign-in of this browser's. Any page can send a browser here
 * with one, so that it is not counted against its address; nothing can be
 * guessed by it. Logged; audited once a minute. Answers. */
void signin_refuse_unasked(struct web_call *c, const struct provider *p,
    const struct gg_error *why);
/* A local account whose factors are all good. Answers. */
void
signin_accept_local(struct web_call *c, const char *user, const char *next);
/* For the audit log: type, who (NULL: nobody known), how. */
GG_MUST_USE int
signin_note(struct web_call *c, const char *type, const char *user,
    const struct stored_session *how, const char *reason, struct gg_error *err);

/* -- signin_oidc.c: POST /-/login/NAME of an OIDC provider -- */
void signin_oidc_begin(struct web_call *c, const struct provider *p);

#endif
