/*
 * SAML responses made and signed here: what an honest provider sends is
 * believed, and each way of being dishonest is refused for its own reason.
 */
#include "saml/saml.h"

#include "base/auto.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <libxml/parser.h>
#include <xmlsec/crypto.h>
#include <xmlsec/templates.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmltree.h>

#include <zlib.h>

#define IDP    "https://idp.example.com/metadata"
#define US     "https://gate.example.com/-/saml/corp"
#define ACS    "https://gate.example.com/-/saml/corp/acs"
#define REQ    "_0123456789abcdef"
#define NOW    ((int64_t)1795348800000) /* 2026-11-22T12:00:00Z */

#define RSA256 "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

enum key { OURS, THEIRS, SHORT, EC, N_KEYS };

static struct {
	EVP_PKEY *key;
	struct buf der;
} keys[N_KEYS];

/* -- making one -- */

struct make {
	const char *issuer, *response_issuer, *audience, *recipient,
	    *destination, *in_response_to, *confirmed, *not_before,
	    *not_on_or_after, *name_id, *status, *method, *attributes, *more,
	    *session_end;
	bool plain_response_signature; /* sign the Response */
	bool sign_assertion;
	enum key key;
	xmlSecTransformId (*sign)(void);
	xmlSecTransformId (*digest)(void);
	bool with_certificate; /* KeyInfo */
	bool no_audience, no_conditions_end;
};

static xmlSecTransformId
rsa_sha256(void)
{
	return xmlSecTransformRsaSha256Id;
}

static xmlSecTransformId
rsa_sha1(void)
{
	return xmlSecTransformRsaSha1Id;
}

static xmlSecTransformId
ecdsa_sha256(void)
{
	return xmlSecTransformEcdsaSha256Id;
}

static xmlSecTransformId
sha256(void)
{
	return xmlSecTransformSha256Id;
}

static xmlSecTransformId
sha1(void)
{
	return xmlSecTransformSha1Id;
}

static struct make
honest(void)
{
	return (struct make){
		.issuer = IDP,
		.response_issuer = IDP,
		.audience = US,
		.recipient = ACS,
		.destination = ACS,
		.in_response_to = REQ,
		.confirmed = REQ,
		.not_before = "2026-11-22T11:59:00Z",
		.not_on_or_after = "2026-11-22T12:05:00Z",
		.name_id = "alice",
		.status = "urn:oasis:names:tc:SAML:2.0:status:Success",
		.method = "urn:oasis:names:tc:SAML:2.0:cm:bearer",
		.attributes = "",
		.more = "",
		.sign_assertion = true,
		.key = OURS,
		.sign = rsa_sha256,
		.digest = sha256,
	};
}

static void
write_response(const struct make *m, struct buf *out)
{
	buf_addf(out,
	    "<samlp:Response "
	    "xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" "
	    "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" "
	    "ID=\"_response\" Version=\"2.0\" "
	    "IssueInstant=\"2026-11-22T12:00:00Z\" Destination=\"%s\" "
	    "InResponseTo=\"%s\"><saml:Issuer>%s</saml:Issuer>"
	    "<samlp:Status><samlp:StatusCode Value=\"%s\"/></samlp:Status>",
	    m->destination, m->in_response_to, m->response_issuer, m->status);
	buf_addf(out,
	    "<saml:Assertion ID=\"_assertion\" Version=\"2.0\" "
	    "IssueInstant=\"2026-11-22T12:00:00Z\">"
	    "<saml:Issuer>%s</saml:Issuer><saml:Subject>"
	    "<saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:"
	    "persistent\">%s</saml:NameID>"
	    "<saml:SubjectConfirmation Method=\"%s\">"
	    "<saml:SubjectConfirmationData InResponseTo=\"%s\" "
	    "NotOnOrAfter=\"%s\" Recipient=\"%s\"/></saml:SubjectConfirmation>"
	    "</saml:Subject>",
	    m->issuer, m->name_id, m->method, m->confirmed, m->not_on_or_after,
	    m->recipient);
	buf_addf(out, "<saml:Conditions NotBefore=\"%s\"", m->not_before);
	if (!m->no_conditions_end)
		buf_addf(out, " NotOnOrAfter=\"%s\"", m->not_on_or_after);
	buf_adds(out, ">");
	if (!m->no_audience)
		buf_addf(out,
		    "<saml:AudienceRestriction><saml:Audience>%s"
		    "</saml:Audience></saml:AudienceRestriction>",
		    m->audience);
	buf_adds(out,
	    "</saml:Conditions><saml:AuthnStatement "
	    "AuthnInstant=\"2026-11-22T12:00:00Z\" SessionIndex=\"s1\"");
	if (m->session_end != NULL)
		buf_addf(out, " SessionNotOnOrAfter=\"%s\"", m->session_end);
	buf_addf(out,
	    "><saml:AuthnContext><saml:AuthnContextClassRef>"
	    "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
	    "</saml:AuthnContextClassRef></saml:AuthnContext>"
	    "</saml:AuthnStatement>%s%s</saml:Assertion></samlp:Response>",
	    m->attributes, m->more);
}

