#include "scan/toml.h"

#include "base/buf.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>

struct parser {
	const char *file;
	struct view in;
	unsigned line;
	unsigned depth;
	size_t nodes;
	struct gg_error *err;
};

/* A key as written: its parts. */
#define KEY_PARTS_MAX 16
struct key {
	char *part[KEY_PARTS_MAX];
	size_t n;
};

static void
key_release(struct key *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->part[i]);
	k->n = 0;
}
GG_DEFINE_AUTO_RELEASE(key);

__attribute__((format(printf, 2, 3))) static int
wrong(struct parser *p, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return gg_fail(p->err, GG_E_INPUT, "%s:%u: %s", p->file, p->line, text);
}

/* ---- the tree ---- */

void
toml_free(struct toml *t)
{
	struct toml *next;

	/* depth is bounded by the reader */
	for (; t != NULL; t = next) {
		next = t->next;
		toml_free(t->first);
		free(t->key);
		free(t->str);
		free(t);
	}
}

const char *
toml_type_name(enum toml_type t)
{
	static const char *const names[] = { "table", "array", "string",
		"integer", "float", "boolean" };

	return names[t];
}

static struct toml *
find(const struct toml *table, const char *key)
{
	struct toml *t;

	for (t = table->first; t != NULL; t = t->next)
		if (strcmp(t->key, key) == 0)
			return t;
	return NULL;
}

const struct toml *
toml_get(const struct toml *table, const char *key)
{
	return find(table, key);
}

static int
new_node(struct parser *p, enum toml_type type, struct toml **out)
{
	struct toml *t;

	if (++p->nodes > TOML_MAX_NODES)
		return wrong(p, "more than %d values", TOML_MAX_NODES);
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
	t->type = type;
	t->line = p->line;
	*out = t;
	return 0;
}

static void
append(struct toml *to, struct toml *t)
{
	if (to->last != NULL)
		to->last->next = t;
	else
		to->first = t;
	to->last = t;
	to->n++;
}

/* Put t (taken in any case) under key, a string that is copied. */
static int
add(struct parser *p, struct toml *table, const char *key, struct toml *t)
{
	if (find(table, key) != NULL) {
		toml_free(t);
		return wrong(p, "\"%s\" is there twice", key);
	}
	if (table->n >= TOML_MAX_KEYS) {
		toml_free(t);
		return wrong(p, "more than %d keys in one table",
		    TOML_MAX_KEYS);
	}
	if ((t->key = strdup(key)) == NULL) {
		toml_free(t);
		return gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
	}
	append(table, t);
	return 0;
}

/* ---- characters ---- */

static int
peek(const struct parser *p)
{
	return p->in.n > 0 ? (unsigned char)*p->in.p : -1;
}

static bool
at_newline(const struct parser *p)
{
	return view_has_prefix(p->in, "\n") || view_has_prefix(p->in, "\r\n");
}

static void
skip_newline(struct parser *p)
{
	view_skip(&p->in, *p->in.p == '\r' ? 2 : 1);
	p->line++;
}

static void
skip_blank(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t')
		view_skip(&p->in, 1);
}

