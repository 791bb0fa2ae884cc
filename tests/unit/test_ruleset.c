#include "base/auto.h"
#include "base/fd.h"
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#define RULE(more)  "rules:\n  - {name: r, then: deny, " more "}\n"
#define HOLD(more)  "rules:\n  - {name: r, then: hold, " more "}\n"
#define WHEN(more)  RULE("when: {" more "}")
#define GRANT(more) "access:\n  - {" more "}\n"

static const struct {
	const char *why, *text, *msg; /* NULL: accepted */
} cases[] = {
	{ "nothing", "", NULL },
	{ "JSON",
	    "{\"rules\": [{\"name\": \"r\", \"then\": \"hold\", \"approvals\": {\"required\": 2}}]}",
	    NULL },
	{ "all that there is",
	    "access:\n"
	    "  - principals: {names: [ci], groups: [agents], except-groups: [x], anonymous: true}\n"
	    "    repositories: [\"acme/*\", \"!acme/secret\"]\n"
	    "    allow: [fetch, push]\n"
	    "rules:\n"
	    "  - name: migrations\n"
	    "    when:\n"
	    "      repositories: [\"acme/*\"]\n"
	    "      refs: [\"refs/heads/**\"]\n"
	    "      updates: [create, fast-forward, force, delete, tag-move]\n"
	    "      principals: {names: [], groups: [agents], except-groups: [dba]}\n"
	    "      paths: [\"migrations/**\", \"!migrations/README\"]\n"
	    "      changes: [add, modify, delete, mode, symlink, submodule]\n"
	    "    then: hold\n"
	    "    approvals: {required: 1, from: [dba], allow-self: false}\n"
	    "    wait: 0s\n"
	    "    expires: 72h\n"
	    "    message: \"Schema migrations need a DBA.\"\n",
	    NULL },
	{ "unknown key", "rule: []\n", "p.yaml:1: unknown key \"rule\"" },
	{ "rules as a map", "rules: {}\n", "p.yaml:1: rules must be a list" },
	{ "a push is one unit", "partial: true\n",
	    "p.yaml:1: unknown key \"partial\"" },
	{ "a rule as a word", "rules: [a]\n",
	    "p.yaml:1: a rule must be a map of keys" },
	{ "a rule's unknown key", RULE("wehn: {}"),
	    "p.yaml:2: unknown key \"wehn\"" },
	{ "no name", "rules:\n  - then: deny\n",
	    "p.yaml:2: a rule needs name" },
	{ "no verdict", "rules:\n  - name: r\n",
	    "p.yaml:2: a rule needs then" },
	{ "another verdict", "rules:\n  - {name: r, then: reject}\n",
	    "p.yaml:2: then must be deny, hold, allow or keep" },
	{ "a name with a space", "rules:\n  - {name: a b, then: deny}\n",
	    "p.yaml:2: name: \"a b\" is not a rule's name (at most 64 of A-Z a-z 0-9 . _ -, a letter or digit first)" },
	{ "our own name", "rules:\n  - {name: too-large, then: deny}\n",
	    "p.yaml:2: name: too-large is gitgate's own, for changes over a limit" },
	{ "our own name for what cannot be kept",
	    "rules:\n  - {name: kept, then: deny}\n",
	    "p.yaml:2: name: kept is gitgate's own, for what cannot be kept" },
	{ "kept, says a program",
	    "rules:\n  - {name: r, when: {hook: h}, then: keep}\n",
	    "p.yaml:2: then: keep cannot stand beside a hook, which says the verdict" },
	{ "kept without approvals",
	    "rules:\n  - {name: r, then: keep, approvals: {}}\n",
	    "p.yaml:2: approvals is for rules with `then: hold`" },
	{ "a name twice",
	    "rules:\n  - {name: r, then: deny}\n  - {name: r, then: deny}\n",
	    "p.yaml:3: rule r twice (first at p.yaml:2)" },
	{ "approvals of a deny", RULE("approvals: {}"),
	    "p.yaml:2: approvals is for rules with `then: hold`" },
	{ "wait of a deny", RULE("wait: 1s"),
	    "p.yaml:2: wait is for rules with `then: hold`" },
	{ "expires of a deny", RULE("expires: 1s"),
	    "p.yaml:2: expires is for rules with `then: hold`" },
	{ "no approvals required", HOLD("approvals: {required: 0}"),
	    "p.yaml:2: required must be a number from 1 to 20" },
	{ "approvals' unknown key", HOLD("approvals: {needed: 1}"),
	    "p.yaml:2: unknown key \"needed\"" },
	{ "from any reviewer", HOLD("approvals: {from: []}"), NULL },
	{ "from a bad name", HOLD("approvals: {from: [\"a b\"]}"),
	    "p.yaml:2: from: \"a b\" is not a name" },
	{ "expires at once", HOLD("expires: 0h"),
	    "p.yaml:2: expires must be more than 0" },
	{ "expires without a unit", HOLD("expires: 72"),
	    "p.yaml:2: expires must be a duration like 90s, 15m, 72h or 30d" },
	{ "expires never", HOLD("expires: 9999999999d"),
	    "p.yaml:2: expires must be a duration like 90s, 15m, 72h or 30d" },
	{ "wait in a list", HOLD("wait: [1s]"),
	    "p.yaml:2: wait must be a duration like 90s, 15m, 72h or 30d" },
	{ "a message of two lines", RULE("message: \"a\\nb\""),
	    "p.yaml:2: message must be one line without control characters" },
	{ "when as a word", RULE("when: always"),
	    "p.yaml:2: when must be a map of keys" },
	{ "when's unknown key", WHEN("branch: [a]"),
	    "p.yaml:2: unknown key \"branch\"" },
	{ "an unknown update", WHEN("updates: [push]"),
	    "p.yaml:2: updates: unknown word \"push\"" },
	{ "no updates", WHEN("updates: []"),
	    "p.yaml:2: updates is empty: leave it out, or name something" },
	{ "an unknown change", WHEN("changes: [rename]"),
	    "p.yaml:2: changes: unknown word \"rename\"" },
	{ "no paths", WHEN("paths: []"),
	    "p.yaml:2: paths is empty: leave it out, or name something" },
	{ "paths as a word", WHEN("paths: a"),
	    "p.yaml:2: paths must be a list" },
	{ "a path that is a number", WHEN("paths: [1]"),
	    "p.yaml:2: paths: 1 needs quotes" },
	{ "a path that may be a boolean", WHEN("paths: [on]"),
	    "p.yaml:2: paths: on needs quotes" },
	{ "a path that is a time", WHEN("paths: [2026-01-01]"),
	    "p.yaml:2: paths: 2026-01-01 needs quotes" },
	{ "a glob that is none", WHEN("paths: [\"a[\"]"),
	    "p.yaml:2: paths: glob \"a[\": a set [ without its ]" },
	{ "an exclusion that is none", WHEN("refs: [\"!a[\"]"),
	    "p.yaml:2: refs: glob \"a[\": a set [ without its ]" },
	{ "an exclusion of nothing", WHEN("refs: [\"!\"]"),
	    "p.yaml:2: refs: an empty glob" },
	{ "an exclusion without quotes", WHEN("refs: [!a]"),
	    "p.yaml:2: tags (!) are not allowed; a text that begins with \"!\" needs quotes" },
	{ "stars without quotes", WHEN("refs: [**]"),
	    "p.yaml:2: aliases (*) are not allowed; a text that begins with \"*\" needs quotes" },
	{ "principals' unknown key", WHEN("principals: {users: [a]}"),
	    "p.yaml:2: unknown key \"users\"" },
	{ "anonymous by name", WHEN("principals: {names: [anonymous]}"),
	    "p.yaml:2: names: for the anonymous one write `anonymous: true`" },
	{ "blobs", WHEN("blob-larger-than: 10MiB"), NULL },
	{ "blobs of a number", WHEN("blob-larger-than: 10"), NULL },
	{ "blobs of a word", WHEN("blob-larger-than: big"),
	    "p.yaml:2: blob-larger-than must be a size like 500KiB or 10MiB" },
	{ "blobs of a long number", WHEN("blob-larger-than: 1234567890KiB"),
	    "p.yaml:2: blob-larger-than must be a size like 500KiB or 10MiB" },
	{ "secrets", WHEN("secrets: true"), NULL },
	{ "no secrets", WHEN("secrets: false"),
	    "p.yaml:2: secrets must be true, or left out" },
	{ "commits",
	    WHEN(
		"commits: {author-email: [\"!*@corp.example\"], message: [\"**x**\"]}"),
	    NULL },
	{ "commits of nothing", WHEN("commits: {}"),
	    "p.yaml:2: commits is empty: leave it out, or name something" },
	{ "commits by a word", WHEN("commits: {message: x}"),
	    "p.yaml:2: message must be a list" },
	{ "commits' unknown key", WHEN("commits: {author: [x]}"),
	    "p.yaml:2: unknown key \"author\"" },
	{ "signed by nobody", WHEN("commits: {signed-by: {}}"),
	    "p.yaml:2: signed-by needs allowed-signers or openpgp" },
	{ "signed by a path", WHEN("commits: {signed-by: {openpgp: a/b}}"),
	    "p.yaml:2: openpgp must be the name of a file in the policy directory" },
	{ "signed by a hidden file",
	    WHEN("commits: {signed-by: {openpgp: .b}}"),
	    "p.yaml:2: openpgp must be the name of a file in the policy directory" },
	{ "signed by someone",
	    WHEN(
		"commits: {signed-by: {allowed-signers: a, openpgp: b, require: false}}"),
	    NULL },
	{ "more than",
	    WHEN("more-than: {commits: 0, files: 1, lines: 1000000000}"),
	    NULL },
	{ "more than nothing", WHEN("more-than: {}"),
	    "p.yaml:2: more-than is empty: leave it out, or name something" },
	{ "more than a word", WHEN("more-than: {files: many}"),
	    "p.yaml:2: files must be a number from 0 to 1000000000" },
	{ "provenance", WHEN("provenance: {require: model, verified: false}"),
	    NULL },
	{ "a verified session",
	    WHEN("provenance: {require: session, verified: true}"), NULL },
	{ "provenance of nothing", WHEN("provenance: {verified: true}"),
	    "p.yaml:2: provenance needs require: session, prompt, model or any" },
	{ "provenance of none", WHEN("provenance: {require: none}"),
	    "p.yaml:2: provenance needs require: session, prompt, model or any" },
	{ "a verified prompt",
	    WHEN("provenance: {require: prompt, verified: true}"),
	    "p.yaml:2: only a session can be verified: require: session" },
	{ "a window",
	    WHEN(
		"during: [{days: [fri], from: \"17:00\", timezone: Europe/Berlin}, {since: \"2026-12-20\", until: \"2027-01-02T00:00:00Z\"}]"),
	    NULL },
	{ "a window as a word", WHEN("during: x"),
	    "p.yaml:2: during must be a list" },
	{ "no windows", WHEN("outside: []"),
	    "p.yaml:2: outside is empty: leave it out, or name something" },
	{ "a window of nothing", WHEN("outside: [{timezone: UTC}]"),
	    "p.yaml:2: a window needs days, from, to, since or until" },
	{ "a window on no day", WHEN("during: [{days: []}]"),
	    "p.yaml:2: days is empty: leave it out, or name something" },
	{ "a window on an unknown day", WHEN("during: [{days: [friday]}]"),
	    "p.yaml:2: days: unknown word \"friday\"" },
	{ "a time of day that is none", WHEN("during: [{from: \"25:00\"}]"),
	    "p.yaml:2: from must be a time of day like \"17:00\"" },
	{ "a time of day without quotes", WHEN("during: [{from: 17:00}]"),
	    "p.yaml:2: from: 17:00 needs quotes" },
	{ "an empty window", WHEN("during: [{from: \"17:00\", to: \"17:00\"}]"),
	    "p.yaml:2: a window from a time to the same one is empty (the whole day is 00:00 to 24:00)" },
	{ "an unknown time zone",
	    WHEN("during: [{days: [fri], timezone: Mars/Olympus}]"),
	    "p.yaml:2: timezone: no time zone \"Mars/Olympus\" on this system" },
	{ "a time zone that is a path",
	    WHEN("during: [{days: [fri], timezone: ../etc/passwd}]"),
	    "p.yaml:2: timezone: no time zone \"../etc/passwd\"" },
	{ "a moment that is none", WHEN("during: [{since: \"2026-13-01\"}]"),
	    "p.yaml:2: since: \"2026-13-01\" is not a time like 2026-11-22T07:00:00Z" },
	{ "a window that ends before it begins",
	    WHEN("during: [{since: \"2026-12-02\", until: \"2026-12-01\"}]"),
	    "p.yaml:2: until must be later than since" },
	{ "hook", WHEN("hook: opa"), NULL },
	{ "hook without a verdict",
	    "rules:\n  - {name: r, when: {hook: opa}, approvals: {from: [dba]}}\n",
	    NULL },
	{ "hook with a path", WHEN("hook: ../opa"),
	    "p.yaml:2: hook must be the name of a program in the hooks directory" },
	{ "approvals from owners", HOLD("approvals: {from-codeowners: true}"),
	    NULL },
	{ "owners' groups", "codeowners-groups: {\"@acme/dba\": dba}\n", NULL },
	{ "owners' groups as a list", "codeowners-groups: [dba]\n",
	    "p.yaml:1: codeowners-groups must be a map of keys" },
	{ "owners' groups twice",
	    "codeowners-groups: {\"@acme/dba\": dba, \"@Acme/DBA\": x}\n",
	    "p.yaml:1: codeowners-groups: @Acme/DBA twice" },
	{ "an owners' group that is none",
	    "codeowners-groups: {\"@acme/dba\": \"a b\"}\n",
	    "p.yaml:1: codeowners-groups: \"a b\" is not a name" },
	{ "access for nobody",
	    GRANT(
		"principals: {groups: []}, repositories: [a], allow: [fetch]"),
	    "p.yaml:2: principals must name someone: names, groups or `anonymous: true`" },
	{ "access without principals",
	    GRANT("repositories: [a], allow: [fetch]"),
	    "p.yaml:2: an access entry needs principals" },
	{ "access without repositories",
	    GRANT("principals: {names: [a]}, allow: [fetch]"),
	    "p.yaml:2: an access entry needs repositories" },
	{ "access to nothing",
	    GRANT("principals: {names: [a]}, repositories: [a]"),
	    "p.yaml:2: an access entry needs allow" },
	{ "access to another thing",
	    GRANT(
		"principals: {names: [a]}, repositories: [a], allow: [admin]"),
	    "p.yaml:2: allow: unknown word \"admin\"" },
};

