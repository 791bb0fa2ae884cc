#include "saml/shape.h"

#include <stdlib.h>

/* XML Signature, XML Encryption and RFC 4051 name them. RSA with SHA-2 only
 * (liblasso 2.8 has no ECDSA); a MAC would make the public key the secret. */
static const char *const signature_methods[] = {
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
	NULL,
};
static const char *const digest_methods[] = {
	"http://www.w3.org/2001/04/xmlenc#sha256",
	"http://www.w3.org/2001/04/xmldsig-more#sha384",
	"http://www.w3.org/2001/04/xmlenc#sha512",
	NULL,
};
static const char *const canonicalisations[] = { NS_EXC_C14N, NULL };

static int
check_algorithm(const xmlNode *n, const char *const *allowed, const char *what,
    struct gg_error *err)
{
	GG_AUTO_MEM char *alg = n != NULL ? xml_attr(n, "Algorithm") : NULL;
	const char *tail;

	for (size_t i = 0; alg != NULL && allowed[i] != NULL; i++)
		if (strcmp(alg, allowed[i]) == 0)
			return 0;
	if (alg == NULL)
		return gg_fail(err, GG_E_REFUSED, "the signature names no %s",
		    what);
	tail = strpbrk(alg, "#") != NULL ? strrchr(alg, '#') + 1 : alg;
	return gg_fail(err, GG_E_REFUSED,
	    "the signature's %s %.40s is not accepted (RSA with SHA-256 or better is)",
	    what, tail);
}

/* No more than the children named, in that order; a name that ends with '?'
 * may be missing. */
static bool
children_are(const xmlNode *parent, const char *const *names)
{
	xmlNode *n = xml_next(parent, NULL);

	for (; *names != NULL; names++) {
		size_t len = strcspn(*names, "?");
		char name[40] = "";

		memcpy(name, *names, len < sizeof(name) ? len : 0);
		if (xml_is(n, NS_DSIG, name))
			n = xml_next(parent, n);
		else if ((*names)[len] != '?')
			return false;
	}
	return n == NULL;
}

/* Enveloped signature once, exclusive canonicalisation at most once. */
static int
check_transforms(const xmlNode *transforms, struct gg_error *err)
{
	unsigned enveloped = 0, exclusive = 0, other = 0;

	for (xmlNode *t = xml_next(transforms, NULL); t != NULL;
	     t = xml_next(transforms, t)) {
		xmlNode *inside = xml_next(t, NULL);

		if (!xml_is(t, NS_DSIG, "Transform"))
			other++;
		else if (xml_attr_is(t, "Algorithm",
			     NS_DSIG "enveloped-signature") &&
		    inside == NULL)
			enveloped++;
		else if (xml_attr_is(t, "Algorithm", NS_EXC_C14N) &&
		    (inside == NULL ||
			(xml_is(inside, NS_EXC_C14N, "InclusiveNamespaces") &&
			    xml_next(t, inside) == NULL &&
			    xml_next(inside, NULL) == NULL)))
			exclusive++;
		else
			other++;
	}
	if (enveloped != 1 || exclusive > 1 || other > 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the signature has transforms other than "
		    "enveloped-signature and exclusive canonicalisation");
	return 0;
}

/* The whole of its parent, and nothing else, is what it is about. */
static int
check_reference(const xmlNode *reference, const xmlNode *parent,
    struct gg_error *err)
{
	static const char *const parts[] = { "Transforms", "DigestMethod",
		"DigestValue", NULL };
	GG_AUTO_MEM char *uri = xml_attr(reference, "URI");
	GG_AUTO_MEM char *id = xml_attr(parent, "ID");
	int rc;

