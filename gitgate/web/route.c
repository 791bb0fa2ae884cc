/* Paths below "/-/": which handler, who may call it, by which methods. */
#include "base/log.h"
#include "base/num.h"
#include "web/web_priv.h"

#include <stdlib.h>

/* The relay state, the names of the fields. */
#define SAML_FORM_SLACK 8192

static struct web_ops ops_in_force;

enum route_flags {
	ROUTE_API = 1,     /* errors as problem+json, tokens welcome */
	ROUTE_PUBLIC = 2,  /* who asks does not matter */
	ROUTE_ANYBODY = 4, /* answers to people who are not signed in too */
	ROUTE_POST = 8,    /* POST only; others: GET and HEAD */
};

static const struct route {
	const char *path; /* '*' stands for an id, '+' for a provider's name,
	                     '#' for a number, a last "**" for a rest */
	unsigned flags;
	web_handler handler;
	const char *verb;
} routes[] = {
	{ "/-/api/v1/holds", ROUTE_API, api_holds, NULL },
	{ "/-/api/v1/holds/*", ROUTE_API, api_hold, NULL },
	{ "/-/api/v1/holds/*/approve", ROUTE_API | ROUTE_POST, api_hold_act,
	    "approve" },
	{ "/-/api/v1/holds/*/reject", ROUTE_API | ROUTE_POST, api_hold_act,
	    "reject" },
	{ "/-/api/v1/holds/*/withdraw", ROUTE_API | ROUTE_POST, api_hold_act,
	    "withdraw" },
	{ "/-/api/v1/holds/*/file", ROUTE_API, api_hold_file, NULL },
	{ "/-/api/v1/holds/*/diff", ROUTE_API, api_hold_diff, NULL },
	{ "/-/api/v1/pushes", ROUTE_API, api_pushes, NULL },
	{ "/-/api/v1/pushes/*", ROUTE_API, api_push, NULL },
	{ "/-/api/v1/pushes/*/changes", ROUTE_API, api_changes, NULL },
	{ "/-/api/v1/pushes/*/preview", ROUTE_API, api_preview, NULL },
	{ "/-/api/v1/pushes/*/receipts", ROUTE_API, api_push_receipts, NULL },
	{ "/-/api/v1/findings", ROUTE_API, api_findings, NULL },
	{ "/-/api/v1/findings", ROUTE_API | ROUTE_POST, api_findings_allow,
	    NULL },
	{ "/-/api/v1/findings/*/revoke", ROUTE_API | ROUTE_POST,
	    api_finding_revoke, NULL },
	{ "/-/api/v1/grants", ROUTE_API, api_grants, NULL },
	{ "/-/api/v1/grants", ROUTE_API | ROUTE_POST, api_grant_ask, NULL },
	{ "/-/api/v1/grants/*", ROUTE_API, api_grant, NULL },
	{ "/-/api/v1/grants/*/approve", ROUTE_API | ROUTE_POST, api_grant_act,
	    "approve" },
	{ "/-/api/v1/grants/*/reject", ROUTE_API | ROUTE_POST, api_grant_act,
	    "reject" },
	{ "/-/api/v1/grants/*/revoke", ROUTE_API | ROUTE_POST, api_grant_act,
	    "revoke" },
	{ "/-/api/v1/repositories", ROUTE_API, api_repositories, NULL },
	{ "/-/api/v1/repositories/kept", ROUTE_API, api_kept, NULL },
	{ "/-/api/v1/audit", ROUTE_API, api_audit, NULL },
	{ "/-/api/v1/audit/timeline", ROUTE_API, api_timeline, NULL },
	{ "/-/api/v1/audit/explain", ROUTE_API, api_explain, NULL },
	{ "/-/api/v1/audit/delivery", ROUTE_API, api_deliveries, NULL },
	{ "/-/api/v1/audit/export", ROUTE_API, api_audit_export, NULL },
	{ "/-/api/v1/audit/#/receipt", ROUTE_API, api_receipt, NULL },
	{ "/-/api/v1/audit/#/opening", ROUTE_API, api_opening, NULL },
	{ "/-/api/v1/events", ROUTE_API, api_events, NULL },
	{ "/-/api/v1/account", ROUTE_API, api_account, NULL },
	{ "/-/api/v1/account/sessions", ROUTE_API, api_sessions, NULL },
	{ "/-/api/v1/account/sessions/*/end", ROUTE_API | ROUTE_POST,
	    api_session_end, NULL },
	{ "/-/api/v1/account/sign-out", ROUTE_API | ROUTE_POST, api_sign_out,
	    NULL },
	{ "/-/api/v1/openapi.json", ROUTE_API | ROUTE_PUBLIC, static_file,
	    "openapi.json" },
	{ "/-/log/**", ROUTE_API | ROUTE_ANYBODY, log_file, NULL },
	{ "/-/static/style.css", ROUTE_PUBLIC, static_file, "style.css" },
	{ "/-/static/app.js", ROUTE_PUBLIC, static_file, "app.js" },
	{ "/-/static/icon.svg", ROUTE_PUBLIC, static_file, "icon.svg" },
	{ "/", ROUTE_PUBLIC, root_page, NULL },
	{ "/-/", ROUTE_PUBLIC, root_page, NULL },
	{ "/-/login", ROUTE_ANYBODY, signin_page, NULL },
	{ "/-/login", ROUTE_ANYBODY | ROUTE_POST, signin_act, NULL },
	{ "/-/login/+", ROUTE_ANYBODY | ROUTE_POST, signin_provider_act, NULL },
	{ "/-/login/+/callback", ROUTE_ANYBODY, signin_oidc_callback, NULL },
	{ "/-/login/+/finish", ROUTE_ANYBODY, signin_finish, NULL },
	{ "/-/saml/+/acs", ROUTE_ANYBODY | ROUTE_POST, saml_consumer_act,
	    NULL },
	{ "/-/saml/+/metadata", ROUTE_PUBLIC, saml_metadata_page, NULL },
	{ "/-/logout", ROUTE_ANYBODY | ROUTE_POST, signout_act, NULL },
	{ "/-/account", 0, account_page, NULL },
	{ "/-/account/sessions/*/end", ROUTE_POST, account_end_session, NULL },
	{ "/-/account/sign-out", ROUTE_POST, account_sign_out, NULL },
	{ "/-/holds", 0, holds_page, NULL },
	{ "/-/holds/*", 0, hold_page, NULL },
	{ "/-/holds/*/file", 0, hold_file, NULL },
	{ "/-/holds/*/image", 0, hold_image, NULL },
	{ "/-/holds/*/diff", 0, hold_diff, NULL },
	{ "/-/holds/*/approve", ROUTE_POST, hold_act, "approve" },
	{ "/-/holds/*/reject", ROUTE_POST, hold_act, "reject" },
	{ "/-/holds/*/withdraw", ROUTE_POST, hold_act, "withdraw" },
	{ "/-/pushes", 0, pushes_page, NULL },
	{ "/-/pushes/*", 0, push_page, NULL },
	{ "/-/repositories", 0, repositories_page, NULL },
	{ "/-/repositories/kept", 0, kept_page, NULL },
	{ "/-/grants", 0, grants_page, NULL },
	{ "/-/grants", ROUTE_POST, grant_ask_act, NULL },
	{ "/-/grants/*", 0, grant_page, NULL },
	{ "/-/grants/*/approve", ROUTE_POST, grant_act, "approve" },
	{ "/-/grants/*/reject", ROUTE_POST, grant_act, "reject" },
	{ "/-/grants/*/revoke", ROUTE_POST, grant_act, "revoke" },
	{ "/-/audit", 0, audit_page, NULL },
	{ "/-/audit/timeline", 0, timeline_page, NULL },
	{ "/-/audit/explain", 0, explain_page, NULL },
};

