/* The scanner over packs made here, cut into pieces of every size. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "pack/pack_scan.h"

#include <zlib.h>

static const struct job_limits limits = {
	.pack_bytes = 1 << 20,
	.pack_objects = 100,
	.object_bytes = 1 << 16,
	.delta_depth = 3,
};

static void
add_header(struct buf *b, uint32_t version, uint32_t objects)
{
	const unsigned char head[12] = { 'P', 'A', 'C', 'K',
		(unsigned char)(version >> 24), 0, 0, (unsigned char)version,
		(unsigned char)(objects >> 24), (unsigned char)(objects >> 16),
		(unsigned char)(objects >> 8), (unsigned char)objects };

	buf_add(b, head, sizeof(head));
}

/* Type and announced size. */
static void
add_head(struct buf *b, unsigned type, uint64_t size)
{
	unsigned c = type << 4 | (unsigned)(size & 15);

	for (size >>= 4; size > 0; size >>= 7) {
		buf_addc(b, (char)(c | 128));
		c = (unsigned)(size & 127);
	}
	buf_addc(b, (char)c);
}

static void
add_deflated(struct buf *b, const void *p, size_t n)
{
	unsigned char out[4096];
	uLongf len = sizeof(out);

	assert_int_equal(compress(out, &len, p, n), Z_OK);
	buf_add(b, out, len);
}

static void
add_blob(struct buf *b, const char *text)
{
	add_head(b, 3, strlen(text));
	add_deflated(b, text, strlen(text));
}

static void
add_trailer(struct buf *b)
{
	buf_add(b, "TTTTTTTTTTTTTTTTTTTT", 20);
}

static int
scan(const struct job_limits *l, struct view v, size_t piece,
    const char **limit, struct gg_error *err)
{
	GG_AUTO(pack_scan) s = pack_scan_new(l);
	int rc = 0;

	*limit = "";
	assert_non_null(s);
	while (rc == 0 && v.n > 0) {
		size_t n = v.n < piece ? v.n : piece;

		rc = pack_scan_feed(s, view_of(v.p, n), limit, err);
		view_skip(&v, n);
	}
	return rc != 0 ? rc : pack_scan_end(s, err);
}

/* The same answer however it is cut. */
static void
expect(const struct buf *b, int want, const char *key, const char *why)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 20, 1 << 20 };

	for (size_t i = 0; i < GG_COUNT(pieces); i++) {
		struct gg_error err = { 0 };
		const char *limit;
		int rc = scan(&limits, buf_view(b), pieces[i], &limit, &err);

		assert_int_equal(rc, want);
		assert_string_equal(limit, key);
		if (want != 0 && strstr(err.msg, why) == NULL)
			fail_msg("want %s, got %s", why, err.msg);
	}
}

static void
whole_packs(void **state)
{
	GG_AUTO_RELEASE(buf) empty = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(4096);

	(void)state;
	add_header(&empty, 2, 0);
	add_trailer(&empty);
	expect(&empty, 0, "", "");
	add_header(&two, 2, 2);
	add_blob(&two, "hello");
	add_blob(&two, "");
	add_trailer(&two);
	expect(&two, 0, "", "");
	buf_addc(&two, 'x');
	expect(&two, GG_E_PEER, "", "trailing bytes");
}

static void
every_cut_is_seen(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct gg_error err;
	const char *limit;

	(void)state;
	add_header(&b, 2, 1);
	add_blob(&b, "hello, hello, hello");
	add_trailer(&b);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(scan(&limits, view_of(b.p, n), 5, &limit,
				     &err),
		    GG_E_PEER);
}

static void
headers(void **state)
{
	static const struct {
		uint32_t version, objects;
		int want;
		const char *limit;
	} rows[] = { { 2, 0, 0, "" }, { 1, 0, GG_E_PEER, "" },
		{ 3, 0, GG_E_PEER, "" }, { 2, 101, GG_E_LIMIT, "pack-objects" },
		{ 2, UINT32_MAX, GG_E_LIMIT, "pack-objects" } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

		add_header(&b, rows[i].version, rows[i].objects);
		if (rows[i].want == 0)
			add_trailer(&b);
		expect(&b, rows[i].want, rows[i].limit, "");
	}
}

