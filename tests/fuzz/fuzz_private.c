/*
 * Openings as they lie on disk, and an entry with one. Oracle: what is read is
 * formatted back to the same bytes; an opening that is accepted opens to what
 * seals again, and erased it opens to what says so.
 */
#include "audit/private.h"
#include "audit/tile.h"
#include "fuzz.h"

/* "ENTRY\nOPENING" */
static void
try_entry(struct view in)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(1 << 20), left = BUF_INIT(1 << 20);
	struct view entry;
	private_set gone;

	if (!view_cut(&in, '\n', &entry))
		return;
	if (private_open_text(entry, in, &out, NULL) == 0)
		FUZZ_CHECK(out.failed == 0);
	if (private_erase(in, PRIVATE_ALL, &left, &gone, NULL) == 0 &&
	    left.n == 0) {
		buf_clear(&out);
		/* what has no opening can be read, or is no entry */
		(void)!private_open_text(entry, buf_view(&left), &out, NULL);
	}
}

/* Whatever the value: it is sealed and opened to the same. */
static void
try_value(struct view in)
{
	json_t *value = json_stringn(in.p, in.n);
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	json_t *e, *was;

	if (value == NULL)
		return;
	e = json_pack("{s:s, s:o}", "type", "hold.review", "comment", value);
	was = json_deep_copy(e);
	if (private_seal(e, &opening, NULL) == 0) {
		private_set erased = 0;

		FUZZ_CHECK(!json_equal(e, was));
		FUZZ_CHECK(private_open(e, buf_view(&opening), &erased, NULL) ==
		    0);
		FUZZ_CHECK(erased == 0 && json_equal(e, was));
	}
	json_decref(e);
	json_decref(was);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) back = BUF_INIT(size + 256);
	struct view in = view_of(data, size), records, one;

	if (private_bundle_parse(in, &records, NULL) == 0) {
		private_bundle_format(records, &back);
		FUZZ_CHECK(view_eq(buf_view(&back), in));
		while (tile_next_entry(&records, &one, NULL) == 1)
			try_entry(one);
	}
	try_entry(in);
	try_value(in);
	return 0;
}
