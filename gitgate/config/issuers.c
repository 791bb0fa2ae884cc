/* `identity: issuers:`: who may mint ID tokens for machines. */
#include "config/issuer_profile.h"

#define MAX_LIFETIME_MS     ((int64_t)24 * 3600 * 1000)
#define ISSUERS_MAX         64
#define SESSION_CLAIM_BYTES 128
#define SESSION_CLAIMS_MAX  16

/* A text, or a list of them. */
static int
take_texts(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc;

	if (at == NULL)
		return 0;
	if (at->kind == NODE_LIST)
		return yaml_take_list(l->tree, map, name, out, err);
	if ((rc = yaml_check_text(l->tree, at, name, err)) < 0)
		return rc;
	strv_add(out, at->text);
	return strv_check(out, err);
}

static int
take_profile(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	unsigned word = 0;
	int rc = yaml_take_word(l->tree, at, "profile", issuer_profile_names,
	    &word, err);

	if (rc == 0 && yaml_get(at, "profile") != NULL)
		x->profile = (enum issuer_profile)(word + 1);
	return rc;
}

static int
take_lifetime(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	const struct yaml_node *value = yaml_get(at, "max-lifetime");
	int64_t ms = 0;
	int rc = yaml_take_duration(l->tree, at, "max-lifetime", &ms, err);

	if (rc < 0 || value == NULL)
		return rc;
	if (ms < 1000 || ms > MAX_LIFETIME_MS)
		return yaml_fail(l->tree, value, err,
		    "max-lifetime must be from 1s to 24h");
	x->max_lifetime_ms = (uint64_t)ms;
	return 0;
}

static int
take_url(const struct loading *l, const struct yaml_node *at, const char *name,
    char **out, struct gg_error *err)
{
	int rc = yaml_take_text(l->tree, at, name, out, err);

	if (rc < 0 || yaml_get(at, name) == NULL)
		return rc;
	if (view_has_prefix(view_str(*out), "spiffe://"))
		return 0; /* issuer_check() looks at it */
	if (service_url_check(*out, err) < 0)
		return yaml_fail_wrap(l->tree, yaml_get(at, name), err, name);
	return 0;
}

static int
take_where(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	int rc;

	if ((rc = take_url(l, at, "issuer", &x->issuer, err)) < 0 ||
	    (rc = take_url(l, at, "jwks-uri", &x->jwks_uri, err)) < 0 ||
	    (rc = config_take_path(l, at, "jwks-file", &x->jwks_file, err)) <
		0 ||
	    (rc = config_take_path(l, at, "ca-file", &x->ca_file, err)) < 0)
		return rc;
	if (x->jwks_uri != NULL && x->jwks_file != NULL)
		return yaml_fail(l->tree, at, err,
		    "keys come from jwks-uri or from jwks-file, not both");
	return 0;
}

static int
take_template(const struct loading *l, const struct yaml_node *at,
    const char *name, char **out, struct gg_error *err)
{
	int rc = yaml_take_text(l->tree, at, name, out, err);

	if (rc < 0 || yaml_get(at, name) == NULL)
		return rc;
	if (template_check(*out, err) < 0)
		return yaml_fail_wrap(l->tree, yaml_get(at, name), err, name);
	return 0;
}

static int
take_repositories(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	int rc = take_texts(l, at, "repositories", &x->repositories, err);

	for (size_t i = 0; rc == 0 && i < x->repositories.n; i++)
		if (template_check(x->repositories.v[i], err) < 0)
			return yaml_fail_wrap(l->tree,
			    yaml_get(at, "repositories"), err, "repositories");
	return rc;
}

static int
take_mapping(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	int rc;

	if ((rc = take_template(l, at, "principal", &x->principal, err)) < 0 ||
	    (rc = take_template(l, at, "owner", &x->owner, err)) < 0 ||
	    (rc = config_take_claim_rules(l, at, "require", &x->require,
		 &x->n_require, err)) < 0 ||
	    (rc = config_take_group_rules(l, at, "groups", &x->groups,
		 &x->n_groups, err)) < 0)
		return rc;
	return take_repositories(l, at, x, err);
}

