/* Claims of whole tokens, as each kind of pipeline makes them, to principals. */
#include "identity/id_token.h"

#include "base/fd.h"
#include "base/text.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define IAT 1795340000
#define NOW ((int64_t)(IAT + 30) * 1000)

static const char config_text[] =
    "state-dir: /s\npolicy-dir: /p\npublic-url: https://gate.example\n"
    "repositories: [{path: a/b, upstream: /srv/b.git}]\n"
    "identity:\n"
    "  issuers:\n"
    "    - name: github\n"
    "      profile: github-actions\n"
    "      require: {repository_owner_id: 65}\n"
    "      repositories: [\"{repository}\", \"copies/{repository}\"]\n"
    "      groups:\n"
    "        - {group: agents, when: {repository_id: [\"74\", \"75\"]}}\n"
    "        - {group: releasers, when: {ref: \"refs/tags/v*\", environment: prod}}\n"
    "        - {from: environment, prefix: \"env:\"}\n"
    "    - name: ghes\n"
    "      profile: github-actions\n"
    "      issuer: https://ghes.example/_services/token\n"
    "      principal: \"ghes:{repository}/{workflow}\"\n"
    "      owner: \"ghes-person:{actor}\"\n"
    "      require: {repository_owner_id: 65, event_name: [push, pull_request]}\n"
    "    - name: gitlab\n"
    "      profile: gitlab\n"
    "      issuer: https://gitlab.com\n"
    "      owner: \"{user_login}\"\n"
    "      require: {namespace_id: 72}\n"
    "      groups: [{group: protected, when: {ref_protected: \"true\"}}]\n"
    "    - name: buildkite\n"
    "      profile: buildkite\n"
    "      require: {organization_id: 0184990a-477b-4fa8-9968-496074483cee}\n"
    "    - name: circle\n"
    "      profile: circleci\n"
    "      issuer: https://oidc.circleci.com/org/6e5a2b60-0d1b-4c04-a1bf-bb8f14b5dd1f\n"
    "      require: {oidc.circleci.com/vcs-origin: \"github.com/acme/*\"}\n"
    "    - name: cluster\n"
    "      profile: kubernetes\n"
    "      issuer: https://kubernetes.example\n"
    "      require: {kubernetes.io/serviceaccount/uid: 14ee3fa4-a7e2-420f-9f9a-dbc4507c3798}\n"
    "    - name: mesh\n"
    "      profile: spiffe\n"
    "      issuer: spiffe://acme.example\n"
    "      jwks-file: /b.json\n"
    "      groups: [{group: builders, when: {sub: \"spiffe://acme.example/ci/builder\"}}]\n"
    "    - name: jenkins\n"
    "      issuer: https://jenkins.example/oidc\n"
    "      principal: \"jenkins:{job}\"\n"
    "      groups: [{from: teams, only: [\"r*\"]}]\n";

#define TIMES "\"nbf\":1795339400,\"iat\":1795340000,\"exp\":1795340300"
#define GITHUB_REST                                                          \
	"\"jti\":\"1b6a44a8-50ef-4bb4-9d9d-4f5c9a6b1c8f\","                  \
	"\"aud\":\"https://gate.example\",\"actor\":\"octocat\","            \
	"\"actor_id\":\"12\",\"base_ref\":\"\",\"head_ref\":\"\","           \
	"\"check_run_id\":\"53\",\"job_workflow_ref\":"                      \
	"\"octo-org/octo-repo/.github/workflows/ci.yml@refs/heads/main\","   \
	"\"job_workflow_sha\":\"aa\",\"repository\":\"octo-org/octo-repo\"," \
	"\"repository_id\":\"74\",\"repository_owner\":\"octo-org\","        \
	"\"repository_visibility\":\"private\",\"run_id\":\"2093\","         \
	"\"run_number\":\"10\",\"run_attempt\":\"2\","                       \
	"\"runner_environment\":\"github-hosted\",\"workflow\":\"ci\","      \
	"\"workflow_ref\":"                                                  \
	"\"octo-org/octo-repo/.github/workflows/ci.yml@refs/heads/main\","   \
	"\"workflow_sha\":\"bb\",\"sha\":\"cc\",\"enterprise\":\"octo\"," TIMES
#define GITHUB_ISS   "\"iss\":\"https://token.actions.githubusercontent.com\","
#define GITHUB_OWNER "\"repository_owner_id\":\"65\","
#define GITHUB(more) "{" GITHUB_ISS GITHUB_OWNER more "," GITHUB_REST "}"
#define PUSH_MAIN                                              \
	"\"event_name\":\"push\",\"ref\":\"refs/heads/main\"," \
	"\"ref_type\":\"branch\""
#define SUB_OLD "\"sub\":\"repo:octo-org/octo-repo:ref:refs/heads/main\""
#define SUB_NEW "\"sub\":\"repo:octo-org@65/octo-repo@74:ref:refs/heads/main\""

