/*
 * Issuers of machines' tokens: what each kind of pipeline says of itself, and
 * the tokens that are good but prove less than they seem to.
 */
#include "identity/certificate.h"
#include "identity/claims.h"

#include <string.h>
#include <strings.h>

#define VERIFIED_VALUE_MAX 1024
#define TOKEN_ID_MAX       200

const char *const issuer_token_types[] = { "JWT", "JOSE", NULL };

/* -- which issuer, which keys -- */

/* A workload of the domain, not the domain itself. */
static bool
is_of_domain(const char *issuer, const json_t *claims)
{
	const char *sub = json_string_value(json_object_get(claims, "sub"));
	struct view ours, theirs, path;

	return sub != NULL && spiffe_split(issuer, &ours, &path) &&
	    spiffe_split(sub, &theirs, &path) && path.n > 0 &&
	    view_eq(ours, theirs);
}

const struct issuer *
issuer_select(const struct issuer *v, size_t n, const json_t *claims)
{
	const char *iss = json_string_value(json_object_get(claims, "iss"));

	for (size_t i = 0; i < n; i++) {
		if (v[i].profile == PROFILE_SPIFFE)
			continue;
		if (iss != NULL && strcmp(v[i].issuer, iss) == 0)
			return &v[i];
	}
	for (size_t i = 0; i < n; i++)
		if (v[i].profile == PROFILE_SPIFFE &&
		    is_of_domain(v[i].issuer, claims))
			return &v[i];
	return NULL;
}

const char *
issuer_key_use(const struct issuer *issuer)
{
	return issuer->profile == PROFILE_SPIFFE ? "jwt-svid" : "sig";
}

/* JWT-SVID, section 2: alg, kid and typ, nothing else. */
static int
check_svid_header(const json_t *header, struct gg_error *err)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)header, name,
	    v) if (strcmp(name, "alg") != 0 && strcmp(name, "kid") != 0 &&
	    strcmp(name, "typ") != 0) return gg_fail(err, GG_E_REFUSED,
	    "the header of a JWT-SVID may have alg, kid and typ only");
	return 0;
}

int
issuer_verify(const struct issuer *issuer, const struct jws *j,
    const struct jwks *keys, struct gg_error *err)
{
	int rc = 0;

	if (issuer->profile == PROFILE_SPIFFE)
		rc = check_svid_header(j->header, err);
	return rc < 0 ?
	    rc :
	    jws_verify(j, keys, jws_algorithms(&issuer->algorithms), err);
}

/* -- what profiles refuse -- */

static bool
text_is(const json_t *claims, const char *name, const char *want)
{
	const char *s = json_string_value(json_object_get(claims, name));

	return s != NULL && strcmp(s, want) == 0;
}

/* Has the operator decided about this claim? */
static bool
is_required(const struct issuer *issuer, const char *claim)
{
	for (size_t i = 0; i < issuer->n_require; i++)
		if (strcmp(issuer->require[i].claim, claim) == 0)
			return true;
	return false;
}

static int
missing(struct gg_error *err, const char *claim)
{
	return gg_fail(err, GG_E_REFUSED,
	    "the token has no claim \"%s\", without which it is not taken",
	    claim);
}

/*
 * Events that somebody without write access can set off, in a job that runs
 * with the repository's identity all the same.
 */
static int
check_github(const struct issuer *issuer, const json_t *claims,
    struct gg_error *err)
{
	static const char *const foreign[] = { "pull_request",
		"pull_request_target", "pull_request_review",
		"pull_request_review_comment", "workflow_run", "issues",
		"issue_comment", "discussion", "discussion_comment", "gollum",
		"fork", "watch" };
	const char *event = json_string_value(json_object_get(claims,
	    "event_name"));

	if (event == NULL)
		return missing(err, "event_name");
	if (is_required(issuer, "event_name"))
		return 0;
	for (size_t i = 0; i < GG_COUNT(foreign); i++)
		if (strcmp(event, foreign[i]) == 0)
			return gg_fail(err, GG_E_REFUSED,
			    "a job that began with %s may run for somebody else's fork and is not taken: push from a job on push, schedule or workflow_dispatch (the gate's operator can allow events with require: event_name)",
			    foreign[i]);
	return 0;
}