/* None at all would make every session unproven: then it is left out. */
static int
take_session_claims(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	const struct yaml_node *list = yaml_get(at, "session-claims");
	struct strv *v = &x->session_claims;
	int rc = take_texts(l, at, "session-claims", v, err);

	if (rc < 0 || list == NULL)
		return rc;
	if (v->n < 1 || v->n > SESSION_CLAIMS_MAX)
		return yaml_fail(l->tree, list, err,
		    "session-claims has 1 to %d names of claims",
		    SESSION_CLAIMS_MAX);
	for (size_t i = 0; i < v->n; i++)
		if (strlen(v->v[i]) > SESSION_CLAIM_BYTES)
			return yaml_fail(l->tree, list, err,
			    "the name of a claim has at most %d bytes",
			    SESSION_CLAIM_BYTES);
	return 0;
}

/* It stands in logs, in names of principals and between roles. */
static bool
name_is_valid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= 64 && s[n] == '\0' && s[0] != '-';
}

static int
take_issuer(const struct loading *l, const struct yaml_node *at,
    struct issuer *x, struct gg_error *err)
{
	static const char *const keys[] = { "name", "profile", "issuer",
		"audience", "jwks-uri", "jwks-file", "ca-file", "algorithms",
		"max-lifetime", "principal", "owner", "require", "groups",
		"repositories", "session-claims", NULL };
	int rc;

	x->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "an issuer", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "name", &x->name, err)) < 0)
		return rc;
	if (x->name == NULL || !name_is_valid(x->name))
		return yaml_fail(l->tree, at, err,
		    "an issuer has a name of 1 to 64 of a-z, 0-9 and -");
	if ((rc = take_profile(l, at, x, err)) < 0 ||
	    (rc = take_where(l, at, x, err)) < 0 ||
	    (rc = take_texts(l, at, "audience", &x->audience, err)) < 0 ||
	    (rc = take_texts(l, at, "algorithms", &x->algorithms, err)) < 0 ||
	    (rc = take_lifetime(l, at, x, err)) < 0 ||
	    (rc = take_mapping(l, at, x, err)) < 0 ||
	    (rc = take_session_claims(l, at, x, err)) < 0 ||
	    (rc = issuer_fill_in(x, l->conf->public_url, err)) < 0)
		return rc;
	return issuer_check(l, at, x, &l->conf->warnings, err);
}

static int
check_others(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, size_t n, struct gg_error *err)
{
	const struct issuer *last = &x[n];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(x[i].name, last->name) == 0)
			return yaml_fail(l->tree, at, err,
			    "the issuer \"%s\" twice (first on line %d)",
			    last->name, x[i].line);
		if (strcmp(x[i].issuer, last->issuer) == 0)
			return yaml_fail(l->tree, at, err,
			    "two entries for one issuer (first on line %d): give one of them more values in `require` and `groups`",
			    x[i].line);
		if (issuers_share_names(&x[i], last))
			return yaml_fail(l->tree, at, err,
			    "the principals of %s and %s may have the same names: begin each `principal` with a text of its own",
			    x[i].name, last->name);
	}
	return 0;
}

int
config_take_issuers(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct identity *id = &l->conf->identity;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST || at->n > ISSUERS_MAX)
		return yaml_fail(l->tree, at, err,
		    "issuers must be a list with at most %d entries",
		    ISSUERS_MAX);
	if (at->n == 0)
		return 0;
	if ((id->issuers = calloc(at->n, sizeof(*id->issuers))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "issuers");
	for (size_t i = 0; i < at->n; i++) {
		int rc = take_issuer(l, &at->item[i],
		    &id->issuers[id->n_issuers++], err);

		if (rc < 0 ||
		    (rc = check_others(l, &at->item[i], id->issuers, i, err)) <
			0)
			return rc;
	}
	return 0;
}
