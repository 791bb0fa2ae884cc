/* TOML's strings and numbers. */
#include "base/buf.h"
#include "scan/toml_priv.h"

#include <stdarg.h>

int
toml_wrong(struct toml_parser *p, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return gg_fail(p->err, GG_E_INPUT, "%s:%u: %s", p->file, p->line, text);
}

/* ---- strings ---- */

static int
add_code_point(struct toml_parser *p, struct buf *out, size_t digits)
{
	uint32_t c = 0;

	if (p->in.n < digits)
		return toml_wrong(p, "a cut off escape");
	for (size_t i = 0; i < digits; i++) {
		char d = p->in.p[i];
		uint32_t x = d >= '0' && d <= '9' ? (uint32_t)(d - '0') :
		    d >= 'a' && d <= 'f'          ? (uint32_t)(d - 'a') + 10 :
		    d >= 'A' && d <= 'F'          ? (uint32_t)(d - 'A') + 10 :
						    16;

		if (x == 16)
			return toml_wrong(p, "an escape that is no number");
		c = c << 4 | x;
	}
	view_skip(&p->in, digits);
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_wrong(p, "an escape that is no character");
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
	return 0;
}

/* Behind the backslash. */
static int
escape(struct toml_parser *p, struct buf *out)
{
	static const char names[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	int c = toml_peek(p);
	const char *at;

	view_skip(&p->in, 1);
	if (c == 'u' || c == 'U')
		return add_code_point(p, out, c == 'u' ? 4 : 8);
	at = c > 0 ? strchr(names, c) : NULL;
	if (at == NULL)
		return toml_wrong(p, "an unknown escape");
	buf_addc(out, values[at - names]);
	return 0;
}

/* A backslash that ends a line takes the white space behind it away. */
static bool
joins_lines(struct toml_parser *p)
{
	struct toml_parser look = *p;

	toml_skip_blank(&look);
	if (!toml_at_newline(&look))
		return false;
	do {
		toml_skip_newline(&look);
		toml_skip_blank(&look);
	} while (toml_at_newline(&look));
	p->in = look.in;
	p->line = look.line;
	return true;
}

static size_t
count_quotes(const struct toml_parser *p, char quote)
{
	size_t n = 0;

	while (n < p->in.n && n < 6 && p->in.p[n] == quote)
		n++;
	return n;
}

static int
long_string(struct toml_parser *p, char quote, struct buf *out)
{
	unsigned begun = p->line;
	size_t n;
	int rc;

	view_skip(&p->in, 3);
	if (toml_at_newline(p))
		toml_skip_newline(p);
	while (p->in.n > 0) {
		if ((n = count_quotes(p, quote)) >= 3) {
			/* up to two more belong to the text */
			for (size_t i = 3; i < n && i < 5; i++)
				buf_addc(out, quote);
			view_skip(&p->in, n < 5 ? n : 5);
			return 0;
		}
		if (toml_at_newline(p)) {
			buf_addc(out, '\n');
			toml_skip_newline(p);
		} else if (toml_is_control(toml_peek(p))) {
			return toml_wrong(p, "a control character in a string");
		} else if (*p->in.p == '\\' && quote == '"') {
			view_skip(&p->in, 1);
			if (!joins_lines(p) && (rc = escape(p, out)) != 0)
				return rc;
		} else {
			buf_addc(out, *p->in.p);
			view_skip(&p->in, 1);
		}
	}
	p->line = begun;
	return toml_wrong(p, "a string without an end");
}

static int
short_string(struct toml_parser *p, char quote, struct buf *out)
{
	int rc;

	view_skip(&p->in, 1);
	while (p->in.n > 0 && !toml_at_newline(p)) {
		char c = *p->in.p;

		if (toml_is_control(toml_peek(p)))
			return toml_wrong(p, "a control character in a string");
		view_skip(&p->in, 1);
		if (c == quote)
			return 0;
		if (c == '\\' && quote == '"') {
			if ((rc = escape(p, out)) != 0)
				return rc;
		} else {
			buf_addc(out, c);
		}
	}
	return toml_wrong(p, "a string without an end");
}

int
toml_read_string(struct toml_parser *p, bool may_be_long, char **out)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(TOML_MAX_BYTES);
	char quote = *p->in.p;
	int rc;

	if (may_be_long && count_quotes(p, quote) >= 3)
		rc = long_string(p, quote, &text);
	else
		rc = short_string(p, quote, &text);
	if (rc == 0)
		rc = buf_check(&text, p->err);
	if (rc != 0)
		return rc;
	if ((*out = buf_take(&text)) == NULL)
		return gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
	return 0;
}