	if (!children_are(reference, parts))
		return gg_fail(err, GG_E_REFUSED,
		    "the signature's reference has an unusual form");
	if (uri == NULL || id == NULL || uri[0] != '#' ||
	    strcmp(uri + 1, id) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the signature is not about the element that it stands in");
	if ((rc = check_transforms(xml_next(reference, NULL), err)) != 0)
		return rc;
	return check_algorithm(xml_only(reference, NS_DSIG, "DigestMethod"),
	    digest_methods, "digest", err);
}

/* What canonicalisation drops could make two readers see two values. */
static bool
has_asides(const xmlNode *sig)
{
	for (const xmlNode *n = sig; n != NULL; n = xml_walk(sig, n))
		for (const xmlNode *c = n->children; c != NULL; c = c->next)
			if (c->type != XML_ELEMENT_NODE &&
			    c->type != XML_TEXT_NODE)
				return true;
	return false;
}

/* It is never used; what makes a library fetch or look up is refused. */
static bool
key_info_is_plain(const xmlNode *info)
{
	for (xmlNode *n = xml_next(info, NULL); n != NULL;
	     n = xml_next(info, n))
		if (!xml_is(n, NS_DSIG, "X509Data") &&
		    !xml_is(n, NS_DSIG, "KeyName") &&
		    !xml_is(n, NS_DSIG, "KeyValue"))
			return false;
	return true;
}

static int
check_signature(const xmlNode *sig, struct gg_error *err)
{
	static const char *const parts[] = { "SignedInfo", "SignatureValue",
		"KeyInfo?", NULL };
	static const char *const signed_parts[] = { "CanonicalizationMethod",
		"SignatureMethod", "Reference", NULL };
	xmlNode *info = xml_next(sig, NULL), *method;
	int rc;

	if (!children_are(sig, parts) || !children_are(info, signed_parts) ||
	    has_asides(sig))
		return gg_fail(err, GG_E_REFUSED,
		    "the signature has an unusual form (one reference, no "
		    "objects)");
	if (!key_info_is_plain(xml_only(sig, NS_DSIG, "KeyInfo")))
		return gg_fail(err, GG_E_REFUSED,
		    "the signature's KeyInfo points elsewhere");
	method = xml_only(info, NS_DSIG, "SignatureMethod");
	if ((rc = check_algorithm(xml_only(info, NS_DSIG,
				      "CanonicalizationMethod"),
		 canonicalisations, "canonicalisation", err)) != 0 ||
	    (rc = check_algorithm(method, signature_methods, "method", err)) !=
		0)
		return rc;
	if (xml_next(method, NULL) != NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "the signature's method has parameters");
	return check_reference(xml_only(info, NS_DSIG, "Reference"),
	    sig->parent, err);
}

/* -- the document -- */

struct census {
	unsigned responses, assertions, signatures;
	bool encrypted;
};

static bool
is_local(const xmlNode *n, const char *name)
{
	return strcmp((const char *)n->name, name) == 0;
}

static void
take_census(const xmlNode *root, struct census *c)
{
	for (const xmlNode *n = root; n != NULL; n = xml_walk(root, n)) {
		/* whatever its namespace: who else would be called that? */
		c->responses += is_local(n, "Response");
		c->assertions += is_local(n, "Assertion");
		c->signatures += is_local(n, "Signature");
		if (strncmp((const char *)n->name, "Encrypted", 9) == 0 ||
		    (n->ns != NULL && n->ns->href != NULL &&
			strcmp((const char *)n->ns->href, NS_XENC) == 0))
			c->encrypted = true;
	}
}

/* Attributes that some library takes for an id, whatever their namespace. */
static bool
is_id(const xmlAttr *a)
{
	return strcasecmp((const char *)a->name, "id") == 0 ||
	    strcasecmp((const char *)a->name, "AssertionID") == 0 ||
	    strcasecmp((const char *)a->name, "ResponseID") == 0;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each id names one element: *unique. */
static int
ids_are_unique(const xmlNode *root, bool *unique, struct gg_error *err)
{
	size_t n_ids = 0, at = 0;
	GG_AUTO_MEM const char **id = NULL;

	for (const xmlNode *n = root; n != NULL; n = xml_walk(root, n))
		for (const xmlAttr *a = n->properties; a != NULL; a = a->next)
			n_ids += is_id(a);
	if ((id = calloc(n_ids + 1, sizeof(*id))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "ids");
	*unique = true;
	for (const xmlNode *n = root; n != NULL; n = xml_walk(root, n)) {
		for (const xmlAttr *a = n->properties; a != NULL; a = a->next) {
			const xmlNode *v = a->children;

			if (!is_id(a))
				continue;
			/* in one piece, or it is none */
			if (v == NULL || v->next != NULL || v->content == NULL)
				*unique = false;
			else
				id[at++] = (const char *)v->content;
		}
	}
	n_ids = at;
	qsort(id, n_ids, sizeof(*id), by_text);
	for (size_t i = 1; i < n_ids; i++)
		if (strcmp(id[i - 1], id[i]) == 0)
			*unique = false;
	return 0;
}

static bool
is_version_2(const xmlNode *n)
{
	GG_AUTO_MEM char *id = xml_attr(n, "ID");

	return xml_attr_is(n, "Version", "2.0") && id != NULL &&
	    id[0] != '\0' && strlen(id) <= 256;
}

static int
check_counts(const struct census *c, struct gg_error *err)
{
	if (c->encrypted)
		return gg_fail(err, GG_E_REFUSED,
		    "something in the response is encrypted, which gitgate "
		    "cannot read: switch encryption of assertions off at the "
		    "identity provider");
	if (c->responses != 1 || c->assertions != 1)
		return gg_fail(err, GG_E_REFUSED,
		    "the response has %u assertions, and exactly one is "
		    "accepted",
		    c->assertions);
	if (c->signatures == 0)
		return gg_fail(err, GG_E_REFUSED, "the response is not signed");
	return 0;
}

/* A failure of the provider has no assertion: say what it said. */
static int
check_status(const xmlNode *response, struct gg_error *err)
{
	xmlNode *status = xml_only(response, NS_PROTOCOL, "Status");
	xmlNode *code = status != NULL ?
	    xml_only(status, NS_PROTOCOL, "StatusCode") :
	    NULL;
	xmlNode *inner = code != NULL ?
	    xml_only(code, NS_PROTOCOL, "StatusCode") :
	    NULL;
	GG_AUTO_MEM char *value = code != NULL ? xml_attr(code, "Value") : NULL;
	GG_AUTO_MEM char *more = inner != NULL ? xml_attr(inner, "Value") :
						 NULL;
	const char *word = more != NULL ? more : value;

	if (value == NULL)
		return gg_fail(err, GG_E_REFUSED, "the response has no status");
	if (strcmp(value, "urn:oasis:names:tc:SAML:2.0:status:Success") == 0)
		return 0;
	if (strrchr(word, ':') != NULL)
		word = strrchr(word, ':') + 1;
	return gg_fail(err, GG_E_REFUSED,
	    "the identity provider did not sign anybody in (status %.60s)",
	    word);
}

int
shape_check(const struct xml *x, struct shape *out, struct gg_error *err)
{
	xmlNode *root = xmlDocGetRootElement(x->doc);
	struct census c = { 0 };
	bool unique = false;
	int rc;

	*out = (struct shape){ .response = root };
	if (!xml_is(root, NS_PROTOCOL, "Response"))
		return gg_fail(err, GG_E_REFUSED, "it is not a SAML response");
	if ((rc = check_status(root, err)) != 0)
		return rc;
	take_census(root, &c);
	if ((rc = check_counts(&c, err)) != 0 ||
	    (rc = ids_are_unique(root, &unique, err)) != 0)
		return rc;
	out->assertion = xml_only(root, NS_ASSERTION, "Assertion");
	if (!unique || out->assertion == NULL || !is_version_2(root) ||
	    !is_version_2(out->assertion))
		return gg_fail(err, GG_E_REFUSED,
		    "the response is not built as SAML 2.0 asks (ids, version, "
		    "place of the assertion)");
	out->response_signature = xml_only(root, NS_DSIG, "Signature");
	out->assertion_signature = xml_only(out->assertion, NS_DSIG,
	    "Signature");
	if (c.signatures !=
	    (unsigned)(out->response_signature != NULL) +
		(unsigned)(out->assertion_signature != NULL))
		return gg_fail(err, GG_E_REFUSED,
		    "there is a signature where none belongs");
	if (out->response_signature != NULL &&
	    (rc = check_signature(out->response_signature, err)) != 0)
		return rc;
	return out->assertion_signature != NULL ?
	    check_signature(out->assertion_signature, err) :
	    0;
}
