/* What a checked assertion says of a person. */
#ifndef GITGATE_SAML_CLAIMS_H
#define GITGATE_SAML_CLAIMS_H

#include "saml/shape.h"

#include <jansson.h>

#define SAML_ATTRIBUTES_MAX 200
#define SAML_VALUES_MAX     2000

/* The members of saml_response_check()'s result but not_on_or_after. A new
 * reference. GG_E_REFUSED, GG_E_LIMIT. */
GG_MUST_USE int
claims_of(const struct shape *s, json_t **out, struct gg_error *err);

#endif
