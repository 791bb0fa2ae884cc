/* The door of the git endpoints: who asks, and may they? */
#include "role/gate_grants.h"

#include "base/fd.h"
#include "base/log.h"
#include "identity/auth_header.h"
#include "proto/smart_path.h"
#include "role/gate_issuers.h"
#include "role/gate_limits.h"

#include <stdlib.h>
#include <string.h>

#define AGENT_MAX     200
#define RETRY_AFTER_S "30"

void
git_request_release(struct git_request *r)
{
	repo_ref_release(&r->repo);
	principal_release(&r->principal);
	free(r->client_addr);
	free(r->client_agent);
	snapshot_unref(r->snap);
	*r = (struct git_request){ 0 };
}

/*
 * git asks for a password only after a 401 with a challenge; Basic, alone and
 * first, is what every client understands.
 */
static void
challenge(struct http_request *rq, const char *why)
{
	static const struct http_headers basic[] = {
		{ "WWW-Authenticate",
		    "Basic realm=\"gitgate\", charset=\"UTF-8\"" },
		{ NULL, NULL },
	};
	GG_AUTO_MEM char *line = path_f("gitgate: %s\n", why);

	http_reply(rq, 401, "text/plain; charset=utf-8", view_str(line), basic);
}

static bool
has_bearer(struct http_request *rq)
{
	const char *a = http_header(rq, "Authorization");

	return a != NULL && strncasecmp(a, "bearer ", 7) == 0;
}

/* GG_E_REFUSED of a credential: Basic may be asked again, a Bearer token was
 * configured and git would only hide our reason behind a question. */
static void
refuse_credential(struct gate *g, struct http_request *rq,
    const struct gg_error *err)
{
	gate_count(g, METRIC_AUTH_FAILURES);
	log_event(EV_auth_failed, kv_str("addr", http_client_addr(rq)),
	    kv_err(err));
	if (http_header_count(rq, "Authorization") > 1)
		http_reply_text(rq, 400, "gitgate: %s", err->msg);
	else if (has_bearer(rq) || http_header_count(rq, "Authorization") == 0)
		/* without a header it was a client certificate */
		http_reply_text(rq, 403, "gitgate: %s", err->msg);
	else
		challenge(rq, err->msg);
}

/* git shows the reason and keeps the credential. */
static void
come_again(struct http_request *rq, const char *why)
{
	static const struct http_headers later[] = {
		{ "Retry-After", RETRY_AFTER_S },
		{ NULL, NULL },
	};
	GG_AUTO_MEM char *line = path_f("gitgate: %s\n", why);

	http_reply(rq, 503, "text/plain; charset=utf-8", view_str(line), later);
}

static bool
authenticate(struct gate *g, struct http_request *rq, struct principal *out)
{
	struct gg_error err = { 0 };
	int rc = web_authenticate(&g->web, rq, false, out, &err);

	if (rc == 0)
		return true;
	if (rc == GG_E_REFUSED) {
		refuse_credential(g, rq, &err);
	} else if (rc == GG_E_LIMIT) {
		if (http_retry_seconds(rq) == 0) {
			come_again(rq, err.msg);
			return false;
		}
		gate_count(g, METRIC_AUTH_FAILURES);
		http_reply_text(rq, 429, "gitgate: %s", err.msg);
	} else {
		log_event(EV_store_failed, kv_err(&err));
		http_reply_text(rq, 503,
		    "gitgate: gate unavailable: identity cannot be checked now");
	}
	return false;
}

static bool
may(struct gate *g, struct http_request *rq, unsigned need,
    struct git_request *r)
{
	unsigned has = ruleset_access(r->snap->ruleset, &r->principal,
	    r->repo.name);

	if ((has & need) == need)
		return true;
	has |= gate_access_by_grants(g, r->snap, &r->principal, r->repo.name);
	r->by_grant = (has & need) == need;
	if (r->by_grant)
		return true;
	if (r->principal.method == AUTH_ANONYMOUS)
		challenge(rq, "sign in with a token");
	else if (has != 0)
		http_reply_text(rq, 403,
		    "gitgate: %s may not %s this repository", r->principal.name,
		    need & ACCESS_PUSH ? "push to" : "fetch");
	else
		http_reply_text(rq, 404, "gitgate: repository not found");
	return false;
}

/* An issuer's token serves one repository. */
static bool
bind_token(struct gate *g, struct http_request *rq, const struct git_request *r)
{
	GG_AUTO_RELEASE(auth_header) h = { 0 };
	const char *value = http_header(rq, "Authorization");
	struct gg_error err = { 0 };
	int rc;

	if (r->principal.method != AUTH_OIDC)
		return true;
	rc = auth_header_parse(view_str(value), &h, &err);
	if (rc == 0)
		rc = token_bind(g, r->snap->config, view_str(h.secret),
		    r->repo.name, r->client_addr, &err);
	if (rc == 0)
		return true;
	if (rc == GG_E_REFUSED) {
		gate_count(g, METRIC_AUTH_FAILURES);
		web_note_refused(&g->web, rq, &err);
		log_event(EV_auth_failed, kv_str("addr", r->client_addr),
		    kv_str("principal", r->principal.name), kv_err(&err));
		http_reply_text(rq, 403, "gitgate: %s", err.msg);
	} else {
		log_event(EV_store_failed, kv_err(&err));
		come_again(rq,
		    "gate unavailable: identity cannot be checked "
		    "now");
	}
	return false;
}

/* Goes the request on? A POST does, and is refused by its handler. */
static bool
is_within_limits(struct gate *g, struct http_request *rq,
    struct git_request *out)
{
	bool post = strcmp(http_method(rq), "POST") == 0;
	unsigned wait = http_retry_seconds(rq);

	if (wait > 0) {
		out->limited = "requests-per-address";
	} else if (out->principal.method != AUTH_ANONYMOUS &&
	    (wait = gate_limit_principal(g, out->principal.name)) > 0) {
		out->limited = "requests-per-principal";
		http_retry_after(rq, wait);
	}
	out->retry_seconds = wait;
	if (wait == 0 || post)
		return true;
	gate_reply_limited(rq, out->limited, wait);
	return false;
}

bool
git_request_open(struct gate *g, struct http_request *rq, unsigned need,
    struct git_request *out)
{
	const char *agent = http_header(rq, "User-Agent");
	char name[REPOSITORY_MAX_BYTES + 1];
	struct gg_error err = { 0 };

	out->snap = gate_snapshot(g);
	out->client_addr = path_f("%s", http_client_addr(rq));
	out->client_agent = path_f("%.*s", AGENT_MAX, agent ? agent : "");
	if (!authenticate(g, rq, &out->principal) ||
	    !is_within_limits(g, rq, out))
		return false;
	(void)smart_path_parse(view_str(http_path(rq)), view_str(""), name);
	if (config_find_repository(out->snap->config, view_str(name),
		&out->repo, &err) != 0) {
		/* Whether it exists is nobody's business without a name. */
		if (out->principal.method == AUTH_ANONYMOUS)
			challenge(rq, "sign in with a token");
		else
			http_reply_text(rq, 404,
			    "gitgate: repository not found");
		return false;
	}
	return may(g, rq, need, out) && bind_token(g, rq, out);
}
