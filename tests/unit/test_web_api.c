/* API, sessions and their refusals, over a real server and store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web_place.h"

#define PUSH1  "01JD0000000000000000000001"
#define HOLD1  "01JD0000000000000000000002"
#define PUSH2  "01JD0000000000000000000003"
#define NOBODY "01JD0000000000000000000009"

#define UPDATES                                                         \
	"[{\"ref\":\"refs/heads/main\",\"old\":"                        \
	"\"1111111111111111111111111111111111111111\",\"new\":"         \
	"\"2222222222222222222222222222222222222222\",\"kind\":"        \
	"\"fast-forward\",\"verdict\":\"hold\",\"reasons\":[{\"rule\":" \
	"\"migrations\",\"verdict\":\"hold\",\"message\":\"ask\","      \
	"\"paths\":[{\"path\":\"db/1.sql\",\"change\":\"added\","       \
	"\"commit\":\"2222222222222222222222222222222222222222\"}]}]}]"

static char agent[128], dba[128], guard[128], pusher[128], stranger[128],
    auditor[128], expired[128], revoked[128];

static int
setup(void **state)
{
	(void)state;
	place_open("http://127.0.0.1:8080");
	place_token("bob", "agents", 0, 0, agent);
	place_token("dora", "dba", 0, 0, dba);
	place_token("sam", "", 0, 0, stranger);
	place_token("ann", "auditors", 0, 0, auditor);
	place_token("old", "auditors", 1000, 0, expired);
	place_token("gone", "auditors", 0, 2000, revoked);
	place_token("sue", "security", 0, 0, guard);
	place_token("Bob", "admins", 0, 0, pusher);
	place_user("dora", "dba");
	place_user("sam", "");
	place_push(PUSH1, HOLD1, UPDATES, "{\"agent.session\":\"s1\"}");
	place_push(PUSH2, NULL, UPDATES, "{}");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	place_close();
	return 0;
}

static void
test_who_may_see_what(void **state)
{
	static const char *const all[] = { "", agent, dba, stranger, auditor,
		expired, revoked };
	static const struct {
		const char *why, *path;
		int want[7]; /* in the order above */
	} cases[] = {
		{ "holds are for people who are known", "/-/api/v1/holds",
		    { 401, 200, 200, 200, 200, 401, 401 } },
		{ "a hold is shown to fetchers, reviewers, auditors",
		    "/-/api/v1/holds/" HOLD1,
		    { 401, 200, 200, 404, 200, 401, 401 } },
		{ "a hold that is not there", "/-/api/v1/holds/" NOBODY,
		    { 401, 404, 404, 404, 404, 401, 401 } },
		{ "an id that is none", "/-/api/v1/holds/x",
		    { 404, 404, 404, 404, 404, 404, 404 } },
		{ "a held push is shown to its reviewers",
		    "/-/api/v1/pushes/" PUSH1,
		    { 401, 200, 200, 404, 200, 401, 401 } },
		{ "another push is not", "/-/api/v1/pushes/" PUSH2,
		    { 401, 200, 404, 404, 200, 401, 401 } },
		{ "a wrong state", "/-/api/v1/holds?state=odd",
		    { 401, 400, 400, 400, 400, 401, 401 } },
		{ "a wrong cursor", "/-/api/v1/holds?cursor=odd",
		    { 401, 400, 400, 400, 400, 401, 401 } },
		{ "a limit too high", "/-/api/v1/pushes?limit=201",
		    { 401, 400, 400, 400, 400, 401, 401 } },
		{ "the API's description", "/-/api/v1/openapi.json",
		    { 200, 200, 200, 200, 200, 200, 200 } },
		{ "checkpoints are public (there is none yet)",
		    "/-/log/checkpoint",
		    { 404, 404, 404, 404, 404, 401, 401 } },
		{ "entries are not", "/-/log/tile/entries/000.p/1",
		    { 401, 403, 403, 403, 404, 401, 401 } },
		{ "no way out of the log", "/-/log/tile/0/..%2f..%2fx",
		    { 400, 400, 400, 400, 400, 400, 400 } },
		{ "nothing else below it", "/-/log/journal",
		    { 404, 404, 404, 404, 404, 401, 401 } },
		{ "nor by odd indexes", "/-/log/tile/0/0x0",
		    { 404, 404, 404, 404, 404, 401, 401 } },
	};
	struct raw_answer a = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		for (size_t k = 0; k < GG_COUNT(all); k++) {
			ask(&a, "GET", cases[i].path, all[k], NULL);
			if (a.status != cases[i].want[k])
				fail_msg("%s, %zu: %d %s", cases[i].why, k,
				    a.status, TEXT_OF(a));
			if (a.status == 401)
				assert_non_null(raw_header(&a,
				    "WWW-Authenticate"));
			if (a.status >= 400 && cases[i].want[0] != 400 &&
			    strstr(cases[i].path, "/x") == NULL)
				assert_string_equal(raw_header(&a,
							"Content-Type"),
				    "application/problem+json");
		}
	}
	buf_release(&a.body);
}