/*
 * In a merge request's pipeline that runs in the parent project, project_id
 * names the fork; job_project_id (since 18.3) names where the job runs.
 */
static int
check_gitlab(const struct issuer *issuer, const json_t *claims,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) project = BUF_INIT(64);
	GG_AUTO_RELEASE(buf) job = BUF_INIT(64);

	if (!claim_text(claims, "project_id", &project) || project.n == 0)
		return missing(err, "project_id");
	if (json_object_get(claims, "job_project_id") != NULL) {
		if (claim_text(claims, "job_project_id", &job) &&
		    view_eq(buf_view(&project), buf_view(&job)))
			return 0;
		return gg_fail(err, GG_E_REFUSED,
		    "the pipeline is a fork's that runs in another project (project_id is not job_project_id): push from a pipeline of the project's own branch");
	}
	if (is_required(issuer, "pipeline_source") ||
	    (!text_is(claims, "pipeline_source", "merge_request_event") &&
		!text_is(claims, "pipeline_source",
		    "external_pull_request_event")))
		return 0;
	return gg_fail(err, GG_E_REFUSED,
	    "a merge request's pipeline may be a fork's, and this GitLab does not say (no job_project_id): push from a branch pipeline (the gate's operator can allow sources with require: pipeline_source)");
}

/* A colon is in no branch's name: Buildkite writes "user:branch" for a pull
 * request of a fork. */
static int
check_buildkite(const json_t *claims, struct gg_error *err)
{
	const char *branch = json_string_value(json_object_get(claims,
	    "build_branch"));

	if (json_object_get(claims, "organization_id") == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the token has no claim \"organization_id\": ask for it with buildkite-agent oidc request-token --claim organization_id");
	if (branch == NULL)
		return missing(err, "build_branch");
	if (strchr(branch, ':') != NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the build is of a fork's pull request (a colon in build_branch) and is not taken");
	return 0;
}

static int
check_circleci(const struct issuer *issuer, const json_t *claims,
    struct gg_error *err)
{
	static const char rerun[] = "oidc.circleci.com/ssh-rerun";
	static const char origin[] = "oidc.circleci.com/vcs-origin";
	const json_t *v = json_object_get(claims, rerun);

	if (json_string_length(json_object_get(claims, origin)) == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the token does not say which repository the job builds (%s): use the one in CIRCLE_OIDC_TOKEN_V2 or of circleci run oidc get",
		    origin);
	if (is_required(issuer, rerun) || json_is_false(v))
		return 0;
	if (v == NULL)
		return missing(err, rerun);
	return gg_fail(err, GG_E_REFUSED,
	    "the job was run again with SSH, so that a person can be in it: run it again without SSH");
}

/* The subject and the structured claims are of one account. */
static int
check_kubernetes(const json_t *claims, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) want = BUF_INIT(1024);

	buf_adds(&want, "system:serviceaccount:");
	if (!claim_text(claims, "kubernetes.io/namespace", &want))
		return missing(err, "kubernetes.io/namespace");
	buf_addc(&want, ':');
	if (!claim_text(claims, "kubernetes.io/serviceaccount/name", &want))
		return missing(err, "kubernetes.io/serviceaccount/name");
	if (want.failed != 0 || !text_is(claims, "sub", buf_str(&want)))
		return gg_fail(err, GG_E_REFUSED,
		    "the token is not a service account's (sub)");
	return 0;
}

static int
check_spiffe(const struct issuer *issuer, const json_t *claims,
    struct gg_error *err)
{
	if (is_of_domain(issuer->issuer, claims))
		return 0;
	return gg_fail(err, GG_E_REFUSED,
	    "the token's subject is not a workload of %s", issuer->issuer);
}

static int
check_profile(const struct issuer *issuer, const json_t *claims,
    struct gg_error *err)
{
	switch (issuer->profile) {
	case PROFILE_NONE:
		return 0;
	case PROFILE_GITHUB_ACTIONS:
		return check_github(issuer, claims, err);
	case PROFILE_GITLAB:
		return check_gitlab(issuer, claims, err);
	case PROFILE_BUILDKITE:
		return check_buildkite(claims, err);
	case PROFILE_CIRCLECI:
		return check_circleci(issuer, claims, err);
	case PROFILE_KUBERNETES:
		return check_kubernetes(claims, err);
	case PROFILE_SPIFFE:
		return check_spiffe(issuer, claims, err);
	}
	return gg_fail(err, GG_E_REFUSED, "an unknown profile");
}

