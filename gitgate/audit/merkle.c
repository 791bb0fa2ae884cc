#include "audit/merkle.h"

#include "crypto/digest.h"

void
merkle_leaf(struct view entry, struct merkle_hash *out)
{
	GG_AUTO(digest_ctx) d = digest_ctx_new();

	digest_ctx_update(d, "\x00", 1);
	digest_ctx_update(d, entry.p, entry.n);
	digest_ctx_final(d, out->b);
}

void
merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
    struct merkle_hash *out)
{
	unsigned char both[1 + 2 * MERKLE_HASH_BYTES] = { 1 };

	memcpy(both + 1, left->b, MERKLE_HASH_BYTES);
	memcpy(both + 1 + MERKLE_HASH_BYTES, right->b, MERKLE_HASH_BYTES);
	digest_sha256(both, sizeof(both), out->b);
}

bool
merkle_hash_eq(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return memcmp(a->b, b->b, MERKLE_HASH_BYTES) == 0;
}

/* Like adding one to a binary counter: equal halves join and carry. */
static void
add_at(struct merkle_tree *t, unsigned bit, const struct merkle_hash *h)
{
	struct merkle_hash acc = *h;
	uint64_t one = (uint64_t)1 << bit;

	if (t->size > MERKLE_SIZE_MAX - one)
		gg_die("merkle tree is full");
	for (; (t->size >> bit & 1) != 0; bit++)
		merkle_node(&t->edge[bit], &acc, &acc);
	t->edge[bit] = acc;
	t->size += one;
}

void
merkle_tree_add(struct merkle_tree *t, const struct merkle_hash *leaf)
{
	add_at(t, 0, leaf);
}

void
merkle_tree_graft(struct merkle_tree *t, unsigned level,
    const struct merkle_hash *h, size_t n)
{
	struct merkle_tree part = { 0 };

	if (level >= 63 || n > 255 || (t->size >> level & 255) != 0)
		gg_die("merkle graft out of order");
	for (size_t i = 0; i < n; i++)
		add_at(&part, 0, &h[i]);
	for (unsigned b = 0; b < 8; b++)
		if ((part.size >> b & 1) != 0)
			t->edge[level + b] = part.edge[b];
	t->size += (uint64_t)n << level;
}

void
merkle_tree_root(const struct merkle_tree *t, struct merkle_hash *out)
{
	struct merkle_hash acc = { 0 };
	bool first = true;

	if (t->size == 0) {
		digest_sha256("", 0, out->b);
		return;
	}
	for (unsigned b = 0; b < 64; b++) {
		if ((t->size >> b & 1) == 0)
			continue;
		if (first)
			acc = t->edge[b];
		else
			merkle_node(&t->edge[b], &acc, &acc);
		first = false;
	}
	*out = acc;
}

void
merkle_complete_root(const struct merkle_hash *h, size_t n,
    struct merkle_hash *out)
{
	struct merkle_tree t = { 0 };

	if (n == 0 || (n & (n - 1)) != 0)
		gg_die("merkle: %zu is no power of two", n);
	for (size_t i = 0; i < n; i++)
		add_at(&t, 0, &h[i]);
	merkle_tree_root(&t, out);
}

/* The largest power of two below n (n >= 2), as its exponent. */
static unsigned
split_bit(uint64_t n)
{
	return 63 - (unsigned)__builtin_clzll(n - 1);
}

/*
 * Root of the leaves [first, first + n): complete subtrees from the left,
 * joined from the right. first is a multiple of every one of their sizes.
 */
static int
range_root(merkle_reader read, void *ctx, uint64_t first, uint64_t n,
    struct merkle_hash *out, struct gg_error *err)
{
	struct merkle_hash part[64], acc;
	size_t n_parts = 0;
	int rc;

	for (unsigned b = 64; b-- > 0;) {
		if ((n >> b & 1) == 0)
			continue;
		rc = read(ctx, b, first >> b, &part[n_parts++], err);
		if (rc != 0)
			return rc;
		first += (uint64_t)1 << b;
	}
	if (n_parts == 0) {
		digest_sha256("", 0, out->b);
		return 0;
	}
	acc = part[--n_parts];
	while (n_parts > 0)
		merkle_node(&part[--n_parts], &acc, &acc);
	*out = acc;
	return 0;
}

int
merkle_root_at(merkle_reader read, void *ctx, uint64_t size,
    struct merkle_hash *out, struct gg_error *err)
{
	struct merkle_hash root;
	int rc;

	if (size > MERKLE_SIZE_MAX)
		return gg_fail(err, GG_E_INPUT, "tree size out of range");
	if ((rc = range_root(read, ctx, 0, size, &root, err)) == 0)
		*out = root;
	return rc;
}

/* What the way down leaves aside, deepest last; turned around at the end. */
struct aside {
	uint64_t first, n;
};

static int
read_asides(merkle_reader read, void *ctx, const struct aside *a, size_t n,
    struct merkle_proof *out, struct gg_error *err)
{
	struct merkle_proof p = { 0 };
	int rc;

