/*
 * From a client's certificate, verified, to a principal. Pure logic.
 *
 * What a certificate says, for `require`, templates and groups; the subject
 * and its CN are never looked at:
 *
 *	spiffe         its URI, if that is a SPIFFE ID (X.509-SVID: the only
 *	               URI); spiffe-domain and spiffe-path are its parts, the
 *	               path without its first slash
 *	dns, email     its names of that kind: one as text, several as list.
 *	               DNS names are in lower case; wildcards are left out
 *	spki           SHA-256 of its public key, 64 hex digits
 *	serial, issuer hex digits; RFC 2253
 */
#ifndef GITGATE_IDENTITY_CERTIFICATE_H
#define GITGATE_IDENTITY_CERTIFICATE_H

#include "base/buf.h"
#include "config/config.h"
#include "crypto/x509.h"
#include "model/push.h"

#include <jansson.h>

/* SPIFFE-ID 2: is it one (scheme and trust domain in lower case, no port,
 * query, dots or empty parts in the path)? domain and path are borrowed; path
 * has no slash in front, and is empty where the ID is the domain's. */
bool spiffe_split(const char *uri, struct view *domain, struct view *path);
/* *out: a new reference. GG_E_REFUSED for a malformed SPIFFE ID. */
GG_MUST_USE int certificate_claims(const struct x509_client *c, json_t **out,
    struct gg_error *err);
/*
 * By the first rule whose `require` matches. GG_E_NOTFOUND: none does, so it
 * is nobody. GG_E_REFUSED with a sentence where the rule's template cannot be
 * filled.
 */
GG_MUST_USE int
certificate_principal(const struct certificate_rule *rules, size_t n,
    const struct x509_client *c, struct principal *out, struct gg_error *err);

/* A chain in DER, leaf first, as a proxy hands it on. */
struct certificate_chain {
	struct buf bytes;
	struct view v[X509_CHAIN_MAX];
	size_t n;
};
void certificate_chain_release(struct certificate_chain *c);
GG_DEFINE_AUTO_RELEASE(certificate_chain);
/*
 * The headers of RFC 9440: Client-Cert (":base64:") and Client-Cert-Chain
 * (the same, with commas between; empty: none). GG_E_REFUSED.
 */
GG_MUST_USE int certificate_header_parse(struct view leaf, struct view chain,
    struct certificate_chain *out, struct gg_error *err);

#endif
