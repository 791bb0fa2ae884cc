#include "identity/token.h"

#include "base/text.h"

#include <stdint.h>
#include <string.h>

static const char base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static uint32_t
crc32_of(struct view v)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < v.n; i++) {
		crc ^= (unsigned char)v.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return ~crc;
}

static void
put_check(struct view random, char out[TOKEN_CHECK_CHARS])
{
	uint32_t crc = crc32_of(random);

	for (int i = TOKEN_CHECK_CHARS - 1; i >= 0; i--, crc /= 62)
		out[i] = base62[crc % 62];
}

/* 248 is the largest multiple of 62 in a byte: no character is likelier. */
static char
random_char(void)
{
	unsigned char b;

	do
		random_bytes(&b, 1);
	while (b >= 248);
	return base62[b % 62];
}

void
token_new(char out[TOKEN_SIZE])
{
	size_t at = strlen(TOKEN_PREFIX);

	memcpy(out, TOKEN_PREFIX, at);
	for (size_t i = 0; i < TOKEN_RANDOM_CHARS; i++)
		out[at + i] = random_char();
	put_check(view_of(out + at, TOKEN_RANDOM_CHARS),
	    out + at + TOKEN_RANDOM_CHARS);
	out[TOKEN_SIZE - 1] = '\0';
}

bool
token_is_wellformed(struct view v)
{
	char check[TOKEN_CHECK_CHARS];
	struct view random;

	if (v.n != TOKEN_SIZE - 1 || !view_has_prefix(v, TOKEN_PREFIX))
		return false;
	view_skip(&v, strlen(TOKEN_PREFIX));
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\0' || strchr(base62, v.p[i]) == NULL)
			return false;
	random = view_of(v.p, TOKEN_RANDOM_CHARS);
	put_check(random, check);
	view_skip(&v, TOKEN_RANDOM_CHARS);
	return view_eq(v, view_of(check, sizeof(check)));
}