static void
test_two_credentials(void **state)
{
	struct raw_answer a = { 0 };
	char both[300];

	(void)state;
	(void)snprintf(both, sizeof(both), "%s%s", agent, dba);
	ask(&a, "GET", "/-/api/v1/holds", both, NULL);
	assert_int_equal(a.status, 401);
	ask(&a, "GET", "/-/api/v1/holds", "Authorization: Basic !!\r\n", NULL);
	assert_int_equal(a.status, 401);
	ask(&a, "GET", "/-/api/v1/holds", "Authorization: Bearer ggt_x\r\n",
	    NULL);
	assert_int_equal(a.status, 401);
	buf_release(&a.body);
}

static json_t *
body_json(const struct raw_answer *a)
{
	json_t *o = json_loads(TEXT_OF(*a), 0, NULL);

	assert_non_null(o);
	return o;
}

#define STR(o, key) json_string_value(json_object_get((o), (key)))

static void
test_hold_fields(void **state)
{
	struct raw_answer a = { 0 };
	json_t *o, *need, *up;

	(void)state;
	ask(&a, "GET", "/-/api/v1/holds/" HOLD1, agent, NULL);
	o = body_json(&a);
	assert_string_equal(STR(o, "id"), HOLD1);
	assert_string_equal(STR(o, "state"), "pending");
	assert_string_equal(STR(o, "url"),
	    "http://127.0.0.1:8080/-/holds/" HOLD1);
	assert_string_equal(STR(o, "repository"), "acme/app");
	assert_string_equal(STR(o, "principal"), "bob");
	assert_string_equal(STR(o, "push"), PUSH1);
	assert_non_null(STR(o, "created"));
	assert_non_null(STR(o, "expires"));
	assert_true(json_is_null(json_object_get(o, "outcome")));
	up = json_array_get(json_object_get(o, "updates"), 0);
	assert_string_equal(STR(up, "ref"), "refs/heads/main");
	need = json_array_get(json_object_get(o, "needs"), 0);
	assert_string_equal(STR(need, "rule"), "migrations");
	assert_int_equal(json_array_size(json_object_get(need, "reviews")), 0);
	assert_string_equal(STR(json_object_get(o, "claimed"), "agent.session"),
	    "s1");
	assert_string_equal(STR(json_object_get(o, "verified"), "auth"),
	    "token");
	json_decref(o);

	ask(&a, "GET", "/-/api/v1/pushes/" PUSH1, agent, NULL);
	o = body_json(&a);
	assert_string_equal(STR(o, "state"), "held");
	assert_string_equal(STR(o, "hold"),
	    "http://127.0.0.1:8080/-/holds/" HOLD1);
	json_decref(o);
	ask(&a, "GET", "/-/api/v1/pushes/" PUSH2, agent, NULL);
	o = body_json(&a);
	assert_true(json_is_null(json_object_get(o, "hold")));
	json_decref(o);

	ask(&a, "GET", "/-/api/v1/holds?state=pending", stranger, NULL);
	o = body_json(&a);
	assert_int_equal(json_array_size(json_object_get(o, "holds")), 0);
	assert_true(json_is_null(json_object_get(o, "next")));
	json_decref(o);
	ask(&a, "GET", "/-/api/v1/pushes?limit=1", agent, NULL);
	o = body_json(&a);
	assert_int_equal(json_array_size(json_object_get(o, "pushes")), 1);
	assert_string_equal(STR(o, "next"), PUSH2);
	json_decref(o);
	ask(&a, "GET", "/-/api/v1/pushes?cursor=" PUSH2, agent, NULL);
	o = body_json(&a);
	assert_string_equal(STR(json_array_get(json_object_get(o, "pushes"), 0),
				"id"),
	    PUSH1);
	json_decref(o);
	ask(&a, "GET", "/-/api/v1/openapi.json", "", NULL);
	o = body_json(&a);
	assert_non_null(json_object_get(o, "paths"));
	json_decref(o);
	buf_release(&a.body);
}

