/* Ed25519 against the vectors of RFC 8032 section 7.1. */
#include "crypto/sign.h"

#include "base/text.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

static const struct {
	const char *seed, *pub, *msg, *sig;
} vectors[] = {
	{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
	    "",
	    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
	    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
	{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
	    "72",
	    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
	    "af82",
	    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
	    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
};

static void
known_vectors(void **state)
{
	unsigned char seed[32], pub[32], msg[8], want[64], got[64];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(vectors); i++) {
		GG_AUTO(sign_key) k = NULL;
		size_t n = strlen(vectors[i].msg) / 2;
		struct gg_error err = { 0 };

		assert_true(hex_decode(view_str(vectors[i].seed), seed, 32));
		assert_true(hex_decode(view_str(vectors[i].pub), pub, 32));
		assert_true(hex_decode(view_str(vectors[i].msg), msg, n));
		assert_true(hex_decode(view_str(vectors[i].sig), want, 64));
		assert_int_equal(sign_key_new(seed, &k, &err), 0);
		assert_memory_equal(sign_key_public(k), pub, 32);
		assert_int_equal(sign_make(k, view_of(msg, n), got, &err), 0);
		assert_memory_equal(got, want, 64);
		assert_true(sign_verify(pub, view_of(msg, n), want));
	}
}

static void
every_flipped_bit_fails(void **state)
{
	unsigned char pub[32], msg[2], sig[64];

	(void)state;
	assert_true(hex_decode(view_str(vectors[2].pub), pub, 32));
	assert_true(hex_decode(view_str(vectors[2].msg), msg, 2));
	assert_true(hex_decode(view_str(vectors[2].sig), sig, 64));
	for (size_t bit = 0; bit < 64 * 8; bit++) {
		sig[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(sign_verify(pub, view_of(msg, 2), sig));
		sig[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 16; bit++) {
		msg[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(sign_verify(pub, view_of(msg, 2), sig));
		msg[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 256; bit++) {
		pub[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(sign_verify(pub, view_of(msg, 2), sig));
		pub[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_false(sign_verify(pub, view_of(msg, 1), sig));
	assert_true(sign_verify(pub, view_of(msg, 2), sig));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_vectors),
		cmocka_unit_test(every_flipped_bit_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
