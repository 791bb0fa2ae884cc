/* Allowances by key, with the clock in hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/rate.h"

#include <stdio.h>

#define MINUTE 60000

static void
test_burst_then_pace(void **state)
{
	GG_AUTO(rate) r = NULL;
	int64_t now = 5000;

	(void)state;
	assert_int_equal(rate_new(8, &r, NULL), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(rate_take(r, "a", 6, MINUTE, now), 0);
	/* one comes back every 10 s */
	assert_int_equal(rate_take(r, "a", 6, MINUTE, now), 10);
	assert_int_equal(rate_take(r, "a", 6, MINUTE, now + 9001), 1);
	assert_int_equal(rate_take(r, "b", 6, MINUTE, now), 0);
	now += 10000;
	assert_int_equal(rate_take(r, "a", 6, MINUTE, now), 0);
	assert_int_equal(rate_take(r, "a", 6, MINUTE, now), 10);
	/* after a pause all of them are back, and not more */
	now += 100 * MINUTE;
	for (int i = 0; i < 6; i++)
		assert_int_equal(rate_take(r, "a", 6, MINUTE, now), 0);
	assert_int_equal(rate_take(r, "a", 6, MINUTE, now), 10);
}

/* What Retry-After says is true: then it works, and not before. */
static void
test_wait_is_enough(void **state)
{
	static const uint64_t most[] = { 1, 2, 7, 100, 12000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(most); i++) {
		GG_AUTO(rate) r = NULL;
		int64_t now = 1;
		unsigned wait = 0, n = 0;

		assert_int_equal(rate_new(2, &r, NULL), 0);
		while (n < 20000 && wait == 0) {
			wait = rate_take(r, "k", most[i], MINUTE, now);
			n++;
		}
		if (most[i] > 20000) {
			assert_int_equal(wait, 0);
			continue;
		}
		assert_int_equal(n, most[i] + 1);
		assert_true(wait > 0 && wait <= 60);
		assert_int_equal(rate_take(r, "k", most[i], MINUTE,
				     now + wait * 1000),
		    0);
	}
}

static void
test_no_limit_and_changed_limit(void **state)
{
	GG_AUTO(rate) r = NULL;

	(void)state;
	assert_int_equal(rate_new(2, &r, NULL), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(r, "a", 0, MINUTE, 1), 0);
	assert_int_equal(rate_count(r), 0);
	assert_int_equal(rate_take(r, "a", 1, MINUTE, 1), 0);
	assert_int_equal(rate_take(r, "a", 1, MINUTE, 1), 60);
	/* a reload made it larger: what was used is a tenth of it */
	for (int i = 0; i < 10; i++)
		(void)rate_take(r, "a", 600, MINUTE, 1 + MINUTE);
	assert_int_equal(rate_take(r, "a", 600, MINUTE, 1 + MINUTE), 0);
}

/* A flood of keys takes no more memory, and drops the one used longest ago. */
static void
test_bounded(void **state)
{
	GG_AUTO(rate) r = NULL;
	char key[32];

	(void)state;
	assert_int_equal(rate_new(100, &r, NULL), 0);
	assert_int_equal(rate_take(r, "old", 1, MINUTE, 1), 0);
	assert_int_equal(rate_take(r, "busy", 1, MINUTE, 1), 0);
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(key, sizeof(key), "flood %d", i);
		assert_int_equal(rate_take(r, key, 1, MINUTE, 2), 0);
		/* who goes on is not forgotten */
		assert_true(rate_take(r, "busy", 1, MINUTE, 2) > 0);
		assert_true(rate_count(r) <= 100);
	}
	assert_int_equal(rate_count(r), 100);
	assert_int_equal(rate_take(r, "old", 1, MINUTE, 2), 0);
	assert_true(rate_take(r, "flood 9999", 1, MINUTE, 2) > 0);
}

static void
test_long_keys(void **state)
{
	GG_AUTO(rate) r = NULL;
	char key[400];

	(void)state;
	memset(key, 'x', sizeof(key));
	key[399] = '\0';
	assert_int_equal(rate_new(4, &r, NULL), 0);
	assert_int_equal(rate_take(r, key, 1, MINUTE, 1), 0);
	assert_int_equal(rate_take(r, key, 1, MINUTE, 1), 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_pace),
		cmocka_unit_test(test_wait_is_enough),
		cmocka_unit_test(test_no_limit_and_changed_limit),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_long_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
