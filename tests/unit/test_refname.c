/* model/refname: a table, and agreement with git itself. */
#include "model/refname.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/strv.h"
#include "base/text.h"

#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

static const struct {
	const char *name;
	bool ok;
} names[] = { { "refs/heads/main", true }, { "refs/tags/v1.0", true },
	{ "refs/heads/a/b/c", true }, { "refs/stash", true },
	{ "refs/heads/\xc3\xbc", true }, { "refs/heads/@", true },
	{ "refs/heads/-x", true }, { "refs/heads/a.b", true },
	{ "refs/heads/lock", true }, { "refs/heads/{x}", true }, { "", false },
	{ "refs", false }, { "refs/", false }, { "main", false },
	{ "HEAD", false }, { "refs//heads/x", false }, { "refs/heads/", false },
	{ "/refs/heads/x", false }, { "refs/heads/.x", false },
	{ "refs/heads/x.", false }, { "refs/heads/x..y", false },
	{ "refs/heads/x.lock", false }, { "refs/x.lock/y", false },
	{ "refs/heads/@{1}", false }, { "refs/heads/a b", false },
	{ "refs/heads/a~", false }, { "refs/heads/a^", false },
	{ "refs/heads/a:b", false }, { "refs/heads/a?", false },
	{ "refs/heads/a*", false }, { "refs/heads/a[", false },
	{ "refs/heads/a\\b", false }, { "refs/heads/a\x7f", false },
	{ "refs/heads/a\n", false }, { "refs/heads/a\x01", false },
	{ "refs/heads/\xff", false } };

static void
table(void **state)
{
	char longest[REFNAME_MAX_BYTES + 2];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(names); i++)
		if (refname_is_valid(view_str(names[i].name)) != names[i].ok)
			fail_msg("\"%s\"", names[i].name);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "refs/", 5);
	assert_true(refname_is_valid(view_of(longest, REFNAME_MAX_BYTES)));
	assert_false(refname_is_valid(view_of(longest, REFNAME_MAX_BYTES + 1)));
	assert_false(refname_is_valid(view_of("refs/a\0b", 8)));
}

/* Pieces that rules are about, put together at random. */
static char *
generate(unsigned *seed)
{
	static const char *const pieces[] = { "a", "b", ".", "..", "/", "//",
		".lock", "lock", "@", "{", "@{", "-", " ", "~", "^", ":", "?",
		"*", "[", "\\", "\x7f", "\t", "heads", "\xc3\xbc", "x1", "a",
		"b", "c", "/d", "e/f", "heads/", "-g", "h.i", "j", "k", "l" };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(256);

	buf_adds(&b, "refs/");
	for (int n = 1 + rand_r(seed) % 4; n > 0; n--)
		buf_adds(&b, pieces[(size_t)rand_r(seed) % GG_COUNT(pieces)]);
	return buf_take(&b);
}

/*
 * Hand all names to one shell that asks git about each; NULL-terminated
 * answers come back as one line of 0 and 1.
 */
static void
ask_git(char *const *list, size_t n, char *answers)
{
	static const char script[] =
	    "for r; do if git check-ref-format \"$r\"; then printf 1; "
	    "else printf 0; fi; done";
	GG_AUTO_MEM char **argv = calloc(n + 5, sizeof(*argv));
	GG_AUTO_MEM char *text = strdup(script);
	char sh[] = "sh", dash_c[] = "-c", zero[] = "names";
	posix_spawn_file_actions_t acts;
	size_t got = 0;
	int p[2], status;
	ssize_t r;
	pid_t pid;

	assert_true(argv != NULL && pipe(p) == 0);
	argv[0] = sh;
	argv[1] = dash_c;
	argv[2] = text;
	argv[3] = zero;
	for (size_t i = 0; i < n; i++)
		argv[4 + i] = list[i];
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_adddup2(&acts, p[1], 1);
	posix_spawn_file_actions_addclose(&acts, p[0]);
	assert_int_equal(posix_spawnp(&pid, "sh", &acts, NULL, argv, environ),
	    0);
	posix_spawn_file_actions_destroy(&acts);
	(void)close(p[1]);
	while (got < n && (r = read(p[0], answers + got, n - got)) > 0)
		got += (size_t)r;
	(void)close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(got, n);
}

static void
git_agrees(void **state)
{
	enum { N = 2000 };
	GG_AUTO_RELEASE(strv) list = STRV_INIT;
	char answers[N + GG_COUNT(names)];
	unsigned seed = 20261122;
	size_t yes = 0;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(names); i++)
		strv_add(&list, names[i].name);
	while (list.n < GG_COUNT(answers)) {
		GG_AUTO_MEM char *s = generate(&seed);

		strv_add(&list, s);
	}
	ask_git(list.v, list.n, answers);
	for (size_t i = 0; i < list.n; i++) {
		struct view v = view_str(list.v[i]);
		/* stricter than git by design: refs/ and UTF-8 */
		bool git = answers[i] == '1' && utf8_is_valid(v) &&
		    view_has_prefix(v, "refs/");

		if (refname_is_valid(v) != git)
			fail_msg("git says %c of \"%s\"", answers[i],
			    list.v[i]);
		yes += git;
	}
	/* the generator must make both kinds for this to mean anything */
	assert_true(yes > 100 && yes < list.n - 100);
}

static void
repositories(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} cases[] = { { "app", true }, { "acme/app", true }, { "a/b/c", true },
		{ "a.b", true }, { "A-b_c.9", true }, { "", false },
		{ "/", false }, { "a/", false }, { "/a", false },
		{ "a//b", false }, { ".", false }, { "..", false },
		{ "a/../b", false }, { ".git", false }, { "a.git", false },
		{ "a.git/b", false }, { "-a", false }, { "a/-", false },
		{ "a b", false }, { "a\nb", false }, { "a%2fb", false },
		{ "a.lock", false }, { "\xc3\xbc", false } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++)
		if (repository_is_valid(view_str(cases[i].name)) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].name);
	assert_false(repository_is_valid(view_of("a\0b", 3)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(git_agrees),
		cmocka_unit_test(repositories),
	};

	return cmocka_run_group_tests_name("refname", tests, NULL, NULL);
}