/* -- what is shown as verified -- */

static const char *const shown_github[] = { "repository", "repository_id",
	"repository_owner", "repository_owner_id", "repository_visibility",
	"ref", "ref_type", "sha", "head_ref", "base_ref", "event_name",
	"workflow", "workflow_ref", "workflow_sha", "job_workflow_ref",
	"run_id", "run_number", "run_attempt", "actor", "actor_id",
	"environment", "runner_environment", "enterprise", NULL };
static const char *const shown_gitlab[] = { "project_path", "project_id",
	"namespace_path", "namespace_id", "ref", "ref_path", "ref_type",
	"ref_protected", "sha", "pipeline_id", "pipeline_source", "job_id",
	"user_login", "user_id", "user_email", "environment",
	"runner_environment", "ci_config_ref_uri", "ci_config_sha", NULL };
static const char *const shown_buildkite[] = { "organization_slug",
	"organization_id", "pipeline_slug", "pipeline_id", "build_number",
	"build_branch", "build_tag", "build_commit", "build_source", "step_key",
	"job_id", "agent_id", "runner_environment", NULL };
static const char *const shown_circleci[] = { "oidc.circleci.com/project-id",
	"oidc.circleci.com/vcs-origin", "oidc.circleci.com/vcs-ref", NULL };
static const char *const shown_kubernetes[] = { "kubernetes.io/namespace",
	"kubernetes.io/serviceaccount/name", "kubernetes.io/serviceaccount/uid",
	"kubernetes.io/pod/name", "kubernetes.io/pod/uid",
	"kubernetes.io/node/name", NULL };
static const char *const shown_none[] = { NULL };

static const char *const *
shown(enum issuer_profile p)
{
	switch (p) {
	case PROFILE_GITHUB_ACTIONS:
		return shown_github;
	case PROFILE_GITLAB:
		return shown_gitlab;
	case PROFILE_BUILDKITE:
		return shown_buildkite;
	case PROFILE_CIRCLECI:
		return shown_circleci;
	case PROFILE_KUBERNETES:
		return shown_kubernetes;
	case PROFILE_NONE:
	case PROFILE_SPIFFE:
		break;
	}
	return shown_none;
}

struct showing {
	const json_t *claims;
	json_t *out;
};

static void
show(const char *claim, void *arg)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(VERIFIED_VALUE_MAX);
	struct showing *s = arg;

	if (claim_text(s->claims, claim, &text) && text.n > 0)
		(void)json_object_set_new(s->out, claim,
		    json_stringn(text.p, text.n));
}

static void
show_rules(struct showing *s, const struct claim_rule *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		show(r[i].claim, s);
}

