#include "saml/saml.h"

#include "saml/write.h"

void
saml_sp_metadata(const char *entity_id, const char *consumer,
    struct view certificate, struct buf *out)
{
	const char *is_signed = certificate.n > 0 ? "true" : "false";

	buf_adds(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<md:EntityDescriptor "
	    "xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"");
	write_escaped(out, entity_id);
	buf_addf(out,
	    "\">\n"
	    "  <md:SPSSODescriptor AuthnRequestsSigned=\"%s\" "
	    "WantAssertionsSigned=\"true\" "
	    "protocolSupportEnumeration="
	    "\"urn:oasis:names:tc:SAML:2.0:protocol\">\n",
	    is_signed);
	if (certificate.n > 0) {
		buf_adds(out,
		    "    <md:KeyDescriptor use=\"signing\">\n"
		    "      <ds:KeyInfo "
		    "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">"
		    "<ds:X509Data><ds:X509Certificate>");
		buf_addv(out, certificate);
		buf_adds(out,
		    "</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\n"
		    "    </md:KeyDescriptor>\n");
	}
	buf_adds(out,
	    "    <md:AssertionConsumerService "
	    "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" "
	    "Location=\"");
	write_escaped(out, consumer);
	buf_adds(out,
	    "\" index=\"0\" isDefault=\"true\"/>\n"
	    "  </md:SPSSODescriptor>\n"
	    "</md:EntityDescriptor>\n");
}
