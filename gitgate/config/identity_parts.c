/* Conditions on claims and the groups that follow: what issuers, providers
 * and client certificates share. */
#include "config/internal.h"

/* Ids are digits: taken as their text. */
static bool
is_value(const struct yaml_node *n)
{
	return n->kind == NODE_TEXT || n->kind == NODE_INT ||
	    n->kind == NODE_BOOL;
}

static int
take_value(const struct loading *l, const struct yaml_node *at,
    const char *name, struct strv *out, struct gg_error *err)
{
	if (!is_value(at) || at->text[0] == '\0')
		return yaml_fail(l->tree, at, err,
		    "%s: a claim is compared with a text or a list of texts",
		    name);
	if (glob_check(at->text, err) < 0)
		return yaml_fail_wrap(l->tree, at, err, name);
	strv_add(out, at->text);
	return strv_check(out, err);
}

static int
take_rule(const struct loading *l, const struct yaml_node *key,
    const struct yaml_node *value, struct claim_rule *out, struct gg_error *err)
{
	int rc = 0;

	if ((out->claim = strdup(key->text)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "claim");
	if (value->kind != NODE_LIST)
		return take_value(l, value, key->text, &out->values, err);
	if (value->n == 0)
		return yaml_fail(l->tree, value, err,
		    "%s: an empty list matches nothing", key->text);
	for (size_t i = 0; i < value->n && rc == 0; i++)
		rc = take_value(l, &value->item[i], key->text, &out->values,
		    err);
	return rc;
}

int
config_take_claim_rules(const struct loading *l, const struct yaml_node *map,
    const char *name, struct claim_rule **out, size_t *n, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);

	if (at == NULL)
		return 0;
	if (at->kind != NODE_MAP || at->n == 0)
		return yaml_fail(l->tree, at, err,
		    "%s must be a map of claims and their values", name);
	if ((*out = calloc(at->n, sizeof(**out))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", name);
	for (size_t i = 0; i < at->n; i++) {
		int rc = take_rule(l, &at->key[i], &at->item[i],
		    &(*out)[(*n)++], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
take_group(const struct loading *l, const struct yaml_node *at,
    struct group_rule *out, struct gg_error *err)
{
	static const char *const keys[] = { "group", "when", "from", "prefix",
		"only", NULL };
	int rc;

	if ((rc = yaml_check_keys(l->tree, at, "groups", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "group", &out->group, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "from", &out->from_claim, err)) <
		0 ||
	    (rc = yaml_take_text(l->tree, at, "prefix", &out->prefix, err)) <
		0 ||
	    (rc = config_take_globs(l, at, "only", &out->only, err)) < 0 ||
	    (rc = config_take_claim_rules(l, at, "when", &out->when,
		 &out->n_when, err)) < 0)
		return rc;
	if ((out->group != NULL) == (out->from_claim != NULL))
		return yaml_fail(l->tree, at, err,
		    "groups: each has either group (with when) or from");
	if (out->group != NULL && (out->prefix != NULL || out->only.n > 0))
		return yaml_fail(l->tree, at, err,
		    "groups: prefix and only go with from");
	return 0;
}

int
config_take_group_rules(const struct loading *l, const struct yaml_node *map,
    const char *name, struct group_rule **out, size_t *n, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST)
		return yaml_fail(l->tree, at, err, "%s must be a list", name);
	if (at->n > 0 && (*out = calloc(at->n, sizeof(**out))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", name);
	for (size_t i = 0; i < at->n; i++) {
		int rc = take_group(l, &at->item[i], &(*out)[(*n)++], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Of public keys all: "none" and shared secrets are not to be had. */
static const char *const jws_algorithms[] = { "RS256", "RS384", "RS512",
	"PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA" };
static const char *const jws_defaults[] = { "RS256", "PS256", "ES256", "ES384",
	"EdDSA" };

int
config_take_algorithms(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc = yaml_take_list(l->tree, map, name, out, err);

	for (size_t i = 0; rc == 0 && i < out->n; i++) {
		bool known = false;

		for (size_t k = 0; k < GG_COUNT(jws_algorithms); k++)
			known = known ||
			    strcmp(out->v[i], jws_algorithms[k]) == 0;
		if (!known)
			return yaml_fail(l->tree, &at->item[i], err,
			    "%s: \"%.20s\" is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
			    name, out->v[i]);
	}
	if (rc == 0 && at != NULL && out->n == 0)
		return yaml_fail(l->tree, at, err,
		    "%s: an empty list accepts nothing", name);
	for (size_t k = 0; rc == 0 && at == NULL && k < GG_COUNT(jws_defaults);
	     k++)
		strv_add(out, jws_defaults[k]);
	return rc;
}
