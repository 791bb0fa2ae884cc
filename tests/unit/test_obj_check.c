/* The form of commits, tags, trees and names. */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/strv.h"
#include "pack/entry_name.h"
#include "pack/fsck_levels.h"
#include "pack/obj_check.h"

#define HEX  "0123456789abcdef0123456789abcdef01234567"
#define TREE "tree " HEX "\n"
#define PAR  "parent " HEX "\n"
#define WHO  "A U Thor <a@example.com> 1700000000 +0000\n"
#define AU   "author " WHO
#define CO   "committer " WHO

struct row {
	const char *raw;
	unsigned relax;
	const char *why; /* part of the message; NULL: well-formed */
};

static void
expect(const struct row *row, int rc, const struct gg_error *err)
{
	if (row->why == NULL && rc != 0)
		fail_msg("refused (%s): %s", err->msg, row->raw);
	if (row->why != NULL &&
	    (rc != GG_E_PEER || strstr(err->msg, row->why) == NULL))
		fail_msg("want %s, got %s: %s", row->why,
		    rc == 0 ? "nothing" : err->msg, row->raw);
}

static void
commits(void **state)
{
	static const struct row rows[] = {
		{ TREE AU CO "\nm\n", 0, NULL },
		{ TREE PAR AU CO "\nm\n", 0, NULL },
		{ TREE PAR PAR AU CO "\n", 0, NULL },
		{ TREE AU CO, 0, NULL },
		{ TREE AU CO "encoding x\n\nm", 0, NULL },
		{ TREE AU CO "gpgsig a\n b\n c\n\nm", 0, NULL },
		{ TREE AU CO "mergetag a\n b\nmergetag c\n d\n\nm", 0, NULL },
		{ TREE AU CO "change-id xyz\n\nm", 0, NULL },
		{ TREE AU CO "\nauthor in the message\n", 0, NULL },
		{ "", 0, "no tree" },
		{ AU CO "\nm", 0, "no tree" },
		{ "tree " HEX "0\n" AU CO "\n", 0, "no tree" },
		{ "tree 0123456789ABCDEF0123456789abcdef01234567\n" AU CO, 0,
		    "no tree" },
		{ "tree  " HEX "\n" AU CO, 0, "no tree" },
		{ TREE TREE AU CO "\n", 0, "no author" },
		{ TREE "parent " HEX " \n" AU CO "\n", 0, "parent" },
		{ TREE AU PAR CO "\n", 0, "no committer" },
		{ TREE CO AU "\n", 0, "no author" },
		{ TREE AU AU CO "\n", 0, "no committer" },
		{ TREE AU CO CO "\n", 0, "committer twice" },
		{ TREE AU CO PAR "\n", 0, "parent twice" },
		{ TREE AU CO "encoding a\nencoding b\n\n", 0,
		    "encoding twice" },
		{ TREE AU CO "gpgsig a\n b\ngpgsig c\n\n", 0, "gpgsig twice" },
		{ TREE AU CO "gpgsig-sha256 a\ngpgsig-sha256 c\n\n", 0,
		    "gpgsig-sha256 twice" },
		{ TREE AU CO " continued\n\n", 0, "malformed header" },
		{ TREE AU CO "x\n\n", 0, "malformed header" },
		{ TREE AU CO "x\ty z\n\n", 0, "malformed header" },
		{ TREE AU CO "x y", 0, "unterminated" },
		{ TREE "author A <a@b> 1 +0000\n" CO, 0, NULL },
		{ TREE "author A <> 0 -0000\n" CO, 0, NULL },
		{ TREE "author <a@b> 1 +0000\n" CO, 0, "malformed author" },
		{ TREE "author A<a@b> 1 +0000\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b>1 +0000\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b> 01 +0000\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b> -1 +0000\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b> 9223372036854775808 +0000\n" CO, 0,
		    "malformed author" },
		{ TREE "author A <a@b> 1 +000\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b> 1 0000\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b> <c@d> 1 +0000\n" CO, 0, "malformed" },
		{ TREE "author A <a<b> 1 +0000\n" CO, 0, "malformed" },
		{ TREE "author A > <b> 1 +0000\n" CO, 0, "malformed" },
		{ TREE "author A <a@b>\n" CO, 0, "malformed author" },
		{ TREE "author A <a@b>\n" CO, RELAX_IDENT, NULL },
		{ TREE "author A <a@b> 1 +0000" CO, RELAX_IDENT, "committer" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct gg_error err = { 0 };

		expect(&rows[i],
		    obj_check_commit(view_str(rows[i].raw), rows[i].relax,
			&err),
		    &err);
	}
}

static void
no_nul_anywhere(void **state)
{
	static const char raw[] = TREE AU CO "\nmessage\n";
	char copy[sizeof(raw)];

	(void)state;
	for (size_t i = 0; i < sizeof(raw) - 1; i++) {
		memcpy(copy, raw, sizeof(raw));
		copy[i] = '\0';
		assert_int_equal(obj_check_commit(view_of(copy,
						      sizeof(raw) - 1),
				     RELAX_IDENT, NULL),
		    GG_E_PEER);
	}
}

static void
commit_fields_are_read(void **state)
{
	static const char raw[] = TREE PAR PAR
	    "author A <a@b> 5 +0000\ncommitter C <c@d> 7 +0100\n\nhello\n";
	struct commit_fields f;
	struct oid oid;
	char hex[OID_HEX + 1];

	(void)state;
	assert_int_equal(commit_parse(view_str(raw), &f, NULL), 0);
	assert_int_equal(f.n_parents, 2);
	commit_parent(&f, 1, &oid);
	oid_format(&oid, hex);
	assert_string_equal(hex, HEX);
	commit_parent(&f, 2, &oid);
	assert_true(oid_is_zero(&oid));
	assert_true(view_eq_str(f.author.name, "A"));
	assert_true(view_eq_str(f.committer.email, "c@d"));
	assert_int_equal(f.author.time, 5);
	assert_int_equal(f.committer.time, 7);
	assert_true(view_eq_str(f.message, "hello\n"));
}

static void
idents_of_old_commits(void **state)
{
	static const struct {
		const char *line, *name, *email;
		int64_t time;
	} rows[] = {
		{ "A B <a@b> 12 +0000", "A B", "a@b", 12 },
		{ "A B", "A B", "", 0 },
		{ "A <a@b", "A", "a@b", 0 },
		{ "<a@b> 1 +0000", "", "a@b", 1 },
		{ "A <a@b> x +0000", "A", "a@b", 0 },
		{ "A <a@b>  9", "A", "a@b", 9 },
		{ "", "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct ident id;

		ident_parse(view_str(rows[i].line), &id);
		assert_true(view_eq_str(id.name, rows[i].name));
		assert_true(view_eq_str(id.email, rows[i].email));
		assert_int_equal(id.time, rows[i].time);
	}
}

static void
tags(void **state)
{
#define TAG "object " HEX "\ntype commit\ntag v1\n"
	static const struct row rows[] = {
		{ TAG "tagger " WHO "\nm\n", 0, NULL },
		{ TAG "\nm\n", 0, NULL },
		{ TAG "tagger " WHO "gpgsig-sha256 x\n\nm\n", 0, NULL },
		{ "type commit\ntag v1\n", 0, "object" },
		{ "object " HEX "\ntag v1\n", 0, "type" },
		{ "object " HEX "\ntype thing\ntag v1\n\n", 0, "unknown type" },
		{ "object " HEX "\ntype commit\n\n", 0, "name" },
		{ "object " HEX "\ntype commit\ntag \n\n", 0, "name" },
		{ "object " HEX "\ntype commit\ntag a\001b\n\n", 0, "control" },
		{ "object " HEX "\ntype commit\ntag a\001b\n\n", RELAX_TAG_NAME,
		    NULL },
		{ TAG "tagger x\n\n", 0, "tagger" },
		{ TAG "tagger " WHO "tagger " WHO "\n", 0, "tagger twice" },
		{ TAG "tagger " WHO "object " HEX "\n\n", 0, "object twice" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		struct gg_error err = { 0 };

		expect(&rows[i],
		    obj_check_tag(view_str(rows[i].raw), rows[i].relax, &err),
		    &err);
	}
}

/* "100644 a,40000 b": a tree of these, each with a made-up id. */
static void
tree_of(const char *text, struct buf *out)
{
	struct view rest = view_str(text), one;
	bool more = rest.n > 0;

	while (more) {
		more = view_cut(&rest, ',', &one);
		buf_addv(out, more ? one : rest);
		buf_add(out, "\0ABCDEFGHIJKLMNOPQRST", 1 + OID_BYTES);
	}
}

static void
trees(void **state)
{
	static const struct row rows[] = {
		{ "", 0, NULL },
		{ "100644 a,100755 b,120000 c,40000 d,160000 e", 0, NULL },
		{ "100644 a,100644 a.b,100644 a0,40000 b", 0, NULL },
		{ "100644 a.b,40000 a,100644 a0", 0, NULL },
		{ "40000 a,100644 a.b", 0, "order" },
		{ "100644 b,100644 a", 0, "order" },
		{ "100644 a,100755 a", 0, "twice" },
		{ "100644 a,40000 a", 0, "twice" },
		{ "100644 a,100644 a.b,40000 a", 0, "twice" },
		{ "100644 a,100644 a-,100644 a-b,100644 a.,40000 a", 0,
		    "twice" },
		{ "0100644 a", 0, "zero-padded" },
		{ "0100644 a", RELAX_PADDED_MODE, NULL },
		{ "040000 a", RELAX_FILE_MODE, "zero-padded" },
		{ "100664 a", 0, "mode 100664" },
		{ "100664 a", RELAX_FILE_MODE, NULL },
		{ "140000 a", RELAX_FILE_MODE, "mode 140000" },
		{ "104755 a", RELAX_FILE_MODE, "mode 104755" },
		{ "40755 a", RELAX_FILE_MODE, "mode 40755" },
		{ "0 a", 0, "mode" },
		{ "100648 a", 0, "malformed mode" },
		{ "x a", 0, "malformed mode" },
		{ "37777777777777100644 a", 0, "malformed mode" },
		{ "100644 .git", 0, ".git" },
		{ "40000 ..", 0, ".." },
		{ "100644 a/b", 0, "'/'" },
		{ "100644 ", 0, "empty name" },
		{ "120000 .gitmodules", 0, "symlink" },
		{ "120000 .GitModules ", 0, "symlink" },
		{ "100644 .gitmodules", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) raw = BUF_INIT(4096);
		struct gg_error err = { 0 };

		tree_of(rows[i].raw, &raw);
		expect(&rows[i],
		    obj_check_tree(buf_view(&raw), rows[i].relax, &err), &err);
	}
}

static void
cut_trees_and_null_ids(void **state)
{
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(4096);
	size_t one = sizeof("100644 a") + OID_BYTES;

	(void)state;
	tree_of("100644 a,100644 b", &raw);
	for (size_t n = 1; n < raw.n; n++)
		assert_int_equal(obj_check_tree(view_of(raw.p, n), 0, NULL),
		    n == one ? 0 : GG_E_PEER);
	memset(raw.p + raw.n - OID_BYTES, 0, OID_BYTES);
	assert_int_equal(obj_check_tree(buf_view(&raw), 0, NULL), GG_E_PEER);
}

static void
names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{ "a", true },
		{ ".gitignore", true },
		{ ".gitattributes", true },
		{ "git", true },
		{ ".gi", true },
		{ "x.git", true },
		{ "...", true },
		{ ".gitx", true },
		{ "git~2", true },
		{ "git~10", true },
		{ ".git-", true },
		{ "a\\b", true },
		{ "\xe2\x80\x8c", true },
		{ "\xff\xfe", true },
		{ ".github", true },
		{ ". git", true },
		{ ".git x", true },
		{ ".", false },
		{ "..", false },
		{ "a/b", false },
		{ "", false },
		{ ".git", false },
		{ ".GIT", false },
		{ ".gIT", false },
		{ "git~1", false },
		{ "Git~1", false },
		{ ".git ", false },
		{ ".git.", false },
		{ ".git . .", false },
		{ ".git:x", false },
		{ "git~1::$INDEX_ALLOCATION", false },
		{ ".g\xe2\x80\x8cit", false },
		{ "\xef\xbb\xbf.git", false },
		{ ".git\xe2\x81\xaa", false },
		{ ".gi\xe2\x80\xaet", false },
		{ "a\\.git", false },
		{ ".git\\a", false },
		{ "a\\..\\b", false },
		{ "..\\a", false },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		if ((entry_name_check(view_str(rows[i].name), false, NULL) ==
			0) != rows[i].ok)
			fail_msg("%s", rows[i].name);
}

static void
fsck_overrides(void **state)
{
	static const struct {
		const char *text, *added;
		unsigned relax;
	} rows[] = {
		{ "zeroPaddedFilemode=ignore", "zeroPaddedFilemode=ignore",
		    RELAX_PADDED_MODE },
		{ "ZEROPADDEDFILEMODE=warn", "ZEROPADDEDFILEMODE=ignore",
		    RELAX_PADDED_MODE },
		{ "badTimezone=ignore", "badTimezone=ignore", RELAX_IDENT },
		{ "hasDotgit=ignore", "", 0 },
		{ "hasDot=warn", "", 0 },
		{ "gitmodulesName=ignore", "", 0 },
		{ "treeNotSorted=ignore", "", 0 },
		{ "multipleAuthors=ignore", "", 0 },
		{ "nulInCommit=ignore", "", 0 },
		{ "badTagName=error", "badTagName=error", 0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(strv) list = STRV_INIT;
		GG_AUTO_RELEASE(strv) none = STRV_INIT;
		GG_AUTO_RELEASE(buf) out = BUF_INIT(4096);
		GG_AUTO_RELEASE(buf) plain = BUF_INIT(4096);
		unsigned relax;

		strv_add(&list, rows[i].text);
		assert_int_equal(fsck_levels(&none, &plain, &relax, NULL), 0);
		assert_int_equal(fsck_levels(&list, &out, &relax, NULL), 0);
		assert_int_equal(relax, rows[i].relax);
		if (rows[i].added[0] != '\0') {
			buf_addc(&plain, ',');
			buf_adds(&plain, rows[i].added);
		}
		assert_string_equal(buf_str(&out), buf_str(&plain));
	}
}

static void
fsck_overrides_that_are_none(void **state)
{
	static const char *const bad[] = { "", "badDate", "=ignore",
		"badDate=", "badDate=off", "bad-date=ignore",
		"badDate=ignore,hasDotgit=ignore", "a,hasDotgit=ignore" };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad); i++) {
		GG_AUTO_RELEASE(strv) list = STRV_INIT;
		GG_AUTO_RELEASE(buf) out = BUF_INIT(4096);
		unsigned relax;

		strv_add(&list, bad[i]);
		assert_int_equal(fsck_levels(&list, &out, &relax, NULL),
		    GG_E_INPUT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commits),
		cmocka_unit_test(no_nul_anywhere),
		cmocka_unit_test(commit_fields_are_read),
		cmocka_unit_test(idents_of_old_commits),
		cmocka_unit_test(tags),
		cmocka_unit_test(trees),
		cmocka_unit_test(cut_trees_and_null_ids),
		cmocka_unit_test(names),
		cmocka_unit_test(fsck_overrides),
		cmocka_unit_test(fsck_overrides_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
