/* `identity: issuers:`: what is preset, and the mistakes that are refused. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEAD                                                                \
	"state-dir: /s\npolicy-dir: /p\npublic-url: https://gate.example\n" \
	"repositories: [{path: a/b, upstream: /srv/b.git}]\n"               \
	"identity:\n  issuers:\n"
#define ONE(entry) HEAD "    - " entry "\n" /* line 7 */

#define CORP                                                         \
	HEAD "    []\n  providers:\n    - {name: corp, kind: oidc, " \
	     "issuer: https://login.example, client-id: g, "

#define GITHUB "{name: g, profile: github-actions, "
#define OWNER  "repository_owner_id: 4711"
#define PLAIN  "{name: ci, issuer: https://ci.example, "
#define GITLAB "{name: l, profile: gitlab, issuer: https://gitlab.com, "

static const struct {
	const char *why, *text, *msg; /* NULL: accepted */
} cases[] = {
	{ "no list", HEAD "    a: b\n", "issuers must be a list" },
	{ "none",
	    "state-dir: /s\npolicy-dir: /p\nrepositories: [{path: a, upstream: /b}]\nidentity: {issuers: []}\n",
	    NULL },
	{ "a word", ONE("a"), "an issuer must be a map of keys" },
	{ "a key", ONE("{name: a, iss: b}"), "unknown key \"iss\"" },
	{ "no name", ONE("{issuer: https://a.example}"),
	    "an issuer has a name" },
	{ "a name", ONE("{name: A b, issuer: https://a.example}"),
	    "an issuer has a name" },
	{ "a profile", ONE("{name: a, profile: jenkins}"),
	    "profile must be github-actions, gitlab, buildkite, circleci, kubernetes or spiffe" },
	{ "no issuer", ONE("{name: a}"), "`issuer` is missing" },
	{ "an own CI", ONE("{name: a, issuer: https://ci.example/oidc}"),
	    NULL },
	{ "http", ONE("{name: a, issuer: http://ci.example}"),
	    "issuer: http:// to another machine" },
	{ "http here", ONE("{name: a, issuer: \"http://127.0.0.1:9/x\"}"),
	    NULL },
	{ "no scheme", ONE("{name: a, issuer: ci.example}"),
	    "issuer: is not https://" },
	{ "a user", ONE("{name: a, issuer: https://x@ci.example}"),
	    "issuer: has a user" },
	{ "a query", ONE("{name: a, issuer: \"https://ci.example/?a\"}"),
	    "issuer: has a user, a query" },
	{ "no host", ONE("{name: a, issuer: \"https:///a\"}"),
	    "issuer: the URL's host" },
	{ "jwks-uri over http", ONE(PLAIN "jwks-uri: http://ci.example/k}"),
	    "jwks-uri: http:// to another machine" },
	{ "two places of keys",
	    ONE(PLAIN "jwks-uri: https://ci.example/k, jwks-file: k}"),
	    "jwks-uri or from jwks-file" },
	{ "an audience", ONE(PLAIN "audience: https://gate.example}"), NULL },
	{ "two", ONE(PLAIN "audience: [https://gate.example, gate]}"), NULL },
	{ "a number", ONE(PLAIN "audience: 5}"), "audience: 5 needs quotes" },
	{ "the issuer as audience", ONE(PLAIN "audience: https://ci.example}"),
	    "audience \"https://ci.example\" is in tokens that were not made for this gate" },
	{ "GitHub's own audience",
	    ONE(GITHUB "audience: https://github.com/acme, require: {" OWNER
		       "}}"),
	    "audience \"https://github.com/acme\"" },
	{ "a cloud's",
	    ONE(GITHUB "audience: [gate, sts.amazonaws.com], require: {" OWNER
		       "}}"),
	    "audience \"sts.amazonaws.com\"" },
	{ "Buildkite's own",
	    ONE("{name: b, profile: buildkite, audience: https://buildkite.com/acme, require: {organization_id: a-b}}"),
	    "audience" },
	{ "an algorithm", ONE(PLAIN "algorithms: [ES256, EdDSA]}"), NULL },
	{ "HMAC", ONE(PLAIN "algorithms: [HS256]}"),
	    "algorithms: \"HS256\" is not taken" },
	{ "none", ONE(PLAIN "algorithms: none}"),
	    "algorithms: \"none\" is not taken" },
	{ "session claims", ONE(PLAIN "session-claims: [agent_run, job]}"),
	    NULL },
	{ "one session claim", ONE(PLAIN "session-claims: agent_run}"), NULL },
	{ "no session claim", ONE(PLAIN "session-claims: []}"),
	    "session-claims has 1 to 16 names of claims" },
	{ "a session claim without a name",
	    ONE(PLAIN "session-claims: [\"\"]}"), "session-claims is empty" },
	{ "a session claim with a long name",
	    ONE(PLAIN "session-claims: "
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}"),
	    "the name of a claim has at most 128 bytes" },
	{ "a lifetime", ONE(PLAIN "max-lifetime: 10m}"), NULL },
	{ "no lifetime", ONE(PLAIN "max-lifetime: 0s}"), "from 1s to 24h" },
	{ "a long life", ONE(PLAIN "max-lifetime: 2d}"), "from 1s to 24h" },
	{ "a bare lifetime", ONE(PLAIN "max-lifetime: 10}"),
	    "max-lifetime must be a duration" },

	/* names */
	{ "a principal", ONE(PLAIN "principal: \"ci:{sub}\"}"), NULL },
	{ "one for all",
	    ONE(PLAIN "principal: releaser, require: {sub: \"job/release\"}}"),
	    NULL },
	{ "any name at all", ONE(PLAIN "principal: \"{sub}\"}"),
	    "principal must begin with a text of its own" },
	{ "a brace", ONE(PLAIN "principal: \"ci:{sub\"}"),
	    "principal: a { without its }" },
	{ "nothing in braces", ONE(PLAIN "principal: \"ci:{}\"}"),
	    "principal: between { and }" },
	{ "a blank", ONE(PLAIN "principal: \"ci {sub}\"}"),
	    "principal: a name has letters" },
	{ "an owner", ONE(PLAIN "owner: \"{email}\"}"), NULL },
	{ "an owner's brace", ONE(PLAIN "owner: \"{{email}}\"}"),
	    "owner: between { and }" },
	{ "repositories", ONE(PLAIN "repositories: [\"{repository}\"]}"),
	    NULL },
	{ "one", ONE(PLAIN "repositories: \"{repository}\"}"), NULL },
	{ "a broken one", ONE(PLAIN "repositories: \"{repository\"}"),
	    "repositories: a { without" },

	/* whose pipelines */
	{ "audience only", ONE(GITHUB "owner: \"github:{actor}\"}"),
	    "`require` must say whose are taken, by repository_owner_id, repository_id or enterprise_id" },
	{ "by owner", ONE(GITHUB "require: {" OWNER "}}"), NULL },
	{ "by repository", ONE(GITHUB "require: {repository_id: [1, 2]}}"),
	    NULL },
	{ "by a name", ONE(GITHUB "require: {repository_owner: acme}}"),
	    "`require` must say whose" },
	{ "GitLab", ONE(GITLAB "require: {namespace_id: 7}}"), NULL },
	{ "GitLab by a name", ONE(GITLAB "require: {project_path: acme/app}}"),
	    "by namespace_id or project_id" },
	{ "GitLab, default audience",
	    ONE(GITLAB
		"audience: https://gitlab.com, require: {project_id: 7}}"),
	    "audience" },
	{ "GitLab without its place",
	    ONE("{name: l, profile: gitlab, require: {project_id: 7}}"),
	    "`issuer` is missing" },
	{ "Buildkite",
	    ONE("{name: b, profile: buildkite, require: {organization_id: 0184990a-477b}}"),
	    NULL },
	{ "Buildkite by a name",
	    ONE("{name: b, profile: buildkite, require: {organization_slug: acme}}"),
	    "by organization_id" },
	{ "CircleCI",
	    ONE("{name: c, profile: circleci, issuer: https://oidc.circleci.com/org/6e5, require: {oidc.circleci.com/vcs-origin: github.com/acme/*}}"),
	    NULL },
	{ "CircleCI's forks",
	    ONE("{name: c, profile: circleci, issuer: https://oidc.circleci.com/org/6e5, require: {oidc.circleci.com/project-id: 1}}"),
	    "by oidc.circleci.com/vcs-origin" },
	{ "CircleCI's default audience",
	    ONE("{name: c, profile: circleci, issuer: https://oidc.circleci.com/org/6e5, audience: 6e5a, require: {oidc.circleci.com/vcs-origin: github.com/a/b}}"),
	    NULL },
	{ "CircleCI's default audience",
	    ONE("{name: c, profile: circleci, issuer: https://oidc.circleci.com/org/6e5a, audience: 6e5a, require: {oidc.circleci.com/vcs-origin: github.com/a/b}}"),
	    "audience \"6e5a\"" },
	{ "CircleCI of everybody",
	    ONE("{name: c, profile: circleci, issuer: https://oidc.circleci.com, require: {oidc.circleci.com/vcs-origin: a/b}}"),
	    "CircleCI's issuer is" },
	{ "Kubernetes",
	    ONE("{name: k, profile: kubernetes, issuer: https://k.example, require: {kubernetes.io/serviceaccount/uid: 6f0c}}"),
	    NULL },
	{ "Kubernetes, anybody",
	    ONE("{name: k, profile: kubernetes, issuer: https://k.example}"),
	    "by kubernetes.io/serviceaccount/uid" },
	{ "Kubernetes, default audience",
	    ONE("{name: k, profile: kubernetes, issuer: https://k.example, audience: https://kubernetes.default.svc, require: {kubernetes.io/serviceaccount/uid: 6f0c}}"),
	    "audience" },
	{ "SPIFFE",
	    ONE("{name: s, profile: spiffe, issuer: \"spiffe://acme.example\", jwks-file: b.json}"),
	    NULL },
	{ "SPIFFE without keys",
	    ONE("{name: s, profile: spiffe, issuer: \"spiffe://acme.example\"}"),
	    "needs jwks-uri" },
	{ "SPIFFE with a path",
	    ONE("{name: s, profile: spiffe, issuer: \"spiffe://acme.example/x\", jwks-file: b}"),
	    "must be spiffe://DOMAIN" },
	{ "SPIFFE, no profile",
	    ONE("{name: s, issuer: \"spiffe://acme.example\", jwks-file: b}"),
	    "needs profile: spiffe" },
	{ "SPIFFE, no domain",
	    ONE("{name: s, profile: spiffe, issuer: https://a.example, jwks-file: b}"),
	    "must be spiffe://DOMAIN" },
	{ "no profile, everybody",
	    ONE("{name: g, issuer: https://token.actions.githubusercontent.com}"),
	    "`require` must say whose" },
	{ "no profile, in groups",
	    ONE("{name: g, issuer: https://token.actions.githubusercontent.com, groups: [{group: a, when: {repository_owner: acme}}]}"),
	    NULL },
	{ "no profile, in one group",
	    ONE("{name: g, issuer: https://token.actions.githubusercontent.com, groups: [{group: a, when: {repository_owner: acme}}, {group: b, when: {ref: x}}]}"),
	    "`require` must say whose" },
	{ "people's issuer",
	    ONE("{name: g, issuer: https://accounts.google.com}"),
	    "`require` must say whose" },
	{ "every tenant",
	    ONE("{name: e, issuer: https://login.microsoftonline.com/common/v2.0}"),
	    "every tenant of Entra" },
	{ "a tenant",
	    ONE("{name: e, issuer: https://login.microsoftonline.com/72f9/v2.0}"),
	    NULL },

	/* conditions */
	{ "a glob in an id", ONE(GITHUB "require: {repository_id: \"12*\"}}"),
	    "condition: repository_id: an id is compared as a whole" },
	{ "no boundary",
	    ONE(GITHUB "require: {" OWNER ", repository: \"acme*\"}}"),
	    "condition: repository: \"acme*\" would match names" },
	{ "no boundary at its end",
	    ONE(GITHUB "require: {" OWNER ", repository: \"acme/app*\"}}"),
	    "would match names" },
	{ "no boundary at its start",
	    ONE(GITHUB "require: {" OWNER ", repository: \"acme/*app\"}}"),
	    "would match names" },
	{ "whole parts",
	    ONE(GITHUB "require: {" OWNER ", repository: \"acme/*\"}}"), NULL },
	{ "anybody's",
	    ONE(GITHUB "require: {" OWNER ", repository: \"*/app\"}}"),
	    "would match names" },
	{ "two stars",
	    ONE(GITHUB "require: {" OWNER ", job_workflow_ref: \"acme/**\"}}"),
	    "would match names" },
	{ "a set",
	    ONE(GITHUB "require: {" OWNER ", repository: \"acme/[ab]\"}}"),
	    "would match names" },
	{ "an escaped star",
	    ONE(GITHUB "require: {" OWNER ", repository: 'acme/a\\*'}}"),
	    NULL },
	{ "an open subject",
	    ONE(GITHUB "require: {" OWNER
		       ", sub: \"repo:acme/app:ref:refs/heads/*\"}}"),
	    "sub: the end of" },
	{ "a closed subject",
	    ONE(GITHUB "require: {" OWNER
		       ", sub: \"repo:acme/*:environment:prod\"}}"),
	    NULL },
	{ "branches may have globs",
	    ONE(GITHUB "require: {" OWNER ", ref: \"refs/heads/release-*\"}}"),
	    NULL },
	{ "in a group",
	    ONE(GITHUB "require: {" OWNER
		       "}, groups: [{group: a, when: {repository: \"ac*\"}}]}"),
	    "condition: repository" },
	{ "any group at all",
	    ONE(GITHUB "require: {" OWNER "}, groups: [{from: environment}]}"),
	    "could choose any group's name" },
	{ "some groups",
	    ONE(GITHUB "require: {" OWNER
		       "}, groups: [{from: environment, prefix: \"env:\"}]}"),
	    NULL },

	/* several */
	{ "a name twice",
	    ONE("{name: a, issuer: https://a.example}\n    - {name: a, issuer: https://b.example}"),
	    "c.yaml:8: the issuer \"a\" twice (first on line 7)" },
	{ "an issuer twice",
	    ONE("{name: a, issuer: https://a.example}\n    - {name: b, issuer: https://a.example}"),
	    "c.yaml:8: two entries for one issuer (first on line 7)" },
	{ "each other's names",
	    ONE("{name: a, issuer: https://a.example, principal: \"ci:{sub}\"}\n    - {name: b, issuer: https://b.example, principal: \"ci:b:{sub}\"}"),
	    "c.yaml:8: the principals of a and b may have the same names" },
	{ "names apart",
	    ONE("{name: a, issuer: https://a.example}\n    - {name: b, issuer: https://b.example}"),
	    NULL },
};