#define GITLAB(more)                                                                                \
	"{\"iss\":\"https://gitlab.com\",\"aud\":\"https://gate.example\","                         \
	"\"sub\":\"project_path:my-group/my-project:ref_type:branch:ref:main\","                    \
	"\"namespace_id\":\"72\",\"namespace_path\":\"my-group\","                                  \
	"\"project_path\":\"my-group/my-project\",\"user_id\":\"1\","                               \
	"\"user_login\":\"sample-user\",\"user_email\":\"sample-user@example.com\","                \
	"\"user_identities\":[{\"provider\":\"github\",\"extern_uid\":\"2435223452345\"}],"         \
	"\"pipeline_id\":\"574\",\"job_id\":\"302\",\"ref\":\"main\","                              \
	"\"ref_type\":\"branch\",\"ref_path\":\"refs/heads/main\","                                 \
	"\"ref_protected\":\"true\",\"groups_direct\":[\"my-group\"],"                              \
	"\"environment\":\"prod\",\"environment_protected\":\"false\","                             \
	"\"runner_id\":1,\"runner_environment\":\"self-hosted\",\"sha\":\"71\","                    \
	"\"ci_config_ref_uri\":\"gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main\"," \
	"\"ci_config_sha\":\"71\",\"project_visibility\":\"public\","                               \
	"\"jti\":\"235b3a54\",\"nbf\":1795339995,\"iat\":1795340000,"                               \
	"\"exp\":1795343600," more "}"
#define BRANCH "\"pipeline_source\":\"push\""

#define BUILDKITE(more)                                                                                                                              \
	"{\"iss\":\"https://agent.buildkite.com\","                                                                                                  \
	"\"sub\":\"organization:acme-inc:pipeline:super-duper-app:ref:refs/heads/main:commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:build\"," \
	"\"aud\":\"https://gate.example\"," TIMES                                                                                                    \
	",\"jti\":\"0184990a\",\"organization_slug\":\"acme-inc\","                                                                                  \
	"\"pipeline_slug\":\"super-duper-app\",\"build_number\":1,"                                                                                  \
	"\"build_commit\":\"9f3182061f1e2cca4702c368cbc039b7dc9d4485\","                                                                             \
	"\"step_key\":\"build\",\"job_id\":\"0184990a-477b\","                                                                                       \
	"\"agent_id\":\"0184990a-4782\",\"build_source\":\"webhook\","                                                                               \
	"\"runner_environment\":\"self-hosted\"," more "}"
#define BUILDKITE_ORG \
	"\"organization_id\":\"0184990a-477b-4fa8-9968-496074483cee\""

#define CIRCLE(more)                                                                                                                          \
	"{\"iss\":\"https://oidc.circleci.com/org/6e5a2b60-0d1b-4c04-a1bf-bb8f14b5dd1f\","                                                    \
	"\"sub\":\"org/6e5a2b60-0d1b-4c04-a1bf-bb8f14b5dd1f/project/7e9a/user/1c2d/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main\"," \
	"\"aud\":\"https://gate.example\",\"iat\":1795340000,\"exp\":1795343600,"                                                             \
	"\"oidc.circleci.com/project-id\":\"7e9a\","                                                                                          \
	"\"oidc.circleci.com/context-ids\":[\"a74579f1\",\"cb32986e\"],"                                                                      \
	"\"oidc.circleci.com/vcs-ref\":\"refs/heads/main\"," more "}"
#define CIRCLE_ORIGIN "\"oidc.circleci.com/vcs-origin\":\"github.com/acme/app\""

#define KUBERNETES(sub, more)                                                         \
	"{\"iss\":\"https://kubernetes.example\",\"aud\":[\"https://gate.example\"]," \
	"\"sub\":\"" sub "\",\"jti\":\"f9f4\",\"nbf\":1795340000,"                    \
	"\"iat\":1795340000,\"exp\":1795343600,\"kubernetes.io\":{" more "}}"
#define ACCOUNT(uid)                                                      \
	"\"namespace\":\"ci\",\"node\":{\"name\":\"n1\",\"uid\":\"u1\"}," \
	"\"pod\":{\"name\":\"p1\",\"uid\":\"u2\"},"                       \
	"\"serviceaccount\":{\"name\":\"builder\",\"uid\":\"" uid "\"}"
#define UID "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"

#define SPIFFE(sub)                                                \
	"{\"sub\":\"" sub "\",\"aud\":[\"https://gate.example\"]," \
	"\"exp\":1795340300}"
#define JENKINS(more)                                                                 \
	"{\"iss\":\"https://jenkins.example/oidc\",\"aud\":\"https://gate.example\"," \
	"\"sub\":\"https://jenkins.example/job/my-job/\"," TIMES "," more "}"

