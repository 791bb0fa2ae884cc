/* Signed notes: vectors of the specification, of Go's sumdb, of Tessera. */
#include "audit/note.h"

#include "base/text.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define SPEC_VKEY \
	"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define SPEC_TEXT "This is an example message.\n"
#define SPEC_SIG                                                             \
	"\xe2\x80\x94 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXp" \
	"pzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define SPEC_NOTE SPEC_TEXT "\n" SPEC_SIG

#define SUMDB_SKEY                           \
	"PRIVATE+KEY+PeterNeumann+c74f20a3+" \
	"AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define SUMDB_SEED \
	"810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173"
#define SUMDB_VKEY \
	"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define SUMDB_TEXT                                                   \
	"If you think cryptography is the answer to your problem,\n" \
	"then you don't know what your problem is.\n"
#define SUMDB_SIG                                                            \
	"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcE" \
	"lZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

#define OTHER_SIG "\xe2\x80\x94 other.example AAAAAQID\n"

static void
key_of(const char *text, struct note_vkey *k)
{
	struct gg_error err = { 0 };

	if (note_vkey_parse(view_str(text), k, &err) != 0)
		fail_msg("%s", err.msg);
}

static void
spec_vector(void **state)
{
	struct note_vkey k;
	struct note n;
	uint64_t t = 7;

	(void)state;
	key_of(SPEC_VKEY, &k);
	assert_int_equal(note_parse(view_str(SPEC_NOTE), &n, NULL), 0);
	assert_int_equal(n.n_sigs, 1);
	assert_true(view_eq_str(n.text, SPEC_TEXT));
	assert_int_equal(note_verify(&n, &k, &t, NULL), 0);
	assert_int_equal(t, 0);
}

static void
sumdb_vector(void **state)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(4096), text = BUF_INIT(4096);
	GG_AUTO(note_skey) k = NULL;
	unsigned char seed[32];

	(void)state;
	assert_int_equal(note_skey_parse(view_str(SUMDB_SKEY), &k, NULL), 0);
	assert_int_equal(note_sign(view_str(SUMDB_TEXT), k, &out, NULL), 0);
	assert_string_equal(buf_str(&out), SUMDB_TEXT "\n" SUMDB_SIG);
	note_vkey_format(note_skey_vkey(k), &text);
	assert_string_equal(buf_str(&text), SUMDB_VKEY);
	buf_clear(&text);
	assert_true(hex_decode(view_str(SUMDB_SEED), seed, sizeof(seed)));
	assert_int_equal(note_skey_format(view_str("PeterNeumann"), seed, &text,
			     NULL),
	    0);
	assert_string_equal(buf_str(&text), SUMDB_SKEY);
	assert_int_equal(note_sign(view_str("no newline"), k, &out, NULL),
	    GG_E_INPUT);
}

/* A witness over Tessera's checkpoint of size 3. */
static void
cosignature_vector(void **state)
{
	static const char text[] =
	    "example.com/log/testdata\n3\n"
	    "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n";
	static const char want[] =
	    "\xe2\x80\x94 example.com/witness EKHAGQAAAABkGFDLrmZkA5eToo2vmc"
	    "DP2Ldak/TokWThPiNuLJ2jnFO/8W1ZfxbsZvcbRzBsCr+R02eWKRUrD5t/rAnG5"
	    "n2up6daBw==\n";
	GG_AUTO_RELEASE(buf) skey = BUF_INIT(4096), line = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) msg = BUF_INIT(4096);
	GG_AUTO(note_skey) k = NULL;
	unsigned char seed[32];
	struct note_vkey vkey;
	struct note n;
	uint64_t t = 0;

	(void)state;
	assert_true(hex_decode(view_str("31ffc2116ecbe003acaa800ab70757bd7d53"
					"206e3febef6a6d0796d95530b34f"),
	    seed, sizeof(seed)));
	assert_int_equal(note_skey_format(view_str("example.com/witness"), seed,
			     &skey, NULL),
	    0);
	assert_int_equal(note_skey_parse(buf_view(&skey), &k, NULL), 0);
	assert_int_equal(note_cosign(view_str(text), k, 1679315147, &line,
			     NULL),
	    0);
	assert_string_equal(buf_str(&line), want);
	key_of("example.com/witness+10a1c019+"
	       "BGSEitir7W6FmBs7OHWyUrh2frtLAvcDrKOx5xu9ao5Q",
	    &vkey);
	assert_int_equal(vkey.type, NOTE_COSIGNATURE);
	buf_addf(&msg, "%s\n" OTHER_SIG "%s", text, want);
	assert_int_equal(note_parse(buf_view(&msg), &n, NULL), 0);
	assert_int_equal(note_verify(&n, &vkey, &t, NULL), 0);
	assert_int_equal(t, 1679315147);
	/* the same name with its ordinary key has not signed */
	assert_int_equal(note_verify(&n, note_skey_vkey(k), NULL, NULL),
	    GG_E_NOTFOUND);
}

