/* base: buffers, lists, encodings, numbers, time. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/strv.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static void
buf_has_a_ceiling(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(8);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "1234");
	buf_addf(&b, "%d", 5678);
	assert_int_equal(buf_check(&b, NULL), 0);
	buf_addc(&b, '9');
	buf_adds(&b, "");
	assert_string_equal(buf_str(&b), "12345678");
	assert_int_equal(buf_check(&b, NULL), GG_E_LIMIT);
	/* failure sticks: what would fit by itself is not added either */
	buf_drop(&b, 4);
	buf_addc(&b, 'x');
	assert_string_equal(buf_str(&b), "5678");
	buf_clear(&b);
	buf_addf(&b, "%s", "123456789");
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_check(&b, NULL), GG_E_LIMIT);
	buf_clear(&b);
	assert_int_equal(buf_check(&b, NULL), 0);
}

static void
buf_grows(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(100000);
	GG_AUTO_MEM char *taken = NULL;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "%04d", i);
	assert_int_equal(b.n, 20000);
	assert_memory_equal(b.p + 4 * 4711, "4711", 4);
	assert_int_equal(b.p[b.n], '\0');
	buf_drop(&b, 19996);
	taken = buf_take(&b);
	assert_string_equal(taken, "4999");
	assert_int_equal(b.n, 0);
	buf_adds(&b, "again");
	assert_string_equal(buf_str(&b), "again");
}

static void
lists(void **state)
{
	GG_AUTO_RELEASE(strv) a = STRV_INIT;
	GG_AUTO_RELEASE(strv) b = STRV_INIT;

	(void)state;
	assert_false(strv_has(&a, "x"));
	for (int i = 0; i < 100; i++)
		strv_addf(&a, "%d", i);
	strv_addv(&a, view_of("xyz", 2));
	strv_add(&b, "gone");
	strv_copy(&b, &a);
	assert_int_equal(strv_check(&b, NULL), 0);
	assert_int_equal(b.n, 101);
	assert_string_equal(b.v[99], "99");
	assert_string_equal(b.v[100], "xy");
	assert_null(b.v[101]);
	assert_true(strv_has(&b, "7"));
	assert_false(strv_has(&b, "gone"));
}

static void
hex(void **state)
{
	static const struct {
		const char *in;
		bool ok;
	} rows[] = { { "00ff", true }, { "00FF", true }, { "00f", false },
		{ "00ff0", false }, { "00fg", false }, { "", false },
		{ "0 ff", false } };
	unsigned char b[2];
	char out[5];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		assert_int_equal(hex_decode(view_str(rows[i].in), b, 2),
		    rows[i].ok);
	assert_true(hex_decode(view_str("0aF9"), b, 2));
	hex_encode(b, 2, out);
	assert_string_equal(out, "0af9");
}

/* RFC 4648 section 10, and what a strict reader refuses. */
static void
base64(void **state)
{
	static const char *const vectors[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xfb\xff", "+/8=" } };
	static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z",
		"Zg==\n", " Zg=", "Zm9vYg=a", "====", "Zm-_", "Zg==Zg==" };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(vectors); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(100);
		GG_AUTO_RELEASE(buf) back = BUF_INIT(100);

		base64_encode(&b, view_str(vectors[i][0]));
		assert_string_equal(buf_str(&b), vectors[i][1]);
		assert_int_equal(base64_decode(&back, buf_view(&b), NULL), 0);
		assert_string_equal(buf_str(&back), vectors[i][0]);
		buf_clear(&b);
		buf_clear(&back);
		base64url_encode(&b, view_str(vectors[i][0]));
		assert_null(strpbrk(buf_str(&b), "+/="));
		assert_int_equal(base64url_decode(&back, buf_view(&b), NULL),
		    0);
		assert_string_equal(buf_str(&back), vectors[i][0]);
	}
	for (size_t i = 0; i < GG_COUNT(bad); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(100);

		if (base64_decode(&b, view_str(bad[i]), NULL) == 0)
			fail_msg("\"%s\"", bad[i]);
	}
}

