/* identity: Authorization headers, token shapes, ages of credentials. */
#include "base/buf.h"
#include "base/text.h"
#include "identity/auth_header.h"
#include "identity/session.h"
#include "identity/token.h"

#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static const struct {
	const char *why, *in;
	int want;
	enum auth_scheme scheme;
	const char *user, *secret;
} headers[] = {
	{ "nothing", "", 0, AUTH_SCHEME_NONE, NULL, NULL },
	{ "Basic", "Basic YTpi", 0, AUTH_SCHEME_BASIC, "a", "b" },
	{ "schemes have no case", "bAsIc  YTpi", 0, AUTH_SCHEME_BASIC, "a",
	    "b" },
	{ "the first colon parts", "Basic YTpiOmM=", 0, AUTH_SCHEME_BASIC, "a",
	    "b:c" },
	{ "an empty user", "Basic OmI=", 0, AUTH_SCHEME_BASIC, "", "b" },
	{ "an empty password", "Basic YTo=", 0, AUTH_SCHEME_BASIC, "a", "" },
	{ "Bearer", "Bearer abc.DEF-_~+/==", 0, AUTH_SCHEME_BEARER, NULL,
	    "abc.DEF-_~+/==" },
	{ "no colon", "Basic YWI=", GG_E_PEER, 0, NULL, NULL },
	{ "no padding", "Basic OmI", GG_E_PEER, 0, NULL, NULL },
	{ "spare bits", "Basic OmJ=", GG_E_PEER, 0, NULL, NULL },
	{ "no base64", "Basic a:b", GG_E_PEER, 0, NULL, NULL },
	{ "a blank behind it", "Basic YTpi ", GG_E_PEER, 0, NULL, NULL },
	{ "a NUL inside", "Basic YToAYg==", GG_E_PEER, 0, NULL, NULL },
	{ "a line break inside", "Basic YToKYg==", GG_E_PEER, 0, NULL, NULL },
	{ "nothing behind Basic", "Basic", GG_E_PEER, 0, NULL, NULL },
	{ "nothing behind Bearer", "Bearer ", GG_E_PEER, 0, NULL, NULL },
	{ "two tokens", "Bearer a b", GG_E_PEER, 0, NULL, NULL },
	{ "padding inside", "Bearer a=b", GG_E_PEER, 0, NULL, NULL },
	{ "padding alone", "Bearer ==", GG_E_PEER, 0, NULL, NULL },
	{ "another scheme", "Digest username=\"a\"", GG_E_PEER, 0, NULL, NULL },
	{ "a scheme that begins alike", "Basically YTpi", GG_E_PEER, 0, NULL,
	    NULL },
};

static void
header_table(void **state)
{
	GG_AUTO_MEM char *big = calloc(1, AUTH_HEADER_MAX_BYTES + 2);
	struct auth_header none = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(headers); i++) {
		GG_AUTO_RELEASE(auth_header) h = { 0 };
		struct gg_error err = { 0 };
		int rc = auth_header_parse(view_str(headers[i].in), &h, &err);
		bool same = rc == headers[i].want;

		if (same && rc == 0)
			same = h.scheme == headers[i].scheme &&
			    (h.user != NULL) == (headers[i].user != NULL) &&
			    (h.secret != NULL) == (headers[i].secret != NULL);
		if (same && h.user != NULL)
			same = strcmp(h.user, headers[i].user) == 0;
		if (same && h.secret != NULL)
			same = strcmp(h.secret, headers[i].secret) == 0;
		if (!same || (rc < 0 && h.secret != NULL))
			fail_msg("%s: %d", headers[i].why, rc);
		/* what is wrong is said without saying what was sent */
		assert_null(strstr(err.msg, "YWI"));
	}
	memset(big, 'a', AUTH_HEADER_MAX_BYTES + 1);
	memcpy(big, "Bearer ", 7);
	assert_int_equal(auth_header_parse(view_str(big), &none, NULL),
	    GG_E_LIMIT);
}

