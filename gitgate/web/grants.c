/* Grants: reading them, and the API. */
#include "web/grants.h"

#include "base/clock.h"
#include "base/num.h"
#include "hold/grant_cover.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What others may not see is left out after it was read. */
#define ROUNDS_MAX 200

bool
grant_may_see(const struct web_call *c, const struct stored_grant *g)
{
	const struct principal *p = &c->who;

	if (p->method == AUTH_ANONYMOUS)
		return false;
	if (access_is_auditor(p) || principal_in_any(p, &g->from) ||
	    strcmp(p->name, g->principal) == 0 ||
	    strcmp(p->name, g->asked_by) == 0 ||
	    strcasecmp(p->name, g->owner) == 0)
		return true;
	for (size_t i = 0; i < g->n_reviews; i++)
		if (strcasecmp(p->name, g->reviews[i].reviewer) == 0)
			return true;
	return false;
}

int
grant_load(const struct web_call *c, struct stored_grant *g,
    struct gg_error *err)
{
	int rc = store_grant_get(c->ops->store, c->id, g, err);

	if (rc == GG_E_NOTFOUND || (rc == 0 && !grant_may_see(c, g)))
		return gg_fail(err, GG_E_NOTFOUND, "no such grant");
	return rc;
}

/* -- as JSON -- */

static json_t *
reviews_json(const struct stored_grant *g)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->n_reviews; i++)
		json_array_append_new(list, json_of_review(&g->reviews[i]));
	return list;
}

static json_t *
text_or_null(const char *s)
{
	return *s != '\0' ? json_text(s) : json_null();
}

json_t *
json_of_grant(const struct web_call *c, const struct stored_grant *g)
{
	json_t *o = grant_scope_to_json(&g->scope);

	json_object_set_new(o, "id", json_text(g->id));
	json_object_set_new(o, "url",
	    json_sprintf("%s/-/grants/%s", c->cfg->public_url, g->id));
	json_object_set_new(o, "state",
	    json_string(grant_state_name(g->state)));
	json_object_set_new(o, "principal", json_text(g->principal));
	json_object_set_new(o, "asked_by", json_text(g->asked_by));
	json_object_set_new(o, "entry", text_or_null(g->entry));
	json_object_set_new(o, "hold", text_or_null(g->hold_id));
	json_object_set_new(o, "reason", json_text(g->reason));
	json_object_set_new(o, "required", json_integer(g->required));
	json_object_set_new(o, "from", json_texts(&g->from));
	json_object_set_new(o, "for_ms", json_integer(g->for_ms));
	json_object_set_new(o, "created", json_time(g->created_ms));
	json_object_set_new(o, "active", json_time(g->active_ms));
	json_object_set_new(o, "expires", json_time(g->expires_ms));
	json_object_set_new(o, "closed", json_time(g->closed_ms));
	json_object_set_new(o, "closed_by", text_or_null(g->closer));
	json_object_set_new(o, "uses", json_integer((json_int_t)g->uses));
	json_object_set_new(o, "used", json_time(g->used_ms));
	json_object_set_new(o, "reviews", reviews_json(g));
	return o;
}

/* -- lists -- */

struct listing {
	const struct web_call *c;
	json_t *items;
};

static int
add_grant(void *ctx, const struct stored_grant *g)
{
	struct listing *l = ctx;

	if (!grant_may_see(l->c, g))
		return 0;
	return json_array_append_new(l->items, json_of_grant(l->c, g)) == 0 ?
	    0 :
	    GG_E_NOMEM;
}

struct query {
	const char *principal, *state, *cursor;
	uint64_t limit;
};

static int
read_query(const struct web_call *c, const char *state, struct query *q,
    struct gg_error *err)
{
	const char *limit = http_query(c->rq, "limit");
	enum grant_state known;

	*q = (struct query){ http_query(c->rq, "principal"),
		state != NULL ? state : http_query(c->rq, "state"),
		http_query(c->rq, "cursor"), 50 };
	if (limit != NULL && *limit != '\0' &&
	    (num_parse(view_str(limit), 200, &q->limit, NULL) != 0 ||
		q->limit == 0))
		return gg_fail(err, GG_E_PEER,
		    "limit must be a number from 1 to 200");
	if (q->cursor != NULL && *q->cursor != '\0' &&
	    !ulid_is_valid(view_str(q->cursor)))
		return gg_fail(err, GG_E_PEER, "cursor is not valid");
	if (q->state != NULL && *q->state != '\0' &&
	    !grant_state_parse(view_str(q->state), &known))
		return gg_fail(err, GG_E_PEER, "state is not one of a grant");
	return 0;
}

int
grant_list(const struct web_call *c, const char *state, json_t *items,
    char next[ULID_SIZE], struct gg_error *err)
{
	struct listing l = { c, items };
	struct query q;
	int rc = read_query(c, state, &q, err);

	next[0] = '\0';
	for (int i = 0; rc == 0 && i < ROUNDS_MAX; i++) {
		size_t have = json_array_size(items);

		if (have >= q.limit || (i > 0 && next[0] == '\0'))
			break;
		rc = store_grant_list(c->ops->store, q.principal, q.state,
		    q.cursor, (size_t)q.limit - have, add_grant, &l, next, err);
		q.cursor = next;
	}
	return rc;
}

/* -- acts -- */

