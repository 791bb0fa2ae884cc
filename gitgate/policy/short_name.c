/*
 * NTFS gives a file whose name does not fit 8.3 a second one: the first six
 * characters of its base, "~" and a number, and three of its extension;
 * after some collisions two characters and four hex digits of a hash stand
 * before the "~" ("8.3 Filename", MS-FSCC 2.1.5.2.1).
 */
#include "policy/path_match.h"

#include "config/config.h"

#define BASE_MAX 6
#define EXT_MAX  3

struct short_name {
	struct view base; /* before the "~" */
	struct view ext;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!is_digit(v.p[i]) && !(v.p[i] >= 'a' && v.p[i] <= 'f'))
			return false;
	return true;
}

static bool
short_name_parse(struct view p, struct short_name *out)
{
	size_t digits = 0;

	out->ext = view_of("", 0);
	if (!view_cut(&p, '~', &out->base) || out->base.n == 0 ||
	    out->base.n > BASE_MAX)
		return false;
	while (digits < p.n && is_digit(p.p[digits]))
		digits++;
	if (digits == 0 || out->base.n + 1 + digits > 8)
		return false;
	view_skip(&p, digits);
	if (p.n == 0)
		return true;
	if (p.p[0] != '.' || p.n > EXT_MAX + 1)
		return false;
	out->ext = view_of(p.p + 1, p.n - 1);
	return true;
}

/* A component of a glob as NTFS would shorten it, as far as it is known. */
struct long_name {
	char base[BASE_MAX];
	size_t n_base;
	bool base_open; /* any characters may follow */
	char ext[EXT_MAX];
	size_t n_ext;
	bool ext_open;
};

static bool
is_meta(char c)
{
	return c == '*' || c == '?' || c == '[';
}

/* Up to max characters of v that a short name keeps; *open: a meta character
 * came first. */
static size_t
keep(struct view v, char *out, size_t max, bool *open)
{
	size_t n = 0;

	*open = false;
	for (size_t i = 0; i < v.n && n < max; i++) {
		char c = v.p[i];

		if (c == '\\' && i + 1 < v.n) {
			c = v.p[++i];
		} else if (is_meta(c)) {
			*open = true;
			return n;
		}
		if (c != ' ' && c != '.')
			out[n++] = strchr("+,;=[]", c) ? '_' : c;
	}
	return n;
}

static void
long_name_of(struct view g, struct long_name *out)
{
	size_t dot = g.n;
	struct view base = g;

	while (dot > 0 && g.p[dot - 1] != '.')
		dot--;
	out->n_ext = 0;
	out->ext_open = false;
	if (dot > 1) {
		base.n = dot - 1;
		out->n_ext = keep(view_of(g.p + dot, g.n - dot), out->ext,
		    EXT_MAX, &out->ext_open);
	}
	out->n_base = keep(base, out->base, BASE_MAX, &out->base_open);
	/* behind an open end there may be a dot as well */
	if (out->base_open && dot <= 1)
		out->ext_open = true;
}

static bool
begins_alike(const char *known, size_t n_known, bool open, struct view v)
{
	size_t n = n_known < v.n ? n_known : v.n;

	return memcmp(known, v.p, n) == 0 && (open || n_known >= v.n);
}

static bool
base_may_be(const struct long_name *g, struct view base)
{
	struct view two = view_of(base.p, base.n < 2 ? base.n : 2);

	/* nothing is known of it: the ordinary matching has decided */
	if (g->n_base == 0 && g->n_ext == 0)
		return false;
	if (begins_alike(g->base, g->n_base, g->base_open, base))
		return true;
	return base.n == BASE_MAX && is_hex(view_of(base.p + 2, 4)) &&
	    begins_alike(g->base, g->n_base, g->base_open, two);
}

static bool
is_twin(struct view glob, struct view component)
{
	struct short_name s;
	struct long_name l;

	if (!short_name_parse(component, &s))
		return false;
	long_name_of(glob, &l);
	if (!base_may_be(&l, s.base))
		return false;
	if (l.ext_open)
		return begins_alike(l.ext, l.n_ext, true, s.ext);
	return l.n_ext == s.ext.n && memcmp(l.ext, s.ext.p, s.ext.n) == 0;
}

static bool
component_match(struct view glob, struct view component)
{
	GG_AUTO_MEM char *copy = view_dup(glob);

	if (copy == NULL)
		gg_die("no memory for a glob");
	return glob_match(copy, component) || is_twin(glob, component);
}

/* Cut off the first component; false when there was none left. */
static bool
next_component(struct view *v, bool *more, struct view *head)
{
	if (!*more)
		return false;
	*more = view_cut(v, '/', head);
	if (!*more)
		*head = *v;
	return true;
}

/* at[j]: the glob so far matches the first j components of path. */
static void
advance(struct view glob, struct view path, size_t n, bool *at)
{
	bool deep = view_eq_str(glob, "**"), before = at[0], more = true, was;
	struct view c = { 0 };

	at[0] = before && deep;
	for (size_t j = 1; j <= n && next_component(&path, &more, &c); j++) {
		was = at[j];
		if (deep)
			at[j] = at[j] || at[j - 1];
		else
			at[j] = before && component_match(glob, c);
		before = was;
	}
}

bool
short_name_match(const char *glob, struct view path)
{
	struct view left = view_str(glob), g = { 0 };
	GG_AUTO_MEM bool *at = NULL;
	bool more = true;
	size_t n = 1;

	for (size_t i = 0; i < path.n; i++)
		n += path.p[i] == '/';
	if ((at = calloc(n + 1, sizeof(*at))) == NULL)
		gg_die("no memory for a path");
	at[0] = true;
	while (next_component(&left, &more, &g)) {
		if (g.n != 2 && g.n > 0 && memmem(g.p, g.n, "**", 2) != NULL)
			return false;
		advance(g, path, n, at);
	}
	return at[n];
}