static void
tokens_are_new_and_checked(void **state)
{
	char a[TOKEN_SIZE], b[TOKEN_SIZE];

	(void)state;
	for (int round = 0; round < 50; round++) {
		token_new(a);
		token_new(b);
		assert_string_not_equal(a, b);
		assert_int_equal(strlen(a), TOKEN_SIZE - 1);
		assert_true(token_is_wellformed(view_str(a)));
		for (size_t i = 0; a[i] != '\0'; i++) {
			char was = a[i];

			a[i] = was == 'x' ? 'y' : 'x';
			assert_false(token_is_wellformed(view_str(a)));
			a[i] = was;
		}
		assert_false(token_is_wellformed(view_of(a, TOKEN_SIZE - 2)));
		assert_false(token_is_wellformed(view_of(a, TOKEN_SIZE)));
	}
	assert_false(token_is_wellformed(view_str("")));
}

/* The checksum is zlib's, so that others can check tokens too. */
static void
token_checksum_is_crc32(void **state)
{
	static const char abc[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz";
	char t[TOKEN_SIZE];
	unsigned long crc, back = 0;

	(void)state;
	token_new(t);
	crc = crc32(0, (const unsigned char *)t + 4, TOKEN_RANDOM_CHARS);
	for (size_t i = 4 + TOKEN_RANDOM_CHARS; t[i] != '\0'; i++)
		back = back * 62 + (unsigned long)(strchr(abc, t[i]) - abc);
	assert_int_equal(back, crc);
	assert_true(token_is_wellformed(
	    view_str("ggt_0000000000000000000000000000002C8GjS")));
}

static void
ages(void **state)
{
	static const struct {
		const char *why;
		int64_t created, used, now;
		enum credential_state want;
	} rows[] = {
		/* idle after 100, over after 1000 */
		{ "fresh", 5000, 5000, 5000, CREDENTIAL_GOOD },
		{ "just before idle", 5000, 5000, 5099, CREDENTIAL_GOOD },
		{ "idle", 5000, 5000, 5100, CREDENTIAL_IDLE },
		{ "used again", 5000, 5090, 5150, CREDENTIAL_GOOD },
		{ "over, though used", 5000, 5999, 6000, CREDENTIAL_EXPIRED },
		{ "from a clock slightly ahead", 6000, 6000, 5000,
		    CREDENTIAL_GOOD },
		{ "from the future", 5000 + CREDENTIAL_SKEW_MS + 1,
		    5000 + CREDENTIAL_SKEW_MS + 1, 5000, CREDENTIAL_DAMAGED },
		{ "used before it was made", 5000, 4999, 5000,
		    CREDENTIAL_DAMAGED },
		{ "negative", -1, 5000, 5000, CREDENTIAL_DAMAGED },
		{ "smallest", INT64_MIN, INT64_MIN, INT64_MAX,
		    CREDENTIAL_DAMAGED },
		{ "largest", INT64_MAX, INT64_MAX, 0, CREDENTIAL_DAMAGED },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		if (session_state(rows[i].created, rows[i].used, 100, 1000,
			rows[i].now) != rows[i].want)
			fail_msg("%s", rows[i].why);
	assert_int_equal(session_state(5, 5, 0, 1000, 5), CREDENTIAL_IDLE);
	assert_int_equal(session_state(5, 5, 100, 0, 5), CREDENTIAL_EXPIRED);
}

static void
token_ages(void **state)
{
	static const struct {
		const char *why;
		int64_t created, expires, revoked, now;
		enum credential_state want;
	} rows[] = {
		{ "no end", 1, 0, 0, INT64_MAX, CREDENTIAL_GOOD },
		{ "before its end", 1, 10, 0, 9, CREDENTIAL_GOOD },
		{ "at its end", 1, 10, 0, 10, CREDENTIAL_EXPIRED },
		{ "revoked", 1, 0, 5, 9, CREDENTIAL_REVOKED },
		{ "revoked comes first", 1, 2, 5, 9, CREDENTIAL_REVOKED },
		{ "an end before time", 1, -5, 0, 9, CREDENTIAL_DAMAGED },
		{ "from the future", INT64_MAX, 0, 0, 9, CREDENTIAL_DAMAGED },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		if (token_state(rows[i].created, rows[i].expires,
			rows[i].revoked, rows[i].now) != rows[i].want)
			fail_msg("%s", rows[i].why);
	assert_string_equal(credential_state_name(CREDENTIAL_IDLE), "idle");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_table),
		cmocka_unit_test(tokens_are_new_and_checked),
		cmocka_unit_test(token_checksum_is_crc32),
		cmocka_unit_test(ages),
		cmocka_unit_test(token_ages),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