/* The profile's claims and those that the configuration names. */
static char *
verified(const struct issuer *issuer, const json_t *claims)
{
	struct showing s = { claims, json_object() };
	char *text;

	show("sub", &s);
	for (const char *const *c = shown(issuer->profile); *c != NULL; c++)
		show(*c, &s);
	show_rules(&s, issuer->require, issuer->n_require);
	for (size_t i = 0; i < issuer->session_claims.n; i++)
		show(issuer->session_claims.v[i], &s);
	for (size_t i = 0; i < issuer->n_groups; i++)
		show_rules(&s, issuer->groups[i].when,
		    issuer->groups[i].n_when);
	template_each_claim(issuer->principal, show, &s);
	if (issuer->owner != NULL)
		template_each_claim(issuer->owner, show, &s);
	for (size_t i = 0; i < issuer->repositories.n; i++)
		template_each_claim(issuer->repositories.v[i], show, &s);
	text = json_dumps(s.out, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(s.out);
	return text;
}

/* -- the principal -- */

static int
check_required(const struct issuer *issuer, const json_t *claims,
    struct gg_error *err)
{
	const char *which = "";

	if (claims_match(claims, issuer->require, issuer->n_require, &which))
		return 0;
	return gg_fail(err, GG_E_REFUSED,
	    "the token's claim \"%s\" is not one that the gate takes of issuer %s",
	    which, issuer->name);
}

/* A missing claim is a refusal here. */
static int
fill_name(const char *template, const json_t *claims, char **out,
    struct gg_error *err)
{
	int rc = claims_fill(template, claims, out, err);

	if (rc == GG_E_NOTFOUND && err != NULL)
		err->code = GG_E_REFUSED;
	return rc == GG_E_NOTFOUND ? GG_E_REFUSED : rc;
}

static void
take_token_id(const json_t *claims, struct principal *p)
{
	const json_t *jti = json_object_get(claims, "jti");

	p->credential_id = strdup(json_is_string(jti) &&
		    json_string_length(jti) <= TOKEN_ID_MAX ?
		json_string_value(jti) :
		"");
}

/* GitLab's user_email is a confirmed one; other e-mail addresses in tokens of
 * pipelines are not known to be. */
static void
take_aliases(const struct issuer *issuer, const json_t *claims,
    struct principal *p)
{
	const json_t *mail = json_object_get(claims, "user_email");

	if (p->owner != NULL)
		strv_add(&p->aliases, p->owner);
	if (issuer->profile == PROFILE_GITLAB && json_is_string(mail) &&
	    principal_name_is_valid(view_str(json_string_value(mail))))
		strv_add(&p->aliases, json_string_value(mail));
}

static int
fill(const struct issuer *issuer, const json_t *claims, struct principal *p,
    struct gg_error *err)
{
	int rc;

	if ((rc = fill_name(issuer->principal, claims, &p->name, err)) < 0)
		return rc;
	if (issuer->owner != NULL &&
	    (rc = fill_name(issuer->owner, claims, &p->owner, err)) < 0)
		return gg_wrap(err, rc, "owner");
	if ((rc = claims_groups(claims, issuer->groups, issuer->n_groups,
		 &p->groups, err)) < 0)
		return rc;
	p->method = AUTH_OIDC;
	take_token_id(claims, p);
	take_aliases(issuer, claims, p);
	p->issuer = strdup(issuer->name);
	p->subject = strdup(json_string_value(json_object_get(claims, "sub")));
	p->verified = verified(issuer, claims);
	strv_copy(&p->session_claims, &issuer->session_claims);
	if (p->credential_id == NULL || p->issuer == NULL ||
	    p->subject == NULL || p->verified == NULL)
		return gg_fail(err, GG_E_NOMEM, "principal");
	if ((rc = strv_check(&p->session_claims, err)) < 0)
		return rc;
	return strv_check(&p->aliases, err);
}

int
issuer_principal(const struct issuer *issuer, const json_t *claims,
    int64_t now_ms, struct principal *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(principal) p = { 0 };
	bool spiffe = issuer->profile == PROFILE_SPIFFE;
	const struct id_token_want want = {
		.issuer = spiffe ? NULL : issuer->issuer,
		.audience = &issuer->audience,
		.max_lifetime_ms = issuer->max_lifetime_ms,
		.need_iat = !spiffe,
	};
	int rc;

	if ((rc = id_token_check(claims, &want, now_ms, err)) < 0 ||
	    (rc = check_profile(issuer, claims, err)) < 0 ||
	    (rc = check_required(issuer, claims, err)) < 0 ||
	    (rc = fill(issuer, claims, &p, err)) < 0)
		return rc;
	*out = p;
	p = (struct principal){ 0 };
	return 0;
}

int
issuer_repository(const struct issuer *issuer, const json_t *claims,
    const char *repository, struct gg_error *err)
{
	if (issuer->repositories.n == 0)
		return 0;
	for (size_t i = 0; i < issuer->repositories.n; i++) {
		GG_AUTO_RELEASE(buf) name = BUF_INIT(0);

		if (claims_fill_repository(issuer->repositories.v[i], claims,
			&name, NULL) == 0 &&
		    strcasecmp(buf_str(&name), repository) == 0)
			return 0;
	}
	return gg_fail(err, GG_E_REFUSED,
	    "the token is of a job in another repository and may not be used for this one");
}
