/*
 * Merkle trees as in RFC 6962 section 2.1: leaf = SHA-256(00 || entry),
 * node = SHA-256(01 || left || right), split at the largest power of two
 * below the size; the root of an empty tree is SHA-256 of nothing.
 */
#ifndef GITGATE_AUDIT_MERKLE_H
#define GITGATE_AUDIT_MERKLE_H

#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

#define MERKLE_HASH_BYTES 32
/* Sizes of trees stay below 2^63, so that no proof is longer. */
#define MERKLE_SIZE_MAX  ((uint64_t)1 << 63)
#define MERKLE_PROOF_MAX 64

struct merkle_hash {
	unsigned char b[MERKLE_HASH_BYTES];
};

struct merkle_proof {
	struct merkle_hash h[MERKLE_PROOF_MAX];
	size_t n;
};

void merkle_leaf(struct view entry, struct merkle_hash *out);
void merkle_node(const struct merkle_hash *left,
    const struct merkle_hash *right, struct merkle_hash *out);
bool merkle_hash_eq(const struct merkle_hash *a, const struct merkle_hash *b);

/*
 * A growing tree by its right edge: edge[b] is the root of the complete
 * subtree of 2^b leaves, valid where bit b of size is set. Start from zero.
 */
struct merkle_tree {
	uint64_t size;
	struct merkle_hash edge[64];
};

/* Add one leaf hash; dies past MERKLE_SIZE_MAX. */
void merkle_tree_add(struct merkle_tree *t, const struct merkle_hash *leaf);
/*
 * Put the n (0..255) rightmost roots of complete subtrees of 2^level leaves,
 * n << level leaves in all, into a tree that has none of that size yet. How a
 * tree is rebuilt from the partial tiles of its right edge.
 */
void merkle_tree_graft(struct merkle_tree *t, unsigned level,
    const struct merkle_hash *h, size_t n);
void merkle_tree_root(const struct merkle_tree *t, struct merkle_hash *out);
/* Root of exactly n = 2^k hashes taken as leaves already hashed. */
void merkle_complete_root(const struct merkle_hash *h, size_t n,
    struct merkle_hash *out);

/*
 * How a proof maker reads the log: the root of the complete subtree of
 * 2^level leaves that begins at leaf index << level. 0 or an error, which is
 * handed on.
 */
typedef int (*merkle_reader)(void *ctx, unsigned level, uint64_t index,
    struct merkle_hash *out, struct gg_error *err);

/* Root of the first size leaves. */
GG_MUST_USE int merkle_root_at(merkle_reader read, void *ctx, uint64_t size,
    struct merkle_hash *out, struct gg_error *err);
/* That leaf index is in the tree of size leaves. GG_E_INPUT: it is not. */
GG_MUST_USE int
merkle_prove_inclusion(merkle_reader read, void *ctx, uint64_t index,
    uint64_t size, struct merkle_proof *out, struct gg_error *err);
/* That the tree of old_size leaves is the beginning of that of size. */
GG_MUST_USE int
merkle_prove_consistency(merkle_reader read, void *ctx, uint64_t old_size,
    uint64_t size, struct merkle_proof *out, struct gg_error *err);

/* True only when the proof holds, with no hash left over. */
bool merkle_verify_inclusion(const struct merkle_hash *leaf, uint64_t index,
    uint64_t size, const struct merkle_proof *proof,
    const struct merkle_hash *root);
/* An old size of 0 is consistent with everything and needs no hashes. */
bool merkle_verify_consistency(uint64_t old_size,
    const struct merkle_hash *old_root, uint64_t size,
    const struct merkle_hash *root, const struct merkle_proof *proof);

#endif
