/* An AuthnRequest by HTTP-Redirect (saml-bindings-2.0, 3.4). By hand: liblasso
 * wants a private key even for one that nobody signs. */
#include "saml/saml.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/certificate.h"
#include "saml/idp.h"
#include "saml/write.h"

#include <zlib.h>

#define REQUEST_MAX_BYTES 8192
#define RAW_DEFLATE       (-MAX_WBITS)
#define RSA_SHA256        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

static void
write_request(const struct saml_party *party, const struct idp *idp,
    const char *id, int64_t now_ms, struct buf *out)
{
	char now[CLOCK_RFC3339_SIZE];

	clock_format(now_ms, now);
	buf_adds(out,
	    "<samlp:AuthnRequest "
	    "xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" "
	    "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"");
	write_escaped(out, id);
	buf_addf(out, "\" Version=\"2.0\" IssueInstant=\"%s\" Destination=\"",
	    now);
	write_escaped(out, idp->sso_url);
	buf_adds(out,
	    "\" ProtocolBinding="
	    "\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" "
	    "AssertionConsumerServiceURL=\"");
	write_escaped(out, party->consumer);
	buf_adds(out, "\"><saml:Issuer>");
	write_escaped(out, party->entity_id);
	buf_adds(out, "</saml:Issuer></samlp:AuthnRequest>");
}

static int
squeeze(const struct buf *in, struct buf *out, struct gg_error *err)
{
	unsigned char packed[REQUEST_MAX_BYTES + 1024];
	z_stream z = { .next_in = (unsigned char *)in->p,
		.avail_in = (unsigned)in->n,
		.next_out = packed,
		.avail_out = sizeof(packed) };
	int rc;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW_DEFLATE, 8,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return gg_fail(err, GG_E_NOMEM, "deflate");
	rc = deflate(&z, Z_FINISH);
	(void)deflateEnd(&z);
	if (rc != Z_STREAM_END)
		return gg_fail(err, GG_E_LIMIT, "the request is too long");
	buf_add(out, packed, sizeof(packed) - z.avail_out);
	return buf_check(out, err);
}

static void
add_base64(struct buf *out, const char *name, struct view v)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(2 * REQUEST_MAX_BYTES);

	base64_encode(&text, v);
	buf_adds(out, name);
	write_query(out, buf_view(&text));
}

static int
sign_query(struct view key_pem, struct buf *query, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) sig = BUF_INIT(RSA_SIG_MAX_BYTES);
	int rc;

	buf_adds(query, "&SigAlg=");
	write_query(query, view_str(RSA_SHA256));
	if ((rc = buf_check(query, err)) != 0 ||
	    (rc = rsa_sign_sha256(key_pem, buf_view(query), &sig, err)) != 0)
		return rc;
	add_base64(query, "&Signature=", buf_view(&sig));
	return 0;
}

static int
check_url(const struct idp *idp, struct gg_error *err)
{
	if (idp->sso_url == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "its metadata has no SingleSignOnService for "
		    "HTTP-Redirect");
	for (const char *p = idp->sso_url; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '#')
			return gg_fail(err, GG_E_INPUT,
			    "its SingleSignOnService is not a plain URL");
	if (!view_has_prefix(view_str(idp->sso_url), "https://") &&
	    !view_has_prefix(view_str(idp->sso_url), "http://"))
		return gg_fail(err, GG_E_INPUT,
		    "its SingleSignOnService is not an http or https URL");
	return 0;
}

int
saml_request_url(const struct saml_party *party, const char *id,
    const char *relay_state, int64_t now_ms, struct view key_pem,
    struct buf *url, struct gg_error *err)
{
	GG_AUTO_RELEASE(idp) idp = { 0 };
	GG_AUTO_RELEASE(buf) text = BUF_INIT(REQUEST_MAX_BYTES);
	GG_AUTO_RELEASE(buf) packed = BUF_INIT(REQUEST_MAX_BYTES + 1024);
	GG_AUTO_RELEASE(buf) query = BUF_INIT(SAML_URL_MAX_BYTES);
	int rc;

	if ((rc = idp_read(party->metadata, now_ms, &idp, err)) != 0 ||
	    (rc = check_url(&idp, err)) != 0)
		return rc;
	write_request(party, &idp, id, now_ms, &text);
	if ((rc = buf_check(&text, err)) != 0 ||
	    (rc = squeeze(&text, &packed, err)) != 0)
		return rc;
	add_base64(&query, "SAMLRequest=", buf_view(&packed));
	buf_adds(&query, "&RelayState=");
	write_query(&query, view_str(relay_state));
	if (key_pem.n > 0 && (rc = sign_query(key_pem, &query, err)) != 0)
		return rc;
	buf_adds(url, idp.sso_url);
	buf_addc(url, strchr(idp.sso_url, '?') != NULL ? '&' : '?');
	buf_addv(url, buf_view(&query));
	if ((rc = buf_check(&query, err)) != 0)
		return rc;
	return buf_check(url, err);
}
