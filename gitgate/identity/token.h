/*
 * The shape of gitgate's own tokens, so that secret scanners can find them
 * and a mistyped one is refused without a look into the store:
 *
 *	"ggt_", 30 random characters of 0-9A-Za-z, and the CRC-32 (IEEE, as in
 *	zlib) of those 30 in base 62, left-padded with '0' to 6 characters
 */
#ifndef GITGATE_IDENTITY_TOKEN_H
#define GITGATE_IDENTITY_TOKEN_H

#include "base/view.h"

#define TOKEN_PREFIX       "ggt_"
#define TOKEN_RANDOM_CHARS 30
#define TOKEN_CHECK_CHARS  6
#define TOKEN_SIZE         (4 + TOKEN_RANDOM_CHARS + TOKEN_CHECK_CHARS + 1)

/* A new token (178 random bits), NUL-terminated. */
void token_new(char out[TOKEN_SIZE]);
/* Has it the shape, checksum included? Says nothing about its validity. */
bool token_is_wellformed(struct view v);

#endif
