/*
 * A growing buffer with a ceiling from birth.
 *
 * Invariants: n <= max; where p is not NULL, p[n] is NUL (not counted).
 * Failure is sticky: after an add that did not fit (ceiling or memory) the
 * buffer keeps what it had, ignores further adds, and buf_check() reports it
 * once at the end. So a formatter need not test every line.
 */
#ifndef GITGATE_BASE_BUF_H
#define GITGATE_BASE_BUF_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *p;
	size_t n;
	size_t alloc;
	size_t max; /* ceiling in bytes */
	int failed; /* 0, GG_E_LIMIT or GG_E_NOMEM */
};

/* An empty buffer that may hold at most max bytes. Owns nothing yet. */
void buf_init(struct buf *b, size_t max);
#define BUF_INIT(ceiling) ((struct buf){ .max = (ceiling) })
/* Free what it holds; the buffer may be used again. Zeroes nothing. */
void buf_release(struct buf *b);
GG_DEFINE_AUTO_RELEASE(buf);
/* Forget the content and a sticky failure, keep the memory. */
void buf_clear(struct buf *b);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_addv(struct buf *b, struct view v);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop the first n bytes (n <= b->n). */
void buf_drop(struct buf *b, size_t n);

/* For who gives bytes as they come: add them to the buffer ctx; its failure. */
GG_MUST_USE int buf_collect(void *ctx, struct view bytes, struct gg_error *err);

/* 0, or the sticky failure as GG_E_LIMIT / GG_E_NOMEM with a message. */
GG_MUST_USE int buf_check(const struct buf *b, struct gg_error *err);

/* What it holds, borrowed until the next change. */
static inline struct view
buf_view(const struct buf *b)
{
	return view_of(b->p, b->n);
}

/* The content as a C string ("" when empty), borrowed likewise. */
const char *buf_str(const struct buf *b);

/* Move the content out as a malloc'ed C string; NULL without memory. */
char *buf_take(struct buf *b);

#endif