static const struct {
	const char *why, *claims;
	const char *name, *groups, *owner, *aliases; /* where it is accepted */
	const char *shown;   /* what the verified JSON has in it; NULL */
	const char *refusal; /* NULL: accepted */
} tokens[] = {
	{ "GitHub, a push to a branch", GITHUB(PUSH_MAIN "," SUB_OLD),
	    "github:octo-org/octo-repo", "agents", "", "",
	    "\"run_attempt\":\"2\"", NULL },
	{ "GitHub, the immutable subject", GITHUB(PUSH_MAIN "," SUB_NEW),
	    "github:octo-org/octo-repo", "agents", "", "",
	    "\"sub\":\"repo:octo-org@65/octo-repo@74:ref:refs/heads/main\"",
	    NULL },
	{ "GitHub, a tag in an environment",
	    GITHUB(
		"\"event_name\":\"release\",\"ref\":\"refs/tags/v1.2\",\"environment\":\"prod\",\"sub\":\"repo:octo-org/octo-repo:environment:prod\""),
	    "github:octo-org/octo-repo", "agents releasers env:prod", "", "",
	    "\"environment\":\"prod\"", NULL },
	{ "GitHub, an environment nobody can be named by",
	    GITHUB(PUSH_MAIN ",\"environment\":\"a b\"," SUB_OLD),
	    "github:octo-org/octo-repo", "agents", "", "",
	    "\"environment\":\"a b\"", NULL },
	{ "GitHub, somebody else's repository",
	    "{" GITHUB_ISS "\"repository_owner_id\":\"66\"," PUSH_MAIN
	    "," SUB_OLD "," GITHUB_REST "}",
	    NULL, NULL, NULL, NULL, NULL,
	    "\"repository_owner_id\" is not one" },
	{ "GitHub, an owner's number with more digits",
	    "{" GITHUB_ISS "\"repository_owner_id\":\"655\"," PUSH_MAIN
	    "," SUB_OLD "," GITHUB_REST "}",
	    NULL, NULL, NULL, NULL, NULL,
	    "\"repository_owner_id\" is not one" },
	{ "GitHub, a pull request",
	    GITHUB(
		"\"event_name\":\"pull_request\",\"ref\":\"refs/pull/5/merge\",\"sub\":\"repo:octo-org/octo-repo:pull_request\""),
	    NULL, NULL, NULL, NULL, NULL, "began with pull_request " },
	{ "GitHub, pull_request_target",
	    GITHUB(
		"\"event_name\":\"pull_request_target\",\"ref\":\"refs/heads/main\"," SUB_OLD),
	    NULL, NULL, NULL, NULL, NULL, "began with pull_request_target " },
	{ "GitHub, workflow_run",
	    GITHUB(
		"\"event_name\":\"workflow_run\",\"ref\":\"refs/heads/main\"," SUB_OLD),
	    NULL, NULL, NULL, NULL, NULL, "began with workflow_run " },
	{ "GitHub, a comment",
	    GITHUB(
		"\"event_name\":\"issue_comment\",\"ref\":\"refs/heads/main\"," SUB_OLD),
	    NULL, NULL, NULL, NULL, NULL, "began with issue_comment " },
	{ "GitHub, no event", GITHUB(SUB_OLD), NULL, NULL, NULL, NULL, NULL,
	    "no claim \"event_name\"" },
	{ "GitHub, another issuer of GitHub's",
	    "{\"iss\":\"https://token.actions.githubusercontent.com/octo\"," PUSH_MAIN
	    "," GITHUB_OWNER SUB_OLD "," GITHUB_REST "}",
	    NULL, NULL, NULL, NULL, NULL, "no issuer" },
	{ "GHES, events as the operator says",
	    "{\"iss\":\"https://ghes.example/_services/token\",\"event_name\":\"pull_request\"," GITHUB_OWNER
		SUB_OLD "," GITHUB_REST "}",
	    "ghes:octo-org/octo-repo/ci", "", "ghes-person:octocat",
	    "ghes-person:octocat", "\"actor\":\"octocat\"", NULL },
	{ "GHES, another event",
	    "{\"iss\":\"https://ghes.example/_services/token\",\"event_name\":\"schedule\"," GITHUB_OWNER
		SUB_OLD "," GITHUB_REST "}",
	    NULL, NULL, NULL, NULL, NULL, "\"event_name\" is not one" },

	{ "GitLab",
	    GITLAB(BRANCH ",\"project_id\":\"20\",\"job_project_id\":\"20\""),
	    "gitlab:my-group/my-project", "protected", "sample-user",
	    "sample-user sample-user@example.com", "\"pipeline_id\":\"574\"",
	    NULL },
	{ "GitLab before 18.3", GITLAB(BRANCH ",\"project_id\":\"20\""),
	    "gitlab:my-group/my-project", "protected", "sample-user",
	    "sample-user sample-user@example.com", "\"user_login\"", NULL },
	{ "GitLab, a fork's pipeline in the parent",
	    GITLAB(
		"\"pipeline_source\":\"merge_request_event\",\"project_id\":\"99\",\"job_project_id\":\"20\""),
	    NULL, NULL, NULL, NULL, NULL, "project_id is not job_project_id" },
	{ "GitLab, an own merge request",
	    GITLAB(
		"\"pipeline_source\":\"merge_request_event\",\"project_id\":\"20\",\"job_project_id\":\"20\""),
	    "gitlab:my-group/my-project", "protected", "sample-user",
	    "sample-user sample-user@example.com", NULL, NULL },
	{ "GitLab, a merge request of who knows whom",
	    GITLAB(
		"\"pipeline_source\":\"merge_request_event\",\"project_id\":\"20\""),
	    NULL, NULL, NULL, NULL, NULL, "may be a fork's" },
	{ "GitLab, an odd job_project_id",
	    GITLAB(BRANCH ",\"project_id\":\"20\",\"job_project_id\":[\"20\"]"),
	    NULL, NULL, NULL, NULL, NULL, "project_id is not job_project_id" },
	{ "GitLab without a project", GITLAB(BRANCH), NULL, NULL, NULL, NULL,
	    NULL, "no claim \"project_id\"" },

	{ "Buildkite", BUILDKITE("\"build_branch\":\"main\"," BUILDKITE_ORG),
	    "buildkite:acme-inc/super-duper-app", "", "", "",
	    "\"build_number\":\"1\"", NULL },
	{ "Buildkite without its organization",
	    BUILDKITE("\"build_branch\":\"main\""), NULL, NULL, NULL, NULL,
	    NULL, "--claim organization_id" },
	{ "Buildkite, another's organization",
	    BUILDKITE("\"build_branch\":\"main\",\"organization_id\":\"0\""),
	    NULL, NULL, NULL, NULL, NULL, "\"organization_id\" is not one" },
	{ "Buildkite, a fork",
	    BUILDKITE("\"build_branch\":\"evil:main\"," BUILDKITE_ORG), NULL,
	    NULL, NULL, NULL, NULL, "fork's pull request" },

	{ "CircleCI",
	    CIRCLE(CIRCLE_ORIGIN ",\"oidc.circleci.com/ssh-rerun\":false"),
	    "circleci:github.com/acme/app", "", "", "",
	    "\"oidc.circleci.com/vcs-ref\":\"refs/heads/main\"", NULL },
	{ "CircleCI, with SSH",
	    CIRCLE(CIRCLE_ORIGIN ",\"oidc.circleci.com/ssh-rerun\":true"), NULL,
	    NULL, NULL, NULL, NULL, "again with SSH" },
	{ "CircleCI, does not say", CIRCLE(CIRCLE_ORIGIN), NULL, NULL, NULL,
	    NULL, NULL, "no claim \"oidc.circleci.com/ssh-rerun\"" },
	{ "CircleCI, a fork",
	    CIRCLE(
		"\"oidc.circleci.com/vcs-origin\":\"github.com/evil/app\",\"oidc.circleci.com/ssh-rerun\":false"),
	    NULL, NULL, NULL, NULL, NULL, "vcs-origin\" is not one" },
	{ "CircleCI, deeper",
	    CIRCLE(
		"\"oidc.circleci.com/vcs-origin\":\"github.com/acme/app/evil\",\"oidc.circleci.com/ssh-rerun\":false"),
	    NULL, NULL, NULL, NULL, NULL, "vcs-origin\" is not one" },
	{ "CircleCI, the old token",
	    CIRCLE("\"oidc.circleci.com/ssh-rerun\":false"), NULL, NULL, NULL,
	    NULL, NULL, "CIRCLE_OIDC_TOKEN_V2" },

	{ "Kubernetes",
	    KUBERNETES("system:serviceaccount:ci:builder", ACCOUNT(UID)),
	    "kubernetes:ci:builder", "", "", "",
	    "\"kubernetes.io/pod/name\":\"p1\"", NULL },
	{ "Kubernetes, made anew under the same name",
	    KUBERNETES("system:serviceaccount:ci:builder", ACCOUNT("another")),
	    NULL, NULL, NULL, NULL, NULL, "serviceaccount/uid\" is not one" },
	{ "Kubernetes, two accounts at once",
	    KUBERNETES("system:serviceaccount:ci:admin", ACCOUNT(UID)), NULL,
	    NULL, NULL, NULL, NULL, "not a service account's" },
	{ "Kubernetes, without structure",
	    KUBERNETES("system:serviceaccount:ci:builder",
		"\"namespace\":\"ci\""),
	    NULL, NULL, NULL, NULL, NULL, "no claim" },

	{ "SPIFFE", SPIFFE("spiffe://acme.example/ci/builder"),
	    "spiffe://acme.example/ci/builder", "builders", "", "", NULL,
	    NULL },
	{ "SPIFFE, another workload", SPIFFE("spiffe://acme.example/web"),
	    "spiffe://acme.example/web", "", "", "", NULL, NULL },
	{ "SPIFFE, a domain that begins alike",
	    SPIFFE("spiffe://acme.example.evil/ci"), NULL, NULL, NULL, NULL,
	    NULL, "no issuer" },
	{ "SPIFFE, dots in the path", SPIFFE("spiffe://acme.example/ci/../ops"),
	    NULL, NULL, NULL, NULL, NULL, "no issuer" },
	{ "SPIFFE, an empty part", SPIFFE("spiffe://acme.example//ci"), NULL,
	    NULL, NULL, NULL, NULL, "no issuer" },
	{ "SPIFFE, the domain itself", SPIFFE("spiffe://acme.example/"), NULL,
	    NULL, NULL, NULL, NULL, "no issuer" },

	{ "Jenkins",
	    JENKINS(
		"\"job\":\"nightly\",\"teams\":[\"red\",\"blue\",\"red\",7]"),
	    "jenkins:nightly", "red", "", "", "\"job\":\"nightly\"", NULL },
	{ "Jenkins, a claim that is not shown",
	    JENKINS("\"job\":\"nightly\",\"secret\":\"s\""), "jenkins:nightly",
	    "", "", "", "{\"job\":\"nightly\",\"sub\":", NULL },
	{ "Jenkins, no job", JENKINS("\"x\":1"), NULL, NULL, NULL, NULL, NULL,
	    "claim \"job\" is missing" },
	{ "Jenkins, an empty job", JENKINS("\"job\":\"\""), NULL, NULL, NULL,
	    NULL, NULL, "claim \"job\" is missing" },
	{ "Jenkins, a job that no name may have", JENKINS("\"job\":\"a b\""),
	    NULL, NULL, NULL, NULL, NULL, "claim \"job\" has a character" },
	{ "Jenkins, a job with a line feed", JENKINS("\"job\":\"a\\nb\""), NULL,
	    NULL, NULL, NULL, NULL, "claim \"job\" has a character" },
	{ "Jenkins, a job of another script",
	    JENKINS("\"job\":\"n\\u0456ghtly\""), NULL, NULL, NULL, NULL, NULL,
	    "claim \"job\" has a character" },
	{ "Jenkins, a long job",
	    JENKINS(
		"\"job\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
	    NULL, NULL, NULL, NULL, NULL, "longer than 128" },
	{ "nobody's", "{\"sub\":\"x\"}", NULL, NULL, NULL, NULL, NULL,
	    "no issuer" },
	{ "an issuer that is a list", "{\"iss\":[\"https://gitlab.com\"]}",
	    NULL, NULL, NULL, NULL, NULL, "no issuer" },
	{ "a slash more", "{\"iss\":\"https://gitlab.com/\"}", NULL, NULL, NULL,
	    NULL, NULL, "no issuer" },
};

static struct config *
load(const char *text)
{
	struct config *c = NULL;
	struct gg_error err = { 0 };

	if (config_parse(view_str(text), "c.yaml", &c, &err) != 0)
		fail_msg("%s", err.msg);
	return c;
}

static json_t *
json(const char *text)
{
	json_error_t e;
	json_t *v = json_loads(text, JSON_REJECT_DUPLICATES, &e);

	if (v == NULL)
		fail_msg("%s in %s", e.text, text);
	return v;
}

static int
to_principal(const struct config *c, const char *text, struct principal *p,
    struct gg_error *err)
{
	json_t *claims = json(text);
	const struct issuer *x = issuer_select(c->identity.issuers,
	    c->identity.n_issuers, claims);
	int rc = x == NULL ? gg_fail(err, GG_E_REFUSED, "no issuer") :
			     issuer_principal(x, claims, NOW, p, err);

	json_decref(claims);
	return rc;
}

static void
assert_joined(const char *why, const struct strv *v, const char *want)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1024);

	for (size_t i = 0; i < v->n; i++)
		buf_addf(&text, "%s%s", i > 0 ? " " : "", v->v[i]);
	if (strcmp(buf_str(&text), want) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", why, buf_str(&text), want);
}

