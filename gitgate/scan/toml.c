#include "scan/toml.h"

#include "base/text.h"
#include "scan/toml_priv.h"

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
		if (t->key != NULL && strcmp(t->key, key) == 0)
			return t;
	return NULL;
}

const struct toml *
toml_get(const struct toml *table, const char *key)
{
	return find(table, key);
}

static int
new_node(struct toml_parser *p, enum toml_type type, struct toml **out)
{
	struct toml *t;

	if (++p->nodes > TOML_MAX_NODES) {
		(void)toml_wrong(p, "more than %d values", TOML_MAX_NODES);
		return GG_E_INPUT;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL) {
		gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
		return GG_E_NOMEM;
	}
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
add(struct toml_parser *p, struct toml *table, const char *key, struct toml *t)
{
	if (key == NULL)
		gg_die("a TOML value without a key");
	if (find(table, key) != NULL) {
		toml_free(t);
		return toml_wrong(p, "\"%s\" is there twice", key);
	}
	if (table->n >= TOML_MAX_KEYS) {
		toml_free(t);
		return toml_wrong(p, "more than %d keys in one table",
		    TOML_MAX_KEYS);
	}
	t->key = strdup(key);
	if (t->key == NULL) {
		toml_free(t);
		return gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
	}
	append(table, t);
	return 0;
}

static int
skip_comment(struct toml_parser *p)
{
	if (toml_peek(p) != '#')
		return 0;
	while (p->in.n > 0 && !toml_at_newline(p)) {
		if (toml_is_control(toml_peek(p)))
			return toml_wrong(p,
			    "a control character in a comment");
		view_skip(&p->in, 1);
	}
	return 0;
}

/* White space, comments and newlines. */
static int
skip_all(struct toml_parser *p)
{
	int rc;

	for (;;) {
		toml_skip_blank(p);
		if ((rc = skip_comment(p)) != 0)
			return rc;
		if (!toml_at_newline(p))
			return 0;
		toml_skip_newline(p);
	}
}

static int
end_of_line(struct toml_parser *p)
{
	int rc;

	toml_skip_blank(p);
	if ((rc = skip_comment(p)) != 0)
		return rc;
	if (p->in.n == 0)
		return 0;
	if (!toml_at_newline(p))
		return toml_wrong(p, "something stands behind the value");
	toml_skip_newline(p);
	return 0;
}

/* ---- keys ---- */

static int
read_part(struct toml_parser *p, char **out)
{
	struct view v = p->in;

	if (toml_peek(p) == '"' || toml_peek(p) == '\'')
		return toml_read_string(p, false, out);
	while (toml_is_bare(toml_peek(p)))
		view_skip(&p->in, 1);
	v.n -= p->in.n;
	if (v.n == 0)
		return toml_wrong(p, "a key is expected");
	if ((*out = view_dup(v)) == NULL)
		return gg_fail(p->err, GG_E_NOMEM, "%s", p->file);
	return 0;
}

static int
read_key(struct toml_parser *p, struct key *k)
{
	int rc;

	for (;;) {
		toml_skip_blank(p);
		if (k->n == KEY_PARTS_MAX)
			return toml_wrong(p, "a key of too many parts");
		if ((rc = read_part(p, &k->part[k->n])) != 0)
			return rc;
		k->n++;
		toml_skip_blank(p);
		if (toml_peek(p) != '.')
			return 0;
		view_skip(&p->in, 1);
	}
}

/* ---- values ---- */

static int read_value(struct toml_parser *p, struct toml **out);
static int key_and_value(struct toml_parser *p, struct toml *table);

static int
read_array(struct toml_parser *p, struct toml *t)
{
	struct toml *element;
	int rc;

	view_skip(&p->in, 1);
	for (;;) {
		if ((rc = skip_all(p)) != 0)
			return rc;
		if (toml_peek(p) == ']')
			break;
		if ((rc = read_value(p, &element)) != 0)
			return rc;
		append(t, element);
		if ((rc = skip_all(p)) != 0)
			return rc;
		if (toml_peek(p) == ']')
			break;
		if (toml_peek(p) != ',')
			return toml_wrong(p, "an array without an end");
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
read_inline(struct toml_parser *p, struct toml *t)
{
	int rc;

	t->origin = TOML_DOTTED;
	view_skip(&p->in, 1);
	toml_skip_blank(p);
	while (toml_peek(p) != '}') {
		if ((rc = key_and_value(p, t)) != 0)
			return rc;
		toml_skip_blank(p);
		if (toml_peek(p) == '}')
			break;
		if (toml_peek(p) != ',')
			return toml_wrong(p, "an inline table without an end");
		view_skip(&p->in, 1);
		toml_skip_blank(p);
		if (toml_peek(p) == '}')
			return toml_wrong(p,
			    "a comma before the end of a table");
	}
	view_skip(&p->in, 1);
	close_tables(t);
	return 0;
}

static bool
word(struct toml_parser *p, const char *w)
{
	size_t n = strlen(w);

	if (!view_has_prefix(p->in, w) ||
	    (p->in.n > n && toml_is_bare((unsigned char)p->in.p[n])))
		return false;
	view_skip(&p->in, n);
	return true;
}

static int
fill_value(struct toml_parser *p, struct toml *t)
{
	switch (toml_peek(p)) {
	case '"':
	case '\'':
		t->type = TOML_STRING;
		return toml_read_string(p, true, &t->str);
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
		return toml_read_number(p, t);
	}
}

static int
read_value(struct toml_parser *p, struct toml **out)
{
	GG_AUTO(toml) t = NULL;
	int rc;

	if (++p->depth > TOML_MAX_DEPTH) {
		(void)toml_wrong(p, "nested too deep");
		return GG_E_INPUT;
	}
	if ((rc = new_node(p, TOML_BOOLEAN, &t)) != 0 ||
	    (rc = fill_value(p, t)) != 0)
		return rc;
	p->depth--;
	*out = gg_take(t);
	return 0;
}

/* The table that all parts but the last name, made where it is not there. */
static int
dotted_parent(struct toml_parser *p, struct toml *table, const struct key *k,
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
			return toml_wrong(p, "\"%s\" is defined elsewhere",
			    k->part[i]);
		}
		table = t;
	}
	*out = table;
	return 0;
}

static int
key_and_value(struct toml_parser *p, struct toml *table)
{
	GG_AUTO_RELEASE(key) k = { 0 };
	struct toml *value;
	int rc;

	if ((rc = read_key(p, &k)) != 0)
		return rc;
	if (toml_peek(p) != '=')
		return toml_wrong(p, "\"=\" is expected behind a key");
	view_skip(&p->in, 1);
	toml_skip_blank(p);
	if ((rc = dotted_parent(p, table, &k, &table)) != 0 ||
	    (rc = read_value(p, &value)) != 0)
		return rc;
	return add(p, table, k.part[k.n - 1], value);
}

/* ---- headers ---- */

/* One step down by a header: a table, or the last element of a list. */
static int
step(struct toml_parser *p, struct toml **table, const char *name)
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
		return toml_wrong(p, "\"%s\" is no table that can be added to",
		    name);
	*table = t;
	return 0;
}

