/* One-time codes: the vectors of RFC 4226 and RFC 6238, and what counts. */
#include "base/auto.h"
#include "crypto/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define KEY "12345678901234567890"
/* KEY in base 32 */
#define SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

/* RFC 6238, appendix B: SHA-1, 8 digits. */
static void
codes_of_rfc_6238(void **state)
{
	static const struct {
		int64_t time;
		const char *code;
	} all[] = {
		{ 59, "94287082" },
		{ 1111111109, "07081804" },
		{ 1111111111, "14050471" },
		{ 1234567890, "89005924" },
		{ 2000000000, "69279037" },
		{ 20000000000, "65353130" },
	};
	char code[9];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		totp_code(view_str(KEY), (uint64_t)all[i].time / TOTP_STEP_S, 8,
		    code);
		assert_string_equal(code, all[i].code);
		/* six digits are the last six of them */
		assert_int_equal(totp_match(SECRET, view_str(code + 2),
				     all[i].time, 0),
		    all[i].time / TOTP_STEP_S);
	}
}

/* RFC 4226, appendix D. */
static void
codes_of_rfc_4226(void **state)
{
	static const char *const all[] = { "755224", "287082", "359152",
		"969429", "338314", "254676", "287922", "162583", "399871",
		"520489" };
	char code[9];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		totp_code(view_str(KEY), i, 6, code);
		assert_string_equal(code, all[i]);
	}
}

static void
steps_around_now_count_once(void **state)
{
	const int64_t now = 1700000010, step = now / TOTP_STEP_S;
	char code[9];

	(void)state;
	for (int64_t d = -3; d <= 3; d++) {
		bool counts = d >= -TOTP_WINDOW && d <= TOTP_WINDOW;

		totp_code(view_str(KEY), (uint64_t)(step + d), 6, code);
		assert_int_equal(totp_match(SECRET, view_str(code), now, 0),
		    counts ? step + d : 0);
		/* used, or older than one that was used */
		assert_int_equal(totp_match(SECRET, view_str(code), now,
				     step + d),
		    0);
		assert_int_equal(totp_match(SECRET, view_str(code), now,
				     step + d + 1),
		    0);
	}
}

static void
what_is_no_code(void **state)
{
	static const char *const all[] = { "", "28708", "2870820", "28708a",
		"-87082", "+87082", "287082\n", "287\t082", "１" };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(all); i++)
		assert_int_equal(totp_match(SECRET, view_str(all[i]), 59, 0),
		    0);
	assert_int_equal(totp_match(SECRET, view_str(" 287 082 "), 59, 0), 1);
	assert_int_equal(totp_match("", view_str("287082"), 59, 0), 0);
	assert_int_equal(totp_match("!", view_str("287082"), 59, 0), 0);
	assert_int_equal(totp_match(SECRET, view_str("287082"), -59, 0), 0);
}

static void
check_base32(const char *text, int want, const char *bytes)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100);

	assert_int_equal(base32_decode(&b, view_str(text), NULL), want);
	if (want == 0)
		assert_string_equal(buf_str(&b), bytes);
}

/* RFC 4648, section 10. */
static void
base_32(void **state)
{
	(void)state;
	check_base32("", 0, "");
	check_base32("MY======", 0, "f");
	check_base32("MZXQ====", 0, "fo");
	check_base32("MZXW6===", 0, "foo");
	check_base32("MZXW6YQ=", 0, "foob");
	check_base32("MZXW6YTB", 0, "fooba");
	check_base32("mzxw 6ytb oi", 0, "foobar");
	check_base32("M", GG_E_INPUT, NULL);
	check_base32("MZ", GG_E_INPUT, NULL); /* spare bits */
	check_base32("MZXW1", GG_E_INPUT, NULL);
	check_base32("MY==MY==", GG_E_INPUT, NULL);
}

static void
new_secrets(void **state)
{
	char a[TOTP_SECRET_SIZE], b[TOTP_SECRET_SIZE];
	GG_AUTO_RELEASE(buf) key = BUF_INIT(100);

	(void)state;
	totp_secret_new(a);
	totp_secret_new(b);
	assert_int_equal(strlen(a), TOTP_SECRET_SIZE - 1);
	assert_string_not_equal(a, b);
	assert_int_equal(base32_decode(&key, view_str(a), NULL), 0);
	assert_int_equal(key.n, TOTP_SECRET_BYTES);
}

static void
uri(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(400);

	(void)state;
	totp_uri(&b, "gate.example.com:8080", "ann@x", SECRET);
	assert_string_equal(buf_str(&b),
	    "otpauth://totp/gate.example.com%3A8080:ann%40x?secret=" SECRET
	    "&issuer=gate.example.com%3A8080");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_rfc_6238),
		cmocka_unit_test(codes_of_rfc_4226),
		cmocka_unit_test(steps_around_now_count_once),
		cmocka_unit_test(what_is_no_code),
		cmocka_unit_test(base_32),
		cmocka_unit_test(new_secrets),
		cmocka_unit_test(uri),
	};

	return cmocka_run_group_tests_name("totp", tests, NULL, NULL);
}