static void
pipelines(void **state)
{
	GG_AUTO(config) c = load(config_text);

	(void)state;
	for (size_t i = 0; i < GG_COUNT(tokens); i++) {
		GG_AUTO_RELEASE(principal) p = { 0 };
		struct gg_error err = { 0 };
		int rc = to_principal(c, tokens[i].claims, &p, &err);

		if (tokens[i].refusal != NULL) {
			if (rc != GG_E_REFUSED ||
			    strstr(err.msg, tokens[i].refusal) == NULL)
				fail_msg("%s: %d %s %s", tokens[i].why, rc,
				    err.msg, p.name != NULL ? p.name : "");
			continue;
		}
		if (rc != 0)
			fail_msg("%s: %s", tokens[i].why, err.msg);
		assert_string_equal(p.name, tokens[i].name);
		assert_joined(tokens[i].why, &p.groups, tokens[i].groups);
		assert_joined(tokens[i].why, &p.aliases, tokens[i].aliases);
		assert_string_equal(p.owner != NULL ? p.owner : "",
		    tokens[i].owner);
		assert_int_equal(p.method, AUTH_OIDC);
		assert_non_null(p.subject);
		assert_non_null(config_find_issuer(c, p.issuer));
		if (tokens[i].shown != NULL &&
		    strstr(p.verified, tokens[i].shown) == NULL)
			fail_msg("%s: %s", tokens[i].why, p.verified);
	}
}