static int
read_time(const char *text, int64_t *ms, struct gg_error *err)
{
	if (text == NULL || num_parse_duration(view_str(text), ms, NULL) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "for must be a duration: 30m, 2h");
	return 0;
}

int
grant_ask(struct web_call *c, const char *principal,
    const struct grant_scope *scope, const char *how_long, const char *reason,
    char id[ULID_SIZE], struct gg_error *err)
{
	struct grant_request rq = { .asker = &c->who,
		.principal = principal != NULL && *principal != '\0' ?
		    principal :
		    c->who.name,
		.scope = scope,
		.reason = reason != NULL ? reason : "",
		.client_addr = http_client_addr(c->rq) };
	int rc = read_time(how_long, &rq.for_ms, err);

	return rc != 0 ? rc : c->ops->grant_ask(c->ops->ctx, &rq, id, err);
}

int
grant_do(struct web_call *c, const char *comment, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) g = { 0 };
	const char *addr = http_client_addr(c->rq);
	struct view text = view_str(comment);
	int rc;

	if (text.n > COMMENT_MAX_BYTES || !utf8_is_valid(text))
		return gg_fail(err, GG_E_PEER,
		    "a comment is UTF-8 of at most %d bytes",
		    COMMENT_MAX_BYTES);
	if ((rc = grant_load(c, &g, err)) != 0)
		return rc;
	if (strcmp(c->verb, "revoke") == 0)
		return c->ops->grant_end(c->ops->ctx, c->id, &c->who, addr,
		    comment, err);
	return c->ops->grant_review(c->ops->ctx, c->id, &c->who, addr,
	    strcmp(c->verb, "approve") == 0, comment, err);
}

/* -- the API -- */

void
api_grants(struct web_call *c)
{
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	json_t *items = json_array();
	int rc = grant_list(c, NULL, items, next, &err);

	if (rc == 0) {
		api_reply_list(c, "grants", items,
		    next[0] ? json_string(next) : json_null());
		return;
	}
	json_decref(items);
	api_failure(c, rc, &err);
}

static void
reply_grant(struct web_call *c, unsigned status)
{
	GG_AUTO_RELEASE(stored_grant) g = { 0 };
	struct gg_error err = { 0 };
	int rc = grant_load(c, &g, &err);

	if (rc != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, status, json_of_grant(c, &g));
}

void
api_grant(struct web_call *c)
{
	reply_grant(c, 200);
}

/* {"repositories", "verbs", "for", "reason"} and maybe "principal", "refs",
 * "paths", "rules". */
static int
ask_from_json(struct web_call *c, const json_t *o, struct gg_error *err)
{
	static const char *const known[] = { "principal", "repositories",
		"refs", "paths", "rules", "verbs", "for", "reason" };
	static const char *const texts[] = { "principal", "for", "reason" };
	GG_AUTO_RELEASE(grant_scope) scope = { 0 };
	const char *key;
	json_t *v;
	int rc;

	if (!json_is_object(o))
		return gg_fail(err, GG_E_PEER, "the body must be an object");
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	{
		size_t i = 0;

		while (i < GG_COUNT(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == GG_COUNT(known))
			return gg_fail(err, GG_E_PEER, "unknown member %.40s",
			    key);
	}
	for (size_t i = 0; i < GG_COUNT(texts); i++) {
		v = json_object_get(o, texts[i]);
		if (v != NULL && !json_is_string(v))
			return gg_fail(err, GG_E_PEER, "%s must be a string",
			    texts[i]);
	}
	if ((rc = grant_scope_from_json(o, &scope, err)) != 0)
		return rc;
	return grant_ask(c, json_get(o, "principal"), &scope,
	    json_get(o, "for"), json_get(o, "reason"), c->id, err);
}

void
api_grant_ask(struct web_call *c)
{
	struct view body = http_body(c->rq);
	struct gg_error err = { 0 };
	json_t *o;
	int rc;

	if (!api_may_act(c))
		return;
	o = json_loadb(body.n > 0 ? body.p : "", body.n, JSON_REJECT_DUPLICATES,
	    NULL);
	rc = ask_from_json(c, o, &err);
	json_decref(o);
	if (rc != 0)
		api_failure(c, rc, &err);
	else
		reply_grant(c, 201);
}

void
api_grant_act(struct web_call *c)
{
	GG_AUTO_MEM char *comment = api_act_comment(c);
	struct gg_error err = { 0 };
	int rc;

	if (comment == NULL)
		return;
	if ((rc = grant_do(c, comment, &err)) != 0)
		api_failure(c, rc, &err);
	else
		reply_grant(c, 200);
}

/* -- with the review of a hold -- */

int
grant_of_review(const struct web_call *c, int64_t *for_ms, struct gg_error *err)
{
	const char *form = http_form(c->rq, "grant"), *how_long = NULL;
	struct view body = http_body(c->rq);
	json_t *o = NULL, *grant;
	int rc = 0;

	*for_ms = 0;
	if (form != NULL)
		return *form != '\0' ? read_time(form, for_ms, err) : 0;
	if (body.n > 0)
		o = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	grant = json_object_get(o, "grant");
	if (grant != NULL && !json_is_null(grant)) {
		how_long = json_string_value(json_object_get(grant, "for"));
		rc = json_object_size(grant) == 1 ?
		    read_time(how_long, for_ms, err) :
		    gg_fail(err, GG_E_PEER, "grant must be {\"for\": \"30m\"}");
	}
	json_decref(o);
	return rc;
}