static void
several_signatures(void **state)
{
	struct note_vkey k;
	struct note n;

	(void)state;
	key_of(SPEC_VKEY, &k);
	assert_int_equal(note_parse(view_str(SPEC_TEXT
					"\n" OTHER_SIG SPEC_SIG OTHER_SIG),
			     &n, NULL),
	    0);
	assert_int_equal(n.n_sigs, 3);
	assert_int_equal(note_verify(&n, &k, NULL, NULL), 0);
	assert_int_equal(note_parse(view_str(SPEC_TEXT "\n" OTHER_SIG), &n,
			     NULL),
	    0);
	assert_int_equal(note_verify(&n, &k, NULL, NULL), GG_E_NOTFOUND);
	/* text with empty lines of its own: the last one separates */
	assert_int_equal(note_parse(view_str("a\n\nb\n\n" OTHER_SIG), &n, NULL),
	    0);
	assert_true(view_eq_str(n.text, "a\n\nb\n"));
	/* a known key with one good and one bad line: bad */
	assert_int_equal(
	    note_parse(view_str(SPEC_TEXT
			   "\n" SPEC_SIG
			   "\xe2\x80\x94 example.com/foo Uw2QOkn8srU=\n"),
		&n, NULL),
	    0);
	assert_int_equal(note_verify(&n, &k, NULL, NULL), GG_E_CORRUPT);
}

static void
every_flipped_bit(void **state)
{
	char msg[] = SPEC_NOTE;
	struct note_vkey k;
	struct note n;

	(void)state;
	key_of(SPEC_VKEY, &k);
	for (size_t bit = 0; bit < 8 * (sizeof(msg) - 1); bit++) {
		msg[bit / 8] = (char)(msg[bit / 8] ^ 1 << bit % 8);
		assert_false(note_parse(view_of(msg, sizeof(msg) - 1), &n,
				 NULL) == 0 &&
		    note_verify(&n, &k, NULL, NULL) == 0);
		msg[bit / 8] = (char)(msg[bit / 8] ^ 1 << bit % 8);
	}
}

static const struct {
	const char *why, *note;
} bad_notes[] = {
	{ "empty", "" },
	{ "only newlines", "\n\n" },
	{ "no signatures", "text\n" },
	{ "no signatures behind the empty line", "text\n\n" },
	{ "no text", "\n" OTHER_SIG },
	{ "no empty line", "text\n" OTHER_SIG },
	{ "last line does not end", "text\n\n\xe2\x80\x94 a AAAAAQID" },
	{ "hyphen for a dash", "text\n\n- a AAAAAQID\n" },
	{ "no space after the dash",
	    "text\n\n\xe2\x80\x94"
	    "a AAAAAQID\n" },
	{ "two spaces", "text\n\n\xe2\x80\x94 a  AAAAAQID\n" },
	{ "no name", "text\n\n\xe2\x80\x94  AAAAAQID\n" },
	{ "plus in the name", "text\n\n\xe2\x80\x94 a+b AAAAAQID\n" },
	{ "no-break space in it",
	    "text\n\n\xe2\x80\x94 a\xc2\xa0z AAAAAQID\n" },
	{ "not base64", "text\n\n\xe2\x80\x94 a AAAA!QID\n" },
	{ "url alphabet", "text\n\n\xe2\x80\x94 a AAAA_-ID\n" },
	{ "id only", "text\n\n\xe2\x80\x94 a AAAAAQ==\n" },
	{ "missing padding", "text\n\n\xe2\x80\x94 a AAAAAQI\n" },
	{ "space behind", "text\n\n\xe2\x80\x94 a AAAAAQID \n" },
	{ "carriage returns", "text\r\n\n" OTHER_SIG },
	{ "control byte", "te\x01xt\n\n" OTHER_SIG },
	{ "not UTF-8", "te\xffxt\n\n" OTHER_SIG },
};

