#include "policy/owners.h"

#include "base/buf.h"
#include "base/num.h"
#include "config/config.h"

#include <strings.h>

#define MAX_REQUIRED 20
/* What one look at a pattern costs, and one whole match. */
#define COST_LOOK  1
#define COST_MATCH 50

void
owners_free(struct owners *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n_entries; i++) {
		free(o->entries[i].glob);
		free(o->entries[i].below);
		strv_release(&o->entries[i].names);
	}
	for (size_t i = 0; i < o->n_sections; i++) {
		free(o->sections[i].name);
		strv_release(&o->sections[i].defaults);
	}
	free(o->entries);
	free(o->sections);
	free(o);
}

static void *
one_more(void *v, size_t *n, size_t size)
{
	char *grown = reallocarray(v, *n + 1, size);

	if (grown == NULL)
		gg_die("no memory for CODEOWNERS");
	memset(grown + *n * size, 0, size);
	++*n;
	return grown;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
trim(struct view *v)
{
	while (v->n > 0 && is_space(v->p[0]))
		view_skip(v, 1);
	while (v->n > 0 && is_space(v->p[v->n - 1]))
		v->n--;
}

/* Names up to a comment. */
static void
take_names(struct view v, struct strv *out)
{
	for (;;) {
		size_t n = 0;

		trim(&v);
		while (n < v.n && !is_space(v.p[n]))
			n++;
		if (n == 0 || v.p[0] == '#')
			return;
		strv_addv(out, view_of(v.p, n));
		view_skip(&v, n);
	}
}

/* "[Name][2] @default" or "^[Name]". */
struct header {
	struct view name, rest;
	bool optional;
	uint32_t required;
};

static bool
parse_header(struct view v, struct header *out)
{
	struct view number;
	uint64_t x = 1;

	out->optional = v.n > 0 && v.p[0] == '^';
	if (out->optional)
		view_skip(&v, 1);
	if (v.n == 0 || v.p[0] != '[')
		return false;
	view_skip(&v, 1);
	if (!view_cut(&v, ']', &out->name) || out->name.n == 0)
		return false;
	if (v.n > 0 && v.p[0] == '[') {
		view_skip(&v, 1);
		if (!view_cut(&v, ']', &number) ||
		    num_parse(number, MAX_REQUIRED, &x, NULL) < 0)
			return false;
	}
	if (v.n > 0 && !is_space(v.p[0]))
		return false;
	out->rest = v;
	out->required = x > 0 ? (uint32_t)x : 1;
	return true;
}

/* A section that comes again goes on. */
static size_t
open_section(struct owners *o, const struct header *h)
{
	GG_AUTO_MEM char *name = view_dup(h->name);
	struct owners_section *s;

	if (name == NULL)
		gg_die("no memory for CODEOWNERS");
	for (size_t i = 1; i < o->n_sections; i++)
		if (strcasecmp(o->sections[i].name, name) == 0)
			return i;
	o->sections = one_more(o->sections, &o->n_sections, sizeof(*s));
	s = &o->sections[o->n_sections - 1];
	s->name = gg_take(name);
	s->optional = h->optional;
	s->required = h->required;
	take_names(h->rest, &s->defaults);
	return o->n_sections - 1;
}

/*
 * The pattern at v's start, as one of our globs. Escapes stay; in GitHub's
 * dialect a set is no set.
 */
static void
cut_pattern(struct view *v, bool gitlab, struct buf *out)
{
	while (v->n > 0 && !is_space(v->p[0])) {
		char c = v->p[0];

		view_skip(v, 1);
		if (c == '\\' && v->n > 0) {
			c = v->p[0];
			view_skip(v, 1);
			if (strchr("*?[]\\", c) != NULL)
				buf_addc(out, '\\');
		} else if ((c == '[' || c == ']') && !gitlab) {
			buf_addc(out, '\\');
		}
		buf_addc(out, c);
	}
}

static char *
globf(const char *before, struct view body, const char *after)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(GLOB_MAX_BYTES);

	buf_adds(&b, before);
	buf_addv(&b, body);
	buf_adds(&b, after);
	if (buf_check(&b, NULL) < 0 || glob_check(buf_str(&b), NULL) < 0)
		return NULL;
	return buf_take(&b);
}