/* What a path has where its pattern has a '*', a '+' or a '#'. */
struct path_parts {
	char id[ULID_SIZE], name[40];
	uint64_t index;
};

/* A provider's name; the configuration says which there are. */
static size_t
cut_name(const char *path, char name[40])
{
	size_t n = strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (n >= 40)
		return 0;
	memcpy(name, path, n);
	name[n] = '\0';
	return n;
}

/* As it is written out: no sign, no leading zero. */
static size_t
cut_number(const char *path, uint64_t *out)
{
	size_t n = strspn(path, "0123456789");

	if (n == 0 || (path[0] == '0' && n > 1) ||
	    num_parse(view_of(path, n), INT64_MAX, out, NULL) != 0)
		return 0;
	return n;
}

static bool
path_fits(const char *pattern, const char *path, struct path_parts *parts)
{
	*parts = (struct path_parts){ "", "", 0 };
	for (; *pattern != '\0'; pattern++) {
		size_t n;

		if (strcmp(pattern, "**") == 0)
			return *path != '\0';
		if (*pattern == '+') {
			if ((n = cut_name(path, parts->name)) == 0)
				return false;
			path += n;
			continue;
		}
		if (*pattern == '#') {
			if ((n = cut_number(path, &parts->index)) == 0)
				return false;
			path += n;
			continue;
		}
		if (*pattern != '*') {
			if (*pattern != *path++)
				return false;
			continue;
		}
		n = strcspn(path, "/");
		if (!ulid_is_valid(view_of(path, n)))
			return false;
		memcpy(parts->id, path, n);
		parts->id[n] = '\0';
		path += n;
	}
	return *path == '\0';
}

