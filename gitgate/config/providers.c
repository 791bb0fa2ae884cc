/* `identity: providers:`: where people sign in. */
#include "config/internal.h"
#include "config/issuer_profile.h"
#include "config/template.h"

#include "base/fd.h"

#include <strings.h>

#define NAME_MAX_BYTES 32

/* What both kinds have, then each one's own. */
#define COMMON_KEYS \
	"name", "title", "kind", "principal", "email", "trust-email", "groups"
static const char *const oidc_keys[] = { COMMON_KEYS, "issuer", "client-id",
	"client-secret-file", "ca-file", "scopes", "algorithms", NULL };
static const char *const saml_keys[] = { COMMON_KEYS, "idp-metadata-file",
	"entity-id", "sp-key-file", "sp-certificate-file",
	"require-signed-response", "allow-idp-initiated", NULL };

/* It stands in paths and before names: [a-z0-9-], a letter or digit first. */
static bool
name_is_valid(const char *s)
{
	if (s == NULL || s[0] == '-' || s[0] == '\0' ||
	    strlen(s) > NAME_MAX_BYTES)
		return false;
	for (; *s != '\0'; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') &&
		    *s != '-')
			return false;
	return true;
}

static int
take_or(const struct loading *l, const struct yaml_node *at, const char *key,
    const char *otherwise, char **out, struct gg_error *err)
{
	*out = path_f("%s", otherwise);
	return yaml_take_text(l->tree, at, key, out, err);
}

static int
check_name(const struct loading *l, const struct yaml_node *at,
    const struct provider *p, struct gg_error *err)
{
	const struct identity *id = &l->conf->identity;
	GG_AUTO_MEM char *people = path_f("%s:", p->name);

	if (!name_is_valid(p->name))
		return yaml_fail(l->tree, at, err,
		    "providers: name must be 1 to %d of a-z, 0-9 and -",
		    NAME_MAX_BYTES);
	for (size_t i = 0; &id->providers[i] != p; i++)
		if (strcmp(id->providers[i].name, p->name) == 0)
			return yaml_fail(l->tree, at, err,
			    "providers: %s is there twice", p->name);
	for (size_t i = 0; i < id->n_issuers; i++) {
		if (name_prefixes_meet(issuer_name_prefix(&id->issuers[i]),
			view_str(people)))
			return yaml_fail(l->tree, at, err,
			    "providers: %s: its people would have names of the machines of issuer %s",
			    p->name, id->issuers[i].name);
	}
	return 0;
}

static int
check_template(const struct loading *l, const struct yaml_node *at,
    const struct provider *p, struct gg_error *err)
{
	if (template_check(p->principal, err) < 0)
		return yaml_fail_wrap(l->tree, yaml_get(at, "principal"), err,
		    "principal");
	return 0;
}

/* Groups are rights here: "admins" and "security" open a lot. */
static int
warn_of_groups(const struct loading *l, const struct yaml_node *at,
    const struct provider *p, struct gg_error *err)
{
	const struct yaml_node *list = yaml_get(at, "groups");

	for (size_t i = 0; i < p->n_groups; i++) {
		const struct group_rule *r = &p->groups[i];

		if (r->from_claim != NULL && r->prefix == NULL &&
		    r->only.n == 0)
			strv_addf(&l->conf->warnings,
			    "%s:%d: provider %s: whoever names groups there names them here, admins and security too: add a prefix, or list the names in `only`",
			    l->tree->file, list->item[i].line, p->name);
	}
	return strv_check(&l->conf->warnings, err);
}

static int
take_common(const struct loading *l, const struct yaml_node *at,
    struct provider *p, struct gg_error *err)
{
	int rc;

	if ((rc = yaml_take_text(l->tree, at, "name", &p->name, err)) < 0 ||
	    (rc = check_name(l, at, p, err)) < 0 ||
	    (rc = take_or(l, at, "title", p->name, &p->title, err)) < 0 ||
	    (rc = take_or(l, at, "principal",
		 p->kind == PROVIDER_OIDC ? "{preferred_username}" : "{NameID}",
		 &p->principal, err)) < 0 ||
	    (rc = check_template(l, at, p, err)) < 0 ||
	    (rc = take_or(l, at, "email", "email", &p->email_claim, err)) < 0)
		return rc;
	if ((rc = yaml_take_bool(l->tree, at, "trust-email", &p->trust_email,
		 err)) < 0)
		return rc;
	if ((rc = config_take_group_rules(l, at, "groups", &p->groups,
		 &p->n_groups, err)) < 0)
		return rc;
	return warn_of_groups(l, at, p, err);
}