/* -- times, issuer, audience, subject -- */

#define BASE                                                            \
	"\"iss\":\"https://a.example\",\"sub\":\"s\",\"aud\":\"gate\"," \
	"\"iat\":1795340000"

static const struct {
	const char *claims, *refusal;
} general[] = {
	{ "{" BASE ",\"exp\":1795340300}", NULL },
	{ "[]", "no JSON object" },
	/* 30 s have passed since iat; a minute's difference is forgiven */
	{ "{" BASE ",\"exp\":1795340001}", NULL },
	{ "{\"iss\":\"https://a.example\",\"sub\":\"s\",\"aud\":\"gate\",\"iat\":1795339000,\"exp\":1795339971}",
	    NULL },
	{ "{\"iss\":\"https://a.example\",\"sub\":\"s\",\"aud\":\"gate\",\"iat\":1795339000,\"exp\":1795339970}",
	    "expired" },
	{ "{" BASE ",\"exp\":1795340000}", "before it was made" },
	{ "{" BASE ",\"exp\":1795339990}", "before it was made" },
	{ "{" BASE ",\"exp\":1795341060}", NULL },
	{ "{" BASE ",\"exp\":1795341061}", "longer than the 1000 s" },
	{ "{" BASE ",\"exp\":1795340300.5}", "\"exp\" is not a time" },
	{ "{" BASE ",\"exp\":\"1795340300\"}", "\"exp\" is not a time" },
	{ "{" BASE ",\"exp\":-1}", "\"exp\" is not a time" },
	{ "{" BASE ",\"exp\":9223372036854775807}", "\"exp\" is not a time" },
	{ "{" BASE "}", "when it expires" },
	{ "{" BASE ",\"exp\":1795340300,\"nbf\":1795340090}", NULL },
	{ "{" BASE ",\"exp\":1795340300,\"nbf\":1795340091}", "not valid yet" },
	{ "{" BASE ",\"exp\":1795340300,\"nbf\":null}",
	    "\"nbf\" is not a time" },
	{ "{\"iss\":\"https://a.example\",\"sub\":\"s\",\"aud\":\"gate\",\"iat\":1795340091,\"exp\":1795340300}",
	    "in the future" },
	{ "{\"iss\":\"https://a.example\",\"sub\":\"s\",\"aud\":\"gate\",\"exp\":1795340300}",
	    "when it was made" },
#define LATER ",\"iat\":1795340000,\"exp\":1795340300}"
	{ "{\"iss\":\"https://b.example\",\"sub\":\"s\",\"aud\":\"gate\"" LATER,
	    "another issuer" },
	{ "{\"iss\":\"https://a.example/\",\"sub\":\"s\",\"aud\":\"gate\"" LATER,
	    "another issuer" },
	{ "{\"sub\":\"s\",\"aud\":\"gate\"" LATER, "another issuer" },
#define ISS "{\"iss\":\"https://a.example\","
	{ ISS "\"sub\":\"s\"" LATER, "who it is for" },
	{ ISS "\"sub\":\"s\",\"aud\":\"\"" LATER, "who it is for" },
	{ ISS "\"sub\":\"s\",\"aud\":[]" LATER, "somebody else" },
	{ ISS "\"sub\":\"s\",\"aud\":[1]" LATER, "who it is for" },
	{ ISS "\"sub\":\"s\",\"aud\":\"Gate\"" LATER,
	    "somebody else (aud): ask for one with the audience gate" },
	{ ISS "\"sub\":\"s\",\"aud\":\"gate2\"" LATER, "somebody else" },
	{ ISS "\"sub\":\"s\",\"aud\":[\"gate\"]" LATER, NULL },
	{ ISS "\"sub\":\"s\",\"aud\":\"other\"" LATER, NULL },
	{ ISS "\"sub\":\"s\",\"aud\":[\"gate\",\"x\"]" LATER,
	    "more than one audience" },
	{ ISS "\"sub\":\"s\",\"aud\":[\"gate\",\"gate\"]" LATER,
	    "more than one audience" },
	{ ISS "\"aud\":\"gate\"" LATER, "(sub)" },
	{ ISS "\"sub\":\"\",\"aud\":\"gate\"" LATER, "(sub)" },
	{ ISS "\"sub\":1,\"aud\":\"gate\"" LATER, "(sub)" },
};

