/* The truth table of docs/inspection.md, "The merge rule", row by row. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "pack/changes.h"
#include "pack/merge_rule.h"
#include "pack/obj_check.h"

/*
 * A value is a letter: '-' nothing, 'a'..'z' contents, 'A'..'Z' the same
 * contents with the executable bit, '@' a symlink with the contents of 'a'.
 */
static struct tree_value
value(char c)
{
	struct tree_value v = { 0 };

	if (c == '-')
		return v;
	v.mode = c == '@'          ? MODE_SYMLINK :
	    (c >= 'A' && c <= 'Z') ? MODE_EXEC :
				     MODE_FILE;
	v.oid.b[0] = c == '@' ? 'a' : (unsigned char)(c | 0x20);
	return v;
}

static void
values(const char *text, struct tree_value *out)
{
	for (size_t i = 0; text[i] != '\0'; i++)
		out[i] = value(text[i]);
}

static void
two_parents(void **state)
{
	/* result, ours, theirs, base */
	static const struct {
		const char *v;
		bool explained;
		size_t old; /* the side shown, where it counts */
		const char *why;
	} rows[] = {
		{ "aaaa", true, 0, "nobody touched it" },
		{ "bbaa", true, 0, "ours changed it" },
		{ "baba", true, 0, "theirs changed it" },
		{ "bbba", true, 0, "both made the same change" },
		{ "b-b-", true, 0, "theirs added it" },
		{ "bb--", true, 0, "ours added it" },
		{ "bbb-", true, 0, "both added the same" },
		{ "--aa", true, 0, "ours removed it" },
		{ "-a-a", true, 0, "theirs removed it" },
		{ "---a", true, 0, "both removed it" },
		{ "AaAa", true, 0, "theirs changed the mode" },
		{ "@a@a", true, 0, "theirs changed the type" },
		{ "aaba", false, 2, "theirs is dropped" },
		{ "abaa", false, 1, "ours is dropped" },
		{ "aab-", false, 2, "two additions, ours taken" },
		{ "-bb-", false, 1, "an addition of both is dropped" },
		{ "--b-", false, 2, "an addition of theirs is dropped" },
		{ "caaa", false, 1, "evil: nobody had it" },
		{ "cbaa", false, 1, "evil, over ours" },
		{ "cbba", false, 1, "evil, over the same change" },
		{ "c---", false, 1, "evil: a file from nowhere" },
		{ "-aaa", false, 1, "evil: a removal by nobody" },
		{ "cbda", false, 1, "both changed it, resolved by hand" },
		{ "bbda", false, 2, "both changed it, ours taken" },
		{ "dbda", false, 1, "both changed it, theirs taken" },
		{ "-b-a", false, 1, "changed and removed, removal taken" },
		{ "bb-a", false, 2, "changed and removed, change taken" },
		{ "Aaaa", false, 1, "evil: only the mode" },
		{ "@aaa", false, 1, "evil: only the type" },
		{ "aaAa", false, 2, "a mode change is dropped" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct merge_rule r = { .n_parents = 2, .n_bases = 1 };
		struct tree_value v[MERGE_VALUES_MAX];

		r.bases[0] = (struct merge_base){ 0, 1 };
		values(rows[i].v, v);
		if (merge_explains(&r, v) != rows[i].explained)
			fail_msg("%s (%s)", rows[i].v, rows[i].why);
		if (!rows[i].explained && merge_old_side(&r, v) != rows[i].old)
			fail_msg("%s (%s): side %zu", rows[i].v, rows[i].why,
			    merge_old_side(&r, v));
	}
}

static void
one_parent_is_a_plain_diff(void **state)
{
	static const struct {
		const char *v;
		bool explained;
	} rows[] = { { "aa", true }, { "--", true }, { "ba", false },
		{ "a-", false }, { "-a", false }, { "Aa", false } };
	struct merge_rule r = { .n_parents = 1 };
	struct tree_value v[2];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		values(rows[i].v, v);
		assert_int_equal(merge_explains(&r, v), rows[i].explained);
		assert_int_equal(merge_old_side(&r, v), 1);
	}
}