	while (n-- > 0) {
		rc = range_root(read, ctx, a[n].first, a[n].n, &p.h[p.n++],
		    err);
		if (rc != 0)
			return rc;
	}
	*out = p;
	return 0;
}

/* Step down from [*first, +*n) to the half that holds (right) or not. */
static struct aside
step_down(uint64_t *first, uint64_t *n, bool right)
{
	uint64_t half = (uint64_t)1 << split_bit(*n);
	struct aside a;

	if (right) {
		a = (struct aside){ *first, half };
		*first += half;
		*n -= half;
	} else {
		a = (struct aside){ *first + half, *n - half };
		*n = half;
	}
	return a;
}

int
merkle_prove_inclusion(merkle_reader read, void *ctx, uint64_t index,
    uint64_t size, struct merkle_proof *out, struct gg_error *err)
{
	struct aside a[MERKLE_PROOF_MAX];
	uint64_t first = 0, n = size;
	size_t n_aside = 0;

	if (size > MERKLE_SIZE_MAX || index >= size)
		return gg_fail(err, GG_E_INPUT,
		    "entry %llu is not in a log of %llu entries",
		    (unsigned long long)index, (unsigned long long)size);
	while (n > 1) {
		uint64_t half = (uint64_t)1 << split_bit(n);

		a[n_aside++] = step_down(&first, &n, index - first >= half);
	}
	return read_asides(read, ctx, a, n_aside, out, err);
}

/* RFC 6962 section 2.1.2: SUBPROOF with its flag as "whole". */
int
merkle_prove_consistency(merkle_reader read, void *ctx, uint64_t old_size,
    uint64_t size, struct merkle_proof *out, struct gg_error *err)
{
	struct aside a[MERKLE_PROOF_MAX + 1];
	uint64_t first = 0, n = size, m = old_size;
	size_t n_aside = 0;
	bool whole = true;

	if (size > MERKLE_SIZE_MAX || old_size > size)
		return gg_fail(err, GG_E_INPUT,
		    "a log of %llu entries has no beginning of %llu",
		    (unsigned long long)size, (unsigned long long)old_size);
	if (old_size == 0 || old_size == size) {
		out->n = 0;
		return 0;
	}
	while (m < n) {
		uint64_t half = (uint64_t)1 << split_bit(n);

		bool right = m > half;

		if (right) {
			m -= half;
			whole = false;
		}
		a[n_aside++] = step_down(&first, &n, right);
	}
	if (!whole)
		a[n_aside++] = (struct aside){ first, n };
	return read_asides(read, ctx, a, n_aside, out, err);
}

bool
merkle_verify_inclusion(const struct merkle_hash *leaf, uint64_t index,
    uint64_t size, const struct merkle_proof *proof,
    const struct merkle_hash *root)
{
	struct merkle_hash acc = *leaf;
	uint64_t fn = index, sn = size - 1;

	if (size == 0 || index >= size || size > MERKLE_SIZE_MAX ||
	    proof->n > MERKLE_PROOF_MAX)
		return false;
	for (size_t i = 0; i < proof->n; i++) {
		if (sn == 0)
			return false;
		if ((fn & 1) != 0 || fn == sn) {
			merkle_node(&proof->h[i], &acc, &acc);
			for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(&acc, &proof->h[i], &acc);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && merkle_hash_eq(&acc, root);
}

/* RFC 9162 section 2.1.4.2, after the simple cases. */
static bool
verify_grown(uint64_t old_size, const struct merkle_hash *old_root,
    uint64_t size, const struct merkle_hash *root,
    const struct merkle_proof *proof)
{
	uint64_t fn = old_size - 1, sn = size - 1;
	bool is_power = (old_size & (old_size - 1)) == 0;
	struct merkle_hash fr, sr;

	for (; (fn & 1) != 0; fn >>= 1)
		sn >>= 1;
	fr = sr = is_power ? *old_root : proof->h[0];
	for (size_t i = is_power ? 0 : 1; i < proof->n; i++) {
		const struct merkle_hash *c = &proof->h[i];

		if (sn == 0)
			return false;
		if ((fn & 1) != 0 || fn == sn) {
			merkle_node(c, &fr, &fr);
			merkle_node(c, &sr, &sr);
			for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(&sr, c, &sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && merkle_hash_eq(&fr, old_root) &&
	    merkle_hash_eq(&sr, root);
}

bool
merkle_verify_consistency(uint64_t old_size, const struct merkle_hash *old_root,
    uint64_t size, const struct merkle_hash *root,
    const struct merkle_proof *proof)
{
	if (old_size > size || size > MERKLE_SIZE_MAX ||
	    proof->n > MERKLE_PROOF_MAX)
		return false;
	if (old_size == 0) {
		struct merkle_hash empty;

		digest_sha256("", 0, empty.b);
		return proof->n == 0 && merkle_hash_eq(old_root, &empty);
	}
	if (old_size == size)
		return proof->n == 0 && merkle_hash_eq(old_root, root);
	return proof->n > 0 &&
	    verify_grown(old_size, old_root, size, root, proof);
}
