#include "mirror/refs.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER "# pack-refs with: peeled fully-peeled sorted \n"
#define A      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
	const char *why;
	const char *text;
	int want;
	size_t n, peeled;
} cases[] = {
	{ "no refs", HEADER, 0, 0, 0 },
	{ "one", HEADER A " refs/heads/a\n", 0, 1, 0 },
	{ "a tag object has its peeled line",
	    HEADER A " refs/heads/a\n" B " refs/tags/t\n^" A "\n", 0, 2, 1 },
	{ "bytes are compared, not directories",
	    HEADER A " refs/heads/a\n" A " refs/heads/a-b\n" A
		     " refs/heads/a/b\n",
	    0, 3, 0 },
	{ "empty file: a write that was lost", "", GG_E_CORRUPT, 0, 0 },
	{ "no header", A " refs/heads/a\n", GG_E_CORRUPT, 0, 0 },
	{ "not fully peeled is not ours", "# pack-refs with: peeled sorted \n",
	    GG_E_CORRUPT, 0, 0 },
	{ "cut short in a name", HEADER A " refs/heads/a", GG_E_CORRUPT, 0, 0 },
	{ "cut short in an id", HEADER "aaaa\n", GG_E_CORRUPT, 0, 0 },
	{ "order", HEADER A " refs/heads/b\n" A " refs/heads/a\n", GG_E_CORRUPT,
	    0, 0 },
	{ "twice", HEADER A " refs/heads/a\n" B " refs/heads/a\n", GG_E_CORRUPT,
	    0, 0 },
	{ "peeled of nothing", HEADER "^" A "\n", GG_E_CORRUPT, 0, 0 },
	{ "upper case id",
	    HEADER "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA refs/heads/a\n",
	    GG_E_CORRUPT, 0, 0 },
	{ "a name that climbs", HEADER A " refs/heads/../../x\n", GG_E_CORRUPT,
	    0, 0 },
	{ "not below refs/", HEADER A " HEAD\n", GG_E_CORRUPT, 0, 0 },
	{ "empty name", HEADER A " \n", GG_E_CORRUPT, 0, 0 },
	{ "carriage return", HEADER A " refs/heads/a\r\n", GG_E_CORRUPT, 0, 0 },
	{ "an empty line", HEADER "\n", GG_E_CORRUPT, 0, 0 },
};

static size_t
count_peeled(const struct ref_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += oid_is_zero(&l->v[i].peeled) ? 0 : 1;
	return n;
}

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(ref_list) l = { 0 };
		GG_AUTO_RELEASE(buf) again = BUF_INIT(4096);
		struct gg_error err = { 0 };
		int rc = packed_refs_parse(view_str(cases[i].text), &l, &err);

		if (rc != cases[i].want || l.n != cases[i].n ||
		    count_peeled(&l) != cases[i].peeled)
			fail_msg("%s: %d, %zu refs, %s", cases[i].why, rc, l.n,
			    err.msg);
		if (rc != 0)
			continue;
		packed_refs_format(&l, &again);
		assert_string_equal(buf_str(&again), cases[i].text);
	}
}

static void
test_find_and_same(void **state)
{
	GG_AUTO_RELEASE(ref_list) a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	assert_int_equal(packed_refs_parse(view_str(HEADER A " refs/heads/a\n" B
							     " refs/heads/b\n"),
			     &a, NULL),
	    0);
	assert_int_equal(packed_refs_parse(view_str(HEADER A " refs/heads/a\n" A
							     " refs/heads/b\n"),
			     &b, NULL),
	    0);
	assert_non_null(ref_list_find(&a, "refs/heads/b"));
	assert_null(ref_list_find(&a, "refs/heads"));
	assert_null(ref_list_find(&c, "refs/heads/a"));
	assert_true(ref_list_same(&a, &a));
	assert_false(ref_list_same(&a, &b));
	assert_false(ref_list_same(&a, &c));
	assert_true(ref_list_same(&c, &c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_find_and_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