static void
test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(ruleset) rs = ruleset_new();
		struct gg_error err = { 0 };
		int rc = ruleset_parse(rs, "p.yaml", view_str(cases[i].text),
		    &err);

		if (rc != (cases[i].msg ? GG_E_INPUT : 0) ||
		    strcmp(err.msg, cases[i].msg ? cases[i].msg : "") != 0)
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
	}
}

static struct ruleset *
parse(const char *text)
{
	struct ruleset *rs = ruleset_new();
	struct gg_error err = { 0 };

	if (ruleset_parse(rs, "p.yaml", view_str(text), &err) < 0)
		fail_msg("%s", err.msg);
	return rs;
}

static const char access_text[] =
    "access:\n"
    "  - {principals: {groups: [agents], except-groups: [fired]}, repositories: [\"Acme/*\"], allow: [fetch, push]}\n"
    "  - {principals: {names: [ann]}, repositories: [\"**\", \"!acme/secret\"], allow: [fetch]}\n"
    "  - {principals: {anonymous: true}, repositories: [demo/app], allow: [fetch]}\n";

static const struct {
	const char *why, *name, *group, *group2;
	enum auth_method method;
	const char *repository;
	unsigned want;
} accesses[] = {
	{ "by group", "bot", "agents", NULL, AUTH_TOKEN, "acme/app", 3 },
	{ "without regard to case", "bot", "agents", NULL, AUTH_TOKEN,
	    "ACME/App", 3 },
	{ "another repository", "bot", "agents", NULL, AUTH_TOKEN, "x/app", 0 },
	{ "excepted", "bot", "agents", "fired", AUTH_TOKEN, "acme/app", 0 },
	{ "by name", "ann", NULL, NULL, AUTH_SESSION, "x/y", 1 },
	{ "taken away", "ann", NULL, NULL, AUTH_SESSION, "acme/secret", 0 },
	{ "names have case", "Ann", NULL, NULL, AUTH_SESSION, "x/y", 0 },
	{ "entries add up", "ann", "agents", NULL, AUTH_TOKEN, "acme/secret",
	    3 },
	{ "no groups", "bot", NULL, NULL, AUTH_TOKEN, "acme/app", 0 },
	{ "anonymous", "anonymous", NULL, NULL, AUTH_ANONYMOUS, "demo/app", 1 },
	{ "anonymous elsewhere", "anonymous", NULL, NULL, AUTH_ANONYMOUS,
	    "acme/app", 0 },
	{ "anonymous has no groups", "anonymous", "agents", NULL,
	    AUTH_ANONYMOUS, "acme/app", 0 },
	{ "who signed in is not anonymous", "bot", NULL, NULL, AUTH_TOKEN,
	    "demo/app", 0 },
	{ "named anonymous is not anonymous", "anonymous", NULL, NULL,
	    AUTH_TOKEN, "demo/app", 0 },
};

