/* liblasso reads the response too, and verifies it with what it knows. */
#ifndef GITGATE_SAML_SECOND_READER_H
#define GITGATE_SAML_SECOND_READER_H

#include "saml/idp.h"
#include "saml/saml.h"
#include "saml/xml.h"

/* Does it accept the response, and find in it the assertion and the person
 * of claims? GG_E_REFUSED. */
GG_MUST_USE int second_reader(const struct saml_party *party,
    const struct saml_want *want, const struct idp *idp, const struct xml *x,
    const json_t *claims, struct gg_error *err);

#endif
