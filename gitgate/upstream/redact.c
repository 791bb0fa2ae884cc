#include "upstream/redact.h"

#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERINFO_MAX_BYTES 1024

void
secret_release(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->alloc);
	buf_release(b);
}

void
redact_init(struct redact *r)
{
	*r = (struct redact){ 0 };
}

void
redact_release(struct redact *r)
{
	for (size_t i = 0; i < r->secrets.n; i++)
		explicit_bzero(r->secrets.v[i], strlen(r->secrets.v[i]));
	strv_release(&r->secrets);
	r->longest = 0;
}

/* Control characters and the overrides that turn text around. */
static bool
is_hidden(struct view seq)
{
	const unsigned char *u = (const unsigned char *)seq.p;

	if (seq.n == 1)
		return (u[0] < 0x20 && u[0] != '\t') || u[0] == 0x7f;
	if (seq.n == 2)
		return u[0] == 0xc2 && u[1] < 0xa0;
	if (seq.n != 3 || u[0] != 0xe2)
		return false;
	return (u[1] == 0x80 && u[2] >= 0xaa && u[2] <= 0xae) ||
	    (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9);
}

/* May these bytes still become a valid sequence? */
static bool
utf8_may_grow(struct view v)
{
	static const unsigned char rest[2][3] = { { 0x80, 0x80, 0x80 },
		{ 0xbf, 0xbf, 0xbf } };
	unsigned char first = (unsigned char)v.p[0];
	size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

	if (first < 0xc2 || first > 0xf4 || v.n >= want)
		return false;
	for (size_t lowest = 0; lowest < 2; lowest++) {
		char trial[4];

		memcpy(trial, v.p, v.n);
		memcpy(trial + v.n, rest[lowest], want - v.n);
		if (utf8_len(view_of(trial, want)) == want)
			return true;
	}
	return false;
}

static void
know(struct redact *r, struct view secret)
{
	struct redact none = { 0 };
	GG_AUTO_RELEASE(redact_stream) s;
	struct buf clean = BUF_INIT(REDACT_SECRET_BYTES);

	redact_stream_init(&s, &none, REDACT_SECRET_BYTES);
	redact_stream_feed(&s, secret, &clean);
	redact_stream_finish(&s, &clean);
	if (clean.n > 0 && !strv_has(&r->secrets, buf_str(&clean))) {
		strv_addv(&r->secrets, buf_view(&clean));
		if (r->longest < clean.n)
			r->longest = clean.n;
	}
	secret_release(&clean);
	secret_release(&s.line);
}

static void
url_encode(struct view v, const char *digits, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') ||
		    (c != 0 && strchr("-._~", c) != NULL)) {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, '%');
		buf_addc(out, digits[c >> 4]);
		buf_addc(out, digits[c & 15]);
	}
}

/* Both alphabets; without the padding, which some printers leave out. */
static void
know_base64(struct redact *r, struct view v)
{
	struct buf b = BUF_INIT(REDACT_SECRET_BYTES * 2);

	base64_encode(&b, v);
	while (b.n > 0 && b.p[b.n - 1] == '=')
		b.p[--b.n] = '\0';
	know(r, buf_view(&b));
	buf_clear(&b);
	base64url_encode(&b, v);
	know(r, buf_view(&b));
	secret_release(&b);
}

void
redact_add(struct redact *r, struct view secret)
{
	struct buf b = BUF_INIT(REDACT_SECRET_BYTES * 4);

	know(r, secret);
	url_encode(secret, "0123456789ABCDEF", &b);
	know(r, buf_view(&b));
	buf_clear(&b);
	url_encode(secret, "0123456789abcdef", &b);
	know(r, buf_view(&b));
	secret_release(&b);
	know_base64(r, secret);
}

void
redact_add_basic(struct redact *r, const char *username, struct view password)
{
	struct buf b = BUF_INIT(REDACT_SECRET_BYTES * 2);

	redact_add(r, password);
	buf_adds(&b, username);
	buf_addc(&b, ':');
	buf_addv(&b, password);
	know_base64(r, buf_view(&b));
	secret_release(&b);
}

/* Bytes of the longest secret that v begins with, or 0. */
static size_t
secret_at(const struct redact *r, struct view v)
{
	size_t best = 0;

	for (size_t i = 0; i < r->secrets.n; i++)
		if (view_has_prefix(v, r->secrets.v[i]) &&
		    strlen(r->secrets.v[i]) > best)
			best = strlen(r->secrets.v[i]);
	return best;
}

/*
 * Bytes of userinfo behind the "//" that stands before v (without the '@'),
 * or 0. "ssh://git@" is a name, not a secret, and stays.
 */
