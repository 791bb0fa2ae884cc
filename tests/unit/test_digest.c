/* SHA-256 and HMAC against FIPS 180-4 and RFC 4231 vectors. */
#include "crypto/digest.h"

#include "base/text.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

static const struct {
	const char *why, *in, *hex;
} digests[] = {
	{ "nothing", "",
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "one block", "abc",
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "padding goes into a second block",
	    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void
digests_known(void **state)
{
	char hex[DIGEST_SHA256_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(digests); i++) {
		digest_sha256_hex(view_str(digests[i].in), hex);
		assert_string_equal(hex, digests[i].hex);
	}
	digest_sha256_hex((struct view){ 0 }, hex);
	assert_string_equal(hex, digests[0].hex);
}

static void
pieces_equal_whole(void **state)
{
	unsigned char data[300], whole[32], parts[32];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	digest_sha256(data, sizeof(data), whole);
	for (size_t cut = 0; cut <= sizeof(data); cut += 13) {
		GG_AUTO(digest_ctx) d = digest_ctx_new();

		digest_ctx_update(d, data, cut);
		digest_ctx_update(d, NULL, 0);
		digest_ctx_update(d, data + cut, sizeof(data) - cut);
		digest_ctx_final(d, parts);
		assert_memory_equal(whole, parts, sizeof(whole));
	}
}

static void
hmac_known(void **state)
{
	unsigned char out[32], key[131];
	char hex[65];

	(void)state;
	hmac_sha256(view_str("Jefe"), view_str("what do ya want for nothing?"),
	    out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex,
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(view_of(key, sizeof(key)),
	    view_str("Test Using Larger Than Block-Size Key - Hash Key First"),
	    out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex,
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	hmac_sha256((struct view){ 0 }, (struct view){ 0 }, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex,
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_known),
		cmocka_unit_test(pieces_equal_whole),
		cmocka_unit_test(hmac_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