static void
utf8_replacing(void **state)
{
	static const struct {
		const char *what, *in;
		size_t max;
		const char *out;
	} rows[] = {
		{ "nothing", "", 10, "" },
		{ "good text", "gr\xc3\xbc\xc3\x9f", 99, "gr\xc3\xbc\xc3\x9f" },
		{ "a lone byte",
		    "a\xff"
		    "b",
		    99,
		    "a\xef\xbf\xbd"
		    "b" },
		{ "half a character", "a\xc3", 99, "a\xef\xbf\xbd" },
		{ "a surrogate", "\xed\xa0\x80", 99,
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "cut before a character", "ab\xc3\xbc", 3, "ab" },
		{ "cut behind it",
		    "ab\xc3\xbc"
		    "c",
		    4, "ab\xc3\xbc" },
		{ "the mark does not fit", "ab\xff", 4, "ab" },
		{ "no room at all", "ab", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(200);

		utf8_replace(&b, view_str(rows[i].in), rows[i].max);
		if (strcmp(buf_str(&b), rows[i].out) != 0)
			fail_msg("%s: %s", rows[i].what, buf_str(&b));
	}
}

static void
utf8(void **state)
{
	static const struct {
		const char *why, *in;
		size_t len;
	} rows[] = {
		{ "ASCII", "a", 1 },
		{ "two bytes", "\xc3\xbc", 2 },
		{ "three", "\xe2\x82\xac", 3 },
		{ "four", "\xf0\x9f\x98\x80", 4 },
		{ "the last one", "\xf4\x8f\xbf\xbf", 4 },
		{ "past the last one", "\xf4\x90\x80\x80", 0 },
		{ "over-long slash", "\xc0\xaf", 0 },
		{ "over-long, three bytes", "\xe0\x80\xaf", 0 },
		{ "over-long, four bytes", "\xf0\x80\x80\xaf", 0 },
		{ "a surrogate", "\xed\xa0\x80", 0 },
		{ "before the surrogates", "\xed\x9f\xbf", 3 },
		{ "a tail alone", "\x80", 0 },
		{ "cut off", "\xe2\x82", 0 },
		{ "no tail",
		    "\xc3"
		    "a",
		    0 },
		{ "0xff", "\xff", 0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		if (utf8_len(view_str(rows[i].in)) != rows[i].len)
			fail_msg("%s", rows[i].why);
	assert_true(utf8_is_valid(view_str("gr\xc3\xbc\xc3\x9f")));
	assert_false(utf8_is_valid(view_str("gr\xc3\xbc\xc3")));
}

static void
text_made_safe(void **state)
{
	static const struct {
		const char *in;
		size_t n, max;
		const char *want;
		bool whole;
	} rows[] = {
		{ "a\tb\r\nc\rd", 8, 99, "a\tb\nc\\x0dd", true },
		{ "\0\x1b[1m\xff", 6, 99, "\\x00\\x1b[1m\\xff", true },
		{ "\xe2\x80\xae\xc3\xa9", 5, 99, "\\u{202e}\xc3\xa9", true },
		{ "ab\xc3\xa9", 4, 3, "ab", false },
		{ "ab\xff", 3, 5, "ab", false },
		{ "ab", 2, 2, "ab", true },
		{ "", 0, 0, "", true },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(99);

		assert_int_equal(text_safe_lines_add(&b,
				     view_of(rows[i].in, rows[i].n),
				     rows[i].max),
		    rows[i].whole);
		assert_string_equal(buf_str(&b), rows[i].want);
	}
}

static void
ulids(void **state)
{
	char a[ULID_SIZE], b[ULID_SIZE];

	(void)state;
	ulid_new(a);
	ulid_new(b);
	assert_true(ulid_is_valid(view_str(a)));
	assert_string_not_equal(a, b);
	/* they sort by time */
	assert_true(memcmp(a, b, 9) <= 0);
	assert_false(ulid_is_valid(view_of(a, 25)));
	a[3] = 'U';
	assert_false(ulid_is_valid(view_str(a)));
	assert_false(ulid_is_valid(view_str("81ARZ3NDEKTSV4RRFFQ69G5FAV")));
	assert_false(ulid_is_valid(view_str("01arz3ndektsv4rrffq69g5fav")));
	assert_true(view_eq_consttime(view_str("ab"), view_str("ab")));
	assert_false(view_eq_consttime(view_str("ab"), view_str("ac")));
	assert_false(view_eq_consttime(view_str("ab"), view_str("abc")));
}

static void
numbers(void **state)
{
	static const struct {
		const char *in;
		uint64_t max, want;
		bool ok;
	} rows[] = { { "0", 9, 0, true }, { "9", 9, 9, true },
		{ "10", 9, 0, false }, { "007", 9, 7, true },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "", 9, 0, false }, { "-1", 9, 0, false },
		{ "+1", 9, 0, false }, { " 1", 9, 0, false },
		{ "1 ", 9, 0, false }, { "0x1", 9, 0, false } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		uint64_t x = 12345;
		int rc = num_parse(view_str(rows[i].in), rows[i].max, &x, NULL);

		if ((rc == 0) != rows[i].ok ||
		    x != (rows[i].ok ? rows[i].want : 12345))
			fail_msg("\"%s\"", rows[i].in);
	}
}

static void
sizes_and_durations(void **state)
{
	static const struct {
		const char *in;
		int64_t bytes, ms; /* -1: refused */
	} rows[] = { { "10", 10, -1 }, { "10KiB", 10240, -1 },
		{ "2GiB", (int64_t)2 << 30, -1 }, { "1kB", 1000, -1 },
		{ "1GB", 1000000000, -1 }, { "3B", 3, -1 }, { "0s", -1, 0 },
		{ "1500ms", -1, 1500 }, { "90s", -1, 90000 },
		{ "15m", -1, 900000 }, { "72h", -1, 259200000 },
		{ "30d", -1, 2592000000 }, { "", -1, -1 }, { "KiB", -1, -1 },
		{ "1kib", -1, -1 }, { "1 KiB", -1, -1 }, { "1.5h", -1, -1 },
		{ "-1s", -1, -1 }, { "1h30m", -1, -1 },
		{ "99999999999999999999s", -1, -1 },
		{ "99999999999999999TiB", -1, -1 },
		{ "9999999999999999d", -1, -1 } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct view v = view_str(rows[i].in);
		uint64_t bytes = 0;
		int64_t ms = 0;
		bool b = num_parse_bytes(v, &bytes, NULL) == 0;
		bool m = num_parse_duration(v, &ms, NULL) == 0;

		if (b != (rows[i].bytes >= 0) || m != (rows[i].ms >= 0) ||
		    (b && bytes != (uint64_t)rows[i].bytes) ||
		    (m && ms != rows[i].ms))
			fail_msg("\"%s\"", rows[i].in);
	}
}

static void
times(void **state)
{
	static const struct {
		const char *in;
		int64_t ms; /* -1: refused */
	} rows[] = { { "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-22T07:00:00.123Z", 1795330800123 },
		{ "2026-11-22T09:00:00.123+02:00", 1795330800123 },
		{ "2026-11-22t01:30:00.123456-05:30", 1795330800123 },
		{ "2026-11-22", 1795305600000 }, { "2026-13-22", -1 },
		{ "2026-00-22", -1 }, { "2026-11-32", -1 },
		{ "2026-11-22T07:00:00", -1 }, { "2026-11-22T24:00:00Z", -1 },
		{ "2026-11-22T07:60:00Z", -1 },
		{ "2026-11-22T07:00:00+24:00", -1 },
		{ "2026-11-22T07:00:00Zx", -1 }, { "26-11-22", -1 }, { "", -1 },
		{ "now", -1 } };
	char out[CLOCK_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		int64_t ms = -1;
		int rc = clock_parse(view_str(rows[i].in), &ms, NULL);

		if (ms != rows[i].ms || (rc == 0) != (rows[i].ms >= 0))
			fail_msg("\"%s\": %lld", rows[i].in, (long long)ms);
	}
	clock_format(1795330800123, out);
	assert_string_equal(out, "2026-11-22T07:00:00.123Z");
	clock_format(-1, out);
	assert_string_equal(out, "1969-12-31T23:59:59.999Z");
	assert_true(clock_mono_ms() <= clock_mono_ms());
}

/* A day that its month does not have is no time; guessing another day would
 * move a deadline. */
static void
days_of_months(void **state)
{
	static const char *const bad[] = { "2026-02-29", "2026-02-30",
		"2026-04-31", "2100-02-29", "2026-11-31T07:00:00Z" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad); i++)
		if (clock_parse(view_str(bad[i]), &ms, NULL) == 0)
			fail_msg("%s", bad[i]);
	assert_int_equal(clock_parse(view_str("2028-02-29"), &ms, NULL), 0);
	assert_int_equal(clock_parse(view_str("2000-02-29"), &ms, NULL), 0);
}

static void
errors(void **state)
{
	struct gg_error err = { 0 };
	char long_text[1000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(gg_fail(&err, GG_E_PEER, "bad %s", "a\nb\x1b"),
	    GG_E_PEER);
	assert_string_equal(err.msg, "bad a?b?");
	assert_int_equal(gg_wrap(&err, GG_E_PEER, "line %d", 7), GG_E_PEER);
	assert_string_equal(err.msg, "line 7: bad a?b?");
	assert_int_equal(gg_fail(NULL, GG_E_LIMIT, "x"), GG_E_LIMIT);
	(void)gg_fail(&err, GG_E_PEER, "%s", long_text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	(void)gg_wrap(&err, GG_E_PEER, "%s", long_text);
	assert_true(strlen(err.msg) < sizeof(err.msg));
	assert_string_equal(gg_code_name(GG_E_STALE), "stale");
	assert_string_equal(gg_code_name(GG_E_EXISTS), "exists");
	assert_string_equal(gg_code_name(-99), "error");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_has_a_ceiling),
		cmocka_unit_test(buf_grows),
		cmocka_unit_test(lists),
		cmocka_unit_test(hex),
		cmocka_unit_test(base64),
		cmocka_unit_test(utf8),
		cmocka_unit_test(utf8_replacing),
		cmocka_unit_test(text_made_safe),
		cmocka_unit_test(ulids),
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes_and_durations),
		cmocka_unit_test(times),
		cmocka_unit_test(days_of_months),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