static bool
method_fits(const struct route *r, const char *method)
{
	if ((r->flags & ROUTE_POST) != 0)
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* The route; NULL and what is allowed ("": unknown path) otherwise. */
static const struct route *
find_route(struct http_request *rq, struct path_parts *parts,
    const char **allow)
{
	bool get = false, post = false;

	for (size_t i = 0; i < GG_COUNT(routes); i++) {
		if (!path_fits(routes[i].path, http_path(rq), parts))
			continue;
		if (method_fits(&routes[i], http_method(rq)))
			return &routes[i];
		if ((routes[i].flags & ROUTE_POST) != 0)
			post = true;
		else
			get = true;
	}
	*allow = get && post ? "GET, HEAD, POST" :
	    get              ? "GET, HEAD" :
	    post             ? "POST" :
			       "";
	return NULL;
}

static bool
is_api(struct http_request *rq)
{
	return strncmp(http_path(rq), "/-/api/", 7) == 0 ||
	    strncmp(http_path(rq), "/-/log/", 7) == 0;
}

static void
answer_no_route(struct web_call *c, const char *allow)
{
	const struct http_headers extra[] = { { "Allow", allow },
		{ NULL, NULL } };
	bool known = allow[0] != '\0';

	if (is_api(c->rq))
		api_problem_with(c, known ? 405 : 404,
		    known ? "not by this method" : "no such path",
		    known ? extra : NULL);
	else if (known)
		http_reply(c->rq, 405, "text/plain; charset=utf-8",
		    view_str("method not allowed\n"), extra);
	else
		http_reply_text(c->rq, 404, "not found");
}

void
web_call_release(struct web_call *c)
{
	principal_release(&c->who);
	stored_session_release(&c->session.s);
	c->ops->unref(c->ops->ctx, c->cfg, c->rs);
}

/* To the sign-in page, and back afterwards. */
static void
ask_to_sign_in(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) where = BUF_INIT(8192);

	buf_adds(&where, "/-/login?next=");
	html_urls(&where, http_path(c->rq));
	if (buf_check(&where, NULL) != 0)
		page_redirect(c, "/-/login", NULL);
	else
		page_redirect(c, buf_str(&where), NULL);
}

static int
count_principal(struct web_call *c, struct gg_error *err)
{
	unsigned wait;

	if (c->who.method == AUTH_ANONYMOUS ||
	    c->ops->limit_principal == NULL ||
	    (wait = c->ops->limit_principal(c->ops->ctx, c->who.name)) == 0)
		return 0;
	http_retry_after(c->rq, wait);
	return gg_fail(err, GG_E_LIMIT,
	    "limit requests-per-principal: too many requests; try again in "
	    "%u s",
	    wait);
}

static void
reply_limited(struct web_call *c, bool api, const char *why)
{
	if (api)
		api_problem(c, 429, why);
	else
		page_error(c, 429, "Too many requests", why);
}

