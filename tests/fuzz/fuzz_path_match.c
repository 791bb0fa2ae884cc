/*
 * A glob, a newline, a path. Oracles: folding only adds (what the bytes
 * match is matched); a path in upper case, with a dot behind it or with a
 * stream is matched where the path is; the list of one glob says the same.
 */
#include "fuzz.h"

#include "config/config.h"
#include "policy/policy.h"

#include <string.h>

#define GLOB_BYTES 200
#define PATH_BYTES 1000

static bool
is_ascii_name(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] >= 0x80 || strchr(":\\~", v.p[i]))
			return false;
	return v.n > 0 && v.p[v.n - 1] != '/';
}

/* "*." asks for the dot that NTFS drops: there twins differ by intent. */
static bool
is_about_dots(const char *glob)
{
	const char *end;

	for (; *glob != '\0'; glob++) {
		if (glob[0] != '*')
			continue;
		end = glob + 1 + strspn(glob + 1, ". \\");
		if (end > glob + 1 && (*end == '\0' || *end == '/'))
			return true;
	}
	return false;
}

/* A component of nothing but dots and spaces is left as it is, too. */
static bool
has_dots_alone(const char *glob)
{
	for (const char *s = glob; *s != '\0'; s++) {
		const char *end = s + strspn(s, ". \\");

		if ((s == glob || s[-1] == '/') && end > s &&
		    (*end == '\0' || *end == '/'))
			return true;
	}
	return false;
}

static void
check_twins(const char *glob, struct view path)
{
	static const char *const tails[] = { "", ".", " ", " .", ":x" };
	char twin[PATH_BYTES + 8];

	for (size_t t = 0; t < GG_COUNT(tails); t++) {
		for (size_t i = 0; i < path.n; i++) {
			char c = path.p[i];

			twin[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
		}
		memcpy(twin + path.n, tails[t], strlen(tails[t]));
		FUZZ_CHECK(policy_path_match(glob,
		    view_of(twin, path.n + strlen(tails[t]))));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view path = view_of(data, size), head;
	char glob[GLOB_BYTES + 1];
	bool bytes, match;

	if (!view_cut(&path, '\n', &head) || head.n > GLOB_BYTES ||
	    path.n > PATH_BYTES || memchr(data, '\0', size) != NULL)
		return 0;
	memcpy(glob, head.p, head.n);
	glob[head.n] = '\0';
	if (glob[0] == '!' || glob_check(glob, NULL) < 0)
		return 0;
	bytes = glob_match(glob, path);
	match = policy_path_match(glob, path);
	FUZZ_CHECK(match || !bytes);
	/* a set, "?" or a dot that must be there may tell twins apart */
	if (bytes && is_ascii_name(path) && is_ascii_name(head) &&
	    strpbrk(glob, "[?") == NULL && !is_about_dots(glob) &&
	    !has_dots_alone(glob))
		check_twins(glob, path);
	return 0;
}
