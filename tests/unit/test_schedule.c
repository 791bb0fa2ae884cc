#include "base/clock.h"
#include "policy/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BERLIN "timezone: Europe/Berlin"

/* 2026-11-20 is a Friday. */
static const struct {
	const char *why, *window, *now;
	bool want;
} cases[] = {
	{ "the day", "days: [fri]", "2026-11-20T00:00:00Z", true },
	{ "its end", "days: [fri]", "2026-11-20T23:59:59Z", true },
	{ "the day before", "days: [fri]", "2026-11-19T23:59:59Z", false },
	{ "the day after", "days: [fri]", "2026-11-21T00:00:00Z", false },
	{ "before 1970", "days: [wed]", "1969-12-31T23:59:59Z", true },
	{ "its day in the zone", "days: [fri], " BERLIN, "2026-11-19T23:00:00Z",
	    true },
	{ "its day in the zone, over", "days: [fri], " BERLIN,
	    "2026-11-20T23:00:00Z", false },
	{ "from", "from: \"17:00\"", "2026-11-20T17:00:00Z", true },
	{ "before from", "from: \"17:00\"", "2026-11-20T16:59:59Z", false },
	{ "to is not in it", "to: \"09:00\"", "2026-11-20T09:00:00Z", false },
	{ "before to", "to: \"09:00\"", "2026-11-20T08:59:59Z", true },
	{ "the whole day", "from: \"00:00\", to: \"24:00\"",
	    "2026-11-20T23:59:59Z", true },
	{ "over midnight, evening",
	    "days: [fri], from: \"17:00\", to: \"09:00\"",
	    "2026-11-20T20:00:00Z", true },
	{ "over midnight, morning",
	    "days: [fri], from: \"17:00\", to: \"09:00\"",
	    "2026-11-21T08:59:00Z", true },
	{ "over midnight, it begins on its day",
	    "days: [fri], from: \"17:00\", to: \"09:00\"",
	    "2026-11-20T08:00:00Z", false },
	{ "over midnight, noon", "from: \"17:00\", to: \"09:00\"",
	    "2026-11-20T12:00:00Z", false },
	{ "over midnight at the week's end",
	    "days: [sat], from: \"22:00\", to: \"06:00\"",
	    "2026-11-22T05:00:00Z", true },
	{ "summer", "from: \"17:00\", " BERLIN, "2026-07-17T15:00:00Z", true },
	{ "winter", "from: \"17:00\", " BERLIN, "2026-11-20T15:00:00Z", false },
	{ "since", "since: \"2026-11-20T12:00:00Z\"", "2026-11-20T12:00:00Z",
	    true },
	{ "before since", "since: \"2026-11-20T12:00:00Z\"",
	    "2026-11-20T11:59:59Z", false },
	{ "until is not in it", "until: \"2026-11-20T12:00:00+01:00\"",
	    "2026-11-20T11:00:00Z", false },
	{ "before until", "until: \"2026-11-20T12:00:00+01:00\"",
	    "2026-11-20T10:59:59Z", true },
	{ "a date begins in the zone", "since: \"2026-11-20\", " BERLIN,
	    "2026-11-19T23:00:00Z", true },
	{ "and not before", "since: \"2026-11-20\", " BERLIN,
	    "2026-11-19T22:59:59Z", false },
	{ "a date of UTC", "until: \"2026-11-20\"", "2026-11-19T23:59:59Z",
	    true },
	{ "week and calendar",
	    "days: [fri], since: \"2026-11-01\", until: \"2026-12-01\"",
	    "2026-11-27T00:00:00Z", true },
	{ "week but not calendar",
	    "days: [fri], since: \"2026-11-01\", until: \"2026-12-01\"",
	    "2026-12-04T00:00:00Z", false },
	{ "calendar but not week",
	    "days: [fri], since: \"2026-11-01\", until: \"2026-12-01\"",
	    "2026-11-26T00:00:00Z", false },
};

static void
take(const char *list, struct time_windows *out)
{
	GG_AUTO(yaml_tree) tree = NULL;
	struct gg_error err = { 0 };

	if (yaml_tree_parse(view_str(list), "f", &tree, &err) < 0 ||
	    time_windows_take(tree, &tree->root, "during", out, &err) < 0)
		fail_msg("%s: %s", list, err.msg);
}

static int64_t
ms_of(const char *time)
{
	int64_t ms = 0;

	assert_int_equal(clock_parse(view_str(time), &ms, NULL), 0);
	return ms;
}

static void
test_windows(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct time_windows w = { 0 };
		char text[300];
		size_t which = 9;

		(void)snprintf(text, sizeof(text),
		    "during: [{since: \"2200-01-01\"}, {%s}]", cases[i].window);
		take(text, &w);
		if (time_windows_match(&w, ms_of(cases[i].now), &which) !=
			cases[i].want ||
		    which != (cases[i].want ? 1 : 9))
			fail_msg("%s", cases[i].why);
		time_windows_release(&w);
	}
}

static void
test_over(void **state)
{
	struct time_windows w = { 0 };

	(void)state;
	assert_false(time_windows_over(&w, ms_of("2026-11-20")));
	take(
	    "during: [{until: \"2026-11-20\"}, {days: [fri], until: \"2026-11-21\"}]",
	    &w);
	assert_false(time_windows_over(&w, ms_of("2026-11-20")));
	assert_true(time_windows_over(&w, ms_of("2026-11-21")));
	time_windows_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