static void
refused_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(config) c = NULL;
		struct gg_error err = { 0 };
		int rc = config_parse(view_str(cases[i].text), "c.yaml", &c,
		    &err);

		if (cases[i].msg == NULL && rc != 0)
			fail_msg("%s: %s", cases[i].why, err.msg);
		if (cases[i].msg == NULL)
			continue;
		if (rc != GG_E_INPUT || strncmp(err.msg, "c.yaml:", 7) != 0 ||
		    strstr(err.msg, cases[i].msg) == NULL)
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
	}
}

static const struct {
	const char *text, *issuer, *principal, *algorithm;
	uint64_t life_s;
} presets[] = {
	{ ONE(GITHUB "require: {" OWNER "}}"),
	    "https://token.actions.githubusercontent.com",
	    "github:{repository}", "RS256", 900 },
	{ ONE(GITLAB "require: {project_id: 7}}"), "https://gitlab.com",
	    "gitlab:{project_path}", "RS256", 3600 },
	{ ONE("{name: b, profile: buildkite, require: {organization_id: x}}"),
	    "https://agent.buildkite.com",
	    "buildkite:{organization_slug}/{pipeline_slug}", "RS256", 900 },
	{ ONE("{name: ci, issuer: https://ci.example}"), "https://ci.example",
	    "ci:{sub}", "RS256", 3600 },
	{ ONE("{name: s, profile: spiffe, issuer: \"spiffe://a.example\", jwks-file: b}"),
	    "spiffe://a.example", "{sub}", "ES256", 3600 },
	{ ONE("{name: ci, issuer: https://ci.example, algorithms: ES384, max-lifetime: 5m, principal: \"x:{a}\"}"),
	    "https://ci.example", "x:{a}", "ES384", 300 },
};

