#include "model/refname.h"

#include "base/error.h"
#include "base/text.h"

static bool
is_forbidden(unsigned char c)
{
	return c < 0x20 || c == 0x7f || strchr(" ~^:?*[\\", c) != NULL;
}

static bool
component_is_valid(struct view c)
{
	if (c.n == 0 || c.p[0] == '.' || view_has_suffix(c, ".lock"))
		return false;
	for (size_t i = 0; i < c.n; i++) {
		if (is_forbidden((unsigned char)c.p[i]))
			return false;
		if (i > 0 && c.p[i] == '.' && c.p[i - 1] == '.')
			return false;
		if (i > 0 && c.p[i] == '{' && c.p[i - 1] == '@')
			return false;
	}
	return true;
}

bool
refname_is_valid(struct view v)
{
	struct view all = v, head;

	if (v.n > REFNAME_MAX_BYTES || !view_has_prefix(v, "refs/") ||
	    !utf8_is_valid(v) || v.p[v.n - 1] == '.')
		return false;
	while (view_cut(&v, '/', &head))
		if (!component_is_valid(head))
			return false;
	return component_is_valid(v) && all.n > strlen("refs/");
}

char *
refname_meant(const char *word)
{
	bool full = strncmp(word, "refs/", strlen("refs/")) == 0 ||
	    strcmp(word, "HEAD") == 0;
	char *name;

	if (asprintf(&name, "%s%s", full ? "" : "refs/heads/", word) < 0)
		gg_die("no memory for a ref's name");
	return name;
}
