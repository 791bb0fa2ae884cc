/* Encodings of text: hex, base64, base62 checks, UTF-8, ULIDs. */
#ifndef GITGATE_BASE_TEXT_H
#define GITGATE_BASE_TEXT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

/* Lower-case hex of n bytes; out has room for 2n+1. */
void hex_encode(const void *p, size_t n, char *out);
/* Exactly 2n lower- or upper-case digits into n bytes; false otherwise. */
bool hex_decode(struct view v, void *out, size_t n);

/* RFC 4648 section 4 (padded) / section 5 (url, unpadded). */
void base64_encode(struct buf *out, struct view v);
void base64url_encode(struct buf *out, struct view v);
/* Strict inverses: no white space, right padding, no spare bits. */
GG_MUST_USE int
base64_decode(struct buf *out, struct view v, struct gg_error *err);
GG_MUST_USE int
base64url_decode(struct buf *out, struct view v, struct gg_error *err);

/* Length of the valid UTF-8 sequence at v's start (1..4), 0 if invalid. */
size_t utf8_len(struct view v);
bool utf8_is_valid(struct view v);
struct buf;
/* Append at most max bytes of v, cut between characters; every byte that is no
 * UTF-8 becomes U+FFFD. */
void utf8_replace(struct buf *out, struct view v, size_t max);
/* The character at v's start and its length; U+FFFD and 1 for a bad byte. v is
 * not empty. */
uint32_t utf8_char(struct view v, size_t *len);
/* Does it control a terminal, or hide or reorder the text around it? Newline
 * and tab do. */
bool char_is_deceptive(uint32_t c);
/* Append s for reading: what is deceptive and what is no UTF-8 is written out
 * as \xHH or \u{HHHH}. */
void text_safe_add(struct buf *out, const char *s);
/* The same for text of several lines: newlines and tabs stay, a carriage
 * return before a newline goes. At most max bytes are added, cut between
 * characters; false when there was more. */
bool text_safe_lines_add(struct buf *out, struct view v, size_t max);

#define ULID_SIZE 27
/* A new ULID (Crockford base32, 26 characters): time + 80 random bits. */
void ulid_new(char out[ULID_SIZE]);
/* 26 characters of the alphabet, first at most '7'. */
bool ulid_is_valid(struct view v);
/* When a valid one was made, in ms since 1970. */
int64_t ulid_time(const char *ulid);

/* Kernel randomness; dies when there is none. */
void random_bytes(void *p, size_t n);

/* Equal in time that depends on the lengths only. */
bool view_eq_consttime(struct view a, struct view b);

#endif
