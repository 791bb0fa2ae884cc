/* scan/checksum: tokens that carry one; base/sha256 by published vectors. */
#include "base/auto.h"
#include "base/sha256.h"
#include "base/text.h"
#include "scan/checksum.h"
#include "scan/entropy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static void
tokens(void **state)
{
	static const struct {
		const char *text;
		enum checksum want;
	} rows[] = {
		/* the vector that GitHub published with the format */
		{ "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", CHECKSUM_RIGHT },
		{ "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", CHECKSUM_RIGHT },
		{ "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", CHECKSUM_WRONG },
		{ "ghp_AQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17", CHECKSUM_WRONG },
		{ "ggt_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17", CHECKSUM_RIGHT },
		{ "ggt_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", CHECKSUM_FORGED },
		{ "abc_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17", CHECKSUM_NONE },
		{ "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq1", CHECKSUM_NONE },
		{ "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq1-", CHECKSUM_NONE },
		{ "", CHECKSUM_NONE },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		assert_int_equal(checksum_of(view_str(rows[i].text)),
		    rows[i].want);
}

static void
digest_is(struct view v, size_t times, const char *want)
{
	unsigned char out[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct sha256 s;

	sha256_begin(&s);
	for (size_t i = 0; i < times; i++)
		sha256_add(&s, v);
	sha256_end(&s, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex, want);
}

/* NIST's examples for FIPS 180-4, and its million of "a". */
static void
sha256_vectors(void **state)
{
	(void)state;
	digest_is(view_str(""), 1,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_is(view_str("abc"), 1,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_is(view_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmno"
			   "mnopnopq"),
	    1,
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	digest_is(view_str("a"), 1000000,
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void
mac_is(struct view key, struct view text, const char *want)
{
	unsigned char out[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct hmac_sha256 m;

	hmac_sha256_begin(&m, key);
	hmac_sha256_add(&m, text);
	hmac_sha256_end(&m, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex, want);
}

/* RFC 4231, cases 2 and 6. */
static void
hmac_vectors(void **state)
{
	char key[131];

	(void)state;
	mac_is(view_str("Jefe"), view_str("what do ya want for nothing?"),
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	mac_is(view_of(key, sizeof(key)),
	    view_str("Test Using Larger Than Block-Size Key - Hash Key First"),
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
entropy(void **state)
{
	static const struct {
		const char *text;
		double want;
	} rows[] = {
		{ "", 0 },
		{ "aaaa", 0 },
		{ "abab", 1 },
		{ "abcd", 2 },
		{ "0123456789abcdef", 4 },
		/* two code points in four bytes: -2 * 1/4 * log2(1/4) */
		{ "äö", 1 },
		/* bytes that are no UTF-8 are one and the same */
		{ "\xff\xfe\xff\xfe", 0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		double got = entropy_of(view_str(rows[i].text));

		assert_true(got > rows[i].want - 1e-9 &&
		    got < rows[i].want + 1e-9);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens),
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(entropy),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