/* An issuer is compared byte for byte and is where its discovery begins. */
static int
check_issuer(const struct loading *l, const struct yaml_node *at,
    const struct provider *p, struct gg_error *err)
{
	if (service_url_check(p->issuer, err) < 0 ||
	    strpbrk(p->issuer, "?#") != NULL)
		return yaml_fail(l->tree, yaml_get(at, "issuer"), err,
		    "issuer must be an https:// URL without query or fragment (http:// on this machine only)");
	return 0;
}

static int
take_oidc(const struct loading *l, const struct yaml_node *at,
    struct provider *p, struct gg_error *err)
{
	int rc;

	if ((rc = yaml_take_text(l->tree, at, "issuer", &p->issuer, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "client-id", &p->client_id,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "client-secret-file",
		 &p->client_secret_file, err)) < 0 ||
	    (rc = config_take_path(l, at, "ca-file", &p->ca_file, err)) < 0 ||
	    (rc = yaml_take_list(l->tree, at, "scopes", &p->scopes, err)) < 0)
		return rc;
	if (p->issuer == NULL || p->client_id == NULL)
		return yaml_fail(l->tree, at, err,
		    "providers: %s needs issuer and client-id", p->name);
	if ((rc = check_issuer(l, at, p, err)) < 0)
		return rc;
	if (p->scopes.n == 0)
		for (size_t i = 0; i < 3; i++)
			strv_add(&p->scopes,
			    (const char *[]){
				"openid", "email", "profile" }[i]);
	for (size_t i = 0; i < p->scopes.n; i++)
		if (strpbrk(p->scopes.v[i], " \"\\") != NULL)
			return yaml_fail(l->tree, yaml_get(at, "scopes"), err,
			    "scopes: one per item");
	if (!strv_has(&p->scopes, "openid"))
		return yaml_fail(l->tree, yaml_get(at, "scopes"), err,
		    "scopes: openid must be among them");
	return config_take_algorithms(l, at, "algorithms", &p->algorithms, err);
}

static int
take_saml(const struct loading *l, const struct yaml_node *at,
    struct provider *p, struct gg_error *err)
{
	int rc;

	p->entity_id = path_f("%s/-/saml/%s", l->conf->public_url, p->name);
	if ((rc = config_take_path(l, at, "idp-metadata-file",
		 &p->idp_metadata_file, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "entity-id", &p->entity_id,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "sp-key-file", &p->sp_key_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "sp-certificate-file",
		 &p->sp_certificate_file, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "require-signed-response",
		 &p->require_signed_response, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "allow-idp-initiated",
		 &p->allow_idp_initiated, err)) < 0)
		return rc;
	if (p->idp_metadata_file == NULL)
		return yaml_fail(l->tree, at, err,
		    "providers: %s needs idp-metadata-file", p->name);
	if ((p->sp_key_file == NULL) != (p->sp_certificate_file == NULL))
		return yaml_fail(l->tree, at, err,
		    "providers: sp-key-file and sp-certificate-file go together");
	return 0;
}

static int
take_provider(const struct loading *l, const struct yaml_node *at,
    struct provider *p, struct gg_error *err)
{
	static const char *const kinds[] = { "oidc", "saml", NULL };
	unsigned kind = 0;
	int rc;

	p->line = at->line;
	if (at->kind != NODE_MAP || yaml_get(at, "kind") == NULL)
		return yaml_fail(l->tree, at, err,
		    "providers: each is a map with name and kind (oidc or saml)");
	if ((rc = yaml_take_word(l->tree, at, "kind", kinds, &kind, err)) < 0)
		return rc;
	p->kind = kind == 0 ? PROVIDER_OIDC : PROVIDER_SAML;
	if ((rc = yaml_check_keys(l->tree, at, "providers",
		 p->kind == PROVIDER_OIDC ? oidc_keys : saml_keys, err)) < 0 ||
	    (rc = take_common(l, at, p, err)) < 0)
		return rc;
	rc = p->kind == PROVIDER_OIDC ? take_oidc(l, at, p, err) :
					take_saml(l, at, p, err);
	return rc;
}

int
config_take_providers(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct identity *id = &l->conf->identity;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST)
		return yaml_fail(l->tree, at, err, "providers must be a list");
	if (at->n > 0 &&
	    (id->providers = calloc(at->n, sizeof(*id->providers))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "providers");
	for (size_t i = 0; i < at->n; i++) {
		int rc = take_provider(l, &at->item[i],
		    &id->providers[id->n_providers++], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