static void
test_access(void **state)
{
	GG_AUTO(ruleset) rs = parse(access_text);

	(void)state;
	for (size_t i = 0; i < GG_COUNT(accesses); i++) {
		GG_AUTO_RELEASE(principal) p = { .method = accesses[i].method };

		p.name = strdup(accesses[i].name);
		if (accesses[i].group != NULL)
			strv_add(&p.groups, accesses[i].group);
		if (accesses[i].group2 != NULL)
			strv_add(&p.groups, accesses[i].group2);
		if (ruleset_access(rs, &p, accesses[i].repository) !=
		    accesses[i].want)
			fail_msg("%s", accesses[i].why);
	}
	assert_true(ruleset_anonymous_may(rs, "demo/app", ACCESS_FETCH));
	assert_false(ruleset_anonymous_may(rs, "demo/app",
	    ACCESS_FETCH | ACCESS_PUSH));
	assert_false(ruleset_anonymous_may(rs, "acme/app", ACCESS_FETCH));
	assert_false(ruleset_anonymous_may(rs, "demo/app", 0));
}

static void
test_scopes(void **state)
{
	GG_AUTO(ruleset) rs = parse(
	    "rules:\n"
	    "  - {name: a, then: deny, when: {refs: [refs/heads/main]}}\n"
	    "  - {name: b, then: deny, when: {refs: [refs/heads/main], paths: [x], repositories: [Acme/*], principals: {groups: [agents]}}}\n"
	    "  - {name: c, then: deny}\n"
	    "  - {name: d, then: hold, when: {refs: [\"refs/**\", \"!refs/tags/**\"]}}\n");
	GG_AUTO_RELEASE(principal) p = { .method = AUTH_TOKEN };

	(void)state;
	p.name = strdup("bot");
	assert_int_equal(ruleset_n_rules(rs), 4);
	assert_int_equal(ruleset_n_scopes(rs), 3);
	assert_true(ruleset_scope_covers(rs, 0, "refs/heads/main"));
	assert_false(ruleset_scope_covers(rs, 0, "refs/heads/Main"));
	assert_true(ruleset_scope_covers(rs, 1, "refs/x"));
	assert_true(ruleset_scope_covers(rs, 2, "refs/heads/x"));
	assert_false(ruleset_scope_covers(rs, 2, "refs/tags/x"));
	assert_false(ruleset_scope_covers(rs, 3, "refs/tags/x"));
	assert_false(ruleset_scope_needed(rs, 0, &p, "acme/app"));
	strv_add(&p.groups, "agents");
	assert_true(ruleset_scope_needed(rs, 0, &p, "acme/APP"));
	assert_false(ruleset_scope_needed(rs, 0, &p, "other/app"));
	assert_false(ruleset_scope_needed(rs, 1, &p, "acme/app"));
	assert_true(ruleset_scope_needed(rs, 2, &p, "acme/app"));
}

