/*
 * Commits and tags: the first byte chooses. Oracle: what the strict check
 * accepts the lenient reader reads, to the same effect; a relaxed check
 * accepts whatever the strict one does; nothing accepted holds a NUL.
 */
#include "fuzz.h"

#include "pack/obj_check.h"

#include <string.h>

static void
on_commit(struct view raw)
{
	struct commit_fields f;
	struct oid oid;
	int rc = obj_check_commit(raw, 0, NULL);

	if (rc == 0) {
		FUZZ_CHECK(obj_check_commit(raw, RELAX_IDENT, NULL) == 0);
		FUZZ_CHECK(memchr(raw.p, '\0', raw.n) == NULL);
		FUZZ_CHECK(commit_parse(raw, &f, NULL) == 0);
		/* a name may be blank: "author  <mail>", as git has it */
		FUZZ_CHECK(f.author.name.p != NULL &&
		    f.committer.name.p != NULL);
		FUZZ_CHECK(f.author.time >= 0);
	} else if (commit_parse(raw, &f, NULL) != 0) {
		return;
	}
	FUZZ_CHECK((size_t)f.n_parents * 48 <= raw.n);
	if (f.n_parents > 0)
		commit_parent(&f, f.n_parents - 1, &oid);
	FUZZ_CHECK(f.message.n <= raw.n);
}

static void
on_tag(struct view raw)
{
	struct tag_fields f;

	if (obj_check_tag(raw, 0, NULL) != 0)
		return;
	FUZZ_CHECK(obj_check_tag(raw, RELAX_IDENT | RELAX_TAG_NAME, NULL) == 0);
	FUZZ_CHECK(tag_parse(raw, &f, NULL) == 0);
	FUZZ_CHECK(f.kind != OBJECT_NONE);
	FUZZ_CHECK(memchr(raw.p, '\0', raw.n) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] == 't')
		on_tag(view_of(data + 1, size - 1));
	else
		on_commit(view_of(data + 1, size - 1));
	return 0;
}
