/*
 * Refnames: agreement with the rules of git-check-ref-format(1), written
 * down a second time and in another way. (tests/unit/test_refname asks git.)
 */
#include "fuzz.h"

#include "base/auto.h"
#include "base/text.h"
#include "model/refname.h"

static bool
has(const char *s, const char *needle)
{
	return strstr(s, needle) != NULL;
}

static bool
by_the_book(const char *s, size_t n)
{
	char first[REFNAME_MAX_BYTES + 2];

	if (n != strlen(s) || n > REFNAME_MAX_BYTES || !has(s, "refs/") ||
	    memcmp(s, "refs/", 5) != 0 || !utf8_is_valid(view_str(s)))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	/* a slash at both ends makes every component end and begin alike */
	(void)snprintf(first, sizeof(first), "%s/", s);
	return strpbrk(s, " ~^:?*[\\") == NULL && !has(s, "..") &&
	    !has(s, "@{") && !has(first, "//") && !has(s, "/.") &&
	    !has(first, ".lock/") && s[n - 1] != '.';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_MEM char *s = view_dup(view_of(data, size));

	if (s == NULL)
		return 0;
	FUZZ_CHECK(refname_is_valid(view_of(data, size)) ==
	    by_the_book(s, size));
	(void)repository_is_valid(view_of(data, size));
	return 0;
}
