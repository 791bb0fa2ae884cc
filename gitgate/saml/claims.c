#include "saml/claims.h"

#include "saml/saml.h"

#include <stdlib.h>

#define VALUE_MAX_BYTES 65536
#define FORMAT_UNSPECIFIED \
	"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

/* json_decref() by scope. */
static void
drop(json_t **j)
{
	json_decref(*j);
}

static int
take_values(json_t *list, const xmlNode *attribute, unsigned *n_values,
    struct gg_error *err)
{
	for (xmlNode *v = xml_next(attribute, NULL); v != NULL;
	     v = xml_next(attribute, v)) {
		GG_AUTO_RELEASE(buf) text = BUF_INIT(VALUE_MAX_BYTES);

		if (++*n_values > SAML_VALUES_MAX)
			return gg_fail(err, GG_E_LIMIT,
			    "the assertion has more than %d values",
			    SAML_VALUES_MAX);
		/* One with structure is none that a rule could compare. */
		if (!xml_is(v, NS_ASSERTION, "AttributeValue") ||
		    !xml_text(v, &text))
			continue;
		if (json_array_append_new(list,
			json_stringn(buf_str(&text), text.n)) != 0)
			return gg_fail(err, GG_E_NOMEM, "attributes");
	}
	return 0;
}

static int
take_attribute(json_t *all, const xmlNode *attribute, unsigned *n_values,
    struct gg_error *err)
{
	GG_AUTO_MEM char *name = xml_attr(attribute, "Name");
	json_t *list;

	if (name == NULL || name[0] == '\0' || strlen(name) > SAML_ID_MAX_BYTES)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has an attribute without a usable name");
	if ((list = json_object_get(all, name)) == NULL) {
		if (json_object_size(all) == SAML_ATTRIBUTES_MAX)
			return gg_fail(err, GG_E_LIMIT,
			    "the assertion has more than %d attributes",
			    SAML_ATTRIBUTES_MAX);
		list = json_array();
		if (json_object_set_new(all, name, list) != 0)
			return gg_fail(err, GG_E_NOMEM, "attributes");
	}
	return take_values(list, attribute, n_values, err);
}

static int
take_attributes(json_t *all, const xmlNode *assertion, struct gg_error *err)
{
	unsigned n_values = 0;

	for (xmlNode *st = xml_next_named(assertion, NULL, NS_ASSERTION,
		 "AttributeStatement");
	     st != NULL; st = xml_next_named(assertion, st, NS_ASSERTION,
			     "AttributeStatement")) {
		for (xmlNode *a =
			 xml_next_named(st, NULL, NS_ASSERTION, "Attribute");
		     a != NULL;
		     a = xml_next_named(st, a, NS_ASSERTION, "Attribute")) {
			int rc = take_attribute(all, a, &n_values, err);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int
take_text(json_t *o, const char *key, const xmlNode *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SAML_ID_MAX_BYTES);

	if (n == NULL || !xml_text(n, &text) || text.n == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the assertion has not exactly one usable %s", key);
	return json_object_set_new(o, key,
		   json_stringn(buf_str(&text), text.n)) == 0 ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "%s", key);
}

static int
take_attr(json_t *o, const char *key, const xmlNode *n, const char *name,
    const char *fallback, struct gg_error *err)
{
	GG_AUTO_MEM char *v = xml_attr(n, name);

	if (v != NULL && strlen(v) > SAML_ID_MAX_BYTES)
		return gg_fail(err, GG_E_REFUSED, "%s is too long", name);
	return json_object_set_new(o, key,
		   json_string(v != NULL ? v : fallback)) == 0 ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "%s", key);
}

int
claims_of(const struct shape *s, json_t **out, struct gg_error *err)
{
	__attribute__((cleanup(drop))) json_t *o = json_object();
	json_t *attributes = json_object();
	const xmlNode *subject = xml_only(s->assertion, NS_ASSERTION,
	    "Subject");
	const xmlNode *name = subject != NULL ?
	    xml_only(subject, NS_ASSERTION, "NameID") :
	    NULL;
	const xmlNode *authn = xml_only(s->assertion, NS_ASSERTION,
	    "AuthnStatement");
	int rc;

	if (json_object_set_new(o, "attributes", attributes) != 0)
		return gg_fail(err, GG_E_NOMEM, "attributes");
	if ((rc = take_text(o, "name_id", name, err)) != 0 ||
	    (rc = take_text(o, "issuer",
		 xml_only(s->assertion, NS_ASSERTION, "Issuer"), err)) != 0 ||
	    (rc = take_attr(o, "name_id_format", name, "Format",
		 FORMAT_UNSPECIFIED, err)) != 0 ||
	    (rc = take_attr(o, "assertion_id", s->assertion, "ID", "", err)) !=
		0 ||
	    (rc = take_attr(o, "in_response_to", s->response, "InResponseTo",
		 "", err)) != 0 ||
	    (authn != NULL &&
		((rc = take_attr(o, "session_index", authn, "SessionIndex", "",
		      err)) != 0 ||
		    (rc = take_attr(o, "authn_instant", authn, "AuthnInstant",
			 "", err)) != 0)) ||
	    (rc = take_attributes(attributes, s->assertion, err)) != 0)
		return rc;
	*out = o;
	o = NULL;
	return 0;
}