static void
test_acts(void **state)
{
	static const struct {
		const char *why, *path, *headers, *body;
		int answer; /* of the gate */
		int want;
		const char *asked;
	} cases[] = {
		{ "approve", "approve", dba, "{\"comment\":\"fine\"}", 0, 200,
		    "approve " HOLD1 " dora fine" },
		{ "reject", "reject", dba, "{\"comment\":\"no\"}", 0, 200,
		    "reject " HOLD1 " dora no" },
		{ "withdraw", "withdraw", agent, "{}", 0, 200,
		    "withdraw " HOLD1 " bob " },
		{ "no comment", "approve", dba, "", 0, 200,
		    "approve " HOLD1 " dora " },
		{ "not entitled", "approve", dba, "{}", GG_E_REFUSED, 403,
		    NULL },
		{ "no longer pending", "approve", dba, "{}", GG_E_STALE, 409,
		    NULL },
		{ "the gate is in trouble", "approve", dba, "{}",
		    GG_E_UNAVAILABLE, 503, NULL },
		{ "who may not see may not act", "approve", stranger, "{}", 0,
		    404, "" },
		{ "nobody", "approve", "", "{}", 0, 401, "" },
		{ "no JSON", "approve", dba, "comment=1", 0, 400, "" },
		{ "a comment that is no text", "approve", dba,
		    "{\"comment\":1}", 0, 400, "" },
		{ "a key twice", "approve", dba,
		    "{\"comment\":\"a\",\"comment\":\"b\"}", 0, 400, "" },
		{ "unknown act", "merge", dba, "{}", 0, 404, "" },
	};
	struct raw_answer a = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		char path[128], headers[256];

		place.asked[0] = '\0';
		place.answer = cases[i].answer;
		(void)snprintf(path, sizeof(path),
		    "/-/api/v1/holds/" HOLD1 "/%s", cases[i].path);
		(void)snprintf(headers, sizeof(headers), "%s" JSON_TYPE,
		    cases[i].headers);
		ask(&a, "POST", path, headers, cases[i].body);
		if (a.status != cases[i].want)
			fail_msg("%s: %d %s", cases[i].why, a.status,
			    TEXT_OF(a));
		if (cases[i].asked != NULL)
			assert_string_equal(place.asked, cases[i].asked);
	}
	place.answer = 0;
	place.asked[0] = '\0';
	ask(&a, "POST", "/-/api/v1/holds/" HOLD1 "/approve", dba, "{}");
	assert_int_equal(a.status, 415);
	ask(&a, "GET", "/-/api/v1/holds/" HOLD1 "/approve", dba, NULL);
	assert_int_equal(a.status, 405);
	assert_string_equal(raw_header(&a, "Allow"), "POST");
	ask(&a, "DELETE", "/-/api/v1/holds/" HOLD1, dba, NULL);
	assert_int_equal(a.status, 405);
	assert_string_equal(raw_header(&a, "Allow"), "GET, HEAD");
	assert_string_equal(place.asked, "");
	buf_release(&a.body);
}

