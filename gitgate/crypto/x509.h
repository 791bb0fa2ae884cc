/*
 * X.509 certificates: a server's chain and key, and who a TLS client is.
 * Verification is OpenSSL's (RFC 5280); this says what is asked of it.
 */
#ifndef GITGATE_CRYPTO_X509_H
#define GITGATE_CRYPTO_X509_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

#define X509_FILE_MAX_BYTES ((size_t)4 * 1024 * 1024)
/* Certificates of a chain, the leaf counted. */
#define X509_CHAIN_MAX 8
/* URIs, names and addresses that one certificate may carry. */
#define X509_NAMES_MAX 64
#define X509_SPKI_SIZE 65

/* -- a server's -- */
struct x509_server {
	int64_t not_before_ms, not_after_ms; /* of the leaf, wall clock */
	bool fits_host;
};
/*
 * Do a PEM chain (leaf first, each signed by the next) and a PEM key without
 * a passphrase belong together? GG_E_INPUT with a sentence. Expiry is no
 * failure: *out tells. host: whether the leaf is for it; may be NULL.
 */
GG_MUST_USE int x509_server_check(struct view chain, struct view key,
    const char *host, struct x509_server *out, struct gg_error *err);

/* -- whom we believe about clients -- */
struct x509_trust;
/*
 * ca: PEM certificates, each an anchor of its own, root or not. crls: PEM
 * revocation lists. With at least one CRL, a client's issuer must have one
 * that is in date; those above it are checked where there is one.
 * GG_E_INPUT.
 */
GG_MUST_USE int x509_trust_new(struct view ca, const struct view *crls,
    size_t n, struct x509_trust **out, struct gg_error *err);
void x509_trust_free(struct x509_trust *t);
GG_DEFINE_AUTO(x509_trust);
/* When its first CRL ends, wall-clock ms; 0: it has none. */
int64_t x509_trust_ends_ms(const struct x509_trust *t);

/* What a client's certificate says; all of it printable ASCII. */
struct x509_client {
	struct strv uris, dns, emails;
	char spki[X509_SPKI_SIZE]; /* SHA-256 of its public key, hex */
	char *serial;              /* hex, lower case */
	char *issuer;              /* RFC 2253 */
};
void x509_client_release(struct x509_client *c);
GG_DEFINE_AUTO_RELEASE(x509_client);
/*
 * Verify a client's chain (DER, leaf first, n at most X509_CHAIN_MAX) at
 * now_ms: signatures, dates, CRLs, key sizes of 112 bits and more, extended
 * key usage that names clientAuth, no CA as leaf. GG_E_REFUSED with a
 * sentence for the client; GG_E_NOMEM. That the client has the key is for TLS
 * (or the proxy) to prove.
 */
GG_MUST_USE int
x509_client_verify(const struct x509_trust *t, const struct view *chain,
    size_t n, int64_t now_ms, struct x509_client *out, struct gg_error *err);

#endif
