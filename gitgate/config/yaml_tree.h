/*
 * A YAML (or JSON) file as a tree of nodes that know their line. Strict:
 * one document, UTF-8, no anchors, aliases or tags, no key twice; size,
 * depth and number of nodes are bounded. Used for gitgate.yaml and policy.
 *
 * Every complaint is GG_E_INPUT with "file:line: what is wrong".
 */
#ifndef GITGATE_CONFIG_YAML_TREE_H
#define GITGATE_CONFIG_YAML_TREE_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

#define YAML_TREE_MAX_BYTES ((size_t)1024 * 1024)
#define YAML_TREE_MAX_DEPTH 16
#define YAML_TREE_MAX_NODES 100000

enum node_kind {
	NODE_NULL,  /* nothing, ~ or null */
	NODE_BOOL,  /* true or false */
	NODE_INT,   /* decimal digits, maybe with a sign */
	NODE_TEXT,  /* in quotes, or plain and not like anything else here */
	NODE_OTHER, /* plain, and some readers take it for a number, a time or a
	               boolean ("1.5", "yes", "2026-01-01"): needs quotes */
	NODE_LIST,
	NODE_MAP,
};

struct yaml_node {
	enum node_kind kind;
	int line;               /* from 1 */
	char *text;             /* scalars; without NUL inside */
	struct yaml_node *item; /* n items of a list, or n values of a map */
	struct yaml_node *key;  /* n keys of a map: scalars */
	size_t n;
};

struct yaml_tree {
	char *file; /* for messages */
	struct yaml_node root;
};

/* A text without a document is an empty map. */
GG_MUST_USE int yaml_tree_parse(struct view text, const char *file,
    struct yaml_tree **out, struct gg_error *err);
void yaml_tree_free(struct yaml_tree *t);
GG_DEFINE_AUTO(yaml_tree);

/* Record "file:line: ..." and yield GG_E_INPUT. */
int yaml_fail(const struct yaml_tree *t, const struct yaml_node *at,
    struct gg_error *err, const char *fmt, ...)
    __attribute__((cold, format(printf, 4, 5)));
/* Turn the message err holds into one with "file:line: name: " before it. */
int yaml_fail_wrap(const struct yaml_tree *t, const struct yaml_node *at,
    struct gg_error *err, const char *name) __attribute__((cold));

/* The value of a key, or NULL; borrowed. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *name);
/*
 * Is it a map, with no keys but these (NULL ends them)? what names the thing
 * for the message.
 */
GG_MUST_USE int
yaml_check_keys(const struct yaml_tree *t, const struct yaml_node *map,
    const char *what, const char *const *names, struct gg_error *err);

/*
 * Typed values. Each takes the value of key name in map; where the key is
 * not there the output is left alone and 0 is returned.
 */
/* Not empty, no control characters; *out is freed and replaced. */
GG_MUST_USE int
yaml_take_text(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, char **out, struct gg_error *err);
GG_MUST_USE int
yaml_take_bool(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, bool *out, struct gg_error *err);
GG_MUST_USE int yaml_take_u64(const struct yaml_tree *t,
    const struct yaml_node *map, const char *name, uint64_t min, uint64_t max,
    uint64_t *out, struct gg_error *err);
/* "90s": at most 9 digits and a unit. */
GG_MUST_USE int
yaml_take_duration(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, int64_t *ms, struct gg_error *err);
/* A list of texts; added to out. */
GG_MUST_USE int
yaml_take_list(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err);
/* As above with the one word that is meant, from words (NULL ends them);
 * *out is its index. */
GG_MUST_USE int yaml_take_word(const struct yaml_tree *t,
    const struct yaml_node *map, const char *name, const char *const *words,
    unsigned *out, struct gg_error *err);
/* Is the scalar a text that is not empty and has no control characters? */
GG_MUST_USE int yaml_check_text(const struct yaml_tree *t,
    const struct yaml_node *at, const char *name, struct gg_error *err);

#endif