static void
times_and_names(void **state)
{
	GG_AUTO_RELEASE(strv) audience = STRV_INIT;
	const struct id_token_want want = { .issuer = "https://a.example",
		.audience = &audience,
		.max_lifetime_ms = 1000000,
		.need_iat = true };

	(void)state;
	strv_add(&audience, "gate");
	strv_add(&audience, "other");
	for (size_t i = 0; i < GG_COUNT(general); i++) {
		json_t *claims = json(general[i].claims);
		struct gg_error err = { 0 };
		int rc = id_token_check(claims, &want, NOW, &err);

		json_decref(claims);
		if ((rc == 0) != (general[i].refusal == NULL) ||
		    (rc != 0 && strstr(err.msg, general[i].refusal) == NULL))
			fail_msg("%s: %s", general[i].claims, err.msg);
		assert_true(rc == 0 || rc == GG_E_REFUSED);
	}
}

static void
sign_in(void **state)
{
	GG_AUTO_RELEASE(strv) audience = STRV_INIT;
	struct id_token_want want = { .issuer = "https://a.example",
		.audience = &audience,
		.many_audiences = true,
		.nonce = "n1",
		.authorized_party = "gate",
		.need_iat = true };
	static const struct {
		const char *more, *refusal;
	} rows[] = {
		{ "\"aud\":[\"x\",\"gate\"],\"nonce\":\"n1\",\"azp\":\"gate\"",
		    NULL },
		{ "\"aud\":\"gate\",\"nonce\":\"n1\"", NULL },
		{ "\"aud\":[\"x\",\"gate\"],\"nonce\":\"n1\",\"azp\":\"x\"",
		    "azp" },
		{ "\"aud\":\"gate\",\"nonce\":\"n1\",\"azp\":null", "azp" },
		{ "\"aud\":\"gate\",\"nonce\":\"n2\"", "nonce" },
		{ "\"aud\":\"gate\"", "nonce" },
		{ "\"aud\":[\"x\"],\"nonce\":\"n1\"", "somebody else" },
	};

	(void)state;
	strv_add(&audience, "gate");
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_MEM char *text = path_f(ISS "\"sub\":\"s\",%s" LATER,
		    rows[i].more);
		json_t *claims = json(text);
		struct gg_error err = { 0 };
		int rc = id_token_check(claims, &want, NOW, &err);

		json_decref(claims);
		if ((rc == 0) != (rows[i].refusal == NULL) ||
		    (rc != 0 && strstr(err.msg, rows[i].refusal) == NULL))
			fail_msg("%s: %s", text, err.msg);
	}
}

