#include "config/yaml_tree.h"

#include "config/yaml_scalar.h"

#include "base/buf.h"

#include <stdarg.h>
#include <yaml.h>

/* Of one map: looking for a key twice compares them all. */
#define MAX_KEYS 1000

static const char no_tags[] =
    "tags (!) are not allowed; a text that begins with \"!\" needs quotes";
static const char no_aliases[] =
    "aliases (*) are not allowed; a text that begins with \"*\" needs quotes";

struct reader {
	yaml_parser_t parser;
	struct yaml_tree *tree;
	size_t n_nodes;
};

static void
node_release(struct yaml_node *n)
{
	for (size_t i = 0; i < n->n; i++) {
		node_release(&n->item[i]);
		if (n->key != NULL)
			node_release(&n->key[i]);
	}
	free(n->text);
	free(n->item);
	free(n->key);
	*n = (struct yaml_node){ 0 };
}

void
yaml_tree_free(struct yaml_tree *t)
{
	if (t == NULL)
		return;
	node_release(&t->root);
	free(t->file);
	free(t);
}

static int
fail_at(const struct reader *r, size_t line, struct gg_error *err,
    const char *what)
{
	return gg_fail(err, GG_E_INPUT, "%s:%zu: %s", r->tree->file, line + 1,
	    what);
}

int
yaml_fail(const struct yaml_tree *t, const struct yaml_node *at,
    struct gg_error *err, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return gg_fail(err, GG_E_INPUT, "%s:%d: %s", t->file, at->line, text);
}

int
yaml_fail_wrap(const struct yaml_tree *t, const struct yaml_node *at,
    struct gg_error *err, const char *name)
{
	struct gg_error was = { 0 };

	if (err != NULL)
		was = *err;
	return yaml_fail(t, at, err, "%s: %s", name, was.msg);
}

static int
next_event(struct reader *r, yaml_event_t *ev, struct gg_error *err)
{
	const char *what;

	if (yaml_parser_parse(&r->parser, ev))
		return 0;
	if (r->parser.error == YAML_MEMORY_ERROR)
		return gg_fail(err, GG_E_NOMEM, "reading %s", r->tree->file);
	what = r->parser.problem ? r->parser.problem : "not YAML";
	/* globs without quotes: say what to do about it */
	if (r->parser.context != NULL && strstr(r->parser.context, "a tag"))
		what = no_tags;
	if (r->parser.context != NULL && strstr(r->parser.context, "an alias"))
		what = no_aliases;
	return fail_at(r, r->parser.problem_mark.line, err, what);
}

static int
check_anchor_tag(const struct reader *r, const yaml_event_t *ev,
    const yaml_char_t *anchor, const yaml_char_t *tag, struct gg_error *err)
{
	if (anchor != NULL)
		return fail_at(r, ev->start_mark.line, err,
		    "anchors (&) are not allowed");
	if (tag != NULL)
		return fail_at(r, ev->start_mark.line, err, no_tags);
	return 0;
}

static int
read_scalar(const struct reader *r, const yaml_event_t *ev,
    struct yaml_node *out, struct gg_error *err)
{
	const char *p = (const char *)ev->data.scalar.value;
	size_t n = ev->data.scalar.length;
	int rc = check_anchor_tag(r, ev, ev->data.scalar.anchor,
	    ev->data.scalar.tag, err);

	if (rc < 0)
		return rc;
	if (n > 0 && memchr(p, '\0', n) != NULL)
		return fail_at(r, ev->start_mark.line, err,
		    "a NUL character is not allowed");
	out->text = view_dup(view_of(p, n));
	if (out->text == NULL)
		return gg_fail(err, GG_E_NOMEM, "reading %s", r->tree->file);
	out->kind = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ?
	    yaml_scalar_kind(out->text) :
	    NODE_TEXT;
	return 0;
}

/* Room for one more pair (or item); both arrays double together. */
static int
grow(struct reader *r, struct yaml_node *n, struct gg_error *err)
{
	size_t want = n->n ? n->n * 2 : 4;
	struct yaml_node *item, *key;

	if (n->n != 0 && (n->n < 4 || (n->n & (n->n - 1)) != 0))
		return 0;
	item = reallocarray(n->item, want, sizeof(*item));
	if (item == NULL)
		return gg_fail(err, GG_E_NOMEM, "reading %s", r->tree->file);
	n->item = item;
	if (n->kind != NODE_MAP)
		return 0;
	key = reallocarray(n->key, want, sizeof(*key));
	if (key == NULL)
		return gg_fail(err, GG_E_NOMEM, "reading %s", r->tree->file);
	n->key = key;
	return 0;
}

static int read_node(struct reader *r, yaml_event_t *ev, unsigned depth,
    struct yaml_node *out, struct gg_error *err);

static int
read_list(struct reader *r, unsigned depth, struct yaml_node *out,
    struct gg_error *err)
{
	yaml_event_t ev;
	int rc;

	for (;;) {
		if ((rc = next_event(r, &ev, err)) < 0)
			return rc;
		if (ev.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&ev);
			return 0;
		}
		if ((rc = grow(r, out, err)) == 0) {
			out->item[out->n] = (struct yaml_node){ 0 };
			rc = read_node(r, &ev, depth + 1, &out->item[out->n],
			    err);
			out->n++;
		}
		yaml_event_delete(&ev);
		if (rc < 0)
			return rc;
	}
}

