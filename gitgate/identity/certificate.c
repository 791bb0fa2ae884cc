#include "identity/certificate.h"

#include "base/text.h"
#include "identity/id_token.h"

#include <string.h>

/* Both headers together; a header is smaller anyway. */
#define CHAIN_MAX_BYTES ((size_t)64 * 1024)
/* Of the public key's digest, as the credential's id. */
#define SPKI_ID_CHARS 16

/* -- claims -- */

static bool
is_in(char c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr(more, c) != NULL);
}

bool
spiffe_split(const char *uri, struct view *domain, struct view *path)
{
	struct view rest = view_str(uri), part;
	static const char scheme[] = "spiffe://";

	if (!view_has_prefix(rest, scheme))
		return false;
	view_skip(&rest, sizeof(scheme) - 1);
	*path = view_of("", 0);
	if (view_cut(&rest, '/', domain))
		*path = rest;
	else
		*domain = rest;
	if (domain->n == 0 || domain->n > 255 ||
	    (path->n == 0 && uri[strlen(uri) - 1] == '/'))
		return false;
	for (size_t i = 0; i < domain->n; i++)
		if (!is_in(domain->p[i], ".-_"))
			return false;
	for (rest = *path; rest.n > 0;) {
		if (!view_cut(&rest, '/', &part)) {
			part = rest;
			rest.n = 0;
		} else if (rest.n == 0) {
			return false;
		}
		if (part.n == 0 || view_eq_str(part, ".") ||
		    view_eq_str(part, ".."))
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (!is_in(part.p[i], ".-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
				return false;
	}
	return true;
}

static int
add_spiffe(json_t *o, const struct x509_client *c, struct gg_error *err)
{
	struct view domain, path;
	const char *id = NULL;

	for (size_t i = 0; i < c->uris.n; i++)
		if (strncasecmp(c->uris.v[i], "spiffe:", 7) == 0)
			id = c->uris.v[i];
	if (id == NULL)
		return 0;
	/* X509-SVID 2: exactly one URI. */
	if (c->uris.n != 1 || !spiffe_split(id, &domain, &path))
		return gg_fail(err, GG_E_REFUSED,
		    "client certificate refused: its SPIFFE ID is malformed or "
		    "not its only URI");
	if (json_object_set_new(o, "spiffe", json_string(id)) != 0 ||
	    json_object_set_new(o, "spiffe-domain",
		json_stringn(domain.p, domain.n)) != 0 ||
	    (path.n > 0 &&
		json_object_set_new(o, "spiffe-path",
		    json_stringn(path.p, path.n)) != 0))
		return gg_fail(err, GG_E_NOMEM, "certificate");
	return 0;
}

/* One as text, several as list. */
static int
add_names(json_t *o, const char *name, const struct strv *values,
    struct gg_error *err)
{
	json_t *all;

	if (values->n == 0)
		return 0;
	if (values->n == 1) {
		all = json_string(values->v[0]);
	} else {
		all = json_array();
		for (size_t i = 0; i < values->n; i++)
			if (json_array_append_new(all,
				json_string(values->v[i])) != 0)
				break;
	}
	if (json_object_set_new(o, name, all) != 0)
		return gg_fail(err, GG_E_NOMEM, "certificate");
	return 0;
}

/* A wildcard says where a server may stand, not who somebody is. */
static int
add_dns(json_t *o, const struct x509_client *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = { 0 };

	for (size_t i = 0; i < c->dns.n; i++) {
		if (strchr(c->dns.v[i], '*') != NULL)
			continue;
		strv_add(&names, c->dns.v[i]);
		for (char *p = names.n > 0 ? names.v[names.n - 1] : NULL;
		     p != NULL && *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
	}
	if (strv_check(&names, err) != 0)
		return GG_E_NOMEM;
	return add_names(o, "dns", &names, err);
}

int
certificate_claims(const struct x509_client *c, json_t **out,
    struct gg_error *err)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "spki", c->spki, "serial",
	    c->serial, "issuer", c->issuer);
	int rc;

	if (o == NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "client certificate refused: it is malformed");
	if ((rc = add_spiffe(o, c, err)) != 0 ||
	    (rc = add_dns(o, c, err)) != 0 ||
	    (rc = add_names(o, "email", &c->emails, err)) != 0) {
		json_decref(o);
		return rc;
	}
	*out = o;
	return 0;
}

/* -- rules -- */

static int
fill(const struct certificate_rule *r, const struct x509_client *c,
    const json_t *claims, struct principal *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(principal) p = { .method = AUTH_CERTIFICATE };
	json_t *verified;
	int rc = claims_fill(r->principal, claims, &p.name, err);

	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_REFUSED,
		    "client certificate refused: it lacks a name that its "
		    "rule's principal is made of");
	if (rc != 0)
		return gg_wrap(err, rc, "client certificate refused");
	if (!principal_name_is_valid(view_str(p.name)))
		return gg_fail(err, GG_E_REFUSED,
		    "client certificate refused: its rule gives no valid "
		    "name");
	if ((rc = claims_groups(claims, r->groups, r->n_groups, &p.groups,
		 err)) != 0)
		return rc;
	verified = json_pack("{s:s, s:s, s:s*}", "spki", c->spki, "serial",
	    c->serial, "spiffe",
	    json_string_value(json_object_get(claims, "spiffe")));
	p.verified = verified != NULL ? json_dumps(verified, JSON_COMPACT) :
					NULL;
	json_decref(verified);
	p.issuer = view_dup(view_str(c->issuer));
	p.subject = view_dup(view_str(c->spki));
	p.credential_id = view_dup(view_of(c->spki, SPKI_ID_CHARS));
	if (p.verified == NULL || p.issuer == NULL || p.subject == NULL ||
	    p.credential_id == NULL)
		return gg_fail(err, GG_E_NOMEM, "principal");
	principal_release(out);
	*out = p;
	p = (struct principal){ 0 };
	return 0;
}

