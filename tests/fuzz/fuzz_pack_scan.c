/*
 * The pack scanner. Oracle: accepted or not, however the bytes are cut; no
 * more bytes eaten than given, and nothing accepted that lacks a header, a
 * trailer or an entry. (What its memory and time are bounded by: limits.)
 */
#include "fuzz.h"

#include "pack/pack_scan.h"

static const struct job_limits limits = {
	.pack_bytes = 1 << 20,
	.pack_objects = 1000,
	.object_bytes = 1 << 20,
	.delta_depth = 50,
};

static int
scan(struct view v, size_t piece, uint64_t *objects)
{
	GG_AUTO(pack_scan) s = pack_scan_new(&limits);
	const char *limit = "";
	uint64_t given = v.n;
	int rc = 0;

	FUZZ_CHECK(s != NULL);
	while (rc == 0 && v.n > 0) {
		size_t n = v.n < piece ? v.n : piece;

		rc = pack_scan_feed(s, view_of(v.p, n), &limit, NULL);
		view_skip(&v, n);
	}
	FUZZ_CHECK(pack_scan_bytes(s) <= given);
	FUZZ_CHECK((rc == GG_E_LIMIT) == (limit[0] != '\0'));
	*objects = pack_scan_objects(s);
	return rc != 0 ? rc : pack_scan_end(s, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_of(data, size);
	uint64_t objects, again;
	int rc = scan(v, size + 1, &objects);

	FUZZ_CHECK((scan(v, 1, &again) == 0) == (rc == 0));
	FUZZ_CHECK(objects == again || rc != 0);
	if (rc == 0)
		FUZZ_CHECK(size >= 32 + objects * 9 &&
		    memcmp(data, "PACK", 4) == 0);
	return 0;
}
