#include "saml/idp.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/certificate.h"
#include "saml/saml.h"

#include <stdlib.h>

#define CERTIFICATE_MAX_BYTES 16384

void
idp_release(struct idp *i)
{
	for (size_t k = 0; k < i->n_keys; k++)
		buf_release(&i->key[k]);
	i->n_keys = 0;
	free(i->entity_id);
	free(i->sso_url);
	i->entity_id = i->sso_url = NULL;
	xml_release(&i->xml);
}

/* base64 with white space in it. */
static int
decode_loose(struct view v, struct buf *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) tight = BUF_INIT(v.n + 1);

	for (size_t i = 0; i < v.n; i++)
		if (!xml_is_space(v.p[i]))
			buf_addc(&tight, v.p[i]);
	return base64_decode(out, buf_view(&tight), err);
}

static int
take_certificate(struct idp *out, const xmlNode *cert, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(2 * CERTIFICATE_MAX_BYTES);
	struct buf *der = &out->key[out->n_keys];

	buf_init(der, CERTIFICATE_MAX_BYTES);
	out->n_keys++;
	if (!xml_text(cert, &text) ||
	    decode_loose(buf_view(&text), der, NULL) != 0 || der->n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "its metadata has a certificate that cannot be read");
	if (certificate_check_rsa(buf_view(der), err) != 0)
		return gg_wrap(err, GG_E_INPUT, "its metadata has");
	return 0;
}

static int
take_keys(struct idp *out, const xmlNode *role, struct gg_error *err)
{
	int rc = 0;

	for (xmlNode *kd =
		 xml_next_named(role, NULL, NS_METADATA, "KeyDescriptor");
	     kd != NULL && rc == 0;
	     kd = xml_next_named(role, kd, NS_METADATA, "KeyDescriptor")) {
		xmlNode *info = xml_only(kd, NS_DSIG, "KeyInfo");
		xmlNode *data = info != NULL ?
		    xml_only(info, NS_DSIG, "X509Data") :
		    NULL;
		xmlNode *cert = data != NULL ?
		    xml_only(data, NS_DSIG, "X509Certificate") :
		    NULL;

		if (xml_attr_is(kd, "use", "encryption"))
			continue;
		if (cert == NULL)
			return gg_fail(err, GG_E_INPUT,
			    "its metadata has a key without a certificate");
		if (out->n_keys == IDP_KEYS_MAX)
			return gg_fail(err, GG_E_INPUT,
			    "its metadata has more than %d keys", IDP_KEYS_MAX);
		rc = take_certificate(out, cert, err);
	}
	if (rc == 0 && out->n_keys == 0)
		rc = gg_fail(err, GG_E_INPUT,
		    "its metadata has no certificate for signing");
	return rc;
}

static void
take_url(struct idp *out, const xmlNode *role)
{
	for (xmlNode *s =
		 xml_next_named(role, NULL, NS_METADATA, "SingleSignOnService");
	     s != NULL && out->sso_url == NULL;
	     s = xml_next_named(role, s, NS_METADATA, "SingleSignOnService"))
		if (xml_attr_is(s, "Binding",
			"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"))
			out->sso_url = xml_attr(s, "Location");
}

static int
check_age(const xmlNode *root, int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_MEM char *until = xml_attr(root, "validUntil");
	int64_t end;

	if (until == NULL)
		return 0;
	if (clock_parse(view_str(until), &end, NULL) != 0 || end <= now_ms)
		return gg_fail(err, GG_E_INPUT,
		    "its metadata is too old (validUntil has passed): fetch it "
		    "anew");
	return 0;
}

int
idp_read(struct view metadata, int64_t now_ms, struct idp *out,
    struct gg_error *err)
{
	const xmlNode *root, *role;
	int rc;

	if (metadata.n > SAML_METADATA_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "its metadata is too large");
	if (xml_read(metadata, "its metadata", &out->xml, err) != 0) {
		if (err != NULL)
			err->code = GG_E_INPUT;
		return GG_E_INPUT;
	}
	root = xmlDocGetRootElement(out->xml.doc);
	if (!xml_is(root, NS_METADATA, "EntityDescriptor"))
		return gg_fail(err, GG_E_INPUT,
		    "its metadata must have one EntityDescriptor as its root");
	role = xml_only(root, NS_METADATA, "IDPSSODescriptor");
	out->entity_id = xml_attr(root, "entityID");
	if (role == NULL || out->entity_id == NULL || out->entity_id[0] == '\0')
		return gg_fail(err, GG_E_INPUT,
		    "its metadata describes no identity provider "
		    "(entityID, IDPSSODescriptor)");
	if ((rc = check_age(root, now_ms, err)) != 0 ||
	    (rc = take_keys(out, role, err)) != 0)
		return rc;
	take_url(out, role);
	return 0;
}