static const xmlChar *
x(const char *s)
{
	return (const xmlChar *)s;
}

static xmlSecKey *
private_key(enum key k)
{
	BIO *b = BIO_new(BIO_s_mem());
	xmlSecKey *key;
	char *p;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(b, keys[k].key, NULL, NULL, 0,
			     NULL, NULL),
	    1);
	n = BIO_get_mem_data(b, &p);
	key = xmlSecCryptoAppKeyLoadMemory((const xmlSecByte *)p, (xmlSecSize)n,
	    xmlSecKeyDataFormatPem, NULL, NULL, NULL);
	BIO_free(b);
	assert_non_null(key);
	return key;
}

static void
add_certificate(xmlNode *sig, enum key k)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(8192);
	xmlNode *info = xmlSecTmplSignatureEnsureKeyInfo(sig, NULL);
	xmlNode *data = xmlNewChild(info, info->ns, x("X509Data"), NULL);

	base64_encode(&text, buf_view(&keys[k].der));
	xmlNewChild(data, info->ns, x("X509Certificate"), x(buf_str(&text)));
}

/* Sign the element and put the signature behind its Issuer. */
static void
sign_element(const struct make *m, xmlNode *element, const char *id)
{
	xmlSecDSigCtx *ctx = xmlSecDSigCtxCreate(NULL);
	GG_AUTO_MEM char *uri = path_f("#%s", id);
	xmlNode *sig = xmlSecTmplSignatureCreate(element->doc,
	    xmlSecTransformExclC14NId, m->sign(), NULL);
	xmlNode *ref = xmlSecTmplSignatureAddReference(sig, m->digest(), NULL,
	    x(uri), NULL);
	xmlNode *issuer = element->children;

	xmlSecTmplReferenceAddTransform(ref, xmlSecTransformEnvelopedId);
	xmlSecTmplReferenceAddTransform(ref, xmlSecTransformExclC14NId);
	if (m->with_certificate)
		add_certificate(sig, m->key);
	xmlAddNextSibling(issuer, sig);
	if (xmlGetID(element->doc, x(id)) == NULL)
		xmlAddID(NULL, element->doc, x(id),
		    xmlHasProp(element, x("ID")));
	ctx->signKey = private_key(m->key);
	assert_int_equal(xmlSecDSigCtxSign(ctx, sig), 0);
	xmlSecDSigCtxDestroy(ctx);
}

static xmlNode *
named_child(xmlNode *parent, const char *name)
{
	xmlNode *n = parent->children;

	while (n != NULL && strcmp((const char *)n->name, name) != 0)
		n = n->next;
	return n;
}

/* The response as XML text, malloc'ed. */
static char *
made(const struct make *m)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1 << 20);
	xmlDoc *doc;
	xmlNode *root;
	xmlChar *out = NULL;
	char *copy;
	int n;

	write_response(m, &text);
	doc = xmlReadMemory(text.p, (int)text.n, NULL, NULL, XML_PARSE_NONET);
	assert_non_null(doc);
	root = xmlDocGetRootElement(doc);
	if (m->sign_assertion)
		sign_element(m, named_child(root, "Assertion"), "_assertion");
	if (m->plain_response_signature)
		sign_element(m, root, "_response");
	xmlDocDumpMemory(doc, &out, &n);
	copy = strdup((const char *)out);
	xmlFree(out);
	xmlFreeDoc(doc);
	return copy;
}

static char *
metadata_of(const char *entity, enum key k, const char *more)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	buf_addf(&b,
	    "<?xml version=\"1.0\"?><md:EntityDescriptor "
	    "xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" "
	    "entityID=\"%s\" %s><md:IDPSSODescriptor "
	    "protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:"
	    "protocol\"><md:KeyDescriptor use=\"signing\"><ds:KeyInfo "
	    "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>"
	    "<ds:X509Certificate>\n",
	    entity, more);
	base64_encode(&b, buf_view(&keys[k].der));
	buf_adds(&b,
	    "\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
	    "</md:KeyDescriptor><md:SingleSignOnService "
	    "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" "
	    "Location=\"https://idp.example.com/sso?tenant=1&amp;x=y\"/>"
	    "</md:IDPSSODescriptor></md:EntityDescriptor>");
	return buf_take(&b);
}

/* -- asking -- */

struct ask {
	const char *request_id;
	int64_t now_ms;
	bool response_signed;
	const char *entity;
	enum key key;
	const char *metadata_more;
};
#define ASK                               \
	((struct ask){ .request_id = REQ, \
	    .now_ms = NOW,                \
	    .entity = IDP,                \
	    .key = OURS,                  \
	    .metadata_more = "" })