static void
test_session_and_csrf(void **state)
{
	static const struct {
		const char *why;
		bool token;
		const char *headers;
		int want;
	} cases[] = {
		{ "token alone", true, "", 303 },
		{ "same origin", true, "Sec-Fetch-Site: same-origin\r\n", 303 },
		{ "our origin", true, "Origin: http://127.0.0.1:8080\r\n",
		    303 },
		{ "no token", false, "Sec-Fetch-Site: same-origin\r\n", 403 },
		{ "another site", true, "Sec-Fetch-Site: cross-site\r\n", 403 },
		{ "a sibling", true, "Sec-Fetch-Site: same-site\r\n", 403 },
		{ "another origin", true, "Origin: https://evil.example\r\n",
		    403 },
		{ "no origin", true, "Origin: null\r\n", 403 },
	};
	struct raw_answer a = { 0 };
	char cookie[256] = "", token[64], headers[600], body[200];

	(void)state;
	assert_int_equal(sign_in("dora", "correct+horse", cookie), 303);
	assert_non_null(strstr(cookie, "gitgate-session="));
	ask(&a, "GET", "/-/holds/" HOLD1, cookie, NULL);
	assert_int_equal(a.status, 200);
	assert_true(csrf_of(&a, token));
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		place.asked[0] = '\0';
		(void)snprintf(headers, sizeof(headers), "%s%s" FORM_TYPE,
		    cookie, cases[i].headers);
		(void)snprintf(body, sizeof(body), "comment=ok&csrf=%s",
		    cases[i].token ? token : "x");
		ask(&a, "POST", "/-/holds/" HOLD1 "/approve", headers, body);
		if (a.status != cases[i].want)
			fail_msg("%s: %d", cases[i].why, a.status);
		assert_int_equal(place.asked[0] != '\0', a.status == 303);
	}
	/* the API with a session */
	(void)snprintf(headers, sizeof(headers), "%s" JSON_TYPE, cookie);
	ask(&a, "POST", "/-/api/v1/holds/" HOLD1 "/approve", headers, "{}");
	assert_int_equal(a.status, 403);
	(void)snprintf(headers, sizeof(headers),
	    "%s" JSON_TYPE "X-CSRF-Token: %s\r\n", cookie, token);
	ask(&a, "POST", "/-/api/v1/holds/" HOLD1 "/approve", headers, "{}");
	assert_int_equal(a.status, 200);

	/* signing out ends it on the server */
	(void)snprintf(headers, sizeof(headers), "%s" FORM_TYPE, cookie);
	ask(&a, "POST", "/-/logout", headers, "csrf=x");
	assert_int_equal(a.status, 403);
	(void)snprintf(body, sizeof(body), "csrf=%s", token);
	ask(&a, "POST", "/-/logout", headers, body);
	assert_int_equal(a.status, 303);
	ask(&a, "GET", "/-/holds", cookie, NULL);
	assert_int_equal(a.status, 303);
	assert_string_equal(raw_header(&a, "Location"),
	    "/-/login?next=%2F-%2Fholds");
	buf_release(&a.body);
}

static void
test_next(void **state)
{
	static const struct {
		const char *next, *want;
	} cases[] = {
		{ "/-/pushes", "/-/pushes" },
		{ "/-/holds/" HOLD1, "/-/holds/" HOLD1 },
		{ "//evil.example", "/-/holds" },
		{ "https://evil.example/-/", "/-/holds" },
		{ "/-/..%2f..%2fevil", "/-/holds" },
		{ "/-//evil.example", "/-/holds" },
		{ "/-/%5cevil", "/-/holds" },
		{ "/-/a%0d%0aSet-Cookie:x", "/-/holds" },
		{ "/-/logout", "/-/holds" },
		{ "/acme/app", "/-/holds" },
	};
	struct raw_answer a = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		char path[200], want[200];

		(void)snprintf(path, sizeof(path), "/-/login?next=%s",
		    cases[i].next);
		(void)snprintf(want, sizeof(want), "name=\"next\" value=\"%s\"",
		    cases[i].want);
		ask(&a, "GET", path, "", NULL);
		assert_int_equal(a.status, 200);
		if (strstr(TEXT_OF(a), want) == NULL)
			fail_msg("%s: %s", cases[i].next, TEXT_OF(a));
	}
	buf_release(&a.body);
}

