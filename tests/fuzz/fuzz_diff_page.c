/*
 * A diff file as a page shows it. Oracle: the index stays inside the bytes,
 * every record is shown once whatever the parts are, and the result is UTF-8
 * with no tag but ours.
 */
#include "base/text.h"
#include "web/diff_lines.h"

#include "fuzz.h"

static void
check_tags(struct view v)
{
	static const char *const ours[] = { "<table class=\"diff ", "</table>",
		"<thead class=\"vh\">", "</thead>", "<tbody>", "</tbody>",
		"<colgroup>", "</colgroup>", "<col class=\"n\">", "<col>",
		"<tr class=\"", "<tr>", "</tr>", "<th>", "</th>",
		"<td class=\"n\">", "<td class=\"line", "<td class=\"none\">",
		"<td colspan=\"", "</td>", "<span class=\"sign\">",
		"<span class=\"cut\">", "<span class=\"ws\">",
		"<span class=\"inv\">", "</span>", "<mark>", "</mark>" };

	while (v.n > 0) {
		bool known = v.p[0] != '<';

		for (size_t i = 0; !known && i < GG_COUNT(ours); i++)
			known = view_has_prefix(v, ours[i]);
		FUZZ_CHECK(known);
		view_skip(&v, 1);
	}
}

static void
show(const struct diff_entry *e, bool split, uint64_t at_once)
{
	uint64_t at = 0, before;

	do {
		GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 26);
		struct diff_lines l = { .split = split,
			.lines_left = at_once,
			.bytes_max = b.max,
			.words_left = 100000 };

		before = at;
		at = diff_lines_show(&b, &l, e, at);
		FUZZ_CHECK(b.failed == 0);
		FUZZ_CHECK(utf8_is_valid(buf_view(&b)));
		check_tags(buf_view(&b));
		FUZZ_CHECK(at <= e->n_records);
		FUZZ_CHECK(at > before || at == e->n_records);
	} while (at < e->n_records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(diff_index) x = { 0 };
	struct view all = view_of(data, size);

	diff_index_read(&x, all, NULL);
	for (size_t i = 0; i < x.n_files; i++) {
		const struct diff_entry *e = &x.files[i];

		FUZZ_CHECK(e->records.p >= all.p &&
		    e->records.p + e->records.n <= all.p + all.n);
		FUZZ_CHECK(e->renamed_from == NULL || e->f.old_mode == 0);
		if (i < 50 && size < 65536) {
			show(e, false, 3);
			show(e, true, 1000);
		}
	}
	return 0;
}