static int
ask(const struct ask *a, const char *xml, json_t **out, struct gg_error *err)
{
	GG_AUTO_MEM char *metadata = metadata_of(a->entity, a->key,
	    a->metadata_more);
	const struct saml_party party = { view_str(metadata), US, ACS };
	const struct saml_want want = { a->request_id, a->now_ms,
		a->response_signed };

	return saml_response_check(&party, &want, view_str(xml), out, err);
}

static void
expect(const char *what, const struct ask *a, const char *xml, const char *why)
{
	struct gg_error err = { 0 };
	json_t *out = NULL;
	int rc = ask(a, xml, &out, &err);

	if (why == NULL) {
		if (rc != 0)
			fail_msg("%s: refused: %s", what, err.msg);
		json_decref(out);
		return;
	}
	if (rc == 0)
		fail_msg("%s: accepted", what);
	if (out != NULL)
		fail_msg("%s: refused, but something came out", what);
	if (strstr(err.msg, why) == NULL)
		fail_msg("%s: refused for another reason: %s", what, err.msg);
}

static const char *
text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* -- tests -- */

static void
test_honest(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	struct gg_error err = { 0 };
	json_t *out = NULL, *groups;
	char *xml;

	(void)state;
	m.attributes =
	    "<saml:AttributeStatement><saml:Attribute Name=\"groups\">"
	    "<saml:AttributeValue>dba</saml:AttributeValue>"
	    "<saml:AttributeValue> security </saml:AttributeValue>"
	    "</saml:Attribute><saml:Attribute "
	    "Name=\"http://schemas.example.com/claims/mail\">"
	    "<saml:AttributeValue>alice@example.com</saml:AttributeValue>"
	    "</saml:Attribute></saml:AttributeStatement>";
	xml = made(&m);
	if (ask(&a, xml, &out, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(text_of(out, "name_id"), "alice");
	assert_string_equal(text_of(out, "name_id_format"),
	    "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent");
	assert_string_equal(text_of(out, "issuer"), IDP);
	assert_string_equal(text_of(out, "assertion_id"), "_assertion");
	assert_string_equal(text_of(out, "in_response_to"), REQ);
	assert_string_equal(text_of(out, "session_index"), "s1");
	assert_int_equal(json_integer_value(json_object_get(out,
			     "not_on_or_after")),
	    NOW + 6 * 60 * 1000);
	groups = json_object_get(json_object_get(out, "attributes"), "groups");
	assert_int_equal(json_array_size(groups), 2);
	assert_string_equal(json_string_value(json_array_get(groups, 1)),
	    "security");
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(json_object_get(out,
						    "attributes"),
				    "http://schemas.example.com/claims/mail"),
				0)),
	    "alice@example.com");
	json_decref(out);
	free(xml);
}

