#include "http/form.h"

#include "base/text.h"

#include <stdlib.h>

void
fields_release(struct fields *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].name);
		free(f->v[i].value);
	}
	free(f->v);
	*f = (struct fields){ 0 };
}

/* One decoded byte from the front of *in, or -1. */
static int
next_byte(struct view *in, bool plus)
{
	char c = in->p[0];
	unsigned char byte;

	if (c != '%') {
		view_skip(in, 1);
		return plus && c == '+' ? ' ' : (unsigned char)c;
	}
	if (in->n < 3 || !hex_decode(view_of(in->p + 1, 2), &byte, 1))
		return -1;
	view_skip(in, 3);
	return byte;
}

char *
percent_decode(struct view in, bool plus)
{
	char *out = malloc(in.n + 1);
	size_t n = 0;

	if (out == NULL)
		return NULL;
	while (in.n > 0) {
		int c = next_byte(&in, plus);

		if (c <= 0) {
			free(out);
			return NULL;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return out;
}

static int
field_add(struct fields *f, struct view pair, struct gg_error *err)
{
	struct view name = { 0 };
	struct field *x;

	if (f->n == FIELDS_MAX)
		return gg_fail(err, GG_E_LIMIT, "more than %d fields",
		    FIELDS_MAX);
	if (!view_cut(&pair, '=', &name)) {
		name = pair;
		pair = view_of(NULL, 0);
	}
	x = &f->v[f->n++];
	x->name = percent_decode(name, true);
	x->value = percent_decode(pair, true);
	if (x->name == NULL || x->value == NULL)
		return gg_fail(err, GG_E_PEER, "a broken escape in a field");
	return 0;
}

int
fields_parse(struct view in, struct fields *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(fields) f = { 0 };
	struct view pair;
	size_t most = 1;
	int rc;

	for (size_t i = 0; i < in.n; i++)
		most += in.p[i] == '&';
	f.v = calloc(most < FIELDS_MAX ? most : FIELDS_MAX, sizeof(*f.v));
	if (f.v == NULL)
		return gg_fail(err, GG_E_NOMEM, "form fields");
	while (in.n > 0) {
		if (!view_cut(&in, '&', &pair)) {
			pair = in;
			in.n = 0;
		}
		if (pair.n > 0 && (rc = field_add(&f, pair, err)) != 0)
			return rc;
	}
	*out = f;
	f = (struct fields){ 0 };
	return 0;
}

const char *
fields_get(const struct fields *f, const char *name, unsigned *count)
{
	const char *first = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->v[i].name, name) != 0)
			continue;
		if (n++ == 0)
			first = f->v[i].value;
	}
	if (count != NULL)
		*count = n;
	return first;
}

static bool
component_is_fine(struct view c)
{
	for (size_t i = 0; i < c.n; i++)
		if ((unsigned char)c.p[i] < 0x20 || c.p[i] == 0x7f)
			return false;
	return c.n > 0 && !view_eq_str(c, ".") && !view_eq_str(c, "..");
}

static bool
path_is_fine(const char *path)
{
	struct view v = view_str(path), c;

	if (v.n == 0 || v.p[0] != '/')
		return false;
	view_skip(&v, 1);
	while (view_cut(&v, '/', &c))
		if (!component_is_fine(c))
			return false;
	return v.n == 0 || component_is_fine(v);
}

/* Behind "http://host" of an absolute-form target. */
static void
skip_authority(struct view *t)
{
	struct view host;

	if (view_has_prefix(*t, "http://"))
		view_skip(t, 7);
	else if (view_has_prefix(*t, "https://"))
		view_skip(t, 8);
	else
		return;
	if (!view_cut(t, '/', &host)) {
		*t = view_str("/");
		return;
	}
	t->p--;
	t->n++;
}

int
target_parse(struct view target, char **path, struct view *query,
    struct gg_error *err)
{
	GG_AUTO_MEM char *p = NULL;
	struct view head;

	skip_authority(&target);
	if (view_cut(&target, '?', &head)) {
		*query = target;
	} else {
		head = target;
		*query = view_of(NULL, 0);
	}
	p = percent_decode(head, false);
	if (p == NULL || !path_is_fine(p))
		return gg_fail(err, GG_E_PEER, "not a valid path");
	*path = gg_take(p);
	return 0;
}

static struct view
trim(struct view v)
{
	while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
		view_skip(&v, 1);
	while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

bool
cookie_find(struct view header, const char *name, struct view *value)
{
	struct view pair, key, found = { 0 };
	unsigned n = 0;

	while (header.n > 0) {
		if (!view_cut(&header, ';', &pair)) {
			pair = header;
			header.n = 0;
		}
		pair = trim(pair);
		if (!view_cut(&pair, '=', &key) || !view_eq_str(key, name))
			continue;
		found = pair;
		n++;
	}
	if (n != 1)
		return false;
	*value = found;
	return true;
}