static void
test_scope_limit(void **state)
{
	GG_AUTO(ruleset) rs = ruleset_new();

	(void)state;
	for (unsigned i = 0; i <= REPORT_MAX_SCOPES; i++) {
		GG_AUTO_MEM char *text = path_f(
		    "rules: [{name: r%u, then: deny, when: {refs: [refs/%u]}}]",
		    i, i);
		struct gg_error err = { 0 };
		int rc = ruleset_parse(rs, "p", view_str(text), &err);

		assert_int_equal(rc, i < REPORT_MAX_SCOPES ? 0 : GG_E_INPUT);
		if (rc < 0)
			assert_string_equal(err.msg,
			    "p:1: more than 64 different lists of refs in all rules");
	}
}

static void
put(const char *dir, const char *name, const char *text)
{
	GG_AUTO_MEM char *file = path_f("%s/%s", dir, name);

	assert_int_equal(file_write(file, view_str(text), 0600, false, NULL),
	    0);
}

static void
test_load(void **state)
{
	char dir[] = "/tmp/gg-policy-XXXXXX";
	GG_AUTO(ruleset) one = NULL;
	GG_AUTO(ruleset) two = NULL;
	GG_AUTO(ruleset) none = NULL;
	GG_AUTO_MEM char *want = NULL;
	struct gg_error err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "20-b.yaml", "rules: [{name: r, then: deny}]");
	put(dir, "10-a.json", "{\"rules\": []}");
	put(dir, "schema.json", "{\"title\": \"not a policy\"}");
	put(dir, ".hidden.yaml", "nonsense: 1");
	put(dir, "README.txt", "nonsense: 1");
	assert_int_equal(ruleset_load(dir, &one, NULL, &err), 0);
	assert_int_equal(ruleset_n_files(one), 2);
	assert_int_equal(ruleset_n_rules(one), 1);
	assert_int_equal(strlen(ruleset_digest(one)), 64);

	/* a comment is a change too: what is digested is the bytes */
	put(dir, "20-b.yaml", "rules: [{name: r, then: deny}] # why");
	assert_int_equal(ruleset_load(dir, &two, NULL, &err), 0);
	assert_string_not_equal(ruleset_digest(one), ruleset_digest(two));

	put(dir, "30-c.yml", "rules: [{name: r, then: deny}]");
	assert_int_equal(ruleset_load(dir, &none, NULL, &err), GG_E_INPUT);
	assert_null(none);
	want = path_f("%s/30-c.yml:1: rule r twice (first at %s/20-b.yaml:1)",
	    dir, dir);
	assert_string_equal(err.msg, want);
	assert_int_equal(dir_remove(dir, NULL), 0);
	assert_int_equal(ruleset_load(dir, &none, NULL, &err), GG_E_SYS);
}