static void
test_ways_to_sign(void **state)
{
	const struct {
		const char *what;
		bool response, assertion, forced;
		enum key key;
		xmlSecTransformId (*sign)(void);
		xmlSecTransformId (*digest)(void);
		enum key trusted;
		const char *why;
	} cases[] = {
		{ "assertion", false, true, false, OURS, rsa_sha256, sha256,
		    OURS, NULL },
		{ "response", true, false, false, OURS, rsa_sha256, sha256,
		    OURS, NULL },
		{ "both", true, true, false, OURS, rsa_sha256, sha256, OURS,
		    NULL },
		{ "response, forced", true, false, true, OURS, rsa_sha256,
		    sha256, OURS, NULL },
		{ "both, forced", true, true, true, OURS, rsa_sha256, sha256,
		    OURS, NULL },
		{ "assertion, forced", false, true, true, OURS, rsa_sha256,
		    sha256, OURS, "response itself is not signed" },
		{ "nothing", false, false, false, OURS, rsa_sha256, sha256,
		    OURS, "is not signed" },
		{ "another key", false, true, false, THEIRS, rsa_sha256, sha256,
		    OURS, "not by a key" },
		{ "another key, response", true, false, false, THEIRS,
		    rsa_sha256, sha256, OURS, "not by a key" },
		{ "SHA-1", false, true, false, OURS, rsa_sha1, sha256, OURS,
		    "method rsa-sha1 is not accepted" },
		{ "SHA-1 digest", false, true, false, OURS, rsa_sha256, sha1,
		    OURS, "digest sha1 is not accepted" },
		{ "SHA-1 on the response", true, false, false, OURS, rsa_sha1,
		    sha1, OURS, "rsa-sha1 is not accepted" },
		{ "ECDSA", false, true, false, EC, ecdsa_sha256, sha256, EC,
		    "a key that is not RSA" },
		{ "ECDSA by a key that is RSA", false, true, false, EC,
		    ecdsa_sha256, sha256, OURS,
		    "ecdsa-sha256 is not accepted" },
		{ "a short key", false, true, false, SHORT, rsa_sha256, sha256,
		    SHORT, "a key that is not RSA (2048" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct make m = honest();
		struct ask a = ASK;
		char *xml;

		m.plain_response_signature = cases[i].response;
		m.sign_assertion = cases[i].assertion;
		m.key = cases[i].key;
		m.sign = cases[i].sign;
		m.digest = cases[i].digest;
		a.response_signed = cases[i].forced;
		a.key = cases[i].trusted;
		xml = made(&m);
		expect(cases[i].what, &a, xml, cases[i].why);
		free(xml);
	}
}

/* A certificate in the message convinces nobody. */
static void
test_key_info(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	char *xml;

	(void)state;
	m.with_certificate = true;
	xml = made(&m);
	expect("our own certificate", &a, xml, NULL);
	free(xml);
	m.key = THEIRS;
	xml = made(&m);
	expect("the attacker's certificate", &a, xml, "not by a key");
	free(xml);
}

static void
test_meant_for(void **state)
{
	(void)state;
#define CASE(field, value, reason)                           \
	do {                                                 \
		struct make m = honest();                    \
		struct ask a = ASK;                          \
		char *xml;                                   \
		m.field = value;                             \
		xml = made(&m);                              \
		expect(#field " = " value, &a, xml, reason); \
		free(xml);                                   \
	} while (0)
	CASE(audience, "https://other.example.com", "another audience");
	CASE(audience, US "/", "another audience");
	CASE(recipient, "https://gate.example.com/-/saml/other/acs",
	    "(Recipient)");
	CASE(destination, "https://other.example.com/acs", "(Destination)");
	CASE(in_response_to, "_another", "does not answer this sign-in");
	CASE(confirmed, "_another", "does not answer this sign-in");
	CASE(issuer, "https://evil.example.com", "another issuer");
	CASE(response_issuer, "https://evil.example.com", "another issuer");
	CASE(method, "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches",
	    "one bearer confirmation");
	CASE(not_on_or_after, "2026-11-22T11:58:59Z", "has expired");
	CASE(not_on_or_after, "2026-11-22T11:59:30Z", NULL);
	CASE(not_on_or_after, "tomorrow", "not a time");
	CASE(not_before, "2026-11-22T12:01:01Z", "not valid yet");
	CASE(not_before, "2026-11-22T12:00:59Z", NULL);
	CASE(session_end, "2026-11-22T11:00:00Z", "has expired");
	CASE(session_end, "2026-11-22T13:00:00Z", NULL);
	CASE(status, "urn:oasis:names:tc:SAML:2.0:status:Responder",
	    "did not sign anybody in (status Responder)");
	CASE(name_id, "", "usable name_id");
	CASE(name_id, "alice<!-- x -->@evil.example.com", NULL);
#undef CASE
}

/* Comments are left out, not a place to end at. */
static void
test_comment_in_name(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	struct gg_error err = { 0 };
	json_t *out = NULL;
	char *xml, *at;

	(void)state;
	m.name_id = "admin.evil.example.com";
	xml = made(&m);
	/* what canonicalisation drops does not break the signature */
	at = strstr(xml, "admin.evil");
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);

		buf_add(&b, xml, (size_t)(at - xml) + 5);
		buf_adds(&b, "<!---->");
		buf_adds(&b, at + 5);
		if (ask(&a, buf_str(&b), &out, &err) == 0) {
			assert_string_equal(text_of(out, "name_id"),
			    "admin.evil.example.com");
			json_decref(out);
		} else {
			/* lasso reads it otherwise: nobody is signed in */
			assert_non_null(strstr(err.msg, "in two ways"));
		}
	}
	free(xml);
}

static char *
replaced(const char *xml, const char *what, const char *with)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 22);
	const char *at = strstr(xml, what);

	if (at == NULL)
		fail_msg("%s is not in it", what);
	buf_add(&b, xml, (size_t)(at - xml));
	buf_adds(&b, with);
	buf_adds(&b, at + strlen(what));
	return buf_take(&b);
}

/* What stands from one text up to and with another. */
static char *
cut_out(const char *xml, const char *from, const char *to)
{
	const char *a = strstr(xml, from);
	const char *b = a != NULL ? strstr(a, to) : NULL;

	assert_non_null(b);
	return strndup(a, (size_t)(b - a) + strlen(to));
}

