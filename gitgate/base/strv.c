#include "base/strv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
strv_release(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = STRV_INIT;
}

static void
take(struct strv *s, char *str)
{
	size_t want;
	char **v;

	if (str == NULL || s->failed != 0) {
		free(str);
		s->failed = GG_E_NOMEM;
		return;
	}
	if (s->n + 1 >= s->alloc) {
		want = s->alloc ? s->alloc * 2 : 8;
		v = reallocarray(s->v, want, sizeof(*v));
		if (v == NULL) {
			free(str);
			s->failed = GG_E_NOMEM;
			return;
		}
		s->v = v;
		s->alloc = want;
	}
	s->v[s->n++] = str;
	s->v[s->n] = NULL;
}

void
strv_add(struct strv *s, const char *str)
{
	take(s, strdup(str));
}

void
strv_addv(struct strv *s, struct view v)
{
	take(s, view_dup(v));
}

void
strv_addf(struct strv *s, const char *fmt, ...)
{
	char *str = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&str, fmt, ap) < 0)
		str = NULL;
	va_end(ap);
	take(s, str);
}

bool
strv_has(const struct strv *s, const char *str)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], str) == 0)
			return true;
	return false;
}

bool
strv_eq(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

void
strv_copy(struct strv *to, const struct strv *from)
{
	strv_release(to);
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

int
strv_check(const struct strv *s, struct gg_error *err)
{
	if (s->failed != 0)
		return gg_fail(err, GG_E_NOMEM, "no memory for a list");
	return 0;
}

void
strv_remove(struct strv *s, size_t i)
{
	free(s->v[i]);
	/* with the NULL at the end */
	memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof(*s->v));
	s->n--;
}