static int
open_table(struct toml_parser *p, struct toml *at, const char *name,
    struct toml **current)
{
	struct toml *t = find(at, name);
	int rc;

	if (t == NULL) {
		if ((rc = new_node(p, TOML_TABLE, &t)) != 0 ||
		    (rc = add(p, at, name, t)) != 0)
			return rc;
	} else if (t->type != TOML_TABLE || t->origin != TOML_IMPLICIT) {
		return toml_wrong(p, "\"%s\" is there twice", name);
	}
	t->origin = TOML_HEADER;
	t->line = p->line;
	*current = t;
	return 0;
}

static int
open_element(struct toml_parser *p, struct toml *at, const char *name,
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
		return toml_wrong(p, "\"%s\" is no list of tables", name);
	}
	if ((rc = new_node(p, TOML_TABLE, &t)) != 0)
		return rc;
	t->origin = TOML_HEADER;
	append(list, t);
	*current = t;
	return 0;
}

static int
header(struct toml_parser *p, struct toml *root, struct toml **current)
{
	bool element = view_has_prefix(p->in, "[[");
	GG_AUTO_RELEASE(key) k = { 0 };
	struct toml *at = root;
	int rc;

	view_skip(&p->in, element ? 2 : 1);
	if ((rc = read_key(p, &k)) != 0)
		return rc;
	if (!view_has_prefix(p->in, element ? "]]" : "]"))
		return toml_wrong(p, "a header without an end");
	view_skip(&p->in, element ? 2 : 1);
	if (k.n == 0 || k.part[k.n - 1] == NULL)
		return toml_wrong(p, "a header without a name");
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
	struct toml_parser p = {
		.file = file, .in = text, .line = 1, .err = err
	};
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
