#include "audit/tile.h"

#include "base/auto.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

static const struct {
	const char *why;
	struct tile t;
	const char *path;
} paths[] = {
	{ "the first full tile", { false, 0, 0, 256 }, "tile/0/000" },
	{ "partial", { false, 0, 273, 112 }, "tile/0/273.p/112" },
	{ "bundle", { true, 0, 0, 3 }, "tile/entries/000.p/3" },
	{ "four digits", { false, 1, 1000, 1 }, "tile/1/x001/000.p/1" },
	{ "seven digits", { false, 63, 1234067, 256 },
	    "tile/63/x001/x234/067" },
	{ "sumdb's example", { true, 0, 3057500, 256 },
	    "tile/entries/x003/x057/500" },
	{ "sumdb's other example", { true, 0, 123456078, 255 },
	    "tile/entries/x123/x456/078.p/255" },
	{ "the largest number", { false, 0, UINT64_MAX, 256 },
	    "tile/0/x018/x446/x744/x073/x709/x551/615" },
};

static const struct {
	const char *why, *path;
} bad_paths[] = {
	{ "empty", "" },
	{ "no level", "tile/000" },
	{ "other root", "tiles/0/000" },
	{ "absolute", "/tile/0/000" },
	{ "groups without x", "tile/0/123/456/078" },
	{ "last group with x", "tile/0/x123/x456/x078" },
	{ "leading zero group", "tile/0/x000/123" },
	{ "level too high", "tile/64/000" },
	{ "level with leading zero", "tile/00/000" },
	{ "level with sign", "tile/-1/000" },
	{ "data is an older name", "tile/data/000" },
	{ "two digits", "tile/0/00" },
	{ "four digits in one group", "tile/0/0000" },
	{ "width 0", "tile/0/000.p/0" },
	{ "width 256", "tile/0/000.p/256" },
	{ "width with leading zero", "tile/0/000.p/01" },
	{ "no width", "tile/0/000.p/" },
	{ "no width at all", "tile/0/000.p" },
	{ "no dot p", "tile/0/000/1" },
	{ "something behind", "tile/0/000.p/1/" },
	{ "slash at the end", "tile/0/000/" },
	{ "number over 64 bits", "tile/0/x018/x446/x744/x073/x709/x551/616" },
	{ "way out", "tile/0/../000" },
	{ "way out of entries", "tile/entries/../../key" },
	{ "way out by a group", "tile/0/x../000" },
};

static void
paths_and_back(void **state)
{
	char path[TILE_PATH_SIZE];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(paths); i++) {
		struct tile t = { 0 };

		tile_path(&paths[i].t, path);
		assert_string_equal(path, paths[i].path);
		assert_int_equal(tile_path_parse(view_str(path), &t, NULL), 0);
		assert_int_equal(t.is_bundle, paths[i].t.is_bundle);
		assert_int_equal(t.level, paths[i].t.level);
		assert_true(t.n == paths[i].t.n);
		assert_int_equal(t.width, paths[i].t.width);
	}
}

static void
paths_refused(void **state)
{
	struct tile t = { .n = 42 };
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad_paths); i++)
		if (tile_path_parse(view_str(bad_paths[i].path), &t, &err) !=
		    GG_E_INPUT)
			fail_msg("%s: accepted", bad_paths[i].why);
	assert_int_equal(tile_path_parse(view_of("tile/0/000\0", 11), &t, &err),
	    GG_E_INPUT);
	assert_int_equal(t.n, 42);
}

static void
widths(void **state)
{
	(void)state;
	assert_int_equal(tile_full_count(0, 70000), 273);
	assert_int_equal(tile_partial_width(0, 70000), 112);
	assert_int_equal(tile_full_count(1, 70000), 1);
	assert_int_equal(tile_partial_width(1, 70000), 17);
	assert_int_equal(tile_full_count(2, 70000), 0);
	assert_int_equal(tile_partial_width(2, 70000), 1);
	assert_int_equal(tile_partial_width(3, 70000), 0);
	assert_int_equal(tile_full_count(0, 256), 1);
	assert_int_equal(tile_partial_width(0, 256), 0);
	assert_int_equal(tile_partial_width(1, 256), 1);
	assert_int_equal(tile_full_count(7, MERKLE_SIZE_MAX), 0);
	assert_int_equal(tile_partial_width(7, MERKLE_SIZE_MAX), 128);
}

static void
entries(void **state)
{
	/* the bundle of Tessera's test log at size 3 */
	static const char bundle[] = "\x00\x03one\x00\x03two\x00\x05three";
	static const char *const want[] = { "one", "two", "three" };
	struct view v = view_of(bundle, sizeof(bundle) - 1), e;
	struct gg_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(want); i++) {
		assert_int_equal(tile_next_entry(&v, &e, &err), 1);
		assert_true(view_eq_str(e, want[i]));
	}
	assert_int_equal(tile_next_entry(&v, &e, &err), 0);
	for (size_t cut = 1; cut < 5; cut++) {
		v = view_of(bundle, cut);
		assert_int_equal(tile_next_entry(&v, &e, &err), GG_E_CORRUPT);
		assert_int_equal(v.n, cut);
	}
	v = view_of("\xff\xff", 2);
	assert_int_equal(tile_next_entry(&v, &e, &err), GG_E_CORRUPT);
	v = view_of("\0\0", 2);
	assert_int_equal(tile_next_entry(&v, &e, &err), 1);
	assert_int_equal(e.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_and_back),
		cmocka_unit_test(paths_refused),
		cmocka_unit_test(widths),
		cmocka_unit_test(entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
