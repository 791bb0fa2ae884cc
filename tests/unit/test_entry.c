#include "audit/entry.h"

#include "base/auto.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define OWN "\"seq\":0,\"time\":\"2026-11-22T07:00:00.000Z\",\"type\":\"x.y\""

static const struct {
	const char *why, *in, *out;
	int want;
} encodings[] = {
	{ "keys are sorted, blanks go", "{ \"type\": \"x\", \"a\": [1, true] }",
	    "{\"a\":[1,true],\"type\":\"x\"}", 0 },
	{ "inner keys too", "{\"type\":\"x\",\"o\":{\"b\":1,\"a\":2}}",
	    "{\"o\":{\"a\":2,\"b\":1},\"type\":\"x\"}", 0 },
	{ "ASCII only", "{\"type\":\"x\",\"n\":\"\xc3\xa4\xf0\x9f\x98\x80\"}",
	    "{\"n\":\"\\u00E4\\uD83D\\uDE00\",\"type\":\"x\"}", 0 },
	{ "one line", "{\"type\":\"x\",\"n\":\"a\\nb\\u001b\"}",
	    "{\"n\":\"a\\nb\\u001B\",\"type\":\"x\"}", 0 },
	{ "negative integer", "{\"type\":\"x\",\"n\":-5}",
	    "{\"n\":-5,\"type\":\"x\"}", 0 },
	{ "no fractions", "{\"type\":\"x\",\"n\":1.5}", NULL, GG_E_INPUT },
	{ "no null", "{\"type\":\"x\",\"n\":null}", NULL, GG_E_INPUT },
	{ "no null inside", "{\"type\":\"x\",\"n\":[{\"a\":null}]}", NULL,
	    GG_E_INPUT },
	{ "not an object", "[1]", NULL, GG_E_INPUT },
	{ "no type", "{\"a\":1}", NULL, GG_E_INPUT },
	{ "type is a number", "{\"type\":1}", NULL, GG_E_INPUT },
	{ "type in capitals", "{\"type\":\"Push\"}", NULL, GG_E_INPUT },
	{ "empty type", "{\"type\":\"\"}", NULL, GG_E_INPUT },
	{ "type ends in a dot", "{\"type\":\"x.\"}", NULL, GG_E_INPUT },
	{ "key with a space", "{\"type\":\"x\",\"a b\":1}", NULL, GG_E_INPUT },
	{ "key not ASCII", "{\"type\":\"x\",\"\xc3\xa4\":1}", NULL,
	    GG_E_INPUT },
	{ "but an inner one may be anything",
	    "{\"type\":\"x\",\"o\":{\"a \xc3\xa4\":1,\"\":2}}",
	    "{\"o\":{\"\":2,\"a \\u00E4\":1},\"type\":\"x\"}", 0 },
	{ "empty key", "{\"type\":\"x\",\"\":1}", NULL, GG_E_INPUT },
	{ "too deep",
	    "{\"type\":\"x\",\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", NULL,
	    GG_E_INPUT },
};

static void
encode_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(encodings); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
		json_auto_t *j = json_loads(encodings[i].in, 0, NULL);
		struct gg_error err = { 0 };
		int rc = entry_encode(j, &b, &err);

		if (rc != encodings[i].want)
			fail_msg("%s: %d %s", encodings[i].why, rc, err.msg);
		assert_string_equal(buf_str(&b),
		    encodings[i].out ? encodings[i].out : "");
	}
}

static void
size_limit(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100000);
	static const char frame[] = "{\"a\":\"\",\"type\":\"x\"}";
	size_t room = ENTRY_MAX_BYTES - (sizeof(frame) - 1);
	GG_AUTO_MEM char *s = malloc(room + 2);
	json_auto_t *j = NULL;

	(void)state;
	memset(s, 'x', room + 1);
	s[room] = '\0';
	j = json_pack("{s:s, s:s}", "type", "x", "a", s);
	assert_int_equal(entry_encode(j, &b, NULL), 0);
	assert_int_equal(b.n, ENTRY_MAX_BYTES);
	s[room] = 'x';
	s[room + 1] = '\0';
	assert_int_equal(json_object_set_new(j, "a", json_string(s)), 0);
	assert_int_equal(entry_encode(j, &b, NULL), GG_E_LIMIT);
}

