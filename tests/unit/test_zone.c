/* Time zones against libc's reading of the same files, and by known cases. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static const struct {
	const char *zone, *time;
	int64_t want;
} known[] = {
	{ "UTC", "2026-07-01T00:00:00Z", 0 },
	{ "Europe/Berlin", "2026-03-29T00:59:59Z", 3600 },
	{ "Europe/Berlin", "2026-03-29T01:00:00Z", 7200 },
	{ "Europe/Berlin", "2026-10-25T00:59:59Z", 7200 },
	{ "Europe/Berlin", "2026-10-25T01:00:00Z", 3600 },
	/* long after the files' last transition: by the rule */
	{ "Europe/Berlin", "2126-07-01T00:00:00Z", 7200 },
	{ "Europe/Berlin", "2126-12-01T00:00:00Z", 3600 },
	{ "America/New_York", "2026-07-01T00:00:00Z", -14400 },
	{ "Asia/Kolkata", "2026-07-01T00:00:00Z", 19800 },
	/* summer is in the other half of the year */
	{ "Australia/Sydney", "2126-01-01T00:00:00Z", 39600 },
	{ "Australia/Sydney", "2126-07-01T00:00:00Z", 36000 },
	{ "America/Sao_Paulo", "2126-01-01T00:00:00Z", -10800 },
};

static void
test_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(known); i++) {
		GG_AUTO(zone) z = NULL;
		int64_t ms = 0;

		assert_int_equal(clock_parse(view_str(known[i].time), &ms,
				     NULL),
		    0);
		assert_int_equal(zone_load(known[i].zone, &z, NULL), 0);
		if (zone_offset_s(z, ms) != known[i].want)
			fail_msg("%s %s: %lld", known[i].zone, known[i].time,
			    (long long)zone_offset_s(z, ms));
	}
}

static const char *const zones[] = { "Europe/Berlin", "Europe/London",
	"Europe/Dublin", "America/New_York", "America/St_Johns",
	"America/Santiago", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tehran",
	"Asia/Jerusalem", "Africa/Casablanca", "Africa/Cairo",
	"Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland",
	"Pacific/Apia", "Pacific/Chatham", "America/Nuuk", "Etc/GMT+5" };

static void
test_libc_agrees(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(zones); i++) {
		GG_AUTO(zone) z = NULL;

		assert_int_equal(zone_load(zones[i], &z, NULL), 0);
		assert_int_equal(setenv("TZ", zones[i], 1), 0);
		tzset();
		/* 1960 to 2130, 3 days and some minutes a step */
		for (time_t t = -315619200; t < 5049000000; t += 263400) {
			struct tm tm;

			assert_non_null(localtime_r(&t, &tm));
			if (zone_offset_s(z, (int64_t)t * 1000) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %lld, libc %ld", zones[i],
				    (long long)t,
				    (long long)zone_offset_s(z,
					(int64_t)t * 1000),
				    tm.tm_gmtoff);
		}
	}
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

static void
test_bad_names(void **state)
{
	static const char *const bad[] = {
		"", "Mars/Olympus", "../passwd", "/etc/passwd", "Europe/../UTC",
		"Europe", "Europe//Berlin", "Europe/", "tzdata.zi", "a b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad); i++) {
		GG_AUTO(zone) z = NULL;

		if (zone_load(bad[i], &z, NULL) != GG_E_INPUT)
			fail_msg("%s", bad[i]);
	}
}

/* Every truncation and every changed byte: an error or some zone, no crash. */
static void
test_damaged(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100000);

	(void)state;
	assert_int_equal(file_read("/usr/share/zoneinfo/Europe/Berlin", &b,
			     NULL),
	    0);
	for (size_t n = 0; n < b.n; n++) {
		GG_AUTO(zone) z = NULL;

		assert_int_equal(zone_parse(view_of(b.p, n), &z, NULL),
		    GG_E_INPUT);
	}
	for (size_t i = 0; i < b.n * 3; i++) {
		GG_AUTO(zone) z = NULL;
		char was = b.p[i / 3];

		b.p[i / 3] = (char)(i % 3 == 0 ? was ^ 1 :
			i % 3 == 1             ? 0xff :
						 was + 1);
		if (zone_parse(buf_view(&b), &z, NULL) == 0) {
			int64_t o = zone_offset_s(z, INT64_C(4000000000000));

			assert_true(o > -30 * 3600 && o < 30 * 3600);
		}
		b.p[i / 3] = was;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_libc_agrees),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
