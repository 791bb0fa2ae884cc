#include "config/issuer_profile.h"

#include "base/fd.h"

#include <stdlib.h>

#define MINUTE_MS ((uint64_t)60 * 1000)

/* Names that JWS knows (RFC 7518, RFC 8037), but for "none" and HMAC. */
static const char *const algorithms[] = { "RS256", "RS384", "RS512", "PS256",
	"PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", NULL };

static const char *const rs256[] = { "RS256", NULL };
static const char *const usual[] = { "RS256", "ES256", "EdDSA", NULL };
static const char *const of_kubernetes[] = { "RS256", "ES256", "ES384", "ES512",
	NULL };
static const char *const of_svid[] = { "RS256", "RS384", "RS512", "PS256",
	"PS384", "PS512", "ES256", "ES384", "ES512", NULL };

#define PINS_MAX 5

/* What is known of an issuer, by profile. */
struct known {
	const char *issuer; /* the one that everybody has; NULL: none */
	const char *principal;
	const char *const *algorithms;
	uint64_t lifetime_ms;
	/* One of these in `require` says whose the pipeline is: ids that are
	 * never given to another, and (weak) names, which may be. */
	const char *pins[PINS_MAX], *weak[PINS_MAX];
};

const char *const issuer_profile_names[] = { "github-actions", "gitlab",
	"buildkite", "circleci", "kubernetes", "spiffe", NULL };

static const struct known profiles[] = {
	[PROFILE_NONE] = { .algorithms = usual, .lifetime_ms = 60 * MINUTE_MS },
	[PROFILE_GITHUB_ACTIONS] = { .issuer =
					 "https://token.actions.githubusercontent.com",
	    .principal = "github:{repository}",
	    .algorithms = rs256,
	    .lifetime_ms = 15 * MINUTE_MS,
	    .pins = { "repository_owner_id", "repository_id",
		"enterprise_id" } },
	[PROFILE_GITLAB] = { .principal = "gitlab:{project_path}",
	    .algorithms = rs256,
	    .lifetime_ms = 60 * MINUTE_MS,
	    .pins = { "namespace_id", "project_id" } },
	[PROFILE_BUILDKITE] = { .issuer = "https://agent.buildkite.com",
	    .principal = "buildkite:{organization_slug}/{pipeline_slug}",
	    .algorithms = rs256,
	    .lifetime_ms = 15 * MINUTE_MS,
	    .pins = { "organization_id" } },
	/* the issuer names the organization; the origin says which of its
	 * repositories is built, and a fork has another */
	[PROFILE_CIRCLECI] = { .principal =
				   "circleci:{oidc.circleci.com/vcs-origin}",
	    .algorithms = rs256,
	    .lifetime_ms = 60 * MINUTE_MS,
	    .pins = { "oidc.circleci.com/vcs-origin" } },
	[PROFILE_KUBERNETES] = { .principal =
				     "kubernetes:{kubernetes.io/namespace}:{kubernetes.io/serviceaccount/name}",
	    .algorithms = of_kubernetes,
	    .lifetime_ms = 60 * MINUTE_MS,
	    .pins = { "kubernetes.io/serviceaccount/uid" },
	    .weak = { "kubernetes.io/namespace", "sub" } },
	[PROFILE_SPIFFE] = { .principal = "{sub}",
	    .algorithms = of_svid,
	    .lifetime_ms = 60 * MINUTE_MS },
};

/* Issuers that serve everybody, for entries without a profile. */
static const struct {
	const char *issuer;
	const char *pins[PINS_MAX], *weak[PINS_MAX];
} shared[] = {
	{ "https://token.actions.githubusercontent.com",
	    { "repository_owner_id", "repository_id", "enterprise_id" },
	    { "repository_owner", "repository", "enterprise", "sub" } },
	{ "https://gitlab.com", { "namespace_id", "project_id" },
	    { "namespace_path", "project_path", "sub" } },
	{ "https://agent.buildkite.com", { "organization_id", "pipeline_id" },
	    { "organization_slug", "sub" } },
	{ "https://accounts.google.com", { "sub" }, { "email", "hd" } },
};

/* -- what is not given -- */

static int
fill_text(char **at, const char *text, struct gg_error *err)
{
	if (*at != NULL || text == NULL)
		return 0;
	*at = strdup(text);
	return *at != NULL ? 0 : gg_fail(err, GG_E_NOMEM, "issuer");
}

