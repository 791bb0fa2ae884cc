/* From somebody who was proven to a session with a name here. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "web/signin.h"

#include <stdlib.h>

int
signin_note(struct web_call *c, const char *type, const char *user,
    const struct stored_session *how, const char *reason, struct gg_error *err)
{
	json_t *e = json_pack("{s:s, s:{s:s}, s:o}", "type", type, "auth",
	    "method", "session", "client", auth_client_json(c));
	json_t *auth = json_object_get(e, "auth");
	int rc = e == NULL ? gg_fail(err, GG_E_NOMEM, "audit entry") : 0;

	if (user != NULL)
		json_object_set_new(e, "principal", json_text(user));
	if (reason != NULL)
		json_object_set_new(e, "reason", json_text(reason));
	if (how != NULL && how->provider != NULL && how->provider[0] != '\0') {
		json_object_set_new(auth, "provider", json_text(how->provider));
		if (how->subject != NULL && how->subject[0] != '\0') {
			json_object_set_new(auth, "issuer",
			    json_text(how->issuer));
			json_object_set_new(auth, "subject",
			    json_text(how->subject));
		}
	}
	if (how != NULL && how->id != NULL)
		json_object_set_new(auth, "credential", json_text(how->id));
	if (rc == 0)
		rc = c->ops->audit(c->ops->ctx, e, err);
	json_decref(e);
	return rc;
}

/* Logged, then opened: s is filled up. */
static void
open_session(struct web_call *c, struct stored_session *s, const char *next)
{
	GG_AUTO_MEM char *id = NULL;
	GG_AUTO_MEM char *cookie = NULL;
	struct gg_error err = { 0 };

	/* An earlier session of this browser ends here. */
	if (c->session.is_open)
		(void)!store_session_remove(c->ops->store, c->session.hash,
		    NULL);
	if (auth_session_fill(c, s, &id, &err) != 0 ||
	    signin_note(c, "session.login", s->person, s, NULL, &err) != 0 ||
	    auth_session_open(c, s, id, &err) != 0) {
		signin_unavailable(c, &err);
		return;
	}
	cookie = signin_cookie(c->cfg, auth_cookie_name(c->cfg), id, "");
	page_redirect(c, page_safe_next(next), cookie);
	explicit_bzero(cookie, strlen(cookie));
	explicit_bzero(id, strlen(id));
}

void
signin_accept_local(struct web_call *c, const char *user, const char *next)
{
	GG_AUTO_RELEASE(stored_session) s = { 0 };

	s.person = path_f("%s", user);
	open_session(c, &s, next);
}

void
signin_refuse(struct web_call *c, const struct provider *p,
    const struct gg_error *why)
{
	struct stored_session how = { .provider = p->name };
	struct gg_error err = { 0 };
	struct throttle t;

	log_event(EV_auth_failed, kv_str("provider", p->name),
	    kv_str("addr", http_client_addr(c->rq)), kv_err(why));
	throttle_keys(c, NULL, &t);
	if (count_failure(c, &t, &err) != 0 ||
	    signin_note(c, "session.failure", NULL, &how, why->msg, &err) !=
		0) {
		signin_unavailable(c, &err);
		return;
	}
	signin_show(c, 403, why->msg);
}

void
signin_refuse_unasked(struct web_call *c, const struct provider *p,
    const struct gg_error *why)
{
	log_event(EV_auth_failed, kv_str("provider", p->name),
	    kv_str("addr", http_client_addr(c->rq)), kv_err(why));
	refused_note(c, why);
	signin_show(c, 403, why->msg);
}

/* The subject's name here. GG_E_REFUSED with a sentence for the person. */
static int
bind_person(struct web_call *c, const struct provider *p,
    const struct proven *who, char **person, struct gg_error *err)
{
	GG_AUTO_MEM char *name = path_f("%s:%s", p->name, who->name);
	struct stored_link seen = { .provider = p->name,
		.subject = (char *)(uintptr_t)who->subject,
		.issuer = (char *)(uintptr_t)who->issuer,
		.person = name,
		.created_ms = clock_wall_ms() };
	bool linked = false;
	int rc;

	if (who->subject[0] == '\0' || !principal_name_is_valid(view_str(name)))
		return gg_fail(err, GG_E_REFUSED,
		    "%s gave a name that cannot be used here. Ask your administrator.",
		    p->title);
	seen.used_ms = seen.created_ms;
	strv_copy(&seen.aliases, who->emails);
	rc = store_person_bind(c->ops->store, &seen, person, &linked, err);
	strv_release(&seen.aliases);
	if (rc == GG_E_EXISTS)
		return gg_fail(err, GG_E_REFUSED,
		    "The name %s belongs to somebody else here. Ask your administrator.",
		    name);
	if (rc == GG_E_REFUSED)
		return gg_fail(err, GG_E_REFUSED,
		    "You are known here by another issuer of %s. Ask your administrator.",
		    p->title);
	if (rc == 0 && linked) {
		GG_AUTO_RELEASE(stored_user) u = { 0 };

		rc = store_user_find(c->ops->store, *person, &u, err);
		if (rc == GG_E_NOTFOUND || (rc == 0 && u.disabled_ms != 0))
			return gg_fail(err, GG_E_REFUSED,
			    "Your account here is closed. Ask your administrator.");
	}
	return rc;
}

void
signin_accept(struct web_call *c, const struct provider *p,
    const struct proven *who, const char *next)
{
	GG_AUTO_RELEASE(stored_session) s = { 0 };
	struct gg_error err = { 0 };
	int rc;

	if ((rc = bind_person(c, p, who, &s.person, &err)) != 0) {
		if (rc == GG_E_REFUSED)
			signin_refuse(c, p, &err);
		else
			signin_unavailable(c, &err);
		return;
	}
	s.provider = path_f("%s", p->name);
	s.issuer = path_f("%s", who->issuer);
	s.subject = path_f("%s", who->subject);
	s.signed_in_ms = who->signed_in_ms;
	strv_copy(&s.groups, who->groups);
	strv_copy(&s.aliases, who->emails);
	if (strv_check(&s.groups, &err) != 0 ||
	    strv_check(&s.aliases, &err) != 0)
		signin_unavailable(c, &err);
	else
		open_session(c, &s, next);
}
