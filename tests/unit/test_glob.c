#include "base/auto.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *why, *glob, *text;
	bool want;
} matches[] = {
	{ "plain bytes", "a/b", "a/b", true },
	{ "plain bytes are not a prefix", "a/b", "a/bc", false },
	{ "plain bytes are not a suffix", "a/b", "xa/b", false },
	{ "case counts", "a", "A", false },
	{ "star within a component", "a*c", "abbc", true },
	{ "star may be nothing", "a*c", "ac", true },
	{ "star does not cross a slash", "a*c", "a/c", false },
	{ "star alone is one component", "*", "abc", true },
	{ "star alone is no path", "*", "a/b", false },
	{ "two stars cross slashes", "a**c", "a/x/y/c", true },
	{ "below a folder", "refs/heads/**", "refs/heads/a/b", true },
	{ "below a folder, directly", "refs/heads/**", "refs/heads/a", true },
	{ "not the folder's name itself", "refs/heads/**", "refs/heads",
	    false },
	{ "not a longer folder's name", "refs/heads/**", "refs/headsx/a",
	    false },
	{ "any depth", "**/x", "a/b/x", true },
	{ "any depth, none too", "**/x", "x", true },
	{ "any depth means whole components", "**/x", "ax", false },
	{ "any depth means whole components below", "**/x", "a/bx", false },
	{ "folders between", "a/**/b", "a/x/y/b", true },
	{ "no folder between", "a/**/b", "a/b", true },
	{ "between means whole components", "a/**/b", "a/xb", false },
	{ "two of them", "**/a/**/b", "x/a/b", true },
	{ "everything", "**", "a/b/c", true },
	{ "everything, nothing too", "**", "", true },
	{ "one byte", "a?c", "abc", true },
	{ "one byte is not a slash", "a?c", "a/c", false },
	{ "one byte is not nothing", "a?c", "ac", false },
	{ "set", "v[0-9]", "v7", true },
	{ "set has not", "v[0-9]", "va", false },
	{ "set with several", "[abx-z]", "y", true },
	{ "negated set", "[!a]", "b", true },
	{ "negated set has not", "[^a]", "a", false },
	{ "negated set never takes a slash", "a[!b]c", "a/c", false },
	{ "closing bracket as first member", "[]a]", "]", true },
	{ "minus at the end is a member", "[a-]", "-", true },
	{ "escaped member", "[\\]]", "]", true },
	{ "escaped star", "a\\*", "a*", true },
	{ "escaped star is only that", "a\\*", "ab", false },
	{ "bytes beyond ASCII", "\xff*", "\xff\x01", true },
	{ "not well-formed matches nothing", "[a", "[a", false },
	{ "backslash at the end matches nothing", "a\\", "a\\", false },
	{ "newline is a byte", "a*c", "a\nc", true },
};

static void
test_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(matches); i++)
		if (glob_match(matches[i].glob, view_str(matches[i].text)) !=
		    matches[i].want)
			fail_msg("%s", matches[i].why);
}

static const struct {
	const char *why, *glob, *msg; /* NULL: well-formed */
} checks[] = {
	{ "plain", "refs/heads/main", NULL },
	{ "all tokens", "a/**/b*?[!x-z\\]]\\[", NULL },
	{ "empty", "", "an empty glob" },
	{ "set without end", "a[b", "glob \"a[b\": a set [ without its ]" },
	{ "set over a slash", "a[b/c]",
	    "glob \"a[b/c]\": a set [ without its ]" },
	{ "three stars", "a/***", "glob \"a/***\": more than two * in a row" },
	{ "backslash at the end", "a\\", "glob \"a\\\": a \\ at the end" },
	{ "not UTF-8", "a\xff", "a glob that is not UTF-8" },
};

static void
test_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(checks); i++) {
		struct gg_error err = { 0 };
		int rc = glob_check(checks[i].glob, &err);

		if ((rc == 0) != (checks[i].msg == NULL) ||
		    strcmp(err.msg, checks[i].msg ? checks[i].msg : "") != 0)
			fail_msg("%s: %s", checks[i].why, err.msg);
	}
}

static void
test_length(void **state)
{
	char glob[GLOB_MAX_BYTES + 2];

	(void)state;
	memset(glob, 'a', sizeof(glob));
	glob[GLOB_MAX_BYTES + 1] = '\0';
	assert_int_equal(glob_check(glob, NULL), GG_E_INPUT);
	assert_false(glob_match(glob, view_str(glob)));
	glob[GLOB_MAX_BYTES] = '\0';
	assert_int_equal(glob_check(glob, NULL), 0);
	assert_true(glob_match(glob, view_str(glob)));
}

/* A matcher that backtracks would not come back from this one. */
static void
test_no_blowup(void **state)
{
	char glob[GLOB_MAX_BYTES + 1], text[4096];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(glob); i += 2)
		memcpy(glob + i, "a*", 3);
	memset(text, 'a', sizeof(text));
	glob[200] = '\0';
	assert_true(glob_match(glob, view_of(text, sizeof(text))));
	text[sizeof(text) - 1] = '/';
	assert_false(glob_match(glob, view_of(text, sizeof(text))));
}

static const struct {
	const char *why;
	const char *list[4];
	const char *text;
	bool want;
} lists[] = {
	{ "an empty list has everything", { NULL }, "x", true },
	{ "alternatives", { "a", "b", NULL }, "b", true },
	{ "none of them", { "a", "b", NULL }, "c", false },
	{ "taken away", { "**", "!a/**", NULL }, "a/x", false },
	{ "not taken away", { "**", "!a/**", NULL }, "b/x", true },
	{ "the last one decides", { "!a", "a", NULL }, "a", true },
	{ "given back", { "**", "!a/**", "a/b" }, "a/b", true },
	{ "begins with !: from everything", { "!a", NULL }, "b", true },
	{ "begins with !: less that", { "!a", NULL }, "a", false },
};

static void
test_list(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(lists); i++) {
		GG_AUTO_RELEASE(strv) globs = STRV_INIT;

		for (size_t k = 0; k < 4 && lists[i].list[k]; k++)
			strv_add(&globs, lists[i].list[k]);
		if (glob_list_match(&globs, view_str(lists[i].text)) !=
		    lists[i].want)
			fail_msg("%s", lists[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_no_blowup),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