int
issuer_fill_in(struct issuer *x, const char *public_url, struct gg_error *err)
{
	const struct known *k = &profiles[x->profile];
	GG_AUTO_MEM char *named = path_f("%s:{sub}", x->name);
	int rc;

	if (x->audience.n == 0)
		strv_add(&x->audience, public_url);
	if (x->algorithms.n == 0)
		for (size_t i = 0; k->algorithms[i] != NULL; i++)
			strv_add(&x->algorithms, k->algorithms[i]);
	if (x->max_lifetime_ms == 0)
		x->max_lifetime_ms = k->lifetime_ms;
	if ((rc = fill_text(&x->issuer, k->issuer, err)) < 0 ||
	    (rc = fill_text(&x->principal,
		 k->principal != NULL ? k->principal : named, err)) < 0 ||
	    (rc = strv_check(&x->audience, err)) < 0)
		return rc;
	return strv_check(&x->algorithms, err);
}

/* -- globs in conditions -- */

static bool
is_separator(char c)
{
	return c == '/' || c == ':';
}

/* The next *, ? or [ that is none of its own; NULL. */
static const char *
next_glob(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		else if (strchr("*?[", *s) != NULL)
			return s;
	}
	return NULL;
}

/* Only "*", and only as a whole component, and none in the first. */
static bool
is_bounded(const char *value)
{
	const char *s = next_glob(value);

	if (s != NULL && strcspn(value, "/:") >= (size_t)(s - value))
		return false;
	for (; s != NULL; s = next_glob(s + 1))
		if (*s != '*' || !is_separator(s[-1]) ||
		    (s[1] != '\0' && !is_separator(s[1])))
			return false;
	return true;
}

/* The last part of a subject is what the job's author chooses. */
static bool
has_open_tail(const char *value)
{
	const char *tail = value, *s;

	for (s = value; *s != '\0'; s++)
		if (is_separator(*s))
			tail = s + 1;
	return next_glob(tail) != NULL;
}

static bool
is_id(const char *claim)
{
	struct view v = view_str(claim);

	return view_has_suffix(v, "_id") || view_has_suffix(v, "-id") ||
	    view_has_suffix(v, "/uid") || view_eq_str(v, "oid") ||
	    view_eq_str(v, "tid");
}

/* Says whose a job is. */
static bool
is_name(const char *claim)
{
	static const char *const names[] = { "sub", "repository",
		"repository_owner", "enterprise", "workflow_ref",
		"job_workflow_ref", "actor", "project_path", "namespace_path",
		"job_project_path", "job_namespace_path", "user_login",
		"user_email", "ci_config_ref_uri", "organization_slug",
		"pipeline_slug", "oidc.circleci.com/vcs-origin",
		"kubernetes.io/namespace", "kubernetes.io/serviceaccount/name",
		"email", "hd" };

	for (size_t i = 0; i < GG_COUNT(names); i++)
		if (strcmp(claim, names[i]) == 0)
			return true;
	return false;
}

static int
check_value(const char *claim, const char *value, struct gg_error *err)
{
	if (next_glob(value) == NULL)
		return 0;
	if (is_id(claim))
		return gg_fail(err, GG_E_INPUT,
		    "%s: an id is compared as a whole: list the ids", claim);
	if (!is_name(claim))
		return 0;
	if (!is_bounded(value))
		return gg_fail(err, GG_E_INPUT,
		    "%s: \"%.60s\" would match names that others can choose: here a * stands for a whole part between / or :, and not for the first",
		    claim, value);
	if (strcmp(claim, "sub") == 0 && has_open_tail(value))
		return gg_fail(err, GG_E_INPUT,
		    "sub: the end of \"%.60s\" is what a job's author chooses: write it out, or require other claims",
		    value);
	return 0;
}

static int
check_rules(const struct loading *l, const struct yaml_node *map,
    const struct claim_rule *rules, size_t n, struct gg_error *err)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < rules[i].values.n; k++)
			if (check_value(rules[i].claim, rules[i].values.v[k],
				err) < 0)
				return yaml_fail_wrap(l->tree, &map->key[i],
				    err, "condition");
	return 0;
}

