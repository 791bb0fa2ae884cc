/*
 * When does a merge need no look at a path? docs/inspection.md, "The merge
 * rule", has the truth table; tests/unit/test_merge_rule.c proves every row.
 */
#ifndef GITGATE_PACK_MERGE_RULE_H
#define GITGATE_PACK_MERGE_RULE_H

#include "model/oid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one tree holds at a path: mode 0 is nothing. */
struct tree_value {
	uint32_t mode;
	struct oid oid;
};

static inline bool
tree_value_eq(const struct tree_value *a, const struct tree_value *b)
{
	return a->mode == b->mode && (a->mode == 0 || oid_eq(&a->oid, &b->oid));
}

enum {
	MERGE_PARENTS_MAX = 8, /* beyond: bases are not looked for */
	MERGE_BASES_MAX = 32,  /* over all pairs of parents */
	MERGE_VALUES_MAX = 1 + MERGE_PARENTS_MAX + MERGE_BASES_MAX,
};

/* A merge base of two of the parents. */
struct merge_base {
	uint32_t one, two; /* parents, from 0 */
};

/*
 * Values stand in this order: the result, the parents, the bases. A pair of
 * parents without any base has the empty tree as its base, unless `blind`:
 * then the bases are unknown, and only agreement of all parents explains.
 */
struct merge_rule {
	size_t n_parents; /* at least 1 */
	size_t n_bases;
	struct merge_base bases[MERGE_BASES_MAX];
	bool blind;
};

static inline size_t
merge_rule_values(const struct merge_rule *r)
{
	return 1 + r->n_parents + r->n_bases;
}

/*
 * Does the trivial merge of the parents give the result? Holds for a whole
 * subtree when it holds for the ids of the trees.
 */
bool merge_explains(const struct merge_rule *r, const struct tree_value *v);

/* Which parent's value the result is best compared with, for people: an
 * index into values. */
size_t merge_old_side(const struct merge_rule *r, const struct tree_value *v);

#endif
