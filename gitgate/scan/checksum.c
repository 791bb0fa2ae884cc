#include "scan/checksum.h"

#include <stdint.h>
#include <zlib.h>

enum { PREFIX = 4, RANDOM = 30, CHECK = 6 };

static const char alphabet[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool
fits(struct view secret)
{
	uint32_t crc = (uint32_t)crc32(0, (const Bytef *)secret.p + PREFIX,
	    RANDOM);
	char want[CHECK];

	for (int i = CHECK - 1; i >= 0; i--, crc /= 62)
		want[i] = alphabet[crc % 62];
	return memcmp(want, secret.p + PREFIX + RANDOM, CHECK) == 0;
}

enum checksum
checksum_of(struct view secret)
{
	static const struct {
		const char *prefix;
		enum checksum otherwise;
	} forms[] = {
		{ "ghp_", CHECKSUM_WRONG },
		{ "gho_", CHECKSUM_WRONG },
		{ "ghu_", CHECKSUM_WRONG },
		{ "ghs_", CHECKSUM_WRONG },
		{ "ghr_", CHECKSUM_WRONG },
		{ "npm_", CHECKSUM_WRONG },
		{ "ggt_", CHECKSUM_FORGED },
	};

	if (secret.n != PREFIX + RANDOM + CHECK)
		return CHECKSUM_NONE;
	for (size_t i = PREFIX; i < secret.n; i++)
		if (secret.p[i] == '\0' ||
		    strchr(alphabet, secret.p[i]) == NULL)
			return CHECKSUM_NONE;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (view_has_prefix(secret, forms[i].prefix))
			return fits(secret) ? CHECKSUM_RIGHT :
					      forms[i].otherwise;
	return CHECKSUM_NONE;
}
