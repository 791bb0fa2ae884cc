/* A gate of pages and API only: a store in a temporary folder, a policy, a
 * server on a free port, and services that write down what they are asked. */
#ifndef GITGATE_TESTS_WEB_PLACE_H
#define GITGATE_TESTS_WEB_PLACE_H

#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/password.h"
#include "hold/quorum.h"
#include "identity/token.h"
#include "ipc/codec.h"
#include "model/diff.h"
#include "model/report.h"
#include "rawhttp.h"
#include "web/web.h"

#define PASSWORD "correct horse"

static struct place {
	char dir[64];
	struct store *store;
	struct config *cfg;
	struct ruleset *rs;
	struct http_server *server;
	uint16_t port;
	/* what the services were asked, and what they answer */
	char asked[8192];
	int answer;
	unsigned audits;
	int audit_answer;
} place;

static inline const struct config *
place_config(void *ctx)
{
	(void)ctx;
	return place.cfg;
}

static inline const struct ruleset *
place_ruleset(void *ctx)
{
	(void)ctx;
	return place.rs;
}

static inline void
place_unref(void *ctx, const struct config *c, const struct ruleset *rs)
{
	(void)ctx;
	(void)c;
	(void)rs;
}

static inline int
place_review(void *ctx, const char *id, const struct principal *who,
    const char *addr, bool approve, const char *comment, struct gg_error *err)
{
	(void)ctx;
	(void)addr;
	(void)snprintf(place.asked, sizeof(place.asked), "%s %s %s %s",
	    approve ? "approve" : "reject", id, who->name, comment);
	return place.answer == 0 ?
	    0 :
	    gg_fail(err, (enum gg_code)place.answer, "because");
}

/* The gate's own answer, but for authors, of whom this place knows nothing. */
static inline int
place_may_review(void *ctx, const char *id, const struct principal *who,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	static const struct strv nobody = { 0 };
	struct quorum_review me = { .reviewer = who->name,
		.groups = &who->groups };
	enum quorum_refusal no;
	struct need *needs;
	size_t n;

	(void)ctx;
	if (store_hold_get(place.store, id, &h, err) != 0 ||
	    needs_from_json(h.needs, &needs, &n, err) != 0)
		return GG_E_CORRUPT;
	no = quorum_may_review(needs, n,
	    &(struct quorum_push){ .pusher = h.principal, .people = &nobody },
	    &me);
	needs_free(needs, n);
	return no == QUORUM_MAY ?
	    0 :
	    gg_fail(err, GG_E_REFUSED, "%s", quorum_refusal_text(no));
}

static inline int
place_may_review_listed(void *ctx, const struct stored_hold *h,
    const struct stored_push *p, const struct principal *who, uint64_t *budget,
    struct gg_error *err)
{
	(void)p;
	(void)budget;
	return place_may_review(ctx, h->id, who, err);
}

static inline void
place_mirror_names(void *ctx, const struct config *c, size_t most,
    struct strv *out)
{
	(void)ctx;
	(void)c;
	(void)most;
	(void)out;
}

static inline void
place_mirror_state(void *ctx, const struct config *c, const char *name,
    struct mirror_state *out)
{
	(void)ctx;
	(void)c;
	(void)name;
	*out = (struct mirror_state){ 0 };
}

static inline int
place_withdraw(void *ctx, const char *id, const struct principal *who,
    const char *addr, const char *comment, struct gg_error *err)
{
	(void)ctx;
	(void)addr;
	(void)snprintf(place.asked, sizeof(place.asked), "withdraw %s %s %s",
	    id, who->name, comment);
	return place.answer == 0 ?
	    0 :
	    gg_fail(err, (enum gg_code)place.answer, "because");
}

static inline int
place_audit(void *ctx, json_t *entry, struct gg_error *err)
{
	(void)ctx;
	(void)entry;
	place.audits++;
	return place.audit_answer == 0 ?
	    0 :
	    gg_fail(err, (enum gg_code)place.audit_answer, "no log");
}

static inline void
place_route(void *ctx, struct http_request *rq, struct http_plan *plan)
{
	(void)ctx;
	web_route(rq, plan);
}

static inline void
must(int rc, const struct gg_error *err)
{
	if (rc != 0)
		gg_die("%s", err->msg);
}

