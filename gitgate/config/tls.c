/* `tls:` and `identity: client-certificates:`. */
#include "config/internal.h"

#include "base/fd.h"
#include "config/issuer_profile.h"
#include "config/template.h"

#include <stdlib.h>
#include <strings.h>

/* -- client-certificates -- */

/* What a certificate's owner proves; the others only narrow it. */
static const char *const proving[] = { "spiffe", "spiffe-path", "dns", "email",
	"spki", NULL };
static const char *const narrowing[] = { "spiffe-domain", "serial", "issuer",
	NULL };

static bool
is_among(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

static int
check_claims(const struct loading *l, const struct yaml_node *at,
    const struct claim_rule *rules, size_t n, bool *proves,
    struct gg_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (is_among(rules[i].claim, proving))
			*proves = true;
		else if (!is_among(rules[i].claim, narrowing))
			return yaml_fail(l->tree, at, err,
			    "client-certificates: a certificate has no \"%.60s\"; there are spiffe, spiffe-domain, spiffe-path, dns, email, spki, serial and issuer",
			    rules[i].claim);
	}
	return 0;
}

static int
take_certificate_rule(const struct loading *l, const struct yaml_node *at,
    struct certificate_rule *r, struct gg_error *err)
{
	static const char *const keys[] = { "require", "principal", "groups",
		NULL };
	bool proves = false, ignored = false;
	int rc;

	r->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "client-certificates", keys,
		 err)) < 0 ||
	    (rc = config_take_claim_rules(l, at, "require", &r->require,
		 &r->n_require, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "principal", &r->principal,
		 err)) < 0 ||
	    (rc = config_take_group_rules(l, at, "groups", &r->groups,
		 &r->n_groups, err)) < 0 ||
	    (rc = check_claims(l, at, r->require, r->n_require, &proves, err)) <
		0)
		return rc;
	for (size_t i = 0; i < r->n_groups; i++)
		if ((rc = check_claims(l, at, r->groups[i].when,
			 r->groups[i].n_when, &ignored, err)) < 0)
			return rc;
	if (r->principal == NULL)
		return yaml_fail(l->tree, at, err,
		    "client-certificates: principal is missing");
	if (template_check(r->principal, err) != 0)
		return yaml_fail_wrap(l->tree, at, err,
		    "client-certificates: principal");
	if (!proves)
		return yaml_fail(l->tree, at, err,
		    "client-certificates: require needs one of spiffe, spiffe-path, dns, email and spki");
	return 0;
}

/* A machine has no name that a provider's person or an issuer's job may have.
 * A name of the certificate alone is what its CA says. */
static int
check_name(const struct loading *l, const struct yaml_node *at,
    const struct certificate_rule *r, struct gg_error *err)
{
	const struct identity *id = &l->conf->identity;
	struct view ours = view_of(r->principal, strcspn(r->principal, "{"));

	if (ours.n == 0)
		return 0;
	for (size_t i = 0; i < id->n_providers; i++) {
		GG_AUTO_MEM char *people = path_f("%s:", id->providers[i].name);

		if (name_prefixes_meet(ours, view_str(people)))
			return yaml_fail(l->tree, at, err,
			    "client-certificates: principal may be a name of provider %s's people: begin it with a text of its own",
			    id->providers[i].name);
	}
	for (size_t i = 0; i < id->n_issuers; i++)
		if (name_prefixes_meet(ours,
			issuer_name_prefix(&id->issuers[i])))
			return yaml_fail(l->tree, at, err,
			    "client-certificates: principal may be a name of issuer %s's jobs: begin it with a text of its own",
			    id->issuers[i].name);
	return 0;
}

int
config_take_certificates(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct identity *id = &l->conf->identity;
	int rc = 0;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST)
		return yaml_fail(l->tree, at, err,
		    "client-certificates must be a list of rules");
	if (at->n == 0)
		return 0;
	id->certificates = calloc(at->n, sizeof(*id->certificates));
	if (id->certificates == NULL)
		return gg_fail(err, GG_E_NOMEM, "client-certificates");
	for (size_t i = 0; i < at->n && rc == 0; i++) {
		struct certificate_rule *r =
		    &id->certificates[id->n_certificates++];

		rc = take_certificate_rule(l, &at->item[i], r, err);
		if (rc == 0)
			rc = check_name(l, &at->item[i], r, err);
	}
	return rc;
}

/* -- tls -- */

static int
take_crls(const struct loading *l, const struct yaml_node *map,
    struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, "client-crl");
	int rc = yaml_take_list(l->tree, map, "client-crl", out, err);

	for (size_t i = 0; rc == 0 && at != NULL && i < out->n; i++)
		rc = config_expand_path(l, &at->item[i], &out->v[i], err);
	return rc;
}

