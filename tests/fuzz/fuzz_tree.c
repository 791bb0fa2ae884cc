/*
 * Trees. Oracle: reading ends and stays inside the input; in an accepted
 * tree the entries rise strictly, no name comes twice and every name passes
 * by itself.
 */
#include "fuzz.h"

#include "pack/entry_name.h"
#include "pack/obj_check.h"

static bool
name_twice(struct view raw, struct view name, size_t *times)
{
	struct tree_entry e;

	*times = 0;
	while (tree_next(&raw, &e, NULL) == 1)
		*times += view_eq(e.name, name);
	return *times != 1;
}

static void
on_accepted(struct view raw)
{
	struct view rest = raw;
	struct tree_entry e, before = { 0 };
	size_t times, n = 0;

	for (; tree_next(&rest, &e, NULL) == 1; before = e) {
		if (n++ > 0)
			FUZZ_CHECK(tree_entry_cmp(&before, &e) < 0);
		if (n < 64)
			FUZZ_CHECK(!name_twice(raw, e.name, &times));
		FUZZ_CHECK(entry_name_check(e.name, false, NULL) == 0);
		FUZZ_CHECK(!e.padded && !oid_is_zero(&e.oid));
	}
	FUZZ_CHECK(rest.n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view raw = view_of(data, size), rest = raw;
	struct tree_entry e;
	unsigned all = RELAX_IDENT | RELAX_PADDED_MODE | RELAX_FILE_MODE;
	size_t left = size;

	while (tree_next(&rest, &e, NULL) == 1) {
		FUZZ_CHECK(rest.n < left);
		FUZZ_CHECK(e.name.n > 0);
		left = rest.n;
	}
	if (obj_check_tree(raw, 0, NULL) != 0)
		return 0;
	FUZZ_CHECK(obj_check_tree(raw, all, NULL) == 0);
	on_accepted(raw);
	return 0;
}
