/*
 * What a Response must look like before anybody verifies it: one Assertion,
 * signatures only where they sign the element they stand in, algorithms that
 * are still good. It leaves signature wrapping no place to stand.
 */
#ifndef GITGATE_SAML_SHAPE_H
#define GITGATE_SAML_SHAPE_H

#include "saml/xml.h"

#include <stdint.h>

struct shape {
	xmlNode *response, *assertion;
	/* NULL: that one is not signed; never both */
	xmlNode *response_signature, *assertion_signature;
};

/* GG_E_REFUSED. *out borrows from x. */
GG_MUST_USE int
shape_check(const struct xml *x, struct shape *out, struct gg_error *err);

#endif
