/* model/diff: records cannot be forged by contents. */
#include "model/diff.h"

#include "base/auto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static void
records_travel(void **state)
{
	static const struct {
		enum diff_kind kind;
		const char *body;
	} recs[] = {
		{ DIFF_UPDATE, "x" },
		{ DIFF_COMMIT, "" },
		{ DIFF_FILE, "path" },
		{ DIFF_HUNK, "@@" },
		{ DIFF_CONTEXT, "same" },
		{ DIFF_ADDED, "F\n+++ b/forged" },
		{ DIFF_REMOVED, "-" },
		{ DIFF_NO_NEWLINE, "" },
		{ DIFF_CUT, "rest" },
	};
	GG_AUTO_RELEASE(buf) out = BUF_INIT(4096);
	enum diff_kind kind;
	struct view in, body;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(recs); i++)
		diff_record_encode(&out, recs[i].kind, view_str(recs[i].body));
	in = buf_view(&out);
	for (size_t i = 0; i < GG_COUNT(recs); i++) {
		assert_int_equal(diff_record_next(&in, &kind, &body, NULL), 1);
		assert_int_equal(kind, recs[i].kind);
		assert_true(view_eq_str(body, recs[i].body));
	}
	assert_int_equal(diff_record_next(&in, &kind, &body, NULL), 0);
}

static void
refuses(void **state)
{
	static const struct {
		const char *why;
		struct view in;
	} cases[] = {
		{ "no such kind", { "Q\0\0\0\0", 5 } },
		{ "kind zero", { "\0\0\0\0\0", 5 } },
		{ "no length", { "U", 1 } },
		{ "half a length", { "U\0\0", 3 } },
		{ "body cut off", { "U\0\0\0\2a", 6 } },
		{ "length of 4 GiB", { "U\xff\xff\xff\xff", 5 } },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct view in = cases[i].in, body;
		enum diff_kind kind;

		if (diff_record_next(&in, &kind, &body, NULL) != GG_E_PEER ||
		    in.n != cases[i].in.n)
			fail_msg("%s", cases[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_travel),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