/* ---- numbers ---- */

/* Digits of a base with single underscores between them, copied without. */
static bool
digits(struct view *v, unsigned base, struct buf *out)
{
	bool had = false, gap = false;

	for (; v->n > 0; view_skip(v, 1)) {
		char c = *v->p;
		unsigned x = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
		    c >= 'a' && c <= 'f'          ? (unsigned)(c - 'a') + 10 :
		    c >= 'A' && c <= 'F'          ? (unsigned)(c - 'A') + 10 :
						    99;

		if (c == '_' && had && !gap) {
			gap = true;
			continue;
		}
		if (x >= base)
			break;
		buf_addc(out, c);
		had = true;
		gap = false;
	}
	return had && !gap;
}

static bool
to_integer(struct view d, unsigned base, bool minus, int64_t *out)
{
	int64_t x = 0;

	for (size_t i = 0; i < d.n; i++) {
		char c = d.p[i];
		int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

		if (__builtin_mul_overflow(x, (int64_t)base, &x) ||
		    __builtin_sub_overflow(x, digit, &x))
			return false;
	}
	/* gathered below zero, where there is one more */
	if (!minus && __builtin_sub_overflow(0, x, &x))
		return false;
	*out = x;
	return true;
}

/* 0x, 0o, 0b */
static bool
based_integer(struct view v, int64_t *out)
{
	unsigned base = v.p[1] == 'x' ? 16 : v.p[1] == 'o' ? 8 : 2;
	GG_AUTO_RELEASE(buf) d = BUF_INIT(64);

	view_skip(&v, 2);
	return digits(&v, base, &d) && v.n == 0 && d.failed == 0 &&
	    to_integer(buf_view(&d), base, false, out);
}

/* [+-]digits[.digits][e[+-]digits] */
static bool
decimal(struct view v, struct toml *t)
{
	GG_AUTO_RELEASE(buf) d = BUF_INIT(64);
	bool minus = *v.p == '-', real = false;
	struct view whole;
	char *end;

	if (*v.p == '-' || *v.p == '+')
		view_skip(&v, 1);
	if (!digits(&v, 10, &d) || (d.n > 1 && d.p[0] == '0'))
		return false;
	whole = buf_view(&d);
	if (v.n > 0 && *v.p == '.') {
		real = true;
		buf_addc(&d, '.');
		view_skip(&v, 1);
		if (!digits(&v, 10, &d))
			return false;
	}
	if (v.n > 0 && (*v.p == 'e' || *v.p == 'E')) {
		real = true;
		buf_addc(&d, 'e');
		view_skip(&v, 1);
		if (v.n > 0 && (*v.p == '-' || *v.p == '+')) {
			buf_addc(&d, *v.p);
			view_skip(&v, 1);
		}
		if (!digits(&v, 10, &d))
			return false;
	}
	if (v.n > 0 || d.failed != 0)
		return false;
	t->type = real ? TOML_FLOAT : TOML_INTEGER;
	t->real = strtod(buf_str(&d), &end);
	if (minus)
		t->real = -t->real;
	return real ||
	    to_integer(view_of(d.p, whole.n), 10, minus, &t->integer);
}

int
toml_read_number(struct toml_parser *p, struct toml *t)
{
	struct view v = p->in;

	while (toml_is_bare(toml_peek(p)) || toml_peek(p) == '+' ||
	    toml_peek(p) == '.' || toml_peek(p) == ':')
		view_skip(&p->in, 1);
	v.n -= p->in.n;
	if (v.n == 0)
		return toml_wrong(p, "a value is expected");
	if (v.n > 2 && *v.p == '0' && strchr("xob", v.p[1]) != NULL) {
		t->type = TOML_INTEGER;
		if (based_integer(v, &t->integer)) {
			t->real = (double)t->integer;
			return 0;
		}
	} else if (decimal(v, t)) {
		return 0;
	}
	if (v.n >= 8 && (v.p[4] == '-' || v.p[2] == ':'))
		return toml_wrong(p, "dates and times are not supported");
	if (view_has_suffix(v, "inf") || view_has_suffix(v, "nan"))
		return toml_wrong(p, "inf and nan are not supported");
	return toml_wrong(p, "not a value");
}