/* Names take part: the same text in another file is another rule set. */
static void
test_digest(void **state)
{
	GG_AUTO(ruleset) a = ruleset_new();
	GG_AUTO(ruleset) b = ruleset_new();
	GG_AUTO(ruleset) c = ruleset_new();

	(void)state;
	assert_int_equal(ruleset_parse(a, "/x/a", view_str(""), NULL), 0);
	assert_int_equal(ruleset_parse(b, "/x/b", view_str(""), NULL), 0);
	assert_int_equal(ruleset_parse(c, "/y/a", view_str(""), NULL), 0);
	assert_string_not_equal(ruleset_digest(a), ruleset_digest(b));
	assert_string_equal(ruleset_digest(a), ruleset_digest(c));
}

#define ACCESS \
	"access: [{principals: {names: [a]}, repositories: [a], allow: [fetch]}]\n"

static const struct {
	const char *why, *text, *want; /* behind "file:line: " */
} warned[] = {
	{ "nothing to say", ACCESS "rules: [{name: a, then: deny}]", NULL },
	{ "nobody gets in", "rules: [{name: a, then: deny}]",
	    "no access entry: nobody may fetch or push anything" },
	{ "allow does nothing", ACCESS "rules: [{name: a, then: allow}]",
	    "rule a has no effect: what no rule holds or denies is allowed" },
	{ "a short name of a branch",
	    ACCESS "rules: [{name: a, then: deny, when: {refs: [main]}}]",
	    "rule a: refs \"main\" matches no full name: write refs/heads/... or refs/tags/..." },
	{ "any depth is fine",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {refs: [\"**/x\", \"refs/heads/*\", \"r*\"]}}]",
	    NULL },
	{ "all refs away",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {refs: [refs/x, \"!**\"]}}]",
	    "rule a can never match: its refs take away everything" },
	{ "the one ref away",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {refs: [refs/x, \"!refs/x\"]}}]",
	    "rule a can never match: its refs take away everything" },
	{ "some refs left",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {refs: [\"!refs/x\"]}}]",
	    NULL },
	{ "a path with a slash first",
	    ACCESS "rules: [{name: a, then: deny, when: {paths: [/x]}}]",
	    "rule a: path \"/x\" matches nothing: paths do not begin with a slash" },
	{ "a path with a slash last",
	    ACCESS "rules: [{name: a, then: deny, when: {paths: [x/]}}]",
	    "rule a: path \"x/\" matches nothing: write \"x/**\" for what is below" },
	{ "paths of a delete",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {paths: [x], updates: [delete]}}]",
	    "rule a can never match: deleting a ref changes no paths" },
	{ "no group left",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {principals: {groups: [x], except-groups: [z, x]}}}]",
	    "rule a can never match: except-groups has all of its groups" },
	{ "tags under heads",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {refs: [refs/heads/x], updates: [tag-move]}}]",
	    "rule a can never match: tag-move is for refs/tags/" },
	{ "the same again",
	    ACCESS "rules: [{name: a, then: deny}, {name: b, then: deny}]",
	    "rule b says the same as rule a" },
	{ "commits of a delete",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {updates: [delete], more-than: {commits: 1}}}]",
	    "rule a can never match: deleting a ref brings no commits" },
	{ "all paths away",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {paths: [x, \"!**\"]}}]",
	    "rule a can never match: its paths take away everything" },
	{ "a path away and its twins left",
	    ACCESS "rules: [{name: a, then: deny, when: {paths: [x, \"!x\"]}}]",
	    NULL },
	{ "all repositories away",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {repositories: [x, \"!x\"]}}]",
	    "rule a can never match: its repositories take away everything" },
	{ "a freeze that is over",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {during: [{until: \"2020-01-02\"}]}}]",
	    "rule a can never match again: all of during is over" },
	{ "a freeze that is not over",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {during: [{until: \"2020-01-02\"}, {days: [fri]}]}}]",
	    NULL },
	{ "a verdict beside a hook",
	    ACCESS "rules: [{name: a, then: allow, when: {hook: x}}]",
	    "rule a: then has no effect beside a hook, which says the verdict" },
	{ "a hook", ACCESS "rules: [{name: a, when: {hook: x}}]", NULL },
	{ "swallowed by a deny",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {refs: [refs/heads/x, refs/heads/y]}}, {name: b, then: hold, when: {refs: [refs/heads/y], paths: [x]}}]",
	    "rule b decides nothing: rule a" },
	{ "swallowed by a later deny",
	    ACCESS
	    "rules: [{name: b, then: hold, when: {updates: [force]}}, {name: a, then: deny, when: {updates: [force, delete]}}]",
	    "rule b decides nothing: rule a" },
	{ "a deny swallows no other update",
	    ACCESS
	    "rules: [{name: b, then: hold, when: {updates: [force, create]}}, {name: a, then: deny, when: {updates: [force, delete]}}]",
	    NULL },
	{ "a deny with paths leaves what is too large to a hold",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {paths: [x, z]}}, {name: b, then: hold, when: {paths: [x]}}]",
	    NULL },
	{ "a deny swallows a deny",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {paths: [x, z], changes: [add, delete]}}, {name: b, then: deny, when: {paths: [x], changes: [add]}}]",
	    "rule b decides nothing: rule a" },
	{ "other refs have other commits",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {paths: [x]}}, {name: b, then: deny, when: {paths: [x], refs: [refs/heads/x]}}]",
	    NULL },
	{ "fewer files are more",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {more-than: {files: 5}}}, {name: b, then: deny, when: {more-than: {files: 9}}}]",
	    "rule b decides nothing: rule a" },
	{ "more kinds of amounts are more",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {more-than: {files: 5}}}, {name: b, then: deny, when: {more-than: {files: 9, lines: 1}}}]",
	    NULL },
	{ "larger blobs are fewer",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {blob-larger-than: 5MiB}}, {name: b, then: deny, when: {blob-larger-than: 9MiB}}]",
	    "rule b decides nothing: rule a" },
	{ "smaller blobs are not",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {blob-larger-than: 5MiB}}, {name: b, then: deny, when: {blob-larger-than: 1MiB}}]",
	    "rule a decides nothing: rule b" },
	{ "an exclusion may be more",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {paths: [x, \"!z\"]}}, {name: b, then: deny, when: {paths: [x]}}]",
	    "rule a decides nothing: rule b" },
	{ "in a window only",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {during: [{days: [fri]}]}}, {name: b, then: deny, when: {paths: [x]}}]",
	    NULL },
	{ "the same need for less",
	    ACCESS
	    "rules: [{name: a, then: hold, approvals: {from: [g]}}, {name: b, then: hold, approvals: {from: [g]}, when: {paths: [x]}}]",
	    "rule b decides nothing: rule a" },
	{ "another need",
	    ACCESS
	    "rules: [{name: a, then: hold, approvals: {from: [g]}}, {name: b, then: hold, approvals: {from: [h]}, when: {paths: [x]}}]",
	    NULL },
	{ "owners are another need",
	    ACCESS
	    "rules: [{name: a, then: hold}, {name: b, then: hold, approvals: {from-codeowners: true}}]",
	    NULL },
	{ "other people",
	    ACCESS
	    "rules: [{name: a, then: deny, when: {principals: {groups: [x]}}}, {name: b, then: deny, when: {principals: {groups: [z]}}}]",
	    NULL },
};

static void
test_warnings(void **state)
{
	char dir[] = "/tmp/gg-policy-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < GG_COUNT(warned); i++) {
		GG_AUTO_RELEASE(strv) w = STRV_INIT;
		GG_AUTO(ruleset) rs = NULL;
		struct gg_error err = { 0 };

		put(dir, "a.yaml", warned[i].text);
		if (ruleset_load(dir, &rs, &w, &err) != 0)
			fail_msg("%s: %s", warned[i].why, err.msg);
		if (w.n != (warned[i].want != NULL) ||
		    (w.n == 1 && strstr(w.v[0], warned[i].want) == NULL))
			fail_msg("%s: %s", warned[i].why, w.n ? w.v[0] : "-");
	}
	assert_int_equal(dir_remove(dir, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_scope_limit),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