int
config_take_tls(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "certificate", "key", "client-ca",
		"client-crl", "client-certificate-header", NULL };
	struct tls *t = &l->conf->tls;
	int rc;

	if (at == NULL)
		return 0;
	t->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "tls", keys, err)) < 0 ||
	    (rc = config_take_path(l, at, "certificate", &t->certificate_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "key", &t->key_file, err)) < 0 ||
	    (rc = config_take_path(l, at, "client-ca", &t->client_ca_file,
		 err)) < 0 ||
	    (rc = take_crls(l, at, &t->client_crl_files, err)) < 0)
		return rc;
	return yaml_take_bool(l->tree, at, "client-certificate-header",
	    &t->client_certificate_header, err);
}

/* -- what fits what -- */

/* Why the section makes no sense, or NULL. */
static const char *
complaint(const struct config *c)
{
	const struct tls *t = &c->tls;
	bool header = t->client_certificate_header;

	if ((t->certificate_file == NULL) != (t->key_file == NULL))
		return "certificate and key belong together: one is missing";
	if (t->certificate_file == NULL && !header)
		return "certificate and key are missing; a gate behind a proxy that does TLS needs no tls section";
	if (t->certificate_file != NULL &&
	    strncasecmp(c->public_url, "https://", 8) != 0)
		return "with a certificate, public-url must begin with https://";
	if (t->client_crl_files.n > 0 && t->client_ca_file == NULL)
		return "client-crl needs client-ca";
	if (header && t->client_ca_file == NULL)
		return "client-certificate-header needs client-ca";
	if (header && c->trusted_proxies.n == 0)
		return "client-certificate-header needs trusted-proxies: from others the header is ignored";
	return NULL;
}

int
config_check_tls(const struct loading *l, struct gg_error *err)
{
	const struct config *c = l->conf;
	const struct yaml_node at = { .line = c->tls.line };
	GG_AUTO_RELEASE(strv) dirs = { 0 };
	const char *why;

	if (c->identity.n_certificates > 0 && c->tls.client_ca_file == NULL) {
		const struct yaml_node rule = {
			.line = c->identity.certificates[0].line,
		};

		return yaml_fail(l->tree, &rule, err,
		    "client-certificates needs tls: client-ca");
	}
	if (c->tls.line == 0)
		return 0;
	if ((why = complaint(c)) != NULL)
		return yaml_fail(l->tree, &at, err, "tls: %s", why);
	if (config_tls_dirs(c, &dirs, err) == GG_E_INPUT)
		return yaml_fail_wrap(l->tree, &at, err, "tls");
	return strv_check(&dirs, err);
}

/* -- directories -- */

static char *
parent_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (slash == NULL || slash == file)
		return path_f("/");
	return path_f("%.*s", (int)(slash - file), file);
}

static int
add_dir(const struct config *c, const char *file, struct strv *out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = parent_of(file);
	const char *secret;

	if (strv_has(out, dir))
		return 0;
	if (strchr(dir + 1, '/') == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "%s: the gate may read the whole directory that the file is in, and %s is too much: use a directory like /etc/gitgate/tls",
		    file, dir);
	if ((secret = config_secret_within(c, dir)) != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "%s: the gate may read the whole directory that the file is in, and it must not read %s: use a directory of its own like /etc/gitgate/tls",
		    file, secret);
	strv_add(out, dir);
	return 0;
}

static int
add_dirs(const struct config *c, const char *file, struct strv *out,
    struct gg_error *err)
{
	GG_AUTO_MEM char *real = NULL;
	int rc;

	if (file == NULL)
		return 0;
	if ((rc = add_dir(c, file, out, err)) != 0)
		return rc;
	real = realpath(file, NULL);
	return real == NULL ? 0 : add_dir(c, real, out, err);
}

int
config_tls_dirs(const struct config *c, struct strv *out, struct gg_error *err)
{
	const struct tls *t = &c->tls;
	int rc;

	if ((rc = add_dirs(c, t->certificate_file, out, err)) != 0 ||
	    (rc = add_dirs(c, t->key_file, out, err)) != 0 ||
	    (rc = add_dirs(c, t->client_ca_file, out, err)) != 0)
		return rc;
	for (size_t i = 0; i < t->client_crl_files.n && rc == 0; i++)
		rc = add_dirs(c, t->client_crl_files.v[i], out, err);
	return rc != 0 ? rc : strv_check(out, err);
}
