/* The identity provider, as its metadata describes it. */
#ifndef GITGATE_SAML_IDP_H
#define GITGATE_SAML_IDP_H

#include "saml/xml.h"

#include <stdint.h>

#define IDP_KEYS_MAX 8

struct idp {
	struct xml xml;
	char *entity_id;              /* owned */
	char *sso_url;                /* owned; HTTP-Redirect; NULL: none */
	struct buf key[IDP_KEYS_MAX]; /* certificates for signing, DER */
	size_t n_keys;
};
void idp_release(struct idp *i);
GG_DEFINE_AUTO_RELEASE(idp);

/* GG_E_INPUT with what is wrong with it. */
GG_MUST_USE int idp_read(struct view metadata, int64_t now_ms, struct idp *out,
    struct gg_error *err);

#endif
