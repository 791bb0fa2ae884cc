/* What jws.c needs of a key set beyond what is public in jws.h. */
#ifndef GITGATE_IDENTITY_JWKS_H
#define GITGATE_IDENTITY_JWKS_H

#include "identity/jws.h"

/*
 * Is sig one of the set's keys over signed_bytes? kid NULL: the only one that
 * fits the algorithm, or with SPIFFE any. 0; GG_E_NOTFOUND: no such key;
 * GG_E_REFUSED.
 */
GG_MUST_USE int
jwks_verify(const struct jwks *s, const char *kid, enum jws_alg alg,
    struct view signed_bytes, struct view sig, struct gg_error *err);

#endif
