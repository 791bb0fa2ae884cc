/* Which lines of a shown file a record claims. */
#include "web/line_claims.h"

#include "base/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define COMMIT_1 "1111111111111111111111111111111111111111"
#define COMMIT_2 "2222222222222222222222222222222222222222"
#define BLOB_A   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BLOB_B   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct oid
oid_of(const char *hex)
{
	struct oid o;

	assert_true(oid_parse(view_str(hex), &o));
	return o;
}

/* The first commit makes A of the file, the second B, and removes "gone". */
static struct change_report *
report_make(void)
{
	struct change_report *r = change_report_new(1, 0);
	const struct {
		const char *commit, *path, *blob;
	} made[] = { { COMMIT_1, "f", BLOB_A }, { COMMIT_2, "f", BLOB_B } };

	for (size_t i = 0; i < GG_COUNT(made); i++) {
		struct commit_info *c = change_report_add_commit(r);
		struct path_change *p;

		c->oid = oid_of(made[i].commit);
		p = path_changes_add(&c->paths, view_str(made[i].path));
		p->new_mode = 0100644;
		p->new_oid = oid_of(made[i].blob);
		p = path_changes_add(&c->paths, view_str("gone"));
		p->old_mode = 0100644;
		p->old_oid = oid_of(BLOB_A);
	}
	return r;
}

static void
assert_marks(const struct line_claims *l, const char *path, const char *blob,
    const char *want)
{
	struct file_claims f = line_claims_of(l, view_str(path),
	    view_str(blob));
	char got[16] = "";

	for (uint64_t line = 1; line <= strlen(want); line++) {
		char mark = line_claims_mark(&f, line);

		got[line - 1] = mark != '\0' ? mark : '.';
	}
	assert_string_equal(got, want);
}

static json_t *
claims_make(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void
marks_where_the_blob_is_the_one_meant(void **state)
{
	GG_AUTO(change_report) r = report_make();
	GG_AUTO_RELEASE(line_claims) l = { 0 };
	json_t *o = claims_make(
	    "{\"commits\":[{\"commit\":\"" COMMIT_1 "\",\"records\":[0]},"
	    "{\"commit\":\"" COMMIT_2 "\",\"records\":[1]},"
	    "{\"commit\":\"3333\",\"records\":[0]}],\"records\":["
	    "{\"files\":[{\"path\":\"f\",\"by\":\"ai\",\"ranges\":[[5,6],[1,2]]},"
	    "{\"path\":\"gone\",\"by\":\"ai\",\"ranges\":[[1,9]]},"
	    "{\"path\":\"other\",\"by\":\"ai\",\"ranges\":[[1,9]]}]},"
	    "{\"files\":[{\"path\":\"f\",\"by\":\"human\",\"ranges\":[[2,3]]},"
	    "{\"path\":\"f\",\"by\":\"mixed\",\"ranges\":[[3,4]]},"
	    "{\"path\":\"f\",\"by\":\"odd\",\"ranges\":[[6,6],[9,8],[0,1],7]}]}]}");
	(void)state;

	line_claims_read(&l, o, r, NULL);
	assert_marks(&l, "f", BLOB_A, "AA..AA.");
	assert_marks(&l, "f", BLOB_B, ".H!M.?.");
	assert_marks(&l, "gone", BLOB_A, "...");
	assert_marks(&l, "other", BLOB_A, "...");
	assert_marks(&l, "f", COMMIT_1, "...");
	assert_marks(NULL, "f", BLOB_A, "...");
	json_decref(o);
}

/* A commit that no report lists, but a ref gets. */
static void
marks_what_a_ref_gets(void **state)
{
	struct diff_section sections[] = {
		{ .to = view_str(COMMIT_2),
		    .commit = view_str(COMMIT_1),
		    .n = 1 },
		{ .to = view_str(COMMIT_2), .first = 1, .n = 2 },
	};
	struct diff_entry files[] = {
		{ .f = { .new_path = view_str("f"),
		      .new_mode = 0100644,
		      .new_oid = view_str(BLOB_A) } },
		{ .f = { .old_path = view_str("gone"),
		      .old_oid = view_str(BLOB_A) } },
		{ .f = { .new_path = view_str("f"),
		      .new_mode = 0100644,
		      .new_oid = view_str(BLOB_B) } },
	};
	const struct diff_index x = { .sections = sections,
		.n_sections = 2,
		.files = files,
		.n_files = 3 };
	GG_AUTO_RELEASE(line_claims) l = { 0 };
	json_t *o = claims_make("{\"commits\":[{\"commit\":\"" COMMIT_2
				"\",\"records\":[0]}],\"records\":[{\"files\":["
				"{\"path\":\"gone\",\"by\":\"ai\",\"ranges\":"
				"[[1,2]]},{\"path\":\"f\",\"by\":\"ai\","
				"\"ranges\":[[2,2]]}]}]}");
	(void)state;

	line_claims_read(&l, o, NULL, &x);
	assert_int_equal(l.n, 1);
	assert_marks(&l, "f", BLOB_B, ".A.");
	json_decref(o);
}

static void
a_page_has_an_end(void **state)
{
	GG_AUTO(change_report) r = report_make();
	GG_AUTO_RELEASE(line_claims) l = { 0 };
	json_t *ranges = json_array(), *o;
	(void)state;

	for (int i = 0; i < LINE_CLAIMS_MAX + 1; i++)
		json_array_append_new(ranges, json_pack("[ii]", i + 1, i + 1));
	o = json_pack("{s:[{s:s, s:[i]}], s:[{s:[{s:s, s:s, s:o}]}]}",
	    "commits", "commit", COMMIT_1, "records", 0, "records", "files",
	    "path", "f", "by", "ai", "ranges", ranges);
	assert_non_null(o);
	line_claims_read(&l, o, r, NULL);
	assert_int_equal(l.n, LINE_CLAIMS_MAX);
	assert_true(l.cut);
	json_decref(o);
	line_claims_release(&l);
	line_claims_read(&l, NULL, r, NULL);
	assert_int_equal(l.n, 0);
}

static void
who_hears_a_page_is_told_once_per_run(void **state)
{
	GG_AUTO(change_report) r = report_make();
	GG_AUTO_RELEASE(line_claims) l = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(10000);
	json_t *o = claims_make("{\"commits\":[{\"commit\":\"" COMMIT_1
				"\",\"records\":[0]}],\"records\":[{\"files\":["
				"{\"path\":\"f\",\"by\":\"ai\",\"ranges\":"
				"[[1,2],[4,4]]}]}]}");
	struct file_claims f;
	(void)state;

	line_claims_read(&l, o, r, NULL);
	f = line_claims_of(&l, view_str("f"), view_str(BLOB_A));
	for (uint64_t line = 1; line <= 5; line++) {
		buf_adds(&b, "|");
		view_line_mark(&b, &f, line);
	}
	assert_string_equal(buf_str(&b),
	    "|<i class=\"by\">A</i><span class=\"vh\"> claimed to be by an agent,"
	    " line </span>|<i class=\"by\">A</i>||<i class=\"by\">A</i><span "
	    "class=\"vh\"> claimed to be by an agent, line </span>|");
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_where_the_blob_is_the_one_meant),
		cmocka_unit_test(marks_what_a_ref_gets),
		cmocka_unit_test(a_page_has_an_end),
		cmocka_unit_test(who_hears_a_page_is_told_once_per_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
