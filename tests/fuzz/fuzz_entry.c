/*
 * Stored entries. Oracle: what is accepted can be encoded again, and encoding
 * is a fixed point: the canonical bytes parse to the same facts and encode to
 * themselves.
 */
#include "audit/entry.h"
#include "audit/tile.h"
#include "fuzz.h"

#include <string.h>

static void
check_bundle(struct view rest)
{
	struct view entry, whole = rest;

	while (tile_next_entry(&rest, &entry, NULL) == 1)
		FUZZ_CHECK(entry.p + entry.n == rest.p &&
		    rest.p + rest.n == whole.p + whole.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(ENTRY_MAX_BYTES);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(ENTRY_MAX_BYTES);
	struct view in = view_of(data, size);
	struct entry_facts f = { 0 }, g = { 0 };
	json_auto_t *j = NULL, *k = NULL;

	check_bundle(in);
	if (entry_parse(in, &f, NULL) != 0)
		return 0;
	j = json_loadb(in.p, in.n, JSON_ALLOW_NUL, NULL);
	FUZZ_CHECK(j != NULL);
	if (entry_encode(j, &one, NULL) != 0) {
		/* escapes may make it longer than it came */
		FUZZ_CHECK(in.n > ENTRY_MAX_BYTES / 6);
		return 0;
	}
	FUZZ_CHECK(entry_parse(buf_view(&one), &g, NULL) == 0);
	FUZZ_CHECK(g.seq == f.seq && g.time_ms == f.time_ms);
	FUZZ_CHECK(g.has_prev == f.has_prev && g.prev == f.prev);
	FUZZ_CHECK(g.has_pair == f.has_pair);
	FUZZ_CHECK(memcmp(&g.pair, &f.pair, sizeof(f.pair)) == 0);
	FUZZ_CHECK(strcmp(f.type, g.type) == 0);
	k = json_loadb(one.p, one.n, JSON_ALLOW_NUL, NULL);
	FUZZ_CHECK(entry_encode(k, &two, NULL) == 0);
	FUZZ_CHECK(view_eq(buf_view(&one), buf_view(&two)));
	return 0;
}
