#include "base/auto.h"
#include "policy/path_match.h"
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *why, *glob, *path;
	bool want;
} cases[] = {
	{ "bytes", "migrations/**", "migrations/1.sql", true },
	{ "below", "migrations/**", "migrations/a/b.sql", true },
	{ "another folder", "migrations/**", "src/1.sql", false },
	{ "a longer name", "migrations/**", "migrationsx/1.sql", false },
	{ "a folder further down", "migrations/**", "db/migrations/1", false },
	{ "the entry itself", "migrations/**", "migrations", true },
	{ "the entry itself, any depth", "**/db/**", "x/db", true },
	{ "everything", "**", "a", true },
	{ "a blob without a path", "a/**", "", false },
	{ "case", "migrations/**", "Migrations/1.SQL", true },
	{ "case of the entry itself", "migrations/**", "MIGRATIONS", true },
	{ "case of the glob", "Migrations/**", "migrations/1", true },
	{ "case beyond ASCII", "\xc3\xa9t\xc3\xa9/**", "\xc3\x89T\xc3\x89/x",
	    true },
	{ "Kelvin sign is a k", "keys/**",
	    "\xe2\x84\xaa"
	    "eys/x",
	    true },
	{ "long s is an s", "secrets/**",
	    "\xc5\xbf"
	    "ecrets/x",
	    true },
	{ "sharp s is two s", "gruss/**", "gru\xc3\x9f/x", true },
	{ "decomposed is composed", "caf\xc3\xa9", "cafe\xcc\x81", true },
	{ "composed is decomposed", "cafe\xcc\x81", "caf\xc3\xa9", true },
	{ "an accent counts", "cafe", "caf\xc3\xa9", false },
	{ "HFS+ ignores a joiner", "migrations/**", "migra\xe2\x80\x8ctions/1",
	    true },
	{ "HFS+ ignores a byte order mark", "migrations/**",
	    "\xef\xbb\xbfmigrations/1", true },
	{ "bytes that are not UTF-8: ASCII case", "mig\xff/**", "MIG\xff/x",
	    true },
	{ "not UTF-8 in one component, case in another", "migrations/**",
	    "Migrations/\xff", true },
	{ "not UTF-8 in one, Unicode in another", "\xc3\xa9/**",
	    "\xc3\x89/\xff", true },
	{ "NTFS: dot at the end", "migrations/**", "migrations./1", true },
	{ "NTFS: spaces and dots", "migrations/**", "MIGRATIONS . ./1", true },
	{ "NTFS: of the file", "a/secret", "a/secret.", true },
	{ "NTFS: dot in the glob", "a/secret.", "a/SECRET", true },
	{ "NTFS: escaped dot in the glob", "a/secret\\.", "a/SECRET", true },
	{ "NTFS: stream", "a/secret", "a/secret:x", true },
	{ "NTFS: the folder's own stream", "migrations/**",
	    "migrations::$INDEX_ALLOCATION/1", true },
	{ "NTFS: backslash", "migrations/**", "migrations\\1.sql", true },
	{ "NTFS: a glob about dots", "**/*.", "a/b.", true },
	{ "NTFS: a glob about dots is not about all", "**/*.", "a/b", false },
	{ "a dot in the middle counts", "a.b", "ab", false },
	{ "short name", "migrations/**", "MIGRAT~1/1.sql", true },
	{ "short name with another number", "migrations/**", "migrat~4/x",
	    true },
	{ "short name with two digits", "migrations/**", "migra~12/x", true },
	{ "short name after collisions", "migrations/**", "MI3F4A~1/x", true },
	{ "short name of another", "migrations/**", "migrac~1/x", false },
	{ "short name of a longer one", "mig/**", "migrat~1/x", false },
	{ "short name, entry itself", "migrations/**", "MIGRAT~1", true },
	{ "short name with extension", ".gitlab-ci.yml", "GITLAB~1.YML", true },
	{ "short name with another extension", ".gitlab-ci.yml", "GITLAB~1.TXT",
	    false },
	{ "short name of a dot folder", ".github/**", "GITHUB~1/x", true },
	{ "short name further down", "**/secrets/**", "a/b/SECRET~1/x", true },
	{ "short name where a star is", "migration*/**", "MIGRAT~1/x", true },
	{ "short name of a long extension", "*.sqlite", "DATABA~1.SQL", true },
	{ "short name, dot and stream", "migrations/**", "migrat~1./x", true },
	{ "a tilde is no short name", "migrations/**", "migrat~x/x", false },
	{ "short name in two places", "aaaaaaaaa/bbbbbbbbb",
	    "AAAAAA~1/BBBBBB~2", true },
	{ "a set stays a set", "v[A-Z]/**", "vq/x", true },
	{ "! is the caller's", "!a", "a", false },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++)
		if (policy_path_match(cases[i].glob, view_str(cases[i].path)) !=
		    cases[i].want)
			fail_msg("%s", cases[i].why);
}

static const struct {
	const char *why;
	const char *list[4];
	const char *path;
	bool want;
} lists[] = {
	{ "alternatives", { "a/**", "b/**", NULL }, "B/x", true },
	{ "taken away", { "**", "!docs/**", NULL }, "docs/x", false },
	{ "nobody folds into an exclusion", { "**", "!docs/**", NULL },
	    "DOCS/x", true },
	{ "nor by a short name", { "**", "!documents/**", NULL }, "DOCUME~1/x",
	    true },
	{ "an exclusion does not cover the entry itself",
	    { "**", "!docs/**", NULL }, "docs", true },
	{ "given back, folded", { "**", "!docs/**", "docs/keys/**", NULL },
	    "docs/KEYS/x", true },
	{ "given back, folds from its glob",
	    { "**", "!docs/**", "docs/KEYS/**", NULL }, "docs/keys/x", true },
};

static void
test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(lists); i++) {
		GG_AUTO_RELEASE(path_forms) f = { 0 };
		struct path_glob g[4];
		size_t n = 0;
		bool got;

		for (; n < 4 && lists[i].list[n] != NULL; n++)
			path_glob_init(&g[n], lists[i].list[n]);
		path_forms_init(&f, view_str(lists[i].path));
		got = path_globs_match(g, n, &f);
		for (size_t k = 0; k < n; k++)
			path_glob_release(&g[k]);
		if (got != lists[i].want)
			fail_msg("%s", lists[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
