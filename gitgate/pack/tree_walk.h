/*
 * Several trees side by side, entry by entry, descending only where they
 * differ in a way that matters to the caller. Unlike git_diff_tree_to_tree()
 * it never opens a subtree that is the same everywhere.
 *
 * A path is a leaf: where one tree has a file `a` and another a directory
 * `a/` with `b` in it, the leaf `a` and the leaf `a/b` differ.
 */
#ifndef GITGATE_PACK_TREE_WALK_H
#define GITGATE_PACK_TREE_WALK_H

#include "base/error.h"
#include "base/view.h"
#include "pack/merge_rule.h"
#include "pack/objects.h"

#include <stdint.h>

struct tree_walk {
	struct objects *objects;
	uint64_t path_bytes, tree_depth; /* limits */
	uint64_t *entries_left;          /* of the whole inspection */
	size_t n;                        /* trees, 1..MERGE_VALUES_MAX */
	/* Nothing to see in these n values (leaves, or trees)? */
	bool (*same)(void *ctx, const struct tree_value *v);
	/* A leaf that is not the same. path is borrowed. Non-zero ends. */
	int (*leaf)(void *ctx, struct view path, const struct tree_value *v,
	    struct gg_error *err);
	void *ctx;
};

/* For `same`, of two trees: equal in mode and id. ctx is not looked at. */
bool tree_walk_pair_is_same(void *ctx, const struct tree_value *v);

/*
 * roots: n ids of trees, zero for an empty one. 0; GG_E_LIMIT with *limit
 * set ("walk-entries", "tree-depth", "path-length"); what leaf() returned;
 * as objects_read().
 */
GG_MUST_USE int tree_walk(const struct tree_walk *w, const struct oid *roots,
    const char **limit, struct gg_error *err);

/*
 * A tree's entries in git's order (an old tree may be out of it). entries
 * are the caller's; their names lie in obj.
 */
struct tree_list {
	struct object obj;
	struct tree_entry *v;
	size_t n;
};
void tree_list_release(struct tree_list *t);
GG_DEFINE_AUTO_RELEASE(tree_list);
GG_MUST_USE int tree_list_read(struct objects *o, const struct oid *oid,
    uint64_t max_entries, struct tree_list *out, struct gg_error *err);

#endif