static void
without_a_base_and_blind(void **state)
{
	/* result, ours, theirs */
	static const struct {
		const char *v;
		bool unrelated, blind;
	} rows[] = { { "aaa", true, true }, { "aa-", true, false },
		{ "a-a", true, false }, { "aab", false, false },
		{ "-a-", false, false }, { "---", true, true } };
	struct merge_rule r = { .n_parents = 2 };
	struct tree_value v[3];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		values(rows[i].v, v);
		r.blind = false;
		assert_int_equal(merge_explains(&r, v), rows[i].unrelated);
		r.blind = true;
		assert_int_equal(merge_explains(&r, v), rows[i].blind);
	}
}

static void
every_base_has_to_agree(void **state)
{
	/* result, ours, theirs, base, base */
	static const struct {
		const char *v;
		bool explained;
	} rows[] = { { "abaaa", false }, { "babaa", true }, { "babac", false },
		{ "bbaaa", true }, { "bbaca", false }, { "aaaxy", true } };
	struct merge_rule r = { .n_parents = 2, .n_bases = 2 };
	struct tree_value v[5];

	(void)state;
	r.bases[0] = (struct merge_base){ 0, 1 };
	r.bases[1] = (struct merge_base){ 0, 1 };
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		values(rows[i].v, v);
		if (merge_explains(&r, v) != rows[i].explained)
			fail_msg("%s", rows[i].v);
	}
}

static void
three_parents_pair_by_pair(void **state)
{
	/* result, three parents, bases of (0,1), (0,2), (1,2) */
	static const struct {
		const char *v;
		bool explained;
		const char *why;
	} rows[] = {
		{ "aaaaaaa", true, "nobody touched it" },
		{ "baabaaa", true, "the third changed it" },
		{ "bbbbaaa", true, "all made the same change" },
		{ "bbbaaaa", true, "two made the same change" },
		{ "bbcaaaa", false, "two changed it differently" },
		{ "aaabaaa", false, "the third is dropped" },
		{ "caaaaaa", false, "evil" },
		/* the first reverted what a newer base of it and the second
		 * had: an older common ancestor would have hidden it */
		{ "babaxaa", false, "a revert is dropped" },
		{ "babbbaa", true, "reverted, and made anew by the third" },
	};
	struct merge_rule r = { .n_parents = 3, .n_bases = 3 };
	struct tree_value v[7];

	(void)state;
	r.bases[0] = (struct merge_base){ 0, 1 };
	r.bases[1] = (struct merge_base){ 0, 2 };
	r.bases[2] = (struct merge_base){ 1, 2 };
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		values(rows[i].v, v);
		if (merge_explains(&r, v) != rows[i].explained)
			fail_msg("%s (%s)", rows[i].v, rows[i].why);
	}
}

static void
kinds_of_change(void **state)
{
	static const struct {
		char from, to;
		unsigned kinds;
	} rows[] = { { '-', 'a', CHANGE_ADD }, { 'a', '-', CHANGE_DELETE },
		{ 'a', 'b', CHANGE_MODIFY }, { 'a', 'A', CHANGE_MODE },
		{ 'a', 'B', CHANGE_MODE | CHANGE_MODIFY },
		{ 'a', '@', CHANGE_MODE | CHANGE_SYMLINK },
		{ '-', '@', CHANGE_ADD | CHANGE_SYMLINK } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct tree_value a = value(rows[i].from);
		struct tree_value b = value(rows[i].to);

		assert_int_equal(change_kinds(&a, &b), rows[i].kinds);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_parents),
		cmocka_unit_test(one_parent_is_a_plain_diff),
		cmocka_unit_test(without_a_base_and_blind),
		cmocka_unit_test(every_base_has_to_agree),
		cmocka_unit_test(three_parents_pair_by_pair),
		cmocka_unit_test(kinds_of_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
