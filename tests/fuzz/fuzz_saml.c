/*
 * A provider's answer, from bytes to claims. Whoever has not the provider's
 * key (it was thrown away) gets no other person out of it than the one whom
 * the seeds were signed for.
 */
#include "fuzz.h"

#include "saml/claims.h"
#include "saml/conditions.h"
#include "saml/idp.h"
#include "saml/saml.h"
#include "saml/shape.h"
#include "saml/verify.h"

#include <string.h>

#define REQUEST "_0123456789abcdef"
#define NOW_MS  ((int64_t)1795348800000) /* 2026-11-22T12:00:00Z */

static const char metadata[] =
    "<?xml version=\"1.0\"?><md:EntityDescriptor xmlns:md=\"urn:oasi"
    "s:names:tc:SAML:2.0:metadata\" entityID=\"https://idp.example."
    "com/metadata\" ><md:IDPSSODescriptor protocolSupportEnumerati"
    "on=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor "
    "use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/0"
    "9/xmldsig#\"><ds:X509Data>"
    "<ds:X509Certificate>"
    "MIICkjCCAXoCAQEwDQYJKoZIhvcNAQELBQAwDjEMMAoGA1UEAwwDaWRwMCAXDTI2"
    "MTEyMjE2NDAyMloYDzIwODYxMTA3MTc0MDIyWjAOMQwwCgYDVQQDDANpZHAwggEi"
    "MA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCPPBd6yeZp4hFEzvofKASvVb/A"
    "+wyYJIjdP7e7lhFQ086CNhDea1LaGmflXpF/pyecqKMdixGYS3SAKGS/kYkgO2Gj"
    "fhh1LSFONiKzo00jj4DF0qOqjBiZEXSq6QBTbDzfVusF8d+joIWBZ9oAIaATWgBb"
    "XeLuAY2rAKEassceThmAL+mRJ5DG529LpsMEkpwuGTNhngiFYdVZ0x6JODWVlV4n"
    "I0+R3mMAmSXuRbPttHG2ZALpwbtBkVQ7EgTgsWajpKScsnn7yUqUsQ6Z1B9zwM1y"
    "Qn40hjkciy0SW8IihLegiWrAjI+04Tt8MeY27B0DLlcf4Wpbdv5yBJknw4RDAgMB"
    "AAEwDQYJKoZIhvcNAQELBQADggEBADyOtyApNEel7EyfKcgUlm71QaulEd/OEPaF"
    "h4iP+fjXYWef5e/bwUjuzOvykg4ZwR5IAUyendatM6tpo9nCnmHN8W0kmVR6f1pA"
    "f3qcA2pCL3mRBoDLpMY4Z+OAJ4CJ2lLq4lp1fJDRcmPcCgmqHOqhangb4DWo8Med"
    "8QY8yyUtVupAGsELwm6iKNQBTmCG0PLiKyrqNmhfLV+Zqk4GaAwwrq+x4KByOXyE"
    "BtRKVmUCmxQYuOmC16fvCTaF2KX5C81f3YfQFNmP2kuSRsAdX5Ybe2BO2OLfv0d+"
    "55CZthdhgC9mohqKA8AA9rDBncUq/SNXTCJiHOVp6DRdw0fb6Bg="
    "</ds:X509Certificate>"
    "</ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSign"
    "OnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP"
    "-Redirect\" Location=\"https://idp.example.com/sso?tenant=1&am"
    "p;x=y\"/></md:IDPSSODescriptor></md:EntityDescriptor>";

static bool
is_honest(const json_t *claims)
{
	const json_t *attributes = json_object_get(claims, "attributes");
	const json_t *groups = json_object_get(attributes, "groups");
	const char *name = json_string_value(json_object_get(claims,
	    "name_id"));
	const char *id = json_string_value(json_object_get(claims,
	    "assertion_id"));

	return name != NULL && strcmp(name, "alice") == 0 && id != NULL &&
	    strcmp(id, "_assertion") == 0 &&
	    json_object_size(attributes) == (groups != NULL ? 1 : 0) &&
	    (groups == NULL || json_array_size(groups) == 2);
}

static const struct saml_party party = {
	.metadata = { metadata, sizeof(metadata) - 1 },
	.entity_id = "https://gate.example.com/-/saml/corp",
	.consumer = "https://gate.example.com/-/saml/corp/acs",
};
static const struct saml_want want = { REQUEST, NOW_MS, false };

/* All but the signatures, which take longer than the rest together. */
static int
read_unsigned(const struct idp *idp, const struct xml *x, struct shape *s,
    json_t **out, struct gg_error *err)
{
	int64_t end_ms = 0;
	int rc;

	if ((rc = shape_check(x, s, err)) != 0 ||
	    (rc = conditions_check(&party, &want, idp, s, &end_ms, err)) != 0)
		return rc;
	FUZZ_CHECK(end_ms > NOW_MS);
	FUZZ_CHECK(s->response_signature != NULL ||
	    s->assertion_signature != NULL);
	return claims_of(s, out, err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct idp idp;
	struct view in = view_of(data, size);
	struct gg_error err = { 0 };
	GG_AUTO_RELEASE(xml) x = { 0 };
	json_t *claims = NULL, *forged = NULL;
	struct shape s;
	int rc;

	if (idp.n_keys == 0)
		FUZZ_CHECK(saml_init(&err) == 0 &&
		    idp_read(party.metadata, NOW_MS, &idp, &err) == 0);
	if ((rc = xml_read(in, "the response", &x, &err)) == 0)
		rc = read_unsigned(&idp, &x, &s, &claims, &err);
	FUZZ_CHECK((rc == 0) == (claims != NULL));
	if (rc != 0) {
		FUZZ_CHECK(rc == GG_E_REFUSED && err.msg[0] != '\0');
	} else if (!is_honest(claims)) {
		FUZZ_CHECK(verify_signatures(&idp, &s, &err) == GG_E_REFUSED);
		FUZZ_CHECK(saml_response_check(&party, &want, in, &forged,
			       &err) == GG_E_REFUSED &&
		    forged == NULL);
	}
	json_decref(claims);
	return 0;
}
