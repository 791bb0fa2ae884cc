#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void
buf_release(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT(b->max);
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = 0;
	if (b->p != NULL)
		b->p[0] = '\0';
}

static bool
reserve(struct buf *b, size_t more)
{
	size_t want;
	char *p;

	if (b->failed != 0)
		return false;
	if (more > b->max - b->n) {
		b->failed = GG_E_LIMIT;
		return false;
	}
	if (b->n + more < b->alloc)
		return true;
	want = b->alloc ? b->alloc : 64;
	while (want <= b->n + more)
		want = want < ((size_t)1 << 40) ? want * 2 : b->n + more + 1;
	p = realloc(b->p, want);
	if (p == NULL) {
		b->failed = GG_E_NOMEM;
		return false;
	}
	b->p = p;
	b->alloc = want;
	return true;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !reserve(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_addv(struct buf *b, struct view v)
{
	buf_add(b, v.p, v.n);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0 && reserve(b, (size_t)n)) {
		(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	if (n > b->n)
		gg_die("buf_drop: %zu of %zu", n, b->n);
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
	b->p[b->n] = '\0';
}

int
buf_check(const struct buf *b, struct gg_error *err)
{
	if (b->failed == GG_E_LIMIT)
		return gg_fail(err, GG_E_LIMIT,
		    "more than %zu bytes in a buffer", b->max);
	if (b->failed != 0)
		return gg_fail(err, GG_E_NOMEM, "no memory for a buffer");
	return 0;
}

const char *
buf_str(const struct buf *b)
{
	return b->p != NULL ? b->p : "";
}

char *
buf_take(struct buf *b)
{
	char *p = b->p != NULL ? b->p : strdup("");

	*b = BUF_INIT(b->max);
	return p;
}

char *
view_dup(struct view v)
{
	char *s = malloc(v.n + 1);

	if (s == NULL)
		return NULL;
	if (v.n > 0)
		memcpy(s, v.p, v.n);
	s[v.n] = '\0';
	return s;
}

char *
str_copy(const char *s)
{
	char *copy = s != NULL ? strdup(s) : NULL;

	if (s != NULL && copy == NULL)
		gg_die("no memory for a text");
	return copy;
}

int
buf_collect(void *ctx, struct view bytes, struct gg_error *err)
{
	struct buf *b = ctx;

	buf_addv(b, bytes);
	return buf_check(b, err);
}
