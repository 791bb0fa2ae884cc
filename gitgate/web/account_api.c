/* What the account's page shows and does, for programs. */
#include "base/clock.h"
#include "identity/session.h"
#include "web/web_priv.h"

void
api_account(struct web_call *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "principal", json_text(c->who.name));
	json_object_set_new(o, "auth",
	    json_text(auth_method_name(c->who.method)));
	json_object_set_new(o, "groups", json_texts(&c->who.groups));
	json_object_set_new(o, "aliases", json_texts(&c->who.aliases));
	json_object_set_new(o, "session",
	    c->session.is_open ? json_text(c->session.s.id) : json_null());
	api_reply(c, 200, o);
}

struct listing {
	const struct web_call *c;
	json_t *items;
};

static int
add_session(void *ctx, const struct stored_session *s)
{
	const struct listing *l = ctx;
	const struct limits *limits = &l->c->cfg->limits;
	bool current = l->c->session.is_open &&
	    strcmp(s->id, l->c->session.s.id) == 0;
	json_t *o;

	if (session_state(s->created_ms, s->used_ms,
		(int64_t)limits->session_idle_ms,
		(int64_t)limits->session_total_ms,
		clock_wall_ms()) != CREDENTIAL_GOOD)
		return 0;
	o = json_object();
	json_object_set_new(o, "id", json_text(s->id));
	json_object_set_new(o, "current", json_boolean(current));
	json_object_set_new(o, "signed_in", json_time(s->signed_in_ms));
	json_object_set_new(o, "used", json_time(s->used_ms));
	json_object_set_new(o, "addr", json_text(s->client_addr));
	json_object_set_new(o, "provider",
	    s->provider[0] != '\0' ? json_text(s->provider) : json_null());
	return json_array_append_new(l->items, o) == 0 ? 0 : GG_E_NOMEM;
}

void
api_sessions(struct web_call *c)
{
	struct listing l = { c, json_array() };
	struct gg_error err = { 0 };
	int rc = store_session_list(c->ops->store, c->who.name, add_session, &l,
	    &err);

	if (rc == 0) {
		api_reply(c, 200, json_pack("{s:o}", "sessions", l.items));
		return;
	}
	json_decref(l.items);
	api_failure(c, rc, &err);
}

static void
end_and_reply(struct web_call *c, const char *id)
{
	struct gg_error err = { 0 };
	uint64_t n = 0;
	int rc;

	if (!api_may_act(c))
		return;
	if ((rc = account_end(c, id, &n, &err)) != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 200, json_pack("{s:I}", "ended", (json_int_t)n));
}

void
api_session_end(struct web_call *c)
{
	end_and_reply(c, c->id);
}

void
api_sign_out(struct web_call *c)
{
	end_and_reply(c, NULL);
}