/* Who asks is known and welcome, or has been answered. */
static bool
admit(struct web_call *c, const struct route *r)
{
	bool api = (r->flags & ROUTE_API) != 0;
	struct gg_error err = { 0 };
	int rc;

	if ((r->flags & ROUTE_PUBLIC) != 0)
		return true;
	rc = auth_identify(c, true, &err);
	if (rc == 0)
		rc = count_principal(c, &err);
	if (rc == GG_E_LIMIT && http_retry_seconds(c->rq) > 0) {
		reply_limited(c, api, err.msg);
		return false;
	}
	if (rc == GG_E_REFUSED) {
		log_event(EV_auth_failed,
		    kv_str("addr", http_client_addr(c->rq)), kv_err(&err));
		if (api)
			api_problem(c, auth_refused_status(c), err.msg);
		else
			page_error(c, 401, "Not signed in", err.msg);
		return false;
	}
	if (rc == GG_E_LIMIT && api) {
		api_problem(c, 503, err.msg);
		return false;
	}
	if (rc != 0) {
		log_event(EV_store_failed, kv_err(&err));
		if (api)
			api_problem(c, 503, "the gate cannot answer now");
		else
			page_error(c, 503, "Not available",
			    "The gate cannot answer now. Try again soon.");
		return false;
	}
	if (c->who.method != AUTH_ANONYMOUS || (r->flags & ROUTE_ANYBODY) != 0)
		return true;
	if (api)
		api_problem(c, 401, "send a token or sign in");
	else
		ask_to_sign_in(c);
	return false;
}

/* A form of ours, sent by our page? Answers where it is not. */
static bool
form_is_ours(struct web_call *c)
{
	if (auth_origin_is_ours(c) &&
	    auth_csrf_is_ours(c, http_form(c->rq, "csrf")))
		return true;
	page_error(c, 403, "Not accepted",
	    "This form is too old or did not come from this site. Go back, "
	    "reload the page and try again.");
	return false;
}

static void
web_handle(void *ctx, struct http_request *rq)
{
	GG_AUTO_RELEASE(web_call) c = { .ops = &ops_in_force, .rq = rq };
	const char *allow = "";
	struct path_parts parts;
	const struct route *r = find_route(rq, &parts, &allow);

	(void)ctx;
	memcpy(c.id, parts.id, sizeof(c.id));
	memcpy(c.name, parts.name, sizeof(c.name));
	c.index = parts.index;
	c.cfg = c.ops->config(c.ops->ctx);
	c.rs = c.ops->ruleset(c.ops->ctx);
	if (r == NULL) {
		answer_no_route(&c, allow);
		return;
	}
	c.verb = r->verb;
	if (!admit(&c, r))
		return;
	if ((r->flags & (ROUTE_POST | ROUTE_API | ROUTE_ANYBODY)) ==
		ROUTE_POST &&
	    !form_is_ours(&c))
		return;
	r->handler(&c);
}

void
web_reply_limited(struct http_request *rq, const char *limit)
{
	GG_AUTO_RELEASE(web_call) c = { .ops = &ops_in_force, .rq = rq };
	bool api = is_api(rq);
	char why[160];

	c.cfg = c.ops->config(c.ops->ctx);
	c.rs = c.ops->ruleset(c.ops->ctx);
	(void)snprintf(why, sizeof(why),
	    "limit %s: too many requests; try again in %u s", limit,
	    http_retry_seconds(rq));
	reply_limited(&c, api, why);
}

void
web_init(const struct web_ops *ops)
{
	ops_in_force = *ops;
}

void
web_tick_events(void)
{
	events_tick(&ops_in_force);
}

void
web_stop(void)
{
	events_stop();
}

void
web_tick(void)
{
	refused_flush(&ops_in_force);
}

void
web_route(struct http_request *rq, struct http_plan *plan)
{
	const struct web_ops *ops = &ops_in_force;
	const struct config *cfg = ops->config(ops->ctx);
	const struct ruleset *rs = ops->ruleset(ops->ctx);

	plan->handler = web_handle;
	plan->body = HTTP_BODY_NONE;
	if (strcmp(http_method(rq), "POST") == 0) {
		plan->body = HTTP_BODY_BUFFER;
		plan->max_body = (size_t)cfg->limits.form_bytes;
		plan->limit = "form-size";
		if (strncmp(http_path(rq), "/-/saml/", 8) == 0) {
			/* base64, its lines, percent signs */
			plan->max_body = 2 * (size_t)cfg->limits.saml_response +
			    SAML_FORM_SLACK;
			plan->limit = "saml-response";
		}
	}
	ops->unref(ops->ctx, cfg, rs);
}
