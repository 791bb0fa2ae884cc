/*
 * HTML by context. Whatever is not a literal of ours goes through one of
 * these, each for one place in a page; there is no way to add a string
 * unescaped but html_lit(), which takes literals only.
 *
 * All of them make visible what would deceive a reader: control bytes,
 * bidirectional marks, zero-width characters. Bytes that are not UTF-8 are
 * shown as U+FFFD.
 */
#ifndef GITGATE_WEB_HTML_H
#define GITGATE_WEB_HTML_H

#include "base/buf.h"
#include "base/view.h"

#include <stdint.h>

/* Markup of ours: "" makes the compiler refuse what is no literal. */
#define html_lit(out, s) buf_add((out), "" s, sizeof("" s) - 1)

/* Between tags. Deceptive characters become <span class=inv>U+202E</span>. */
void html_text(struct buf *out, struct view v);
/* Inside a double-quoted attribute, or in <title> and <textarea>. */
void html_attr(struct buf *out, struct view v);
/* One path component or query value of a link, in a quoted attribute. */
void html_url(struct buf *out, struct view v);
static inline void
html_texts(struct buf *out, const char *s)
{
	html_text(out, view_str(s));
}
static inline void
html_attrs(struct buf *out, const char *s)
{
	html_attr(out, view_str(s));
}
static inline void
html_urls(struct buf *out, const char *s)
{
	html_url(out, view_str(s));
}
void html_u64(struct buf *out, uint64_t n);
/* <time datetime="...">2026-11-22 07:00 UTC</time> */
void html_time(struct buf *out, int64_t wall_ms);
/* The same from RFC 3339; text that is none is shown as text. */
void html_when(struct buf *out, const char *rfc3339);
/* "3 days", "5 minutes", "now" for a span of milliseconds. */
void html_span(struct buf *out, int64_t ms);
/* "12 KiB" */
void html_bytes(struct buf *out, uint64_t n);

/* Is the character one that a reader cannot see or that reorders others? */
bool html_is_deceptive(uint32_t c);

#endif
