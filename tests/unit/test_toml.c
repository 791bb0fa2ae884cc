/* scan/toml: what is TOML, what it says, and what is refused where. */
#include "scan/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

/* The value of "x" in a text, as TOML_STRING. */
static void
strings(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{ "x = ''", "" },
		{ "x=\"a\"", "a" },
		{ "x = 'a\\b' # c", "a\\b" },
		{ "x = \"\\t\\\"\\\\\\u00e4\\U0001F600\"", "\t\"\\ä😀" },
		{ "x = '''a\nb'''", "a\nb" },
		{ "x = '''\n\\d'\n'''", "\\d'\n" },
		{ "x = ''''a''''", "'a'" },
		{ "x = \"\"\"a \\\n   b\"\"\"", "a b" },
		{ "x = \"\"\"\n\"a\"\"\"\"\"", "\"a\"\"" },
		{ "'x' = 'v'", "v" },
		{ "\"x\" = 'v'\r\n", "v" },
		{ "# c\n\n  x = 'v'  # d", "v" },
		{ "\xef\xbb\xbfx = 'bom'", "bom" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO(toml) t = NULL;
		struct gg_error err = { 0 };

		if (toml_parse("f", view_str(rows[i].text), &t, &err) != 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_int_equal(toml_get(t, "x")->type, TOML_STRING);
		assert_string_equal(toml_get(t, "x")->str, rows[i].value);
	}
}

static void
numbers(void **state)
{
	static const struct {
		const char *text;
		enum toml_type type;
		int64_t integer;
		double real;
	} rows[] = {
		{ "0", TOML_INTEGER, 0, 0 },
		{ "+12", TOML_INTEGER, 12, 12 },
		{ "-1_000", TOML_INTEGER, -1000, -1000 },
		{ "0xfF", TOML_INTEGER, 255, 255 },
		{ "0o17", TOML_INTEGER, 15, 15 },
		{ "0b101", TOML_INTEGER, 5, 5 },
		{ "-9223372036854775808", TOML_INTEGER, INT64_MIN, -0x1p63 },
		{ "3.5", TOML_FLOAT, 0, 3.5 },
		{ "-1e2", TOML_FLOAT, 0, -100 },
		{ "6.5E-1", TOML_FLOAT, 0, 0.65 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO(toml) t = NULL;
		char text[80];

		(void)snprintf(text, sizeof(text), "x = %s", rows[i].text);
		assert_int_equal(toml_parse("f", view_str(text), &t, NULL), 0);
		assert_int_equal(toml_get(t, "x")->type, rows[i].type);
		if (rows[i].type == TOML_INTEGER)
			assert_true(toml_get(t, "x")->integer ==
			    rows[i].integer);
		assert_true(toml_get(t, "x")->real == rows[i].real);
	}
}

static void
refused(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "x", "f:1: \"=\" is expected behind a key" },
		{ "x = ", "f:1: a value is expected" },
		{ "= 1", "f:1: a key is expected" },
		{ "\nx = 1 2", "f:2: something stands behind the value" },
		{ "x = 1\nx = 2", "f:2: \"x\" is there twice" },
		{ "[a]\n[a]", "f:2: \"a\" is there twice" },
		{ "a = 1\n[a]", "f:2: \"a\" is there twice" },
		{ "a = [1]\n[[a]]", "f:2: \"a\" is no list of tables" },
		{ "[[a]]\n[a]", "f:2: \"a\" is there twice" },
		{ "a = {b = 1}\n[a.c]",
		    "f:2: \"a\" is no table that can be added to" },
		{ "[a]\nb.c = 1\n[a.b]", "f:3: \"b\" is there twice" },
		{ "[a.b]\n[a]\nb.c = 1", "f:3: \"b\" is defined elsewhere" },
		{ "x = 'a\n'", "f:1: a string without an end" },
		{ "x = '''\n\n", "f:1: a string without an end" },
		{ "x = \"\\q\"", "f:1: an unknown escape" },
		{ "x = \"\\u0000\"", "f:1: an escape that is no character" },
		{ "x = \"\\ud800\"", "f:1: an escape that is no character" },
		{ "x = '\x01'", "f:1: a control character in a string" },
		{ "# \x7f", "f:1: a control character in a comment" },
		{ "x = 01", "f:1: not a value" },
		{ "x = 1__0", "f:1: not a value" },
		{ "x = 1.", "f:1: not a value" },
		{ "x = .5", "f:1: not a value" },
		{ "x = 9223372036854775808", "f:1: not a value" },
		{ "x = 2026-11-22", "f:1: dates and times are not supported" },
		{ "x = inf", "f:1: inf and nan are not supported" },
		{ "x = True", "f:1: not a value" },
		{ "x = [1", "f:1: an array without an end" },
		{ "x = {a = 1,}", "f:1: a comma before the end of a table" },
		{ "x = \xff", "f: not UTF-8" },
		{ "[a", "f:1: a header without an end" },
		{ "[a]]", "f:1: something stands behind the value" },
		{ "x = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]",
		    "f:1: nested too deep" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO(toml) t = NULL;
		struct gg_error err = { 0 };

		assert_int_equal(toml_parse("f", view_str(rows[i].text), &t,
				     &err),
		    GG_E_INPUT);
		assert_string_equal(err.msg, rows[i].message);
	}
}

static void
structure(void **state)
{
	static const char text[] = "title = 't'\n"
				   "[a.b]\nc.d = 1\nc.e = [ 'x', # y\n 'z', ]\n"
				   "[[r]]\nid = 'one'\n"
				   "[[r.w]]\nn = {a.b = true}\n[[r.w]]\n"
				   "[[r]]\nid = 'two'\n";
	GG_AUTO(toml) t = NULL;
	const struct toml *c, *r;

	(void)state;
	assert_int_equal(toml_parse("f", view_str(text), &t, NULL), 0);
	c = toml_get(toml_get(toml_get(t, "a"), "b"), "c");
	assert_int_equal(toml_get(c, "d")->integer, 1);
	assert_int_equal(toml_get(c, "e")->n, 2);
	assert_string_equal(toml_get(c, "e")->last->str, "z");
	assert_int_equal(toml_get(c, "e")->last->line, 5);
	r = toml_get(t, "r");
	assert_int_equal(r->n, 2);
	assert_int_equal(toml_get(r->first, "w")->n, 2);
	assert_true(toml_get(toml_get(toml_get(toml_get(r->first, "w")->first,
					  "n"),
				 "a"),
	    "b")
			->boolean);
	assert_string_equal(toml_get(r->last, "id")->str, "two");
	assert_int_equal(r->last->line, 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),
		cmocka_unit_test(numbers),
		cmocka_unit_test(refused),
		cmocka_unit_test(structure),
	};

	return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
