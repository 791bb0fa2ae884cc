/* Words that differ between two lines. */
#include "web/word_diff.h"

#include "base/auto.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

static uint64_t plenty = UINT64_MAX;

static void
mark(struct buf *out, struct view line, const struct word_spans *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->n; i++) {
		assert_true(s->v[i].begin >= at && s->v[i].end <= line.n);
		assert_true(s->v[i].begin < s->v[i].end);
		buf_add(out, line.p + at, s->v[i].begin - at);
		buf_addf(out, "[%.*s]", (int)(s->v[i].end - s->v[i].begin),
		    line.p + s->v[i].begin);
		at = s->v[i].end;
	}
	buf_add(out, line.p + at, line.n - at);
}

static void
words(void **state)
{
	static const struct {
		const char *a, *b;
		const char *in_a, *in_b; /* NULL: no marks */
	} cases[] = {
		{ "return lookup(name, OLD);", "return lookup(name, NEW);",
		    "return lookup(name, [OLD]);",
		    "return lookup(name, [NEW]);" },
		{ "f(a, b)", "f(a, x, b)", "f(a, b)", "f(a, [x, ]b)" },
		{ "one two three", "one 2 3 three", "one [two] three",
		    "one [2 3] three" },
		{ "if (ok)", "    if (ok)", "if (ok)", "[    ]if (ok)" },
		{ "caf\xc3\xa9 au lait", "caf\xc3\xa8 au lait",
		    "[caf\xc3\xa9] au lait", "[caf\xc3\xa8] au lait" },
		{ "same", "same", NULL, NULL },
		{ "", "x", NULL, NULL },
		{ "", "", NULL, NULL },
		{ "alpha beta gamma", "totally other text", NULL, NULL },
		{ "\xff\xfe x y z", "\xff x y z", "[\xff\xfe] x y z",
		    "[\xff] x y z" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct view a = view_str(cases[i].a), b = view_str(cases[i].b);
		GG_AUTO_RELEASE(buf) x = BUF_INIT(4096);
		GG_AUTO_RELEASE(buf) y = BUF_INIT(4096);
		struct word_spans sa, sb;
		bool marks = word_diff(a, b, &sa, &sb, &plenty);

		mark(&x, a, &sa);
		mark(&y, b, &sb);
		if (cases[i].in_a == NULL) {
			if (marks || sa.n + sb.n != 0)
				fail_msg("%s: marks", cases[i].a);
			continue;
		}
		if (!marks || strcmp(buf_str(&x), cases[i].in_a) != 0 ||
		    strcmp(buf_str(&y), cases[i].in_b) != 0)
			fail_msg("%s: %s / %s", cases[i].a, buf_str(&x),
			    buf_str(&y));
	}
}

static void
bounds(void **state)
{
	static char a[4096], b[4096];
	struct word_spans sa, sb;
	uint64_t budget;

	(void)state;
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	b[100] = '.';
	assert_false(word_diff(view_of(a, 2001), view_of(b, 1000), &sa, &sb,
	    &plenty));
	/* every byte a word of its own: too many of them */
	memset(a, '.', sizeof(a));
	memset(b, '.', sizeof(b));
	assert_false(word_diff(view_of(a, 700), view_of(b, 701), &sa, &sb,
	    &plenty));
	/* long middles are marked as a whole */
	for (size_t i = 0; i < 500; i++) {
		a[i] = i < 200 ? ';' : i % 2 ? '(' : ')';
		b[i] = i < 200 ? ';' : i % 2 ? '[' : ']';
	}
	assert_true(word_diff(view_of(a, 500), view_of(b, 500), &sa, &sb,
	    &plenty));
	assert_int_equal(sa.n, 1);
	assert_int_equal(sa.v[0].begin, 200);
	assert_int_equal(sb.v[0].end, 500);
	/* a page does not take more steps than it has */
	budget = 3;
	assert_false(word_diff(view_str("a b c"), view_str("a b d"), &sa, &sb,
	    &budget));
	assert_int_equal(budget, 3);
	budget = 100;
	assert_true(word_diff(view_str("a b c"), view_str("a b d"), &sa, &sb,
	    &budget));
	assert_true(budget < 100);
}

static void
likeness(void **state)
{
	(void)state;
	assert_int_equal(word_likeness(view_str("abcd"), view_str("abcd")),
	    100);
	assert_int_equal(word_likeness(view_str("abcd"), view_str("abxx")), 50);
	assert_int_equal(word_likeness(view_str("aa"), view_str("aaaa")), 50);
	assert_int_equal(word_likeness(view_str(""), view_str("")), 0);
	assert_int_equal(word_likeness(view_str("x"), view_str("")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(bounds),
		cmocka_unit_test(likeness),
	};

	return cmocka_run_group_tests_name("word diff", tests, NULL, NULL);
}