static bool
is_control(int c)
{
	return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

static int
skip_comment(struct parser *p)
{
	if (peek(p) != '#')
		return 0;
	while (p->in.n > 0 && !at_newline(p)) {
		if (is_control(peek(p)))
			return wrong(p, "a control character in a comment");
		view_skip(&p->in, 1);
	}
	return 0;
}

/* White space, comments and newlines. */
static int
skip_all(struct parser *p)
{
	int rc;

	for (;;) {
		skip_blank(p);
		if ((rc = skip_comment(p)) != 0)
			return rc;
		if (!at_newline(p))
			return 0;
		skip_newline(p);
	}
}

static int
end_of_line(struct parser *p)
{
	int rc;

	skip_blank(p);
	if ((rc = skip_comment(p)) != 0)
		return rc;
	if (p->in.n == 0)
		return 0;
	if (!at_newline(p))
		return wrong(p, "something stands behind the value");
	skip_newline(p);
	return 0;
}

/* ---- strings ---- */

static int
add_code_point(struct parser *p, struct buf *out, size_t digits)
{
	uint32_t c = 0;

	if (p->in.n < digits)
		return wrong(p, "a cut off escape");
	for (size_t i = 0; i < digits; i++) {
		char d = p->in.p[i];
		uint32_t x = d >= '0' && d <= '9' ? (uint32_t)(d - '0') :
		    d >= 'a' && d <= 'f'          ? (uint32_t)(d - 'a') + 10 :
		    d >= 'A' && d <= 'F'          ? (uint32_t)(d - 'A') + 10 :
						    16;

		if (x == 16)
			return wrong(p, "an escape that is no number");
		c = c << 4 | x;
	}
	view_skip(&p->in, digits);
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return wrong(p, "an escape that is no character");
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
escape(struct parser *p, struct buf *out)
{
	static const char names[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	int c = peek(p);
	const char *at;

	view_skip(&p->in, 1);
	if (c == 'u' || c == 'U')
		return add_code_point(p, out, c == 'u' ? 4 : 8);
	at = c > 0 ? strchr(names, c) : NULL;
	if (at == NULL)
		return wrong(p, "an unknown escape");
	buf_addc(out, values[at - names]);
	return 0;
}

/* A backslash that ends a line takes the white space behind it away. */
static bool
joins_lines(struct parser *p)
{
	struct parser look = *p;

	skip_blank(&look);
	if (!at_newline(&look))
		return false;
	do {
		skip_newline(&look);
		skip_blank(&look);
	} while (at_newline(&look));
	p->in = look.in;
	p->line = look.line;
	return true;
}

static size_t
count_quotes(const struct parser *p, char quote)
{
	size_t n = 0;

	while (n < p->in.n && n < 6 && p->in.p[n] == quote)
		n++;
	return n;
}

static int
long_string(struct parser *p, char quote, struct buf *out)
{
	unsigned begun = p->line;
	size_t n;
	int rc;

	view_skip(&p->in, 3);
	if (at_newline(p))
		skip_newline(p);
	while (p->in.n > 0) {
		if ((n = count_quotes(p, quote)) >= 3) {
			/* up to two more belong to the text */
			for (size_t i = 3; i < n && i < 5; i++)
				buf_addc(out, quote);
			view_skip(&p->in, n < 5 ? n : 5);
			return 0;
		}
		if (at_newline(p)) {
			buf_addc(out, '\n');
			skip_newline(p);
		} else if (is_control(peek(p))) {
			return wrong(p, "a control character in a string");
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
	return wrong(p, "a string without an end");
}

static int
short_string(struct parser *p, char quote, struct buf *out)
{
	int rc;

	view_skip(&p->in, 1);
	while (p->in.n > 0 && !at_newline(p)) {
		char c = *p->in.p;

		if (is_control(peek(p)))
			return wrong(p, "a control character in a string");
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
	return wrong(p, "a string without an end");
}

static int
read_string(struct parser *p, bool may_be_long, char **out)
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

/* ---- keys ---- */

static bool
is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int
read_part(struct parser *p, char **out)
{
	struct view v = p->in;

	if (peek(p) == '"' || peek(p) == '\'')
		return read_string(p, false, out);
	while (is_bare(peek(p)))
		view_skip(&p->in, 1);
	v.n -= p->in.n;
	if (v.n == 0)
		return wrong(p, "a key is expected");
	if ((*out = view_dup(v)) == NULL)
		return gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
	return 0;
}

static int
read_key(struct parser *p, struct key *k)
{
	int rc;

	for (;;) {
		skip_blank(p);
		if (k->n == KEY_PARTS_MAX)
			return wrong(p, "a key of too many parts");
		if ((rc = read_part(p, &k->part[k->n])) != 0)
			return rc;
		k->n++;
		skip_blank(p);
		if (peek(p) != '.')
			return 0;
		view_skip(&p->in, 1);
	}
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

static int
read_number(struct parser *p, struct toml *t)
{
	struct view v = p->in;

	while (is_bare(peek(p)) || peek(p) == '+' || peek(p) == '.' ||
	    peek(p) == ':')
		view_skip(&p->in, 1);
	v.n -= p->in.n;
	if (v.n == 0)
		return wrong(p, "a value is expected");
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
		return wrong(p, "dates and times are not supported");
	if (view_has_suffix(v, "inf") || view_has_suffix(v, "nan"))
		return wrong(p, "inf and nan are not supported");
	return wrong(p, "not a value");
}

/* ---- values ---- */

static int read_value(struct parser *p, struct toml **out);
static int key_and_value(struct parser *p, struct toml *table);

static int
read_array(struct parser *p, struct toml *t)
{
	struct toml *element;
	int rc;

	view_skip(&p->in, 1);
	for (;;) {
		if ((rc = skip_all(p)) != 0)
			return rc;
		if (peek(p) == ']')
			break;
		if ((rc = read_value(p, &element)) != 0)
			return rc;
		append(t, element);
		if ((rc = skip_all(p)) != 0)
			return rc;
		if (peek(p) == ']')
			break;
		if (peek(p) != ',')
			return wrong(p, "an array without an end");
		view_skip(&p->in, 1);
	}
	view_skip(&p->in, 1);
	return 0;
}

/* Nothing may be added to it later, nor to what it holds. */
static void
close_tables(struct toml *t)
{
	t->origin = TOML_CLOSED;
	for (struct toml *c = t->first; c != NULL; c = c->next)
		if (c->type == TOML_TABLE)
			close_tables(c);
}

static int
read_inline(struct parser *p, struct toml *t)
{
	int rc;

	t->origin = TOML_DOTTED;
	view_skip(&p->in, 1);
	skip_blank(p);
	while (peek(p) != '}') {
		if ((rc = key_and_value(p, t)) != 0)
			return rc;
		skip_blank(p);
		if (peek(p) == '}')
			break;
		if (peek(p) != ',')
			return wrong(p, "an inline table without an end");
		view_skip(&p->in, 1);
		skip_blank(p);
		if (peek(p) == '}')
			return wrong(p, "a comma before the end of a table");
	}
	view_skip(&p->in, 1);
	close_tables(t);
	return 0;
}

static bool
word(struct parser *p, const char *w)
{
	size_t n = strlen(w);

	if (!view_has_prefix(p->in, w) ||
	    (p->in.n > n && is_bare((unsigned char)p->in.p[n])))
		return false;
	view_skip(&p->in, n);
	return true;
}

static int
fill_value(struct parser *p, struct toml *t)
{
	switch (peek(p)) {
	case '"':
	case '\'':
		t->type = TOML_STRING;
		return read_string(p, true, &t->str);
	case '[':
		t->type = TOML_ARRAY;
		return read_array(p, t);
	case '{':
		t->type = TOML_TABLE;
		return read_inline(p, t);
	default:
		t->type = TOML_BOOLEAN;
		t->boolean = word(p, "true");
		if (t->boolean || word(p, "false"))
			return 0;
		return read_number(p, t);
	}
}

static int
read_value(struct parser *p, struct toml **out)
{
	GG_AUTO(toml) t = NULL;
	int rc;

	if (++p->depth > TOML_MAX_DEPTH)
		return wrong(p, "nested too deep");
	if ((rc = new_node(p, TOML_BOOLEAN, &t)) != 0 ||
	    (rc = fill_value(p, t)) != 0)
		return rc;
	p->depth--;
	*out = gg_take(t);
	return 0;
}

/* The table that all parts but the last name, made where it is not there. */
static int
dotted_parent(struct parser *p, struct toml *table, const struct key *k,
    struct toml **out)
{
	int rc;

	for (size_t i = 0; i + 1 < k->n; i++) {
		struct toml *t = find(table, k->part[i]);

		if (t == NULL) {
			if ((rc = new_node(p, TOML_TABLE, &t)) != 0)
				return rc;
			t->origin = TOML_DOTTED;
			if ((rc = add(p, table, k->part[i], t)) != 0)
				return rc;
		} else if (t->type != TOML_TABLE || t->origin != TOML_DOTTED) {
			return wrong(p, "\"%s\" is defined elsewhere",
			    k->part[i]);
		}
		table = t;
	}
	*out = table;
	return 0;
}

static int
key_and_value(struct parser *p, struct toml *table)
{
	GG_AUTO_RELEASE(key) k = { 0 };
	struct toml *value;
	int rc;

	if ((rc = read_key(p, &k)) != 0)
		return rc;
	if (peek(p) != '=')
		return wrong(p, "\"=\" is expected behind a key");
	view_skip(&p->in, 1);
	skip_blank(p);
	if ((rc = dotted_parent(p, table, &k, &table)) != 0 ||
	    (rc = read_value(p, &value)) != 0)
		return rc;
	return add(p, table, k.part[k.n - 1], value);
}

/* ---- headers ---- */

/* One step down by a header: a table, or the last element of a list. */
static int
step(struct parser *p, struct toml **table, const char *name)
{
	struct toml *t = find(*table, name);
	int rc;

	if (t == NULL) {
		if ((rc = new_node(p, TOML_TABLE, &t)) != 0)
			return rc;
		t->origin = TOML_IMPLICIT;
		if ((rc = add(p, *table, name, t)) != 0)
			return rc;
	}
	if (t->type == TOML_ARRAY && t->origin == TOML_LIST)
		t = t->last;
	if (t->type != TOML_TABLE || t->origin == TOML_CLOSED)
		return wrong(p, "\"%s\" is no table that can be added to",
		    name);
	*table = t;
	return 0;
}

static int
open_table(struct parser *p, struct toml *at, const char *name,
    struct toml **current)
{
	struct toml *t = find(at, name);
	int rc;

	if (t == NULL) {
		if ((rc = new_node(p, TOML_TABLE, &t)) != 0 ||
		    (rc = add(p, at, name, t)) != 0)
			return rc;
	} else if (t->type != TOML_TABLE || t->origin != TOML_IMPLICIT) {
		return wrong(p, "\"%s\" is there twice", name);
	}
	t->origin = TOML_HEADER;
	t->line = p->line;
	*current = t;
	return 0;
}

static int
open_element(struct parser *p, struct toml *at, const char *name,
    struct toml **current)
{
	struct toml *list = find(at, name), *t;
	int rc;

	if (list == NULL) {
		if ((rc = new_node(p, TOML_ARRAY, &list)) != 0)
			return rc;
		list->origin = TOML_LIST;
		if ((rc = add(p, at, name, list)) != 0)
			return rc;
	} else if (list->type != TOML_ARRAY || list->origin != TOML_LIST) {
		return wrong(p, "\"%s\" is no list of tables", name);
	}
	if ((rc = new_node(p, TOML_TABLE, &t)) != 0)
		return rc;
	t->origin = TOML_HEADER;
	append(list, t);
	*current = t;
	return 0;
}

static int
header(struct parser *p, struct toml *root, struct toml **current)
{
	bool element = view_has_prefix(p->in, "[[");
	GG_AUTO_RELEASE(key) k = { 0 };
	struct toml *at = root;
	int rc;

	view_skip(&p->in, element ? 2 : 1);
	if ((rc = read_key(p, &k)) != 0)
		return rc;
	if (!view_has_prefix(p->in, element ? "]]" : "]"))
		return wrong(p, "a header without an end");
	view_skip(&p->in, element ? 2 : 1);
	for (size_t i = 0; i + 1 < k.n; i++)
		if ((rc = step(p, &at, k.part[i])) != 0)
			return rc;
	rc = element ? open_element(p, at, k.part[k.n - 1], current) :
		       open_table(p, at, k.part[k.n - 1], current);
	return rc == 0 ? end_of_line(p) : rc;
}

int
toml_parse(const char *file, struct view text, struct toml **out,
    struct gg_error *err)
{
	struct parser p = { .file = file, .in = text, .line = 1, .err = err };
	GG_AUTO(toml) root = NULL;
	struct toml *current;
	int rc;

	if (text.n > TOML_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "%s: larger than %zu bytes",
		    file, TOML_MAX_BYTES);
	if (!utf8_is_valid(text))
		return gg_fail(err, GG_E_INPUT, "%s: not UTF-8", file);
	if (view_has_prefix(p.in, "\xef\xbb\xbf"))
		view_skip(&p.in, 3);
	if ((rc = new_node(&p, TOML_TABLE, &root)) != 0)
		return rc;
	root->origin = TOML_HEADER;
	current = root;
	while ((rc = skip_all(&p)) == 0 && p.in.n > 0) {
		p.depth = 0;
		if (*p.in.p == '[')
			rc = header(&p, root, &current);
		else if ((rc = key_and_value(&p, current)) == 0)
			rc = end_of_line(&p);
		if (rc != 0)
			return rc;
	}
	if (rc != 0)
		return rc;
	*out = gg_take(root);
	return 0;
}