int
certificate_principal(const struct certificate_rule *rules, size_t n,
    const struct x509_client *c, struct principal *out, struct gg_error *err)
{
	json_t *claims = NULL;
	const char *which;
	int rc = certificate_claims(c, &claims, err);

	if (rc != 0)
		return rc;
	rc = gg_fail(err, GG_E_NOTFOUND, "no rule is for this certificate");
	for (size_t i = 0; i < n; i++) {
		if (!claims_match(claims, rules[i].require, rules[i].n_require,
			&which))
			continue;
		rc = fill(&rules[i], c, claims, out, err);
		break;
	}
	json_decref(claims);
	return rc;
}

/* -- headers -- */

void
certificate_chain_release(struct certificate_chain *c)
{
	buf_release(&c->bytes);
	c->n = 0;
}

static void
trim(struct view *v)
{
	while (v->n > 0 && (v->p[0] == ' ' || v->p[0] == '\t'))
		view_skip(v, 1);
	while (v->n > 0 && (v->p[v->n - 1] == ' ' || v->p[v->n - 1] == '\t'))
		v->n--;
}

/* A Byte Sequence of RFC 8941, behind what was decoded before. */
static bool
add_item(struct certificate_chain *c, struct view v, size_t ends[])
{
	trim(&v);
	if (c->n >= X509_CHAIN_MAX || v.n < 3 || v.p[0] != ':' ||
	    v.p[v.n - 1] != ':' ||
	    base64_decode(&c->bytes, view_of(v.p + 1, v.n - 2), NULL) != 0 ||
	    c->bytes.failed != 0)
		return false;
	ends[c->n++] = c->bytes.n;
	return true;
}

int
certificate_header_parse(struct view leaf, struct view chain,
    struct certificate_chain *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(certificate_chain)
	c = {
		.bytes = BUF_INIT(CHAIN_MAX_BYTES),
	};
	size_t ends[X509_CHAIN_MAX];
	struct view item;
	bool ok = add_item(&c, leaf, ends);

	trim(&chain);
	while (ok && chain.n > 0) {
		if (!view_cut(&chain, ',', &item)) {
			item = chain;
			chain.n = 0;
		} else if (chain.n == 0) {
			ok = false;
		}
		ok = ok && add_item(&c, item, ends);
	}
	if (!ok)
		return gg_fail(err, GG_E_REFUSED,
		    "client certificate refused: the proxy's Client-Cert "
		    "header is malformed");
	for (size_t i = 0; i < c.n; i++)
		c.v[i] = view_of(c.bytes.p + (i > 0 ? ends[i - 1] : 0),
		    ends[i] - (i > 0 ? ends[i - 1] : 0));
	*out = c;
	c.bytes = (struct buf){ 0 };
	return 0;
}