static void
test_changed(void **state)
{
	static const struct {
		const char *what, *from, *to, *why;
	} cases[] = {
		{ "another name", ">alice<", ">admin<", "was changed" },
		{ "another signature value", "<SignatureValue>",
		    "<SignatureValue>AAAA", "not by a key" },
		{ "a DTD", "<samlp:Response ",
		    "<!DOCTYPE a [<!ENTITY b \"c\">]><samlp:Response ",
		    "document type" },
		{ "a DTD of another file", "<samlp:Response ",
		    "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">"
		    "<samlp:Response ",
		    "document type" },
		{ "an entity that nobody declared", ">alice<", ">&xxe;<",
		    "well-formed" },
		{ "UTF-7", "<?xml version=\"1.0\"?>",
		    "<?xml version=\"1.0\" encoding=\"UTF-7\"?>"
		    "+ADwAIQ-DOCTYPE a+AD4",
		    "not XML in UTF-8" },
		{ "an id twice", "<samlp:Status>",
		    "<samlp:Status ID=\"_assertion\">", "(ids" },
		{ "an id twice, by another name", "<samlp:Status>",
		    "<samlp:Status Id=\"_assertion\">", "(ids" },
		{ "a reference to nothing", "URI=\"#_assertion\"", "URI=\"\"",
		    "not about the element" },
		{ "a reference to another", "URI=\"#_assertion\"",
		    "URI=\"#_response\"", "not about the element" },
		{ "a reference to a file", "URI=\"#_assertion\"",
		    "URI=\"file:///etc/passwd\"", "not about the element" },
		{ "an xpath transform",
		    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
		    "http://www.w3.org/TR/1999/REC-xpath-19991116",
		    "transforms" },
		{ "an xslt transform",
		    "<Transform "
		    "Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
		    "<Transform Algorithm=\"http://www.w3.org/TR/1999/"
		    "REC-xslt-19991116\"/>",
		    "transforms" },
		{ "HMAC with the certificate as its secret",
		    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
		    "hmac-sha256 is not accepted" },
		{ "no algorithm",
		    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "none",
		    "none is not accepted" },
		{ "a key to fetch", "</SignatureValue>",
		    "</SignatureValue><KeyInfo><RetrievalMethod "
		    "URI=\"http://127.0.0.1/\"/></KeyInfo>",
		    "points elsewhere" },
		{ "an object in the signature", "</SignatureValue>",
		    "</SignatureValue><Object/>", "unusual form" },
		{ "a comment in the digest", "<DigestValue>",
		    "<DigestValue><!-- x -->", "unusual form" },
		{ "an encrypted assertion", "<samlp:Status>",
		    "<saml:EncryptedAssertion/><samlp:Status>", "encrypted" },
		{ "another assertion", "<samlp:Status>",
		    "<saml:Assertion ID=\"_x\" Version=\"2.0\"/>"
		    "<samlp:Status>",
		    "has 2 assertions" },
		{ "an assertion in another namespace", "<samlp:Status>",
		    "<Assertion xmlns=\"urn:x\" ID=\"_x\"/><samlp:Status>",
		    "has 2 assertions" },
		{ "a signature elsewhere", "<samlp:Status>",
		    "<samlp:Status><Signature xmlns=\""
		    "http://www.w3.org/2000/09/xmldsig#\"/>",
		    "where none belongs" },
		{ "SAML 1.1", "Version=\"2.0\"", "Version=\"1.1\"", "version" },
		{ "another document", "samlp:Response ", "samlp:Request ",
		    "well-formed" },
	};
	struct make m = honest();
	struct ask a = ASK;
	char *xml = made(&m);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *bad = replaced(xml, cases[i].from, cases[i].to);

		expect(cases[i].what, &a, bad, cases[i].why);
		free(bad);
	}
	free(xml);
}

static char *
joined(const char *a, const char *b, const char *c, const char *d)
{
	return path_f("%s%s%s%s", a, b, c, d);
}

/* The text without its end tag. */
static char *
opened(const char *text, const char *end_tag)
{
	assert_true(view_has_suffix(view_str(text), end_tag));
	return strndup(text, strlen(text) - strlen(end_tag));
}

static void
refuse(const char *what, char *xml)
{
	struct gg_error err = { 0 };
	struct ask a = ASK;
	json_t *out = NULL;

	if (ask(&a, xml, &out, &err) == 0)
		fail_msg("%s was accepted", what);
	assert_int_equal(err.code, GG_E_REFUSED);
	assert_null(out);
	free(xml);
}

#define END_R "</samlp:Response>"
#define END_A "</saml:Assertion>"

/*
 * XML signature wrapping, the eight forms of "On Breaking SAML: Be Whoever
 * You Want to Be" (Somorovsky and others, 2012): the signed element is moved
 * where the verifier finds it, a forged one stands where the reader looks.
 */
