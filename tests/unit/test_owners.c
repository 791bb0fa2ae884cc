#include "policy/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define GITHUB ".github/CODEOWNERS"
#define GITLAB ".gitlab/CODEOWNERS"

/* Owners of a path over all sections: "@a @b | @c", "" for nobody. */
static const struct {
	const char *file, *text, *path, *want;
} cases[] = {
	{ GITHUB, "", "a", "" },
	{ GITHUB, "# * @c\n\n  \n* @a", "a/b/c", "@a" },
	{ GITHUB, "* @a\n*.js @b\n", "x/y.js", "@b" },
	{ GITHUB, "*.js @b\n* @a\n", "x/y.js", "@a" },
	{ GITHUB, "* @a @o/t x@y.z # why @c\n", "a", "@a @o/t x@y.z" },
	{ GITHUB, "* @a\r\n", "a", "@a" },
	{ GITHUB, "/build/logs/ @a", "build/logs/x/y", "@a" },
	{ GITHUB, "/build/logs/ @a", "a/build/logs/x", "" },
	{ GITHUB, "/build/logs/ @a", "build/logs", "" },
	{ GITHUB, "docs/* @a", "docs/x", "@a" },
	{ GITHUB, "docs/* @a", "docs/x/y", "" },
	{ GITHUB, "docs/* @a", "a/docs/x", "" },
	{ GITHUB, "apps/ @a", "x/apps/y/z", "@a" },
	{ GITHUB, "apps/ @a", "apps/y", "@a" },
	{ GITHUB, "/docs @a", "docs/x/y", "@a" },
	{ GITHUB, "/docs @a", "docs", "@a" },
	{ GITHUB, "/docs @a", "docsx", "" },
	{ GITHUB, "/ @a", "docs", "@a" },
	{ GITHUB, "**/logs @a", "deep/x/logs/y", "@a" },
	{ GITHUB, "**/logs @a", "logs", "@a" },
	{ GITHUB, "/a/**/z @a", "a/z", "@a" },
	{ GITHUB, "/a/**/z @a", "a/b/c/z", "@a" },
	{ GITHUB, "/apps/ @a\n/apps/github", "apps/github/x", "" },
	{ GITHUB, "/a\\ b/ @a", "a b/c", "@a" },
	{ GITHUB, "\\#x @a", "#x", "@a" },
	{ GITHUB, "a\\*b @a", "a*b", "@a" },
	{ GITHUB, "a\\*b @a", "axb", "" },
	{ GITHUB, "app/[id]/ @a", "app/[id]/x", "@a" },
	{ GITHUB, "app/[id]/ @a", "app/i/x", "" },
	{ GITHUB, "* @a\n!b @b", "b", "@a" },
	{ GITHUB, "A @a", "a", "" },
	{ GITHUB, "a*** @a\nb @b", "b", "@b" },
	{ GITHUB, "x? @a", "xy", "@a" },
	{ GITHUB, "x? @a", "x/", "" },
	{ GITLAB, "* @a", "b/c", "@a" },
	{ GITLAB, "docs/ @a", "x/docs/y/z", "@a" },
	{ GITLAB, "/docs/ @a", "x/docs/y", "" },
	{ GITLAB, "/docs/ @a", "docs/y/z", "@a" },
	{ GITLAB, "/docs @a", "docs/y", "" },
	{ GITLAB, "docs/*.md @a", "x/docs/y.md", "@a" },
	{ GITLAB, "[ab] @a", "x/a", "" }, /* a section of that name */
	{ GITLAB, "[ab]c @a", "x/ac", "@a" },
	{ GITLAB, "* @a\n[S]\n* @b\nx @c\n", "x", "@a | @c" },
	{ GITLAB, "[S] @d @e\n* \nx @c\n", "y", "@d @e" },
	{ GITLAB, "[S] @d\n[T] @e\na\n[s]\nb\n", "b", "@d" },
	{ GITLAB, "[S]\n* @a\n!x/\n", "x/y", "" },
	{ GITLAB, "[S]\n* @a\n!x/\nx/y @b\n", "x/y", "" },
	{ "CODEOWNERS", "/docs @a\n", "docs/x", "@a" },
	{ "CODEOWNERS", "[S]\n/docs @a\n", "docs/x", "" },
	{ "docs/CODEOWNERS", "^[S][2] @d\n*\n", "docs/x", "@d" },
};

static void
owners_text(struct owners *o, const char *path, char *out, size_t size)
{
	uint64_t budget = 1000000;
	size_t at = 0;

	out[0] = '\0';
	for (size_t s = 0; s < o->n_sections; s++) {
		const struct owners_entry *e = owners_find(o, s, view_str(path),
		    &budget);

		for (size_t i = 0; e != NULL && i < e->names.n; i++)
			at += (size_t)snprintf(out + at, size - at, "%s%s",
			    at == 0    ? "" :
				i == 0 ? " | " :
					 " ",
			    e->names.v[i]);
	}
}

static void
test_owners(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(owners) o = owners_parse(cases[i].file,
		    view_str(cases[i].text));
		char said[200];

		owners_text(o, cases[i].path, said, sizeof(said));
		if (strcmp(said, cases[i].want) != 0)
			fail_msg("%s: %s of %s, wanted %s", cases[i].text, said,
			    cases[i].path, cases[i].want);
	}
}

static void
test_sections(void **state)
{
	GG_AUTO(owners) o = owners_parse("CODEOWNERS",
	    view_str("[A] @x\n^[B b][3]\n[C][0]\n[D][99]\n[a] @y\n"));

	(void)state;
	assert_true(o->gitlab);
	assert_int_equal(o->n_sections, 4);
	assert_string_equal(o->sections[1].name, "A");
	assert_int_equal(o->sections[1].required, 1);
	assert_string_equal(o->sections[2].name, "B b");
	assert_true(o->sections[2].optional);
	assert_int_equal(o->sections[2].required, 3);
	assert_int_equal(o->sections[3].required, 1);
}

static void
test_budget(void **state)
{
	GG_AUTO(owners) o = owners_parse("CODEOWNERS",
	    view_str("* @a\nx* @b\ny* @c\n"));
	uint64_t budget = 60;

	(void)state;
	assert_null(owners_find(o, 0, view_str("z"), &budget));
	assert_int_equal(budget, 0);
	budget = 1000;
	assert_non_null(owners_find(o, 0, view_str("z"), &budget));
	assert_true(budget > 0 && budget < 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
