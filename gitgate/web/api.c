/* The JSON API (DESIGN section 14); errors as RFC 9457 says. */
#include "base/log.h"
#include "web/diff_view.h"
#include "web/provenance.h"

#include <stdlib.h>
#include <strings.h>

void
api_reply(struct web_call *c, unsigned status, json_t *o)
{
	GG_AUTO_MEM char *text = o != NULL ?
	    json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) :
	    NULL;

	json_decref(o);
	if (text == NULL)
		api_problem(c, 500, "no memory");
	else
		http_reply(c->rq, status, "application/json", view_str(text),
		    NULL);
}

static const char *
title_of(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Not signed in";
	case 403:
		return "Not allowed";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Too large";
	case 415:
		return "Unsupported media type";
	case 429:
		return "Too many requests";
	case 503:
		return "Unavailable";
	default:
		return "Internal error";
	}
}

void
api_problem_with(struct web_call *c, unsigned status, const char *detail,
    const struct http_headers *extra)
{
	GG_AUTO_MEM char *text = NULL;
	json_t *o = json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank",
	    "title", title_of(status), "status", (int)status, "detail",
	    json_text(detail));

	text = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) :
			   NULL;
	json_decref(o);
	http_reply(c->rq, status, "application/problem+json",
	    view_str(text != NULL ? text : "{}"), extra);
}

void
api_problem(struct web_call *c, unsigned status, const char *detail)
{
	static const struct http_headers ask[] = {
		{ "WWW-Authenticate", "Bearer realm=\"gitgate\"" },
		{ NULL, NULL }
	};

	api_problem_with(c, status, detail, status == 401 ? ask : NULL);
}

/* What broke inside is for the operators' log, not for the client. */
void
api_failure(struct web_call *c, int rc, const struct gg_error *err)
{
	unsigned status = status_of(rc);

	if (status < 500) {
		api_problem(c, status, err->msg);
		return;
	}
	log_event(EV_http_error, kv_str("path", http_path(c->rq)), kv_err(err));
	api_problem(c, status,
	    status == 503 ? "the gate cannot answer now; try again" :
			    "an error inside the gate");
}

void
api_reply_list(struct web_call *c, const char *name, json_t *items,
    json_t *next)
{
	json_t *o = json_object();

	json_object_set_new(o, name, items);
	json_object_set_new(o, "next", next);
	api_reply(c, 200, o);
}

void
api_holds(struct web_call *c)
{
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	const char *wish = http_query(c->rq, "view");
	enum hold_view view = HOLD_VIEW_ALL;
	json_t *items = json_array();
	int rc;

	if (wish != NULL && wish[0] != '\0' && !hold_view_parse(wish, &view))
		rc = gg_fail(&err, GG_E_PEER,
		    "view must be mine, open, done or all");
	else
		rc = list_holds(c, view, items, next, &err);
	if (rc == 0) {
		api_reply_list(c, "holds", items,
		    next[0] ? json_string(next) : json_null());
		return;
	}
	json_decref(items);
	api_failure(c, rc, &err);
}

void
api_pushes(struct web_call *c)
{
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	json_t *items = json_array();
	int rc = list_pushes(c, items, next, &err);

	if (rc == 0) {
		api_reply_list(c, "pushes", items,
		    next[0] ? json_string(next) : json_null());
		return;
	}
	json_decref(items);
	api_failure(c, rc, &err);
}

void
api_audit(struct web_call *c)
{
	struct gg_error err = { 0 };
	uint64_t next = 0;
	json_t *items = json_array();
	int rc = list_audit(c, items, &next, &err);

	if (rc == 0) {
		api_reply_list(c, "entries", items,
		    next ? json_sprintf("%llu", (unsigned long long)next) :
			   json_null());
		return;
	}
	json_decref(items);
	api_failure(c, rc, &err);
}

/* What is claimed of its commits, in "provenance". */
static void
add_claims(struct web_call *c, const struct stored_push *p, json_t *o)
{
	GG_AUTO_RELEASE(change) ch = { 0 };

	change_load_report(c, p->id, &ch);
	json_object_set_new(o, "provenance",
	    json_of_provenance(c, p, ch.report));
}

static void
reply_hold(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct gg_error err = { 0 };
	int rc = load_hold(c, &h, &p, &err);

	json_t *o;

	if (rc != 0) {
		api_failure(c, rc, &err);
		return;
	}
	o = json_of_hold(c, &h, p.id != NULL ? &p : NULL);
	if (p.id != NULL)
		add_claims(c, &p, o);
	api_reply(c, 200, o);
}

void
api_hold(struct web_call *c)
{
	reply_hold(c);
}

static void
reply_push(struct web_call *c, const struct stored_push *p, const char *hold)
{
	json_t *o = json_of_push(c, p, hold);

	json_object_set_new(o, "timeline", json_timeline(c, p));
	add_claims(c, p, o);
	api_reply(c, 200, o);
}

void
api_push(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct gg_error err = { 0 };
	char hold[ULID_SIZE] = "";
	int rc = load_push(c, &p, hold, &err);

	if (rc != 0)
		api_failure(c, rc, &err);
	else
		reply_push(c, &p, hold);
}

/* What the policy in force would say to a recorded push. */
void
api_preview(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct gg_error err = { 0 };
	char hold[ULID_SIZE] = "";
	json_t *answer = NULL;
	int rc = load_push(c, &p, hold, &err);

	if (rc == 0)
		rc = c->ops->preview(c->ops->ctx, &p, &answer, &err);
	if (rc != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 200, answer);
}

static bool
is_json(const char *type)
{
	static const char want[] = "application/json";
	size_t n = sizeof(want) - 1;

	return type != NULL && strncasecmp(type, want, n) == 0 &&
	    (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

/* {"comment": "..."} or {} or nothing; NULL when it is wrong. */
static char *
read_comment(const struct web_call *c)
{
	struct view body = http_body(c->rq);
	json_t *o, *text;
	char *comment = NULL;

	if (body.n == 0)
		return view_dup(view_str(""));
	o = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	text = json_object_get(o, "comment");
	if (json_is_object(o) &&
	    (text == NULL || json_is_null(text) || json_is_string(text)))
		comment = view_dup(view_str(json_is_string(text) ?
			json_string_value(text) :
			""));
	json_decref(o);
	return comment;
}

bool
api_may_act(struct web_call *c)
{
	if (c->session.is_open &&
	    (!auth_origin_is_ours(c) ||
		!auth_csrf_is_ours(c, http_header(c->rq, "X-CSRF-Token")))) {
		api_problem(c, 403, "a session needs its X-CSRF-Token");
		return false;
	}
	/* A browser would add the certificate to a form of another site. */
	if (c->who.method == AUTH_CERTIFICATE && !auth_origin_is_ours(c)) {
		api_problem(c, 403, "this request comes from another site");
		return false;
	}
	if (!is_json(http_header(c->rq, "Content-Type"))) {
		api_problem(c, 415, "Content-Type must be application/json");
		return false;
	}
	return true;
}

char *
api_act_comment(struct web_call *c)
{
	char *comment;

	if (!api_may_act(c))
		return NULL;
	if ((comment = read_comment(c)) == NULL)
		api_problem(c, 400, "the body must be {\"comment\": \"...\"}");
	return comment;
}

void
api_hold_act(struct web_call *c)
{
	GG_AUTO_MEM char *comment = api_act_comment(c);
	struct gg_error err = { 0 };
	int rc;

	if (comment == NULL)
		return;
	if ((rc = act_on_hold(c, comment, &err)) != 0)
		api_failure(c, rc, &err);
	else
		reply_hold(c);
}