static void
wrap_assertion(const char *xml)
{
	GG_AUTO_MEM char *whole = cut_out(xml, "<samlp:Response", END_R);
	GG_AUTO_MEM char *one = cut_out(xml, "<saml:Assertion", END_A);
	GG_AUTO_MEM char *sig = cut_out(xml, "<Signature", "</Signature>");
	GG_AUTO_MEM char *bare = replaced(one, sig, "");
	GG_AUTO_MEM char *forged = replaced(one, ">alice<", ">admin<");
	GG_AUTO_MEM char *forged_id = replaced(forged, "\"_assertion\"",
	    "\"_evil\"");
	GG_AUTO_MEM char *evil = replaced(forged_id, sig, "");
	GG_AUTO_MEM char *evil_open = opened(evil, END_A);
	GG_AUTO_MEM char *head = strndup(whole,
	    (size_t)(strstr(whole, "<saml:Assertion") - whole));
	GG_AUTO_MEM char *head_evil = joined(head, evil, "", "");
	GG_AUTO_MEM char *in_object = joined("<Object>", bare,
	    "</Object></Signature>", "");
	GG_AUTO_MEM char *of_object = replaced(forged_id, "</Signature>",
	    in_object);
	GG_AUTO_MEM char *extensions = joined("<samlp:Extensions>", evil,
	    "</samlp:Extensions><samlp:Status>", "");
	GG_AUTO_MEM char *extended = joined("<samlp:Extensions>", one,
	    "</samlp:Extensions>", "<samlp:Status>");
	GG_AUTO_MEM char *forged_only = joined(head, evil, END_R, "");
	GG_AUTO_MEM char *nested = replaced(forged_id, "</Signature>", bare);
	GG_AUTO_MEM char *nested_end = joined(nested, "", "", "");

	refuse("XSW3: the original behind", joined(head_evil, one, END_R, ""));
	refuse("XSW3: the original before", joined(head, one, evil, END_R));
	{
		GG_AUTO_MEM char *inside = joined(evil_open, one, END_A, "");

		refuse("XSW4: the original inside",
		    joined(head, inside, END_R, ""));
	}
	refuse("XSW5: the original behind, without its signature",
	    joined(head, forged_id, bare, END_R));
	refuse("XSW6: the original in the forged one's signature",
	    joined(head, nested_end, END_R, ""));
	refuse("XSW7: the forged one in extensions",
	    replaced(whole, "<samlp:Status>", extensions));
	refuse("XSW7: the original in extensions",
	    replaced(forged_only, "<samlp:Status>", extended));
	refuse("XSW8: the original as an object of the signature",
	    joined(head, of_object, END_R, ""));
}

static void
wrap_response(const char *xml)
{
	GG_AUTO_MEM char *whole = cut_out(xml, "<samlp:Response", END_R);
	GG_AUTO_MEM char *sig = cut_out(xml, "<Signature", "</Signature>");
	GG_AUTO_MEM char *bare = replaced(whole, sig, "");
	GG_AUTO_MEM char *forged = replaced(whole, ">alice<", ">admin<");
	GG_AUTO_MEM char *evil = replaced(forged, "\"_response\"", "\"_evil\"");
	GG_AUTO_MEM char *evil_open = opened(evil, END_R);
	GG_AUTO_MEM char *evil_bare = replaced(evil, sig, "");
	GG_AUTO_MEM char *evil_bare_open = opened(evil_bare, END_R);
	GG_AUTO_MEM char *in_object = joined("<Object>", bare,
	    "</Object></Signature>", "");
	GG_AUTO_MEM char *one = cut_out(whole, "<saml:Assertion", END_A);
	GG_AUTO_MEM char *other = replaced(one, ">alice<", ">admin<");
	GG_AUTO_MEM char *other_id = replaced(other, "\"_assertion\"",
	    "\"_evil\"");

	refuse("XSW1: the original behind", joined(evil_open, bare, END_R, ""));
	refuse("XSW2: the original, signed, inside",
	    joined(evil_bare_open, whole, END_R, ""));
	refuse("XSW8: the original as an object of the signature",
	    replaced(evil, "</Signature>", in_object));
	refuse("a forged assertion before the signed one",
	    replaced(whole, "<saml:Assertion", other_id));
	refuse("another name in what is signed", gg_take(forged));
}

static void
test_wrapping(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	char *xml = made(&m);

	(void)state;
	expect("an assertion to wrap", &a, xml, NULL);
	wrap_assertion(xml);
	free(xml);
	m.sign_assertion = false;
	m.plain_response_signature = true;
	xml = made(&m);
	expect("a response to wrap", &a, xml, NULL);
	wrap_response(xml);
	free(xml);
}

/* Two signatures: one that is good does not carry one that is not. */
static void
test_each_signature_counts(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	char *xml, *bad, *sig;

	(void)state;
	m.plain_response_signature = true;
	xml = made(&m);
	sig = cut_out(xml, "<Signature", "</Signature>");
	bad = replaced(xml, sig, "");
	expect("stripped from the response", &a, bad, NULL);
	a.response_signed = true;
	expect("stripped where it must be", &a, bad, "not signed");
	free(bad);
	a.response_signed = false;
	bad = replaced(xml, "InResponseTo=\"" REQ "\"><saml:Issuer>",
	    "InResponseTo=\"" REQ "\" Consent=\"x\"><saml:Issuer>");
	expect("changed outside of the assertion", &a, bad, "was changed");
	free(bad);
	free(sig);
	free(xml);
}