static int
check_key(const struct reader *r, const struct yaml_node *map,
    const struct yaml_node *key, struct gg_error *err)
{
	if (key->kind == NODE_MAP || key->kind == NODE_LIST)
		return yaml_fail(r->tree, key, err, "a key must be a word");
	if (map->n > MAX_KEYS)
		return yaml_fail(r->tree, key, err, "too many keys");
	for (size_t i = 0; i + 1 < map->n; i++)
		if (strcmp(map->key[i].text, key->text) == 0)
			return yaml_fail(r->tree, key, err,
			    "key \"%s\" twice (first on line %d)", key->text,
			    map->key[i].line);
	return 0;
}

static int
read_pair(struct reader *r, yaml_event_t *key_ev, unsigned depth,
    struct yaml_node *out, struct gg_error *err)
{
	struct yaml_node *key, *value;
	yaml_event_t ev;
	int rc;

	if ((rc = grow(r, out, err)) < 0)
		return rc;
	key = &out->key[out->n];
	value = &out->item[out->n];
	*key = *value = (struct yaml_node){ 0 };
	out->n++;
	if ((rc = read_node(r, key_ev, depth + 1, key, err)) < 0 ||
	    (rc = check_key(r, out, key, err)) < 0 ||
	    (rc = next_event(r, &ev, err)) < 0)
		return rc;
	rc = read_node(r, &ev, depth + 1, value, err);
	yaml_event_delete(&ev);
	return rc;
}

static int
read_map(struct reader *r, unsigned depth, struct yaml_node *out,
    struct gg_error *err)
{
	yaml_event_t ev;
	int rc;

	for (;;) {
		if ((rc = next_event(r, &ev, err)) < 0)
			return rc;
		if (ev.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&ev);
			return 0;
		}
		rc = read_pair(r, &ev, depth, out, err);
		yaml_event_delete(&ev);
		if (rc < 0)
			return rc;
	}
}

/* The node that begins with ev; ev stays the caller's. */
static int
read_node(struct reader *r, yaml_event_t *ev, unsigned depth,
    struct yaml_node *out, struct gg_error *err)
{
	size_t line = ev->start_mark.line;
	int rc;

	out->line = (int)line + 1;
	if (depth > YAML_TREE_MAX_DEPTH)
		return fail_at(r, line, err, "nested too deeply");
	if (++r->n_nodes > YAML_TREE_MAX_NODES)
		return fail_at(r, line, err, "too many entries in one file");
	if (ev->type == YAML_SCALAR_EVENT)
		return read_scalar(r, ev, out, err);
	if (ev->type == YAML_SEQUENCE_START_EVENT) {
		out->kind = NODE_LIST;
		rc = check_anchor_tag(r, ev, ev->data.sequence_start.anchor,
		    ev->data.sequence_start.tag, err);
		return rc < 0 ? rc : read_list(r, depth, out, err);
	}
	if (ev->type == YAML_MAPPING_START_EVENT) {
		out->kind = NODE_MAP;
		rc = check_anchor_tag(r, ev, ev->data.mapping_start.anchor,
		    ev->data.mapping_start.tag, err);
		return rc < 0 ? rc : read_map(r, depth, out, err);
	}
	return fail_at(r, line, err, no_aliases);
}

static int
read_stream(struct reader *r, struct gg_error *err)
{
	bool have_root = false;

	for (;;) {
		yaml_event_t ev;
		yaml_event_type_t type;
		size_t line;
		int rc = next_event(r, &ev, err);

		if (rc < 0)
			return rc;
		type = ev.type;
		line = ev.start_mark.line;
		if (type == YAML_DOCUMENT_START_EVENT && have_root)
			rc = fail_at(r, line, err, "a second document");
		else if (type == YAML_SCALAR_EVENT ||
		    type == YAML_ALIAS_EVENT ||
		    type == YAML_SEQUENCE_START_EVENT ||
		    type == YAML_MAPPING_START_EVENT) {
			rc = read_node(r, &ev, 1, &r->tree->root, err);
			have_root = true;
		}
		yaml_event_delete(&ev);
		if (rc < 0 || type == YAML_STREAM_END_EVENT ||
		    type == YAML_NO_EVENT)
			return rc;
	}
}

int
yaml_tree_parse(struct view text, const char *file, struct yaml_tree **out,
    struct gg_error *err)
{
	GG_AUTO(yaml_tree) t = calloc(1, sizeof(*t));
	struct reader r = { .tree = t };
	int rc;

	if (t == NULL || (t->file = strdup(file)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "reading %s", file);
	t->root = (struct yaml_node){ .kind = NODE_MAP, .line = 1 };
	if (text.n > YAML_TREE_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "%s:1: larger than 1 MiB",
		    file);
	if (!yaml_parser_initialize(&r.parser))
		return gg_fail(err, GG_E_NOMEM, "reading %s", file);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser,
	    (const unsigned char *)(text.n ? text.p : ""), text.n);
	rc = read_stream(&r, err);
	yaml_parser_delete(&r.parser);
	if (rc < 0)
		return rc;
	if (t->root.kind == NODE_NULL) {
		node_release(&t->root);
		t->root = (struct yaml_node){ .kind = NODE_MAP, .line = 1 };
	}
	*out = gg_take(t);
	return 0;
}
