/* A borrowed range of bytes. Never stored in a longer-lived struct. */
#ifndef GITGATE_BASE_VIEW_H
#define GITGATE_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct view {
	const char *p; /* not NUL-terminated; NULL only where n is 0 */
	size_t n;
};

static inline struct view
view_of(const void *p, size_t n)
{
	return (struct view){ .p = p, .n = n };
}

/* The bytes of s without its NUL; s may be NULL (empty view). */
static inline struct view
view_str(const char *s)
{
	return (struct view){ .p = s, .n = s ? strlen(s) : 0 };
}

static inline bool
view_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
view_eq_str(struct view a, const char *s)
{
	return view_eq(a, view_str(s));
}

static inline bool
view_has_prefix(struct view a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && memcmp(a.p, prefix, n) == 0;
}

static inline bool
view_has_suffix(struct view a, const char *suffix)
{
	size_t n = strlen(suffix);

	return a.n >= n && memcmp(a.p + a.n - n, suffix, n) == 0;
}

/* Drop the first n bytes; n may not exceed v->n (it is cut to it). */
static inline void
view_skip(struct view *v, size_t n)
{
	if (n > v->n)
		n = v->n;
	v->p += n;
	v->n -= n;
}

/*
 * Cut off what stands before the first sep: *head gets it, *v goes on
 * behind sep. False, and nothing changed, where there is no sep.
 */
static inline bool
view_cut(struct view *v, char sep, struct view *head)
{
	const char *at = v->n ? memchr(v->p, sep, v->n) : NULL;

	if (at == NULL)
		return false;
	*head = view_of(v->p, (size_t)(at - v->p));
	view_skip(v, head->n + 1);
	return true;
}

/* A malloc'ed, NUL-terminated copy, or NULL without memory. */
char *view_dup(struct view v);

/* The same text, or both NULL? */
static inline bool
str_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A malloc'ed copy, or NULL of NULL; dies without memory. */
char *str_copy(const char *s);

#endif