static const struct {
	const char *why, *line;
} bad_lines[] = {
	{ "empty", "" },
	{ "cut off", "{\"v\":1," OWN },
	{ "something behind", "{\"v\":1," OWN "}x" },
	{ "newline behind", "{\"v\":1," OWN "}\n" },
	{ "two objects", "{\"v\":1," OWN "}{}" },
	{ "not ASCII", "{\"v\":1,\"n\":\"\xc3\xa4\"," OWN "}" },
	{ "key twice", "{\"v\":1,\"v\":1," OWN "}" },
	{ "inner key twice", "{\"v\":1,\"o\":{\"a\":1,\"a\":2}," OWN "}" },
	{ "fraction", "{\"v\":1,\"n\":1.0," OWN "}" },
	{ "null", "{\"v\":1,\"n\":null," OWN "}" },
	{ "no version", "{" OWN "}" },
	{ "other version", "{\"v\":2," OWN "}" },
	{ "no seq",
	    "{\"v\":1,\"time\":\"2026-11-22T07:00:00.000Z\","
	    "\"type\":\"x\"}" },
	{ "negative seq",
	    "{\"v\":1,\"seq\":-1,\"type\":\"x\","
	    "\"time\":\"2026-11-22T07:00:00.000Z\"}" },
	{ "no time", "{\"v\":1,\"seq\":0,\"type\":\"x\"}" },
	{ "bad time", "{\"v\":1,\"seq\":0,\"type\":\"x\",\"time\":\"now\"}" },
	{ "no type",
	    "{\"v\":1,\"seq\":0,"
	    "\"time\":\"2026-11-22T07:00:00.000Z\"}" },
	{ "prev is text", "{\"v\":1,\"prev\":\"3\"," OWN "}" },
	{ "prev is negative", "{\"v\":1,\"prev\":-3," OWN "}" },
};

static void
parse_refusals(void **state)
{
	struct entry_facts f = { .seq = 5 };
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad_lines); i++) {
		err.code = GG_OK;
		if (entry_parse(view_str(bad_lines[i].line), &f, &err) !=
			GG_E_CORRUPT ||
		    err.code != GG_E_CORRUPT)
			fail_msg("%s: accepted", bad_lines[i].why);
	}
	assert_int_equal(entry_parse(view_of("{\0}", 3), &f, &err),
	    GG_E_CORRUPT);
	assert_int_equal(f.seq, 5);
}

static void
parse_facts(void **state)
{
	struct entry_facts f = { 0 }, g = { 0 }, h = { 0 };

	(void)state;
	assert_int_equal(
	    entry_parse(view_str("{\"v\":1,\"repository\":\"ab\",\"ref\":"
				 "\"c\",\"prev\":7," OWN "}"),
		&f, NULL),
	    0);
	assert_int_equal(f.seq, 0);
	assert_true(f.has_prev);
	assert_int_equal(f.prev, 7);
	assert_true(f.has_pair);
	assert_string_equal(f.type, "x.y");
	assert_true(f.time_ms == 1795330800000);
	/* the border between the two counts */
	assert_int_equal(entry_parse(view_str("{\"v\":1,\"repository\":\"a\","
					      "\"ref\":\"bc\"," OWN "}"),
			     &g, NULL),
	    0);
	assert_memory_not_equal(f.pair.b, g.pair.b, sizeof(f.pair.b));
	assert_false(g.has_prev);
	/* one without the other is no pair */
	assert_int_equal(entry_parse(view_str("{\"v\":1,\"ref\":\"bc\"," OWN
					      "}"),
			     &h, NULL),
	    0);
	assert_false(h.has_pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encode_table),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(parse_refusals),
		cmocka_unit_test(parse_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
