/*
 * Authorization: what is accepted holds no control byte, and writing it
 * again gives the same. Whatever the input, it is no token by chance unless
 * its checksum is right.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/text.h"
#include "identity/auth_header.h"
#include "identity/token.h"

static void
check_plain(const char *s)
{
	for (; *s != '\0'; s++)
		FUZZ_CHECK((unsigned char)*s >= 0x20 && *s != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(auth_header) a = { 0 };
	GG_AUTO_RELEASE(auth_header) b = { 0 };
	GG_AUTO_RELEASE(buf) pair = BUF_INIT(AUTH_HEADER_MAX_BYTES * 2);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUTH_HEADER_MAX_BYTES * 2);
	struct view in = view_of(data, size);

	(void)token_is_wellformed(in);
	if (auth_header_parse(in, &a, NULL) != 0) {
		FUZZ_CHECK(a.user == NULL && a.secret == NULL);
		return 0;
	}
	FUZZ_CHECK((a.scheme == AUTH_SCHEME_NONE) == (size == 0));
	if (a.scheme == AUTH_SCHEME_NONE)
		return 0;
	check_plain(a.secret);
	if (a.scheme == AUTH_SCHEME_BEARER) {
		buf_addf(&text, "bearer %s", a.secret);
	} else {
		check_plain(a.user);
		FUZZ_CHECK(strchr(a.user, ':') == NULL);
		buf_addf(&pair, "%s:%s", a.user, a.secret);
		buf_adds(&text, "BASIC ");
		base64_encode(&text, buf_view(&pair));
	}
	FUZZ_CHECK(auth_header_parse(buf_view(&text), &b, NULL) == 0);
	FUZZ_CHECK(a.scheme == b.scheme && strcmp(a.secret, b.secret) == 0);
	FUZZ_CHECK(a.user == NULL || strcmp(a.user, b.user) == 0);
	return 0;
}