static void
sizes_that_lie(void **state)
{
	static const struct {
		uint64_t announced;
		int want;
		const char *limit, *why;
	} rows[] = {
		{ 5, 0, "", "" },
		{ 4, GG_E_PEER, "", "longer" },
		{ 6, GG_E_PEER, "", "shorter" },
		{ 0, GG_E_PEER, "", "longer" },
		{ 1 << 16, GG_E_PEER, "", "shorter" },
		{ (1 << 16) + 1, GG_E_LIMIT, "object-size", "too large" },
		{ UINT64_MAX >> 8, GG_E_LIMIT, "object-size", "too large" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

		add_header(&b, 2, 1);
		add_head(&b, 3, rows[i].announced);
		add_deflated(&b, "hello", 5);
		add_trailer(&b);
		expect(&b, rows[i].want, rows[i].limit, rows[i].why);
	}
}

static void
over_wide_numbers(void **state)
{
	GG_AUTO_RELEASE(buf) size = BUF_INIT(4096);
	GG_AUTO_RELEASE(buf) offset = BUF_INIT(4096);

	(void)state;
	add_header(&size, 2, 1);
	for (int i = 0; i < 11; i++)
		buf_addc(&size, (char)0xbf);
	expect(&size, GG_E_PEER, "", "over-wide size");
	add_header(&offset, 2, 1);
	add_head(&offset, 6, 4);
	for (int i = 0; i < 12; i++)
		buf_addc(&offset, (char)0xff);
	expect(&offset, GG_E_PEER, "", "over-wide delta offset");
}

/* A delta of these raw bytes, whose base lies `back` bytes before it. */
static void
add_ofs_delta(struct buf *b, size_t back, const char *raw, size_t n)
{
	add_head(b, 6, n);
	assert_true(back < 128);
	buf_addc(b, (char)back);
	add_deflated(b, raw, n);
}

static void
delta_heads(void **state)
{
	static const struct {
		const char *raw;
		size_t n;
		int want;
		const char *limit;
	} rows[] = {
		{ "\5\5\220\5", 4, 0, "" },
		{ "", 0, GG_E_PEER, "" },
		{ "\5", 1, GG_E_PEER, "" },
		{ "\205", 1, GG_E_PEER, "" },
		{ "\5\205", 2, GG_E_PEER, "" },
		{ "\5\377\377\377\177x", 6, GG_E_LIMIT, "object-size" },
		{ "\377\377\377\177\5x", 6, GG_E_LIMIT, "object-size" },
		{ "\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
		  "\377\377\377\377\377\377\377",
		    21, GG_E_PEER, "" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
		size_t at;

		add_header(&b, 2, 2);
		at = b.n;
		add_blob(&b, "hello");
		add_ofs_delta(&b, b.n - at, rows[i].raw, rows[i].n);
		add_trailer(&b);
		expect(&b, rows[i].want, rows[i].limit, "");
	}
}

static void
chains_have_an_end(void **state)
{
	static const char raw[] = "\5\5\220\5";

	(void)state;
	for (uint32_t deep = 1; deep <= 5; deep++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
		size_t before, here;

		add_header(&b, 2, deep + 1);
		before = b.n;
		add_blob(&b, "hello");
		for (uint32_t i = 0; i < deep; i++) {
			here = b.n;
			add_ofs_delta(&b, here - before, raw, 4);
			before = here;
		}
		add_trailer(&b);
		expect(&b, deep <= 3 ? 0 : GG_E_LIMIT,
		    deep <= 3 ? "" : "delta-depth", "");
	}
}

static void
bases_are_entries(void **state)
{
	static const size_t wrong[] = { 0, 1, 3, 100 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(wrong); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

		add_header(&b, 2, 2);
		add_blob(&b, "hello");
		add_ofs_delta(&b, wrong[i], "\5\5\220\5", 4);
		expect(&b, GG_E_PEER, "", "delta base");
	}
}

static void
too_many_bytes(void **state)
{
	struct job_limits small = limits;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	struct gg_error err;
	const char *limit;

	(void)state;
	add_header(&b, 2, 1);
	add_blob(&b, "hello");
	add_trailer(&b);
	small.pack_bytes = b.n;
	assert_int_equal(scan(&small, buf_view(&b), 3, &limit, &err), 0);
	small.pack_bytes = b.n - 1;
	assert_int_equal(scan(&small, buf_view(&b), 3, &limit, &err),
	    GG_E_LIMIT);
	assert_string_equal(limit, "pack-size");
}

/* Many deltas that each announce the most that is allowed. */
static void
expansion_of_the_whole_is_bounded(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 16);

	(void)state;
	add_header(&b, 2, 40);
	add_blob(&b, "hello");
	for (int i = 0; i < 39; i++) {
		add_head(&b, 7, 5);
		buf_add(&b, "BBBBBBBBBBBBBBBBBBBB", 20);
		add_deflated(&b, "\5\200\200\4x", 5);
	}
	add_trailer(&b);
	expect(&b, GG_E_LIMIT, "object-size", "far more");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_packs),
		cmocka_unit_test(every_cut_is_seen),
		cmocka_unit_test(headers),
		cmocka_unit_test(sizes_that_lie),
		cmocka_unit_test(over_wide_numbers),
		cmocka_unit_test(delta_heads),
		cmocka_unit_test(chains_have_an_end),
		cmocka_unit_test(bases_are_entries),
		cmocka_unit_test(too_many_bytes),
		cmocka_unit_test(expansion_of_the_whole_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
