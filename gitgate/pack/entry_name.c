#include "pack/entry_name.h"

#include <stdint.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Three bytes of UTF-8 that HFS+ leaves out when it compares names. */
static bool
is_ignored_by_hfs(struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;
	uint32_t c;

	if (v.n < 3 || (p[0] & 0xf0) != 0xe0 || (p[1] & 0xc0) != 0x80 ||
	    (p[2] & 0xc0) != 0x80)
		return false;
	c = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 |
	    (p[2] & 63);
	return (c >= 0x200c && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x206a && c <= 0x206f) || c == 0xfeff;
}

static void
skip_ignored(struct view *v)
{
	while (is_ignored_by_hfs(*v))
		view_skip(v, 3);
}

/* What NTFS leaves out at the end: dots, spaces, a stream's name. */
static bool
is_ntfs_tail(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == ':')
			return true;
		if (v.p[i] != '.' && v.p[i] != ' ')
			return false;
	}
	return true;
}

/* word, in any case and with ignored code points, then an NTFS tail. */
static bool
folds_to(struct view name, const char *word)
{
	for (; *word != '\0'; word++) {
		skip_ignored(&name);
		if (name.n == 0 || lower(name.p[0]) != *word)
			return false;
		view_skip(&name, 1);
	}
	skip_ignored(&name);
	return is_ntfs_tail(name);
}

bool
entry_name_folds_to(struct view name, const char *dotted)
{
	return folds_to(name, dotted);
}

static bool
is_dotgit(struct view name)
{
	return folds_to(name, ".git") || folds_to(name, "git~1");
}

static int
check_part(struct view part, struct gg_error *err)
{
	if (view_eq_str(part, ".") || view_eq_str(part, ".."))
		return gg_fail(err, GG_E_PEER, "the name %.*s in a tree",
		    (int)part.n, part.p);
	if (is_dotgit(part))
		return gg_fail(err, GG_E_PEER,
		    "a name in a tree is a form of .git");
	return 0;
}

int
entry_name_check(struct view name, bool symlink, struct gg_error *err)
{
	struct view rest = name, part;
	int rc;

	if (name.n == 0)
		return gg_fail(err, GG_E_PEER, "empty name in a tree");
	if (memchr(name.p, '/', name.n) != NULL)
		return gg_fail(err, GG_E_PEER, "a name in a tree holds '/'");
	if (symlink && folds_to(name, ".gitmodules"))
		return gg_fail(err, GG_E_PEER, ".gitmodules is a symlink");
	while (view_cut(&rest, '\\', &part))
		if ((rc = check_part(part, err)) != 0)
			return rc;
	return check_part(rest, err);
}