static void
notes_refused(void **state)
{
	GG_AUTO_RELEASE(buf) many = BUF_INIT(NOTE_MAX_BYTES * 2);
	struct note n = { .n_sigs = 9 };
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad_notes); i++)
		if (note_parse(view_str(bad_notes[i].note), &n, &err) !=
		    GG_E_CORRUPT)
			fail_msg("%s: accepted", bad_notes[i].why);
	assert_int_equal(n.n_sigs, 9);
	buf_adds(&many, "text\n\n");
	for (size_t i = 0; i < NOTE_SIGS_MAX; i++)
		buf_adds(&many, OTHER_SIG);
	assert_int_equal(note_parse(buf_view(&many), &n, &err), 0);
	assert_int_equal(n.n_sigs, NOTE_SIGS_MAX);
	buf_adds(&many, OTHER_SIG);
	assert_int_equal(note_parse(buf_view(&many), &n, &err), GG_E_CORRUPT);
}

static const struct {
	const char *why, *key;
} bad_keys[] = {
	{ "empty", "" },
	{ "name alone", "example.com/foo" },
	{ "no name", "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	{ "other name: the id is another",
	    "example.com/fop+530d903a+"
	    "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	{ "other id",
	    "example.com/foo+530d903b+"
	    "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	{ "short id",
	    "example.com/foo+530d90+"
	    "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	{ "short key", "example.com/foo+530d903a+AekyeRrm56hApGFk" },
	{ "type ECDSA",
	    "example.com/foo+530d903a+"
	    "AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	{ "newline at the end", SPEC_VKEY "\n" },
	{ "space in the name",
	    "example.com foo+530d903a+"
	    "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	{ "a private key", SUMDB_SKEY },
};

static void
keys_refused(void **state)
{
	struct note_vkey k = { .id = 9 };
	GG_AUTO(note_skey) s = NULL;
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad_keys); i++)
		if (note_vkey_parse(view_str(bad_keys[i].key), &k, &err) !=
		    GG_E_INPUT)
			fail_msg("%s: accepted", bad_keys[i].why);
	assert_int_equal(k.id, 9);
	assert_int_equal(note_skey_parse(view_str(SUMDB_VKEY), &s, &err),
	    GG_E_INPUT);
	assert_int_equal(
	    note_skey_parse(view_str("PRIVATE+KEY+PeterNeumann+c74f20a4+"
				     "AYEKFALVFGyNhPJEMzD1QIDr+"
				     "Y7hfZx09iUvxdXHKDFz"),
		&s, &err),
	    GG_E_INPUT);
	assert_null(s);
	assert_false(note_name_is_valid(view_of("a\0b", 3)));
	assert_false(note_name_is_valid(view_str("a\xe2\x80\xa8"
						 "b")));
	assert_true(note_name_is_valid(view_str("gate.example.com/\xc3\xa4")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spec_vector),
		cmocka_unit_test(sumdb_vector),
		cmocka_unit_test(cosignature_vector),
		cmocka_unit_test(several_signatures),
		cmocka_unit_test(every_flipped_bit),
		cmocka_unit_test(notes_refused),
		cmocka_unit_test(keys_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