/* A token for a principal of one group ("": none), as a header line. */
static inline void
place_token(const char *name, const char *group, int64_t expires_ms,
    int64_t revoked_ms, char line[128])
{
	char token[TOKEN_SIZE], id[ULID_SIZE], hash[DIGEST_SHA256_HEX_SIZE];
	struct stored_token t = {
		.id = id, .expires_ms = expires_ms, .created_ms = 1
	};
	GG_AUTO_MEM char *principal = view_dup(view_str(name));
	struct gg_error err = { 0 };
	uint64_t n;

	token_new(token);
	ulid_new(id);
	t.principal = principal;
	if (group[0] != '\0')
		strv_add(&t.groups, group);
	digest_sha256_hex(view_str(token), hash);
	must(store_token_add(place.store, &t, hash, &err), &err);
	if (revoked_ms != 0)
		must(store_token_revoke(place.store, id, revoked_ms, &n, &err),
		    &err);
	strv_release(&t.groups);
	(void)snprintf(line, 128, "Authorization: Bearer %s\r\n", token);
}

static inline void
place_user(const char *name, const char *group)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	struct gg_error err = { 0 };

	u.name = view_dup(view_str(name));
	must(password_hash(view_str(PASSWORD), &u.password_hash, &err), &err);
	u.created_ms = 1;
	if (group[0] != '\0')
		strv_add(&u.groups, group);
	must(store_user_add(place.store, &u, &err), &err);
}

static inline void
place_open(const char *public_url)
{
	static const char policy[] = "access:\n"
				     "  - principals: {groups: [agents]}\n"
				     "    repositories: [\"acme/*\"]\n"
				     "    allow: [fetch, push]\n";
	GG_AUTO_RELEASE(buf) text = BUF_INIT(8192);
	struct http_config hc = { .host = "127.0.0.1",
		.network_threads = 2,
		.workers = 4,
		.connections = 100,
		.connections_per_address = 100,
		.header_bytes = 32768,
		.idle_ms = 30000,
		.route = place_route };
	struct web_ops ops = { .config = place_config,
		.ruleset = place_ruleset,
		.unref = place_unref,
		.review = place_review,
		.may_review = place_may_review,
		.may_review_listed = place_may_review_listed,
		.mirror_names = place_mirror_names,
		.mirror_state = place_mirror_state,
		.withdraw = place_withdraw,
		.audit = place_audit };
	struct gg_error err = { 0 };

	memset(&place, 0, sizeof(place));
	(void)snprintf(place.dir, sizeof(place.dir), "/tmp/gitgate-web-XXXXXX");
	if (mkdtemp(place.dir) == NULL)
		gg_die("mkdtemp");
	buf_addf(&text,
	    "listen: 127.0.0.1:0\npublic-url: %s\nstate-dir: %s\n"
	    "policy-dir: %s\nrepositories:\n"
	    "  - path: acme/app\n    upstream: %s\n"
	    "limits:\n  sign-in-tries: 3\n",
	    public_url, place.dir, place.dir, place.dir);
	must(config_parse(buf_view(&text), "test", &place.cfg, &err), &err);
	place.rs = ruleset_new();
	must(ruleset_parse(place.rs, "test.yaml", view_str(policy), &err),
	    &err);
	must(store_open("sqlite", place.dir, &place.store, &err), &err);
	ops.store = place.store;
	web_init(&ops);
	must(http_server_start(&hc, &place.server, &err), &err);
	place.port = http_server_port(place.server);
}

static inline void
place_close(void)
{
	http_server_stop(place.server, 1000);
	store_free(place.store);
	ruleset_free(place.rs);
	config_free(place.cfg);
	(void)dir_remove(place.dir, NULL);
}

static inline json_t *
place_json(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	if (o == NULL)
		gg_die("test JSON: %s", text);
	return o;
}