/* Where a token has no iat, it may not expire later than one made now. */
static void
without_iat(void **state)
{
	GG_AUTO(config) c = load(config_text);
	GG_AUTO_RELEASE(principal) p = { 0 };
	struct gg_error err = { 0 };

	(void)state;
	assert_int_equal(
	    to_principal(c,
		"{\"sub\":\"spiffe://acme.example/a\",\"aud\":\"https://gate.example\",\"exp\":1795350000}",
		&p, &err),
	    GG_E_REFUSED);
	assert_non_null(strstr(err.msg, "longer than"));
}

/* -- names of claims, conditions -- */

static void
finding(void **state)
{
	json_t *claims = json(
	    "{\"a\":{\"b\":{\"c\":1},\"b/d\":\"two\"},\"a/b\":{\"c\":2,\"e\":true},"
	    "\"x/y\":\"whole\",\"x\":{\"y\":\"inside\"},\"l\":[1],\"n\":null,"
	    "\"r\":1.5,\"https://h/\":{\"k\":\"url\"}}");
	static const struct {
		const char *name, *want; /* NULL: not there */
	} rows[] = {
		{ "x/y", "whole" },
		{ "a/b/d", "two" },
		{ "a/b/e", "true" },
		{ "a/b/c", NULL }, /* two ways to read it */
		{ "https://h//k", "url" },
		{ "r", "1.5" },
		{ "a", NULL },
		{ "l", NULL },
		{ "l/0", NULL },
		{ "n", NULL },
		{ "q", NULL },
		{ "", NULL },
		{ "/", NULL },
		{ "a/", NULL },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) text = BUF_INIT(100);
		bool found = claim_text(claims, rows[i].name, &text);

		if (found != (rows[i].want != NULL) ||
		    (found && strcmp(buf_str(&text), rows[i].want) != 0))
			fail_msg("%s: %s", rows[i].name, buf_str(&text));
	}
	json_decref(claims);
}

static void
conditions(void **state)
{
	static const struct {
		const char *claim, *value;
		bool want;
	} rows[] = {
		{ "sub", "repo:acme/app:ref:refs/heads/main", true },
		{ "sub", "repo:acme/*:ref:refs/heads/main", true },
		{ "sub", "repo:*:ref:refs/heads/main", false },
		{ "sub", "repo:acme/app:*", false },
		{ "sub", "repo:acme/app:**", true },
		{ "sub", "repo:acme/app:ref:refs/heads/m?in", true },
		{ "sub", "repo:acme?app:ref:refs/heads/main", false },
		{ "sub", "repo[:]acme/app:ref:refs/heads/main", false },
		{ "sub", "repo[!a]acme/app:ref:refs/heads/main", false },
		{ "sub", "repo:acme/app:ref:refs/heads/mai", false },
		{ "teams", "red", true },
		{ "teams", "green", false },
		{ "teams", "7", true },
		{ "yes", "true", true },
		{ "yes", "True", false },
		{ "nothing", "*", false },
		{ "teams", "**", true },
	};
	json_t *claims =
	    json("{\"sub\":\"repo:acme/app:ref:refs/heads/main\",\"yes\":true,"
		 "\"teams\":[\"blue\",\"red\",7]}");

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		char *claim = strdup(rows[i].claim);
		struct claim_rule rule = { .claim = claim };
		const char *which = NULL;

		strv_add(&rule.values, "never");
		strv_add(&rule.values, rows[i].value);
		if (claims_match(claims, &rule, 1, &which) != rows[i].want)
			fail_msg("%s %s", rows[i].claim, rows[i].value);
		assert_true(rows[i].want ? which == NULL : which == claim);
		strv_release(&rule.values);
		free(claim);
	}
	json_decref(claims);
}

static void
many_groups(void **state)
{
	struct group_rule rule = { .from_claim = (char[]){ "g" } };
	GG_AUTO_RELEASE(strv) out = STRV_INIT;
	json_t *claims = json("{\"g\":[]}");
	json_t *list = json_object_get(claims, "g");
	struct gg_error err = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++) {
		GG_AUTO_MEM char *name = path_f("g%d", i);

		json_array_append_new(list, json_string(name));
	}
	assert_int_equal(claims_groups(claims, &rule, 1, &out, &err), 0);
	assert_int_equal(claims_groups(claims, &rule, 1, &out, &err), 0);
	assert_int_equal(out.n, 200);
	json_array_append_new(list, json_string("one more"));
	json_array_append_new(list, json_string("one-more"));
	assert_int_equal(claims_groups(claims, &rule, 1, &out, &err),
	    GG_E_REFUSED);
	json_decref(claims);
}

/* -- which repository -- */