static void
test_unasked(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	char *xml, *plain;

	(void)state;
	a.request_id = "";
	xml = made(&m);
	expect("an answer that nobody asked for", &a, xml, "not under way");
	free(xml);
	m.in_response_to = m.confirmed = "";
	xml = made(&m);
	expect("no answer", &a, xml, NULL);
	plain = replaced(xml, " InResponseTo=\"\"", "");
	expect("no attribute", &a, plain, NULL);
	a.request_id = REQ;
	expect("none where one is wanted", &a, xml, "does not answer");
	free(plain);
	free(xml);
}

static void
test_conditions(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	char *xml;

	(void)state;
	m.no_audience = true;
	xml = made(&m);
	expect("no audience", &a, xml, "no audience");
	free(xml);
	m = honest();
	m.more = "<saml:Conditions/>";
	xml = made(&m);
	expect("conditions twice", &a, xml, "one set of conditions");
	free(xml);
	m = honest();
	m.no_conditions_end = true;
	xml = made(&m);
	expect("the confirmation alone ends it", &a, xml, NULL);
	free(xml);
	m = honest();
	m.more = "<saml:Subject/>";
	xml = made(&m);
	expect("two subjects", &a, xml, "one subject");
	free(xml);
}

static void
test_metadata(void **state)
{
	struct make m = honest();
	struct ask a = ASK;
	char *xml = made(&m);

	(void)state;
	a.metadata_more = "validUntil=\"2026-11-22T11:00:00Z\"";
	expect("old metadata", &a, xml, "too old");
	a.metadata_more = "validUntil=\"2026-11-22T13:00:00Z\"";
	expect("fresh metadata", &a, xml, NULL);
	a = ASK;
	a.entity = "https://other.example.com";
	expect("another provider", &a, xml, "another issuer");
	free(xml);
}

static void
test_no_xml(void **state)
{
	static const char *const cases[] = { "", " ", "hello", "<a", "<a/>",
		"<?xml version=\"1.0\"?>", "\xff\xfe<\0a", "<a>\xff</a>",
		"<Response xmlns=\"urn:oasis:names:tc:SAML:2.0:protocol\"/>" };
	struct ask a = ASK;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect(cases[i], &a, cases[i], "");
}

/* Deep and wide documents end, and soon. */
static void
test_large(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 22);
	struct ask a = ASK;

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_adds(&b, "<a>");
	expect("deep", &a, buf_str(&b), "well-formed");
	buf_clear(&b);
	buf_adds(&b,
	    "<samlp:Response "
	    "xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">");
	for (int i = 0; i < 20000; i++)
		buf_addf(&b, "<a ID=\"%d\"/>", i);
	buf_adds(&b, "</samlp:Response>");
	expect("wide", &a, buf_str(&b), "no status");
}

/* -- requests -- */

static char *
query_value(const char *url, const char *name)
{
	GG_AUTO_MEM char *key = path_f("%s=", name);
	const char *at = strstr(url, key);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	assert_non_null(at);
	for (at += strlen(key); *at != '\0' && *at != '&'; at++) {
		unsigned char c = (unsigned char)*at;

		if (*at == '%') {
			assert_true(hex_decode(view_of(at + 1, 2), &c, 1));
			at += 2;
		}
		buf_addc(&b, (char)c);
	}
	return buf_take(&b);
}

static void
inflate_text(const char *base64, char *out, size_t size)
{
	GG_AUTO_RELEASE(buf) packed = BUF_INIT(65536);
	z_stream z = { 0 };

	assert_int_equal(base64_decode(&packed, view_str(base64), NULL), 0);
	assert_int_equal(inflateInit2(&z, -MAX_WBITS), Z_OK);
	z.next_in = (unsigned char *)packed.p;
	z.avail_in = (unsigned)packed.n;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)size - 1;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	out[size - 1 - z.avail_out] = '\0';
	inflateEnd(&z);
}

static void
request(struct view key, struct buf *url)
{
	GG_AUTO_MEM char *metadata = metadata_of(IDP, OURS, "");
	const struct saml_party party = { view_str(metadata), US, ACS };
	struct gg_error err = { 0 };

	if (saml_request_url(&party, REQ, "state/+&", NOW, key, url, &err) != 0)
		fail_msg("%s", err.msg);
}

