#include "audit/checkpoint.h"

#include "base/text.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define ROOT3 "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk="
#define TEXT3 "example.com/log/testdata\n3\n" ROOT3 "\n"
#define SIG3                                                                 \
	"\xe2\x80\x94 example.com/log/testdata M9e0lvAQRtH832pk2RTbeSeZMkp4" \
	"FZSdJYFBUjO5SKxuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg=\n"
#define SKEY                                             \
	"PRIVATE+KEY+example.com/log/testdata+33d7b496+" \
	"AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg"
#define VKEY                                 \
	"example.com/log/testdata+33d7b496+" \
	"AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

static void
tessera_checkpoint(void **state)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(4096), text = BUF_INIT(4096);
	GG_AUTO(note_skey) k = NULL;
	struct note_vkey vkey;
	struct checkpoint c = { 0 }, back = { 0 };
	struct merkle_hash h;
	struct merkle_tree t = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const words[] = { "one", "two", "three" };

		merkle_leaf(view_str(words[i]), &h);
		merkle_tree_add(&t, &h);
	}
	c.origin = view_str("example.com/log/testdata");
	c.size = t.size;
	merkle_tree_root(&t, &c.root);
	checkpoint_format(&c, &text);
	assert_string_equal(buf_str(&text), TEXT3);
	assert_int_equal(note_skey_parse(view_str(SKEY), &k, NULL), 0);
	assert_int_equal(note_sign(buf_view(&text), k, &note, NULL), 0);
	assert_string_equal(buf_str(&note), TEXT3 "\n" SIG3);
	assert_int_equal(note_vkey_parse(view_str(VKEY), &vkey, NULL), 0);
	assert_int_equal(checkpoint_open(buf_view(&note), &vkey, &back, NULL),
	    0);
	assert_int_equal(back.size, 3);
	assert_true(view_eq(back.origin, c.origin));
	assert_true(merkle_hash_eq(&back.root, &c.root));
}

/* The example of Go's FormatTree. */
static void
format_known(void **state)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(4096);
	struct checkpoint c = { .size = 123456789012 };

	(void)state;
	c.origin = view_str("go.sum database tree");
	merkle_leaf(view_str("hello world"), &c.root);
	checkpoint_format(&c, &text);
	assert_string_equal(buf_str(&text),
	    "go.sum database tree\n123456789012\n"
	    "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n");
}

static const struct {
	const char *why, *text;
	int want;
} texts[] = {
	{ "plain", TEXT3, 0 },
	{ "an extension line is kept out of the way", TEXT3 "x 1\n", 0 },
	{ "size 0", "o\n0\n" ROOT3 "\n", 0 },
	{ "empty", "", GG_E_CORRUPT },
	{ "no origin", "\n3\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "no size", "o\n\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "leading zero", "o\n03\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "sign", "o\n+3\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "space", "o\n 3\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "hex", "o\n0x3\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "too large", "o\n9223372036854775809\n" ROOT3 "\n", GG_E_CORRUPT },
	{ "no root", "o\n3\n", GG_E_CORRUPT },
	{ "short root", "o\n3\nWqx3\n", GG_E_CORRUPT },
	{ "bad root", "o\n3\n!qx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n",
	    GG_E_CORRUPT },
	{ "spare bits in the root",
	    "o\n3\nWqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKl=\n",
	    GG_E_CORRUPT },
	{ "no newline at the end", "o\n3\n" ROOT3, GG_E_CORRUPT },
	{ "empty extension", TEXT3 "\n", GG_E_CORRUPT },
	{ "extension without newline", TEXT3 "x", GG_E_CORRUPT },
};

static void
texts_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(texts); i++) {
		struct checkpoint c = { .size = 77 };
		struct gg_error err = { 0 };
		int rc = checkpoint_parse(view_str(texts[i].text), &c, &err);

		if (rc != texts[i].want)
			fail_msg("%s: %d %s", texts[i].why, rc, err.msg);
		if (rc != 0)
			assert_int_equal(c.size, 77);
	}
}

static void
wrong_key_or_log(void **state)
{
	GG_AUTO_RELEASE(buf) note = BUF_INIT(4096);
	GG_AUTO(note_skey) k = NULL;
	struct gg_error err = { 0 };
	struct note_vkey vkey;
	struct checkpoint c;

	(void)state;
	assert_int_equal(
	    note_vkey_parse(
		view_str("PeterNeumann+c74f20a3+ARpc"
			 "2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
		&vkey, NULL),
	    0);
	assert_int_equal(checkpoint_open(view_str(TEXT3 "\n" SIG3), &vkey, &c,
			     &err),
	    GG_E_CORRUPT);
	assert_int_equal(err.code, GG_E_CORRUPT);
	/* signed by the key, but of a log with another name */
	assert_int_equal(note_skey_parse(view_str(SKEY), &k, NULL), 0);
	assert_int_equal(note_sign(view_str("o\n3\n" ROOT3 "\n"), k, &note,
			     NULL),
	    0);
	assert_int_equal(checkpoint_open(buf_view(&note), note_skey_vkey(k), &c,
			     &err),
	    GG_E_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tessera_checkpoint),
		cmocka_unit_test(format_known),
		cmocka_unit_test(texts_parsed),
		cmocka_unit_test(wrong_key_or_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
