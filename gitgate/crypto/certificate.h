/* X.509 certificates as holders of a key, and signing with the RSA key that
 * belongs to one. */
#ifndef GITGATE_CRYPTO_CERTIFICATE_H
#define GITGATE_CRYPTO_CERTIFICATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#define RSA_SIG_MAX_BYTES 1024

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017) by an unencrypted PEM key.
 * GG_E_INPUT when it is none, not RSA, or too short. */
GG_MUST_USE int rsa_sign_sha256(struct view pem, struct view data,
    struct buf *sig, struct gg_error *err);

/* Is its key RSA of PKEY_RSA_BITS_MIN or more? Nothing else of it is looked at.
 * GG_E_INPUT. */
GG_MUST_USE int certificate_check_rsa(struct view der, struct gg_error *err);

/* The first certificate of a PEM file as DER. GG_E_INPUT. */
GG_MUST_USE int
certificate_der(struct view pem, struct buf *der, struct gg_error *err);

#endif