static int
check_groups(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct gg_error *err)
{
	const struct yaml_node *list = yaml_get(at, "groups");

	for (size_t i = 0; i < x->n_groups; i++) {
		const struct group_rule *r = &x->groups[i];
		int rc;

		if (r->from_claim != NULL && r->prefix == NULL &&
		    r->only.n == 0)
			return yaml_fail(l->tree, &list->item[i], err,
			    "groups: a job's author could choose any group's name: add a prefix, or list the names in `only`");
		if (r->n_when == 0)
			continue;
		rc = check_rules(l, yaml_get(&list->item[i], "when"), r->when,
		    r->n_when, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* -- whose pipelines -- */

static bool
has_one_of(const struct claim_rule *rules, size_t n, const char *const *claims)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < PINS_MAX && claims[k] != NULL; k++)
			if (strcmp(rules[i].claim, claims[k]) == 0)
				return true;
	return false;
}

static void
join(const char *const *words, struct buf *out)
{
	for (size_t i = 0; i < PINS_MAX && words[i] != NULL; i++) {
		if (i > 0)
			buf_adds(out,
			    i + 1 < PINS_MAX && words[i + 1] != NULL ? ", " :
								       " or ");
		buf_adds(out, words[i]);
	}
}

static void
warn(const struct loading *l, const struct yaml_node *at, struct strv *out,
    const struct issuer *x, const char *const *pins)
{
	GG_AUTO_RELEASE(buf) list = BUF_INIT(400);

	join(pins, &list);
	strv_addf(out,
	    "%s:%d: issuer %s is bound by a name, which somebody else may get one day: require %s",
	    l->tree->file, at->line, x->name, buf_str(&list));
}

static int
not_pinned(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, const char *const *pins, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) list = BUF_INIT(400);

	join(pins, &list);
	return yaml_fail(l->tree, at, err,
	    "%s mints tokens for everybody's jobs: `require` must say whose are taken, by %s",
	    x->issuer, buf_str(&list));
}

static int
check_profile_pins(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct strv *warnings, struct gg_error *err)
{
	const struct known *k = &profiles[x->profile];

	if (k->pins[0] == NULL || has_one_of(x->require, x->n_require, k->pins))
		return 0;
	if (!has_one_of(x->require, x->n_require, k->weak))
		return not_pinned(l, at, x, k->pins, err);
	warn(l, at, warnings, x, k->pins);
	return 0;
}

/*
 * Without a profile it is enough that every group asks whose the job is: what
 * has no group is nobody that a policy would name.
 */
static bool
groups_have_one_of(const struct issuer *x, const char *const *claims)
{
	for (size_t i = 0; i < x->n_groups; i++)
		if (!has_one_of(x->groups[i].when, x->groups[i].n_when, claims))
			return false;
	return x->n_groups > 0;
}

static int
check_shared(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct strv *warnings, struct gg_error *err)
{
	for (size_t i = 0; i < GG_COUNT(shared); i++) {
		if (strcmp(shared[i].issuer, x->issuer) != 0)
			continue;
		if (has_one_of(x->require, x->n_require, shared[i].pins) ||
		    groups_have_one_of(x, shared[i].pins))
			return 0;
		if (!has_one_of(x->require, x->n_require, shared[i].weak) &&
		    !groups_have_one_of(x, shared[i].weak))
			return not_pinned(l, at, x, shared[i].pins, err);
		warn(l, at, warnings, x, shared[i].pins);
	}
	return 0;
}

/* -- issuer and audience -- */

static bool
is_trust_domain(const char *s)
{
	struct view v = view_str(s);

	if (!view_has_prefix(v, "spiffe://"))
		return false;
	view_skip(&v, strlen("spiffe://"));
	for (size_t i = 0; i < v.n; i++)
		if (!(v.p[i] >= 'a' && v.p[i] <= 'z') &&
		    !(v.p[i] >= '0' && v.p[i] <= '9') &&
		    strchr(".-_", v.p[i]) == NULL)
			return false;
	return v.n > 0 && v.n <= 255;
}