static void
test_request(void **state)
{
	GG_AUTO_RELEASE(buf) url = BUF_INIT(SAML_URL_MAX_BYTES);
	char text[8192];
	char *packed, *relay;

	(void)state;
	request(view_str(""), &url);
	assert_true(view_has_prefix(buf_view(&url),
	    "https://idp.example.com/sso?tenant=1&x=y&SAMLRequest="));
	assert_null(strstr(buf_str(&url), "Signature="));
	packed = query_value(buf_str(&url), "SAMLRequest");
	relay = query_value(buf_str(&url), "RelayState");
	assert_string_equal(relay, "state/+&");
	inflate_text(packed, text, sizeof(text));
	assert_non_null(strstr(text, "ID=\"" REQ "\""));
	assert_non_null(strstr(text, "<saml:Issuer>" US "</saml:Issuer>"));
	assert_non_null(strstr(text,
	    "AssertionConsumerServiceURL=\"" ACS "\""));
	assert_non_null(strstr(text,
	    "Destination=\"https://idp.example.com/sso?tenant=1&amp;x=y\""));
	free(packed);
	free(relay);
}

static void
test_signed_request(void **state)
{
	GG_AUTO_RELEASE(buf) url = BUF_INIT(SAML_URL_MAX_BYTES);
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(4096);
	BIO *b = BIO_new(BIO_s_mem());
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const char *from, *to;
	char *p, *value;
	long n;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey(b, keys[OURS].key, NULL, NULL,
			     0, NULL, NULL),
	    1);
	n = BIO_get_mem_data(b, &p);
	request(view_of(p, (size_t)n), &url);
	from = strstr(buf_str(&url), "SAMLRequest=");
	to = strstr(from, "&Signature=");
	value = query_value(to, "Signature");
	assert_int_equal(base64_decode(&sig, view_str(value), NULL), 0);
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL,
			     keys[OURS].key),
	    1);
	assert_int_equal(EVP_DigestVerify(ctx, (unsigned char *)sig.p, sig.n,
			     (const unsigned char *)from, (size_t)(to - from)),
	    1);
	free(value);
	EVP_MD_CTX_free(ctx);
	BIO_free(b);
}

static void
test_bad_request_keys(void **state)
{
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(4096);
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	(void)state;
	assert_int_equal(rsa_sign_sha256(view_str("no key"), view_str("x"),
			     &sig, NULL),
	    GG_E_INPUT);
	assert_int_equal(PEM_write_bio_PrivateKey(b, keys[EC].key, NULL, NULL,
			     0, NULL, NULL),
	    1);
	n = BIO_get_mem_data(b, &p);
	assert_int_equal(rsa_sign_sha256(view_of(p, (size_t)n), view_str("x"),
			     &sig, NULL),
	    GG_E_INPUT);
	BIO_free(b);
}

static void
test_sp_metadata(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);

	(void)state;
	saml_sp_metadata("https://g/?a=\"<&", ACS, view_str("QUJD"), &b);
	assert_non_null(strstr(buf_str(&b),
	    "entityID=\"https://g/?a=&quot;&lt;&amp;\""));
	assert_non_null(strstr(buf_str(&b), "AuthnRequestsSigned=\"true\""));
	assert_non_null(strstr(buf_str(&b),
	    "<ds:X509Certificate>QUJD</ds:X509Certificate>"));
	buf_clear(&b);
	saml_sp_metadata(US, ACS, view_str(""), &b);
	assert_null(strstr(buf_str(&b), "KeyDescriptor"));
}

/* -- keys -- */

static void
certify(EVP_PKEY *key, struct buf *der)
{
	X509 *c = X509_new();
	unsigned char *out = NULL;
	int n;

	ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
	X509_gmtime_adj(X509_getm_notBefore(c), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
	    (const unsigned char *)"idp", -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_set_pubkey(c, key);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	n = i2d_X509(c, &out);
	assert_true(n > 0);
	buf_init(der, 8192);
	buf_add(der, out, (size_t)n);
	OPENSSL_free(out);
	X509_free(c);
}

static int
setup(void **state)
{
	struct gg_error err = { 0 };

	(void)state;
	if (saml_init(&err) != 0)
		return -1;
	keys[OURS].key = EVP_RSA_gen(2048);
	keys[THEIRS].key = EVP_RSA_gen(2048);
	keys[SHORT].key = EVP_RSA_gen(1024);
	keys[EC].key = EVP_EC_gen("P-256");
	for (int i = 0; i < N_KEYS; i++)
		certify(keys[i].key, &keys[i].der);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < N_KEYS; i++) {
		EVP_PKEY_free(keys[i].key);
		buf_release(&keys[i].der);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_ways_to_sign),
		cmocka_unit_test(test_key_info),
		cmocka_unit_test(test_meant_for),
		cmocka_unit_test(test_comment_in_name),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_wrapping),
		cmocka_unit_test(test_each_signature_counts),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_no_xml),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_signed_request),
		cmocka_unit_test(test_bad_request_keys),
		cmocka_unit_test(test_sp_metadata),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
