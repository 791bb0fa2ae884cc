/* Is what a Response says meant for us, now, and for this request? */
#ifndef GITGATE_SAML_CONDITIONS_H
#define GITGATE_SAML_CONDITIONS_H

#include "saml/idp.h"
#include "saml/saml.h"
#include "saml/shape.h"

/*
 * Issuer, destination, recipient, request, times, audience. *not_after_ms:
 * from when on it is refused, the skew included. GG_E_REFUSED.
 */
GG_MUST_USE int conditions_check(const struct saml_party *party,
    const struct saml_want *want, const struct idp *idp, const struct shape *s,
    int64_t *not_after_ms, struct gg_error *err);

#endif