static void
filled_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(presets); i++) {
		GG_AUTO(config) c = NULL;
		struct gg_error err = { 0 };
		const struct issuer *x;

		if (config_parse(view_str(presets[i].text), "c.yaml", &c,
			&err) != 0)
			fail_msg("%s", err.msg);
		assert_int_equal(c->identity.n_issuers, 1);
		x = &c->identity.issuers[0];
		assert_ptr_equal(config_find_issuer(c, x->name), x);
		assert_string_equal(x->issuer, presets[i].issuer);
		assert_string_equal(x->principal, presets[i].principal);
		assert_true(strv_has(&x->algorithms, presets[i].algorithm));
		assert_int_equal(x->max_lifetime_ms, presets[i].life_s * 1000);
		assert_int_equal(x->audience.n, 1);
		assert_string_equal(x->audience.v[0], "https://gate.example");
		assert_int_equal(x->line, 7);
	}
}

static const struct {
	const char *text, *warning;
} doubtful[] = {
	{ ONE(GITHUB "require: {" OWNER "}}"), NULL },
	{ ONE("{name: g, issuer: https://token.actions.githubusercontent.com, groups: [{group: a, when: {repository_owner: acme}}]}"),
	    "c.yaml:7: issuer g is bound by a name" },
	{ ONE("{name: k, profile: kubernetes, issuer: https://k.example, require: {kubernetes.io/namespace: ci}}"),
	    "c.yaml:7: issuer k is bound by a name" },
	{ CORP
	    "groups: [{from: groups, only: [dba]}, {from: teams, prefix: t/}]}\n",
	    NULL },
	{ CORP "groups: [{from: groups}]}\n",
	    ": provider corp: whoever names groups there" },
};

static void
warnings(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(doubtful); i++) {
		GG_AUTO(config) c = NULL;

		assert_int_equal(config_parse(view_str(doubtful[i].text),
				     "c.yaml", &c, NULL),
		    0);
		assert_int_equal(c->warnings.n, doubtful[i].warning != NULL);
		if (doubtful[i].warning != NULL)
			assert_non_null(strstr(c->warnings.v[0],
			    doubtful[i].warning));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_or_not),
		cmocka_unit_test(filled_in),
		cmocka_unit_test(warnings),
	};

	return cmocka_run_group_tests_name("issuers", tests, NULL, NULL);
}