static void
test_signin_refusals(void **state)
{
	struct raw_answer a = { 0 };
	char cookie[256];
	unsigned audits = place.audits;

	(void)state;
	/* without the form's cookie */
	ask(&a, "POST", "/-/login", FORM_TYPE,
	    "csrf=a&user=dora&password=correct+horse");
	assert_int_equal(a.status, 403);
	/* the audit log comes first */
	place.audit_answer = GG_E_UNAVAILABLE;
	assert_int_equal(sign_in("dora", "correct+horse", cookie), 503);
	place.audit_answer = 0;
	/* three tries, then not even the right password helps */
	assert_int_equal(sign_in("sam", "wrong", cookie), 403);
	assert_int_equal(sign_in("nobody", "wrong", cookie), 403);
	assert_int_equal(sign_in("sam", "", cookie), 403);
	assert_int_equal(sign_in("sam", "correct+horse", cookie), 429);
	assert_int_equal(sign_in("dora", "correct+horse", cookie), 429);
	assert_true(place.audits >= audits + 3);
	buf_release(&a.body);
}

#define PRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MINE  "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ALLOW(print, repo, comment, expires)                    \
	"{\"fingerprint\":\"" print "\",\"repository\":\"" repo \
	"\",\"comment\":\"" comment "\",\"expires\":\"" expires "\"}"

static void
test_allowing_findings(void **state)
{
	static const struct {
		const char *why, *who, *body;
		int want;
	} cases[] = {
		{ "nobody", "", ALLOW(PRINT, "acme/app", "x", "30d"), 401 },
		{ "an agent", agent, ALLOW(PRINT, "acme/app", "x", "30d"),
		    403 },
		{ "an auditor", auditor, ALLOW(PRINT, "acme/app", "x", "30d"),
		    403 },
		{ "its pusher, in other letters", pusher,
		    ALLOW(MINE, "acme/app", "x", "30d"), 403 },
		{ "that of others", pusher, ALLOW(PRINT, "acme/app", "x", "1d"),
		    201 },
		{ "security", guard, ALLOW(MINE, "acme/app", "x", "30d"), 201 },
		{ "in other letters", guard,
		    ALLOW(PRINT, "ACME/App", "x", "30d"), 404 },
		{ "no such repository", guard,
		    ALLOW(PRINT, "acme/none", "x", "30d"), 404 },
		{ "half a fingerprint", guard,
		    ALLOW("0123456789ab", "acme/app", "x", "30d"), 400 },
		{ "no fingerprint", guard,
		    ALLOW("0123456789abcdef0123456789abcdef0123456789abcdef"
			  "0123456789abcdeF",
			"acme/app", "x", "30d"),
		    400 },
		{ "no reason", guard, ALLOW(PRINT, "acme/app", " ", "30d"),
		    400 },
		{ "too long", guard, ALLOW(PRINT, "acme/app", "x", "367d"),
		    400 },
		{ "over", guard, ALLOW(PRINT, "acme/app", "x", "2020-01-01"),
		    400 },
		{ "at once", guard, ALLOW(PRINT, "acme/app", "x", "0s"), 400 },
		{ "for ever", guard, ALLOW(PRINT, "acme/app", "x", "never"),
		    400 },
		{ "no expiry", guard,
		    "{\"fingerprint\":\"" PRINT
		    "\",\"repository\":\"acme/app\",\"comment\":\"x\"}",
		    400 },
		{ "more than asked", guard,
		    "{\"fingerprint\":\"" PRINT
		    "\",\"repository\":\"acme/app\",\"comment\":\"x\","
		    "\"expires\":\"1d\",\"rule\":\"*\"}",
		    400 },
		{ "nothing", guard, "", 400 },
		{ "a list", guard, "[]", 400 },
	};
	GG_AUTO_RELEASE(strv) mine = STRV_INIT;
	struct raw_answer a = { 0 };
	struct gg_error err = { 0 };
	char headers[400];

	(void)state;
	strv_add(&mine, MINE);
	must(store_finding_pushed(place.store, "acme/app", "bob", PUSH1, &mine,
		 &err),
	    &err);
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		unsigned audits = place.audits;

		(void)snprintf(headers, sizeof(headers), "%s" JSON_TYPE,
		    cases[i].who);
		ask(&a, "POST", "/-/api/v1/findings", headers, cases[i].body);
		if (a.status != cases[i].want)
			fail_msg("%s: %d %s", cases[i].why, a.status,
			    TEXT_OF(a));
		if (a.status != 401)
			assert_int_equal(place.audits,
			    audits + (a.status == 201));
	}
	/* what cannot be noted does not happen */
	place.audit_answer = GG_E_UNAVAILABLE;
	(void)snprintf(headers, sizeof(headers), "%s" JSON_TYPE, guard);
	ask(&a, "POST", "/-/api/v1/findings", headers,
	    ALLOW(PRINT, "acme/app", "unlogged", "30d"));
	assert_int_equal(a.status, 503);
	place.audit_answer = 0;
	ask(&a, "GET", "/-/api/v1/findings", guard, NULL);
	assert_int_equal(a.status, 200);
	assert_null(strstr(TEXT_OF(a), "unlogged"));
	buf_release(&a.body);
}