/* Fills glob and below from a pattern; false where it is none. */
static bool
set_globs(struct owners_entry *e, struct view p, bool gitlab)
{
	bool folder = view_has_suffix(p, "/");
	bool rooted = view_has_prefix(p, "/");
	const char *before;

	if (folder)
		p.n--;
	if (rooted && p.n > 0)
		view_skip(&p, 1);
	if (p.n == 0)
		return (e->glob = strdup("**")) != NULL;
	if (!gitlab)
		rooted = rooted || memchr(p.p, '/', p.n) != NULL;
	before = rooted || view_has_prefix(p, "**/") ? "" : "**/";
	if (view_eq_str(p, "*") && !rooted)
		return (e->glob = strdup("**")) != NULL;
	if (folder)
		return (e->glob = globf(before, p, "/**")) != NULL;
	if (!gitlab && !view_has_suffix(p, "/*"))
		e->below = globf(before, p, "/**");
	return (e->glob = globf(before, p, "")) != NULL;
}

static void
add_entry(struct owners *o, size_t section, struct view line)
{
	GG_AUTO_RELEASE(buf) pattern = BUF_INIT(GLOB_MAX_BYTES);
	struct owners_entry *e;
	bool away = line.p[0] == '!';

	if (away && !o->gitlab)
		return;
	view_skip(&line, away);
	cut_pattern(&line, o->gitlab, &pattern);
	o->entries = one_more(o->entries, &o->n_entries, sizeof(*e));
	e = &o->entries[o->n_entries - 1];
	e->section = section;
	e->away = away;
	if (buf_check(&pattern, NULL) < 0 || pattern.n == 0 ||
	    !set_globs(e, buf_view(&pattern), o->gitlab)) {
		free(e->below);
		o->n_entries--;
		return;
	}
	e->n_prefix = strcspn(e->glob, "*?[\\");
	/* "a/" and stars: our globs let the slash go with them */
	if (e->n_prefix > 0 && e->glob[e->n_prefix] != '\0')
		e->n_prefix--;
	take_names(line, &e->names);
	if (e->names.n == 0 && !away)
		strv_copy(&e->names, &o->sections[section].defaults);
}

static bool
has_section(struct view text)
{
	struct header h;
	bool more = true;

	while (more) {
		struct view line;

		more = view_cut(&text, '\n', &line);
		if (!more)
			line = text;
		trim(&line);
		if (parse_header(line, &h))
			return true;
	}
	return false;
}

struct owners *
owners_parse(const char *file, struct view text)
{
	struct owners *o = calloc(1, sizeof(*o));
	struct header h;
	size_t section = 0;
	bool more = text.n > 0;

	if (o == NULL)
		gg_die("no memory for CODEOWNERS");
	o->gitlab = !view_has_prefix(view_str(file), ".github/") &&
	    (view_has_prefix(view_str(file), ".gitlab/") || has_section(text));
	o->sections = one_more(NULL, &o->n_sections, sizeof(*o->sections));
	o->sections[0].required = 1;
	while (more) {
		struct view line;

		more = view_cut(&text, '\n', &line);
		if (!more)
			line = text;
		trim(&line);
		if (line.n == 0 || line.p[0] == '#' ||
		    memchr(line.p, '\0', line.n) != NULL)
			continue;
		if (o->gitlab && parse_header(line, &h))
			section = open_section(o, &h);
		else
			add_entry(o, section, line);
	}
	return o;
}

static bool
spend(uint64_t *budget, uint64_t cost)
{
	if (*budget < cost) {
		*budget = 0;
		return false;
	}
	*budget -= cost;
	return true;
}

static bool
entry_matches(const struct owners_entry *e, struct view path, uint64_t *budget)
{
	if (path.n < e->n_prefix ||
	    (e->n_prefix > 0 && memcmp(e->glob, path.p, e->n_prefix) != 0))
		return false;
	if (!spend(budget, COST_MATCH))
		return false;
	return glob_match(e->glob, path) ||
	    (e->below != NULL && glob_match(e->below, path));
}

struct owners_entry *
owners_find(struct owners *o, size_t section, struct view path,
    uint64_t *budget)
{
	struct owners_entry *found = NULL;

	for (size_t i = o->n_entries; i-- > 0 && found == NULL;) {
		struct owners_entry *e = &o->entries[i];

		if (!spend(budget, COST_LOOK))
			return NULL;
		/* an exclusion holds wherever in its section it stands */
		if (e->section != section || e->away ||
		    !entry_matches(e, path, budget))
			continue;
		found = e;
	}
	for (size_t i = 0; found != NULL && i < o->n_entries; i++)
		if (o->entries[i].section == section && o->entries[i].away &&
		    entry_matches(&o->entries[i], path, budget))
			found = NULL;
	if (*budget == 0 || found == NULL || found->names.n == 0)
		return NULL;
	return found;
}