static size_t
userinfo_at(struct view v, bool ssh)
{
	static const char ends[] = "/?#\"'<> \t\n";
	bool colon = false;

	for (size_t i = 0; i < v.n && i < USERINFO_MAX_BYTES; i++) {
		if (v.p[i] == '@')
			return colon || !ssh ? i : 0;
		if (memchr(ends, v.p[i], sizeof(ends) - 1) != NULL)
			return 0;
		colon = colon || v.p[i] == ':';
	}
	return 0;
}

/*
 * Redact from line into out, going on until at least upto bytes are
 * consumed; yields how many were (a match may reach behind upto).
 */
static size_t
redact_part(const struct redact *r, struct view line, size_t upto,
    struct buf *out)
{
	size_t at = 0;

	while (at < upto) {
		struct view here = view_of(line.p + at, line.n - at);
		size_t n = secret_at(r, here);

		if (n > 0) {
			buf_adds(out, REDACTED);
			at += n;
			continue;
		}
		if (at >= 2 && line.p[at - 1] == '/' && line.p[at - 2] == '/') {
			bool ssh = at >= 6 &&
			    memcmp(line.p + at - 6, "ssh:", 4) == 0;

			n = userinfo_at(here, ssh);
		}
		if (n > 0) {
			buf_adds(out, REDACTED);
			at += n;
			continue;
		}
		buf_addc(out, line.p[at++]);
	}
	return at;
}

void
redact_stream_init(struct redact_stream *s, const struct redact *r,
    size_t max_bytes)
{
	*s = (struct redact_stream){ .r = r, .left = max_bytes };
	buf_init(&s->line, REDACT_LINE_BYTES + REDACT_SECRET_BYTES * 8);
}

void
redact_stream_release(struct redact_stream *s)
{
	secret_release(&s->line);
}

static void
let_go(struct redact_stream *s, size_t upto, struct buf *out)
{
	struct buf part = BUF_INIT(s->line.max * 4);
	size_t n = redact_part(s->r, buf_view(&s->line), upto, &part);

	buf_drop(&s->line, n);
	if (part.n > s->left && !s->cut) {
		s->cut = true;
		buf_addv(out, view_of(part.p, s->left));
		buf_adds(out, "\n[upstream's text is cut here]\n");
		s->left = 0;
	}
	if (!s->cut) {
		buf_addv(out, buf_view(&part));
		s->left -= part.n;
	}
	buf_release(&part);
}

static void
add_clean(struct redact_stream *s, struct view seq, struct buf *out)
{
	size_t keep = s->r->longest + USERINFO_MAX_BYTES;

	if (s->cr && view_eq_str(seq, "\n") == false)
		buf_clear(&s->line);
	s->cr = view_eq_str(seq, "\r");
	if (view_eq_str(seq, "\n")) {
		buf_addc(&s->line, '\n');
		let_go(s, s->line.n, out);
		return;
	}
	if (!is_hidden(seq))
		buf_addv(&s->line, seq);
	if (s->line.n >= REDACT_LINE_BYTES + keep)
		let_go(s, s->line.n - keep, out);
}

/* One more byte of a sequence; bytes that can never become one are '?'. */
static void
feed_byte(struct redact_stream *s, char c, struct buf *out)
{
	s->utf8[s->n_utf8++] = c;
	while (s->n_utf8 > 0) {
		struct view v = view_of(s->utf8, s->n_utf8);
		size_t n = utf8_len(v);

		if (n == 0 && utf8_may_grow(v))
			return;
		if (n == 0)
			add_clean(s, view_str("?"), out);
		else
			add_clean(s, view_of(s->utf8, n), out);
		if (n == 0)
			n = 1;
		s->n_utf8 -= n;
		memmove(s->utf8, s->utf8 + n, s->n_utf8);
	}
}

void
redact_stream_feed(struct redact_stream *s, struct view in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		feed_byte(s, in.p[i], out);
}

void
redact_stream_finish(struct redact_stream *s, struct buf *out)
{
	for (size_t i = 0; i < s->n_utf8; i++)
		add_clean(s, view_str("?"), out);
	s->n_utf8 = 0;
	let_go(s, s->line.n, out);
}

void
redact_text(const struct redact *r, struct view text, struct buf *out)
{
	GG_AUTO_RELEASE(redact_stream) s;

	redact_stream_init(&s, r, SIZE_MAX / 2);
	redact_stream_feed(&s, text, out);
	redact_stream_finish(&s, out);
}

int
redact_error(const struct redact *r, int rc, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(sizeof(err->msg) * 16);

	if (err == NULL)
		return rc;
	redact_text(r, view_str(err->msg), &out);
	(void)snprintf(err->msg, sizeof(err->msg), "%s", buf_str(&out));
	return rc;
}