static void
test_listing_and_revoking_findings(void **state)
{
	struct raw_answer a = { 0 };
	char headers[400], path[120], id[ULID_SIZE];
	json_t *o, *list;

	(void)state;
	ask(&a, "GET", "/-/api/v1/findings", stranger, NULL);
	o = body_json(&a);
	assert_int_equal(json_array_size(json_object_get(o, "findings")), 0);
	json_decref(o);
	ask(&a, "GET", "/-/api/v1/findings?limit=x", guard, NULL);
	assert_int_equal(a.status, 400);
	ask(&a, "GET", "/-/api/v1/findings?repository=acme/app", agent, NULL);
	o = body_json(&a);
	list = json_object_get(o, "findings");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(STR(json_array_get(list, 0), "repository"),
	    "acme/app");
	assert_true(json_is_true(json_object_get(json_array_get(list, 0),
	    "in_force")));
	(void)snprintf(id, sizeof(id), "%s",
	    STR(json_array_get(list, 0), "id"));
	json_decref(o);
	(void)snprintf(path, sizeof(path), "/-/api/v1/findings/%s/revoke", id);
	(void)snprintf(headers, sizeof(headers), "%s" JSON_TYPE, agent);
	ask(&a, "POST", path, headers, "{}");
	assert_int_equal(a.status, 403);
	place.audit_answer = GG_E_UNAVAILABLE;
	(void)snprintf(headers, sizeof(headers), "%s" JSON_TYPE, guard);
	ask(&a, "POST", path, headers, "{}");
	assert_int_equal(a.status, 503);
	place.audit_answer = 0;
	ask(&a, "POST", path, headers, "{\"comment\":\"was one\"}");
	assert_int_equal(a.status, 200);
	o = body_json(&a);
	assert_string_equal(STR(o, "revoker"), "sue");
	assert_true(json_is_false(json_object_get(o, "in_force")));
	json_decref(o);
	ask(&a, "POST", path, headers, "{}");
	assert_int_equal(a.status, 409);
	ask(&a, "POST", "/-/api/v1/findings/" NOBODY "/revoke", headers, "{}");
	assert_int_equal(a.status, 404);
	buf_release(&a.body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_may_see_what),
		cmocka_unit_test(test_two_credentials),
		cmocka_unit_test(test_hold_fields),
		cmocka_unit_test(test_acts),
		cmocka_unit_test(test_session_and_csrf),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_allowing_findings),
		cmocka_unit_test(test_listing_and_revoking_findings),
		cmocka_unit_test(test_signin_refusals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
