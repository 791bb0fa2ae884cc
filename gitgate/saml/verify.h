/* Signatures: by the metadata's keys only. */
#ifndef GITGATE_SAML_VERIFY_H
#define GITGATE_SAML_VERIFY_H

#include "saml/idp.h"
#include "saml/shape.h"

GG_MUST_USE int verify_init(struct gg_error *err);
/* Every signature of the shape must be one of the keys' over the element it
 * stands in, in this very tree. GG_E_REFUSED. */
GG_MUST_USE int verify_signatures(const struct idp *idp, const struct shape *s,
    struct gg_error *err);

#endif
