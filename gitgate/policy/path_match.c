#include "policy/path_match.h"

#include "base/buf.h"
#include "base/text.h"
#include "config/config.h"
#include "policy/policy.h"

#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#define FORM_MAX_BYTES ((size_t)16 * 1024 * 1024)

static char *
take_or_die(struct buf *b)
{
	char *s = buf_check(b, NULL) == 0 ? buf_take(b) : NULL;

	buf_release(b);
	if (s == NULL)
		gg_die("no memory for a path");
	return s;
}

static void
fold_ascii(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		buf_addc(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
	}
}

/* What HFS+ leaves out when it compares names (git: next_hfs_char). */
static bool
is_ignored(ucs4_t c)
{
	return (c >= 0x200c && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x206a && c <= 0x206f) || c == 0xfeff;
}

static void
drop_ignored(struct view v, struct buf *out)
{
	while (v.n > 0) {
		ucs4_t c = 0;
		int n = u8_mbtouc(&c, (const uint8_t *)v.p, v.n);

		if (!is_ignored(c))
			buf_add(out, v.p, (size_t)n);
		view_skip(&v, (size_t)n);
	}
}

/* Canonical caseless form (The Unicode Standard, D145), composed. */
static void
fold_unicode(struct view v, struct buf *out)
{
	GG_AUTO_RELEASE(buf) kept = BUF_INIT(FORM_MAX_BYTES);
	GG_AUTO_MEM uint8_t *apart = NULL, *folded = NULL;
	size_t n_apart = 0, n_folded = 0;

	drop_ignored(v, &kept);
	if (kept.n == 0)
		return;
	apart = u8_normalize(UNINORM_NFD, (const uint8_t *)kept.p, kept.n, NULL,
	    &n_apart);
	if (apart != NULL)
		folded = u8_casefold(apart, n_apart, NULL, UNINORM_NFC, NULL,
		    &n_folded);
	if (folded == NULL)
		gg_die("no memory for a path");
	buf_add(out, folded, n_folded);
}

static bool
is_ascii(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] >= 0x80)
			return false;
	return true;
}

static void
fold_component(struct view v, struct buf *out)
{
	if (is_ascii(v) || !utf8_is_valid(v))
		fold_ascii(v, out);
	else
		fold_unicode(v, out);
}

/* By component: bytes that are not UTF-8 in one do not unfold the others. */
static char *
fold(struct view v)
{
	struct buf out = BUF_INIT(FORM_MAX_BYTES);
	struct view head;

	if (is_ascii(v)) {
		fold_ascii(v, &out);
		return take_or_die(&out);
	}
	while (view_cut(&v, '/', &head)) {
		fold_component(head, &out);
		buf_addc(&out, '/');
	}
	fold_component(v, &out);
	return take_or_die(&out);
}

static void
trim_path_component(struct view c, struct buf *out)
{
	struct view name;

	if (view_cut(&c, ':', &name))
		c = name;
	while (c.n > 0 && (c.p[c.n - 1] == '.' || c.p[c.n - 1] == ' '))
		c.n--;
	buf_addv(out, c);
}

static char *
trim_path(const char *folded)
{
	GG_AUTO_MEM char *slashed = strdup(folded);
	struct buf out = BUF_INIT(FORM_MAX_BYTES);
	struct view v, head;

	if (slashed == NULL)
		gg_die("no memory for a path");
	v = view_str(slashed);
	for (char *s = slashed; *s != '\0'; s++)
		if (*s == '\\')
			*s = '/';
	while (view_cut(&v, '/', &head)) {
		trim_path_component(head, &out);
		buf_addc(&out, '/');
	}
	trim_path_component(v, &out);
	return take_or_die(&out);
}

/* Of a glob only what stands for itself may go; where a "*" or a set would
 * be last then, nothing goes: "*." is about dots, not about everything. */
static void
trim_glob_component(struct view c, struct buf *out)
{
	struct view all = c;

	while (c.n > 0 && (c.p[c.n - 1] == '.' || c.p[c.n - 1] == ' ')) {
		c.n--;
		if (c.n > 0 && c.p[c.n - 1] == '\\')
			c.n--;
	}
	if (c.n == 0 || strchr("*?]", c.p[c.n - 1]) != NULL)
		c = all;
	buf_addv(out, c);
}

