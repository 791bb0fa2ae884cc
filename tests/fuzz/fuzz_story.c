/*
 * Entries, one a line, of a log whose signer may write anything. Oracle: a
 * finding is of an entry that was read (the one at hand, or an earlier one at
 * the end), and a second reading finds the same.
 */
#include "audit/story.h"
#include "base/buf.h"
#include "fuzz.h"

#include <string.h>

#define FOUND_MAX ((size_t)16 << 20)

struct reading {
	uint64_t at;
	bool is_end;
	struct buf found;
};

static void
take(void *ctx, const struct story_finding *f)
{
	struct reading *r = ctx;

	FUZZ_CHECK(f->kind < STORY_KINDS && f->text[0] != '\0');
	FUZZ_CHECK(f->index <= r->at);
	/* A gap may be told later than it is seen. */
	FUZZ_CHECK(f->kind == STORY_GAP || (!r->is_end && f->index == r->at));
	buf_addf(&r->found, "%s %llu %s\n", story_kind_name(f->kind),
	    (unsigned long long)f->index, f->text);
}

static void
read_all(struct view in, struct reading *r)
{
	GG_AUTO(story) s = story_new(take, r);
	struct view line;

	while (view_cut(&in, '\n', &line)) {
		json_auto_t *e = json_loadb(line.n ? line.p : "", line.n,
		    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

		if (e == NULL)
			continue;
		story_entry(s, r->at, e);
		r->at++;
	}
	r->is_end = true;
	story_end(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading one = { .found = BUF_INIT(FOUND_MAX) };
	struct reading two = { .found = BUF_INIT(FOUND_MAX) };

	read_all(view_of(data, size), &one);
	read_all(view_of(data, size), &two);
	FUZZ_CHECK(view_eq(buf_view(&one.found), buf_view(&two.found)));
	buf_release(&one.found);
	buf_release(&two.found);
	return 0;
}
