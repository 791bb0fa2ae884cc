/* A Response from bytes to claims: our own reading and liblasso's must both
 * accept it, and agree. */
#include "saml/saml.h"

#include "saml/claims.h"
#include "saml/conditions.h"
#include "saml/idp.h"
#include "saml/second_reader.h"
#include "saml/shape.h"
#include "saml/verify.h"

static int
check(const struct saml_party *party, const struct saml_want *want,
    const struct idp *idp, const struct xml *x, json_t **out,
    struct gg_error *err)
{
	int64_t not_after_ms = 0;
	struct shape s;
	int rc;

	if ((rc = shape_check(x, &s, err)) != 0 ||
	    (rc = verify_signatures(idp, &s, err)) != 0 ||
	    (rc = conditions_check(party, want, idp, &s, &not_after_ms, err)) !=
		0 ||
	    (rc = claims_of(&s, out, err)) != 0)
		return rc;
	if (json_object_set_new(*out, "not_on_or_after",
		json_integer(not_after_ms)) != 0)
		return gg_fail(err, GG_E_NOMEM, "claims");
	return second_reader(party, want, idp, x, *out, err);
}

int
saml_response_check(const struct saml_party *party,
    const struct saml_want *want, struct view in, json_t **out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(idp) idp = { 0 };
	GG_AUTO_RELEASE(xml) x = { 0 };
	json_t *claims = NULL;
	int rc;

	if ((rc = idp_read(party->metadata, want->now_ms, &idp, err)) == 0 &&
	    (rc = xml_read(in, "the response", &x, err)) == 0)
		rc = check(party, want, &idp, &x, &claims, err);
	if (rc != 0) {
		json_decref(claims);
		return rc;
	}
	*out = claims;
	return 0;
}