static char *
trim_glob(const char *folded)
{
	struct buf out = BUF_INIT(FORM_MAX_BYTES);
	struct view v = view_str(folded), head;

	while (view_cut(&v, '/', &head)) {
		trim_glob_component(head, &out);
		buf_addc(&out, '/');
	}
	trim_glob_component(v, &out);
	return take_or_die(&out);
}

static void
form_init(struct glob_form *f, char *glob)
{
	struct view v = view_str(glob);

	f->glob = glob;
	f->dir = NULL;
	if (!view_has_suffix(v, "/**") || v.n == strlen("/**"))
		return;
	v.n -= strlen("/**");
	if ((f->dir = view_dup(v)) == NULL)
		gg_die("no memory for a glob");
}

void
path_glob_init(struct path_glob *g, const char *glob)
{
	char *copy;

	g->away = glob[0] == '!';
	glob += g->away;
	if ((copy = strdup(glob)) == NULL)
		gg_die("no memory for a glob");
	form_init(&g->exact, copy);
	form_init(&g->folded, fold(view_str(glob)));
	form_init(&g->trimmed, trim_glob(g->folded.glob));
}

void
path_glob_release(struct path_glob *g)
{
	free(g->exact.glob);
	free(g->exact.dir);
	free(g->folded.glob);
	free(g->folded.dir);
	free(g->trimmed.glob);
	free(g->trimmed.dir);
	*g = (struct path_glob){ 0 };
}

static bool
needs_trim(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == ':' || *s == '\\')
			return true;
		if ((*s == '.' || *s == ' ') &&
		    (s[1] == '/' || s[1] == '\0' || s[1] == '.' || s[1] == ' '))
			return true;
	}
	return false;
}

static bool
has_tilde_digit(const char *s)
{
	while ((s = strchr(s, '~')) != NULL)
		if (*++s >= '0' && *s <= '9')
			return true;
	return false;
}

void
path_forms_init(struct path_forms *f, struct view path)
{
	f->exact = path;
	f->folded = fold(path);
	f->trimmed = needs_trim(f->folded) ? trim_path(f->folded) : NULL;
	f->short_name = has_tilde_digit(f->folded);
}

void
path_forms_release(struct path_forms *f)
{
	free(f->folded);
	free(f->trimmed);
	*f = (struct path_forms){ 0 };
}

static bool
form_match(const struct glob_form *g, struct view path)
{
	return glob_match(g->glob, path) ||
	    (g->dir != NULL && glob_match(g->dir, path));
}

bool
path_glob_match(const struct path_glob *g, const struct path_forms *f)
{
	struct view folded = view_str(f->folded);
	struct view trimmed = f->trimmed ? view_str(f->trimmed) : folded;

	if (g->away)
		return glob_match(g->exact.glob, f->exact);
	if (form_match(&g->exact, f->exact) || form_match(&g->folded, folded) ||
	    form_match(&g->trimmed, trimmed))
		return true;
	if (f->trimmed != NULL && form_match(&g->folded, trimmed))
		return true;
	return f->short_name &&
	    (short_name_match(g->folded.glob, folded) ||
		short_name_match(g->trimmed.glob, trimmed));
}

bool
path_globs_match(const struct path_glob *g, size_t n,
    const struct path_forms *f)
{
	bool in = n == 0 || g[0].away;

	for (size_t i = 0; i < n; i++)
		if (in == g[i].away && path_glob_match(&g[i], f))
			in = !g[i].away;
	return in;
}

bool
policy_path_match(const char *glob, struct view path)
{
	GG_AUTO_RELEASE(path_forms) f = { 0 };
	struct path_glob g = { 0 };
	bool match;

	path_glob_init(&g, glob);
	/* the caller handles '!': here it is a byte like others */
	if (g.away) {
		path_glob_release(&g);
		return false;
	}
	path_forms_init(&f, path);
	match = path_glob_match(&g, &f);
	path_glob_release(&g);
	return match;
}