static void
repositories(void **state)
{
	GG_AUTO(config) c = load(config_text);
	json_t *claims = json(GITHUB(PUSH_MAIN "," SUB_OLD));
	json_t *none = json("{\"sub\":\"x\"}");
	json_t *odd = json("{\"repository\":\"a b/c\"}");
	const struct issuer *x = config_find_issuer(c, "github");
	const struct issuer *open = config_find_issuer(c, "jenkins");
	static const struct {
		const char *name;
		bool may;
	} rows[] = {
		{ "octo-org/octo-repo", true },
		{ "Octo-Org/OCTO-repo", true },
		{ "copies/octo-org/octo-repo", true },
		{ "octo-org/octo-repo2", false },
		{ "octo-org/octo", false },
		{ "octo-org", false },
		{ "evil/octo-org/octo-repo", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		assert_int_equal(issuer_repository(x, claims, rows[i].name,
				     NULL),
		    rows[i].may ? 0 : GG_E_REFUSED);
	/* without the claim there is no repository; without a list, any */
	assert_int_equal(issuer_repository(x, none, "a/b", NULL), GG_E_REFUSED);
	assert_int_equal(issuer_repository(x, odd, "a b/c", NULL),
	    GG_E_REFUSED);
	assert_int_equal(issuer_repository(open, none, "a/b", NULL), 0);
	json_decref(claims);
	json_decref(none);
	json_decref(odd);
}

/* -- signatures by issuer -- */

static const struct {
	const char *issuer, *header;
	int want;
	const char *why;
} signed_by[] = {
	/* as far as the keys, of which there is none */
	{ "github", "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"a\"}",
	    GG_E_NOTFOUND, "no key" },
	{ "github", "{\"alg\":\"RS256\",\"kid\":\"a\"}", GG_E_NOTFOUND,
	    "not one of" },
	{ "github", "{\"alg\":\"ES256\"}", GG_E_REFUSED, "not allowed" },
	{ "github", "{\"alg\":\"PS256\"}", GG_E_REFUSED, "not allowed" },
	{ "mesh", "{\"alg\":\"PS256\",\"typ\":\"JOSE\",\"kid\":\"a\"}",
	    GG_E_NOTFOUND, "not one of" },
	{ "mesh", "{\"alg\":\"EdDSA\"}", GG_E_REFUSED, "not allowed" },
	{ "mesh", "{\"alg\":\"ES256\",\"cty\":\"a\"}", GG_E_REFUSED,
	    "JWT-SVID" },
	{ "mesh", "{\"alg\":\"ES256\",\"jku\":\"https://a\"}", GG_E_REFUSED,
	    "JWT-SVID" },
};

static void
algorithms(void **state)
{
	GG_AUTO(config) c = load(config_text);
	GG_AUTO(jwks) none = NULL;

	(void)state;
	assert_int_equal(jwks_parse(view_str("{\"keys\":[]}"), "sig", &none,
			     NULL),
	    0);
	for (size_t i = 0; i < GG_COUNT(signed_by); i++) {
		const struct issuer *x = config_find_issuer(c,
		    signed_by[i].issuer);
		GG_AUTO_RELEASE(buf) token = BUF_INIT(1024);
		GG_AUTO_RELEASE(jws) j = { 0 };
		struct gg_error err = { 0 };

		base64url_encode(&token, view_str(signed_by[i].header));
		buf_adds(&token, ".e30.AAAA");
		assert_int_equal(jws_parse(buf_view(&token), issuer_token_types,
				     &j, NULL),
		    0);
		assert_int_equal(issuer_verify(x, &j, none, &err),
		    signed_by[i].want);
		if (strstr(err.msg, signed_by[i].why) == NULL)
			fail_msg("%zu: %s", i, err.msg);
	}
	assert_string_equal(issuer_key_use(config_find_issuer(c, "mesh")),
	    "jwt-svid");
	assert_string_equal(issuer_key_use(config_find_issuer(c, "gitlab")),
	    "sig");
}

/* -- names -- */

/* config/ cannot see model/: both must know the same bytes. */
static void
same_bytes(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		const char name[2] = { 'a', (char)c };

		assert_int_equal(template_byte_is_valid((char)c),
		    principal_name_is_valid(view_of(name, 2)));
	}
}

/* The configuration's names of algorithms are those of crypto/. */
static void
same_algorithms(void **state)
{
	GG_AUTO_RELEASE(buf) list = BUF_INIT(400);
	GG_AUTO_MEM char *text = NULL;

	(void)state;
	for (unsigned i = 0; i < JWS_ALG_COUNT; i++)
		buf_addf(&list, "%s, ", jws_alg_name((enum jws_alg)i));
	text = path_f(
	    "state-dir: /s\npolicy-dir: /p\n"
	    "repositories: [{path: a, upstream: /b}]\n"
	    "identity: {issuers: [{name: a, issuer: \"https://a.example\","
	    " algorithms: [%sEd25519]}]}\n",
	    buf_str(&list));
	config_free(load(text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipelines),
		cmocka_unit_test(times_and_names),
		cmocka_unit_test(sign_in),
		cmocka_unit_test(without_iat),
		cmocka_unit_test(finding),
		cmocka_unit_test(conditions),
		cmocka_unit_test(many_groups),
		cmocka_unit_test(repositories),
		cmocka_unit_test(algorithms),
		cmocka_unit_test(same_bytes),
		cmocka_unit_test(same_algorithms),
	};

	return cmocka_run_group_tests_name("id_token", tests, NULL, NULL);
}