/* A push of bob's and, where hold_id is not NULL, its hold. */
static inline void
place_push(const char *push_id, const char *hold_id, const char *updates,
    const char *claimed)
{
	struct stored_push p = { .auth_method = (char *)(uintptr_t) "token",
		.repository = (char *)(uintptr_t) "acme/app",
		.principal = (char *)(uintptr_t) "bob",
		.credential_id = (char *)(uintptr_t) "",
		.client_addr = (char *)(uintptr_t) "192.0.2.1",
		.client_agent = (char *)(uintptr_t) "git/<b>2</b>",
		.policy_digest = (char *)(uintptr_t) "",
		.report_digest = (char *)(uintptr_t) "",
		.state = PUSH_RECEIVING,
		.created_ms = clock_wall_ms() };
	struct stored_hold h = { 0 };
	GG_AUTO_RELEASE(strv) superseded = STRV_INIT;
	char existing[ULID_SIZE];
	struct gg_error err = { 0 };

	p.id = (char *)(uintptr_t)push_id;
	p.request = json_pack("{s:o}", "claimed", place_json(claimed));
	p.updates = place_json(updates);
	must(store_push_add(place.store, &p, &err), &err);
	if (hold_id != NULL) {
		h.id = (char *)(uintptr_t)hold_id;
		h.push_id = p.id;
		h.repository = p.repository;
		h.principal = p.principal;
		h.key = (char *)(uintptr_t)push_id;
		h.policy_digest = h.report_digest = p.policy_digest;
		h.created_ms = p.created_ms;
		h.expires_ms = p.created_ms + 3600000;
		h.updates = json_incref(p.updates);
		h.needs = place_json(
		    "[{\"rule\":\"migrations\",\"required\":1,\"from\":"
		    "[\"dba\"],\"allow_self\":false,\"wait_ms\":0,"
		    "\"expires_ms\":3600000}]");
		p.state = PUSH_HELD;
		must(store_hold_open(place.store, &h, &p, &superseded, existing,
			 &err),
		    &err);
		json_decref(h.updates);
		json_decref(h.needs);
	}
	json_decref(p.request);
	json_decref(p.updates);
}

/* Send and read; body NULL: none. a->body must be released. */
static inline void
ask(struct raw_answer *a, const char *method, const char *path,
    const char *headers, const char *body)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);

	buf_release(&a->body);
	buf_addf(&b, "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, path, headers);
	if (body != NULL)
		buf_addf(&b, "Content-Length: %zu\r\n", strlen(body));
	buf_addf(&b, "\r\n%s", body != NULL ? body : "");
	raw_request(place.port, b.p, b.n, a);
}

#define JSON_TYPE  "Content-Type: application/json\r\n"
#define FORM_TYPE  "Content-Type: application/x-www-form-urlencoded\r\n"
#define TEXT_OF(a) buf_str(&(a).body)

/* The value of the first hidden "csrf" field of a page. */
static inline bool
csrf_of(const struct raw_answer *a, char out[64])
{
	const char *p = strstr(TEXT_OF(*a), "name=\"csrf\" value=\"");
	size_t n;

	if (p == NULL)
		return false;
	p += strlen("name=\"csrf\" value=\"");
	n = strcspn(p, "\"");
	(void)snprintf(out, 64, "%.*s", (int)n, p);
	return true;
}

/* "Cookie: name=value\r\n" from the answer's Set-Cookie. */
static inline bool
cookie_of(const struct raw_answer *a, char out[256])
{
	const char *v = raw_header(a, "Set-Cookie");

	if (v == NULL)
		return false;
	(void)snprintf(out, 256, "Cookie: %.*s\r\n", (int)strcspn(v, ";"), v);
	return true;
}

/* Try to sign in; the session's cookie line in cookie where it worked. */
static inline int
sign_in(const char *user, const char *password, char cookie[256])
{
	struct raw_answer a = { 0 };
	char token[64], form_cookie[256], headers[512], body[512];
	int status;

	ask(&a, "GET", "/-/login", "", NULL);
	if (!csrf_of(&a, token) || !cookie_of(&a, form_cookie))
		gg_die("no sign-in form: %s", TEXT_OF(a));
	(void)snprintf(headers, sizeof(headers), "%s" FORM_TYPE, form_cookie);
	(void)snprintf(body, sizeof(body), "csrf=%s&user=%s&password=%s", token,
	    user, password);
	ask(&a, "POST", "/-/login", headers, body);
	status = a.status;
	if (status == 303)
		(void)cookie_of(&a, cookie);
	buf_release(&a.body);
	return status;
}

#endif
