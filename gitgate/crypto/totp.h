/*
 * One-time codes by time (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, a
 * step of 30 seconds, which is what authenticator apps expect.
 */
#ifndef GITGATE_CRYPTO_TOTP_H
#define GITGATE_CRYPTO_TOTP_H

#include "base/buf.h"
#include "base/view.h"

#include <stdint.h>

#define TOTP_STEP_S       30
#define TOTP_WINDOW       1 /* steps before and after this one that count */
#define TOTP_DIGITS       6
#define TOTP_SECRET_BYTES 20 /* RFC 4226: as long as the hash */
#define TOTP_SECRET_SIZE  33 /* in base 32, with its NUL */

/* A new secret in base 32 (RFC 4648, upper case). The caller wipes it. */
void totp_secret_new(char out[TOTP_SECRET_SIZE]);
/* Base 32 without regard to case, blanks or padding at the end; GG_E_INPUT. */
GG_MUST_USE int
base32_decode(struct buf *out, struct view v, struct gg_error *err);

/* The code of a step, `digits` (at most 8) of them with leading zeros and a
 * NUL. key: the secret's bytes. */
void totp_code(struct view key, uint64_t step, unsigned digits, char out[9]);
/*
 * Which step has this code (blanks are passed over), among those around now
 * that are later than last? 0: none has. secret: in base 32. Every step is
 * compared, in a time that tells nothing.
 */
int64_t
totp_match(const char *secret, struct view code, int64_t now_s, int64_t last);
/* otpauth://totp/ISSUER:ACCOUNT?secret=...: what an app reads, as text or as
 * a QR code. */
void totp_uri(struct buf *out, const char *issuer, const char *account,
    const char *secret);

#endif
