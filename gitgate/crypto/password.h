/* Passwords: Argon2id (RFC 9106), 64 MiB, 3 passes, 1 lane. */
#ifndef GITGATE_CRYPTO_PASSWORD_H
#define GITGATE_CRYPTO_PASSWORD_H

#include "base/error.h"
#include "base/view.h"

#include <stdbool.h>

#define PASSWORD_MAX_BYTES         1024
#define PASSWORD_ENCODED_MAX_BYTES 256

/*
 * "$argon2id$v=19$m=65536,t=3,p=1$salt$hash" with a fresh random salt, in
 * *encoded, malloc'ed. The caller wipes the password.
 * 0, GG_E_INPUT (empty, too long), GG_E_NOMEM.
 */
GG_MUST_USE int
password_hash(struct view password, char **encoded, struct gg_error *err);
/*
 * Does the password fit? The comparison takes constant time. encoded is from
 * our own store, but one that asks for more memory or time than ours is
 * refused. Any failure is false.
 */
bool password_verify(const char *encoded, struct view password);
/*
 * Spend what password_verify() spends; always false. For a name that does not
 * exist, so that the answer's time does not tell.
 */
bool password_verify_dummy(struct view password);

#endif