static int
check_issuer(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct gg_error *err)
{
	struct view v = view_str(x->issuer);

	if (x->issuer == NULL)
		return yaml_fail(l->tree, at, err,
		    "issuer %s: `issuer` is missing", x->name);
	if (x->profile == PROFILE_SPIFFE) {
		if (!is_trust_domain(x->issuer))
			return yaml_fail(l->tree, at, err,
			    "issuer of a SPIFFE trust domain must be spiffe://DOMAIN");
		if (x->jwks_uri == NULL && x->jwks_file == NULL)
			return yaml_fail(l->tree, at, err,
			    "a SPIFFE trust domain needs jwks-uri (its bundle endpoint) or jwks-file");
		return 0;
	}
	if (view_has_prefix(v, "spiffe://"))
		return yaml_fail(l->tree, at, err,
		    "an issuer spiffe://... needs profile: spiffe");
	if (x->profile == PROFILE_CIRCLECI &&
	    strstr(x->issuer, "/org/") == NULL)
		return yaml_fail(l->tree, at, err,
		    "CircleCI's issuer is https://oidc.circleci.com/org/ORGANIZATION-ID");
	if (strstr(x->issuer, "/common") != NULL ||
	    strstr(x->issuer, "/organizations") != NULL ||
	    strstr(x->issuer, "/consumers") != NULL)
		if (view_has_prefix(v, "https://login.microsoftonline.com/") ||
		    view_has_prefix(v, "https://sts.windows.net/"))
			return yaml_fail(l->tree, at, err,
			    "that issuer is for every tenant of Entra ID: name your tenant");
	return 0;
}

/* What a token says when nobody asked for an audience, or when it was made
 * for a well-known other: such a token proves nothing to us. */
static bool
is_common_audience(const struct issuer *x, const char *aud)
{
	static const char *const prefixes[] = { "https://github.com/",
		"https://buildkite.com/", "https://kubernetes.default",
		"//iam.googleapis.com/", "https://iam.googleapis.com/" };
	static const char *const words[] = { "sts.amazonaws.com", "sigstore",
		"api://AzureADTokenExchange", "kubernetes.default.svc", "api" };
	struct view v = view_str(aud);

	if (strcmp(aud, x->issuer) == 0 ||
	    (x->profile == PROFILE_CIRCLECI &&
		view_has_suffix(view_str(x->issuer), aud)))
		return true;
	for (size_t i = 0; i < GG_COUNT(prefixes); i++)
		if (view_has_prefix(v, prefixes[i]))
			return true;
	for (size_t i = 0; i < GG_COUNT(words); i++)
		if (view_eq_str(v, words[i]))
			return true;
	return false;
}

static int
check_audience(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct gg_error *err)
{
	for (size_t i = 0; i < x->audience.n; i++)
		if (is_common_audience(x, x->audience.v[i]))
			return yaml_fail(l->tree, at, err,
			    "audience \"%.100s\" is in tokens that were not made for this gate: use public-url",
			    x->audience.v[i]);
	return 0;
}

static int
check_algorithms(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct gg_error *err)
{
	for (size_t i = 0; i < x->algorithms.n; i++) {
		bool known = false;

		for (size_t k = 0; algorithms[k] != NULL; k++)
			known = known ||
			    strcmp(algorithms[k], x->algorithms.v[i]) == 0;
		if (!known)
			return yaml_fail(l->tree, at, err,
			    "algorithms: \"%.40s\" is not taken: RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA",
			    x->algorithms.v[i]);
	}
	return 0;
}

/* -- names -- */

struct view
issuer_name_prefix(const struct issuer *x)
{
	if (x->profile == PROFILE_SPIFFE && x->principal[0] == '{')
		return view_str(x->issuer);
	return view_of(x->principal, strcspn(x->principal, "{"));
}

bool
name_prefixes_meet(struct view a, struct view b)
{
	return strncasecmp(a.p, b.p, a.n < b.n ? a.n : b.n) == 0;
}

bool
issuers_share_names(const struct issuer *a, const struct issuer *b)
{
	return name_prefixes_meet(issuer_name_prefix(a), issuer_name_prefix(b));
}

static int
check_principal(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct gg_error *err)
{
	if (issuer_name_prefix(x).n == 0)
		return yaml_fail(l->tree, at, err,
		    "principal must begin with a text of its own, like \"%s:\", so that no token gets somebody else's name",
		    x->name);
	return 0;
}

int
issuer_check(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct strv *warnings, struct gg_error *err)
{
	int rc;

	if ((rc = check_issuer(l, at, x, err)) < 0 ||
	    (rc = check_audience(l, at, x, err)) < 0 ||
	    (rc = check_algorithms(l, at, x, err)) < 0 ||
	    (rc = check_principal(l, at, x, err)) < 0 ||
	    (rc = check_rules(l, yaml_get(at, "require"), x->require,
		 x->n_require, err)) < 0 ||
	    (rc = check_groups(l, at, x, err)) < 0)
		return rc;
	rc = x->profile == PROFILE_NONE ?
	    check_shared(l, at, x, warnings, err) :
	    check_profile_pins(l, at, x, warnings, err);
	return rc < 0 ? rc : strv_check(warnings, err);
}
