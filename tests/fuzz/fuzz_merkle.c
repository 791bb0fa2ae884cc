/*
 * Proofs. The input is a size, a place, and bytes that spoil a good proof.
 * Oracle: a proof we make is accepted; any change to it is not, nor is it
 * accepted for another root.
 */
#include "audit/merkle.h"
#include "fuzz.h"

#include <string.h>

#define LEAVES 256

static int
read_subtree(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out,
    struct gg_error *err)
{
	const struct merkle_hash *h = ctx;

	(void)err;
	FUZZ_CHECK(((index + 1) << level) <= LEAVES);
	merkle_complete_root(&h[index << level], (size_t)1 << level, out);
	return 0;
}

/* Flip bits of the proof as the input says; true if it differs now. */
static bool
spoil(struct merkle_proof *p, const uint8_t *data, size_t size)
{
	struct merkle_proof was = *p;

	if (size > 0 && p->n < MERKLE_PROOF_MAX)
		p->n = (p->n + (data[0] & 3)) % (MERKLE_PROOF_MAX + 1);
	for (size_t i = 1; i + 1 < size && p->n > 0; i += 2)
		p->h[data[i] % p->n].b[data[i] & 31] ^= data[i + 1];
	return p->n != was.n || memcmp(p->h, was.h, sizeof(p->h)) != 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct merkle_hash leaves[LEAVES];
	static bool is_ready;
	struct merkle_proof in = { 0 }, con = { 0 };
	struct merkle_hash root, old;
	uint64_t n, at;

	for (uint64_t i = 0; !is_ready && i < LEAVES; i++)
		merkle_leaf(view_of(&i, sizeof(i)), &leaves[i]);
	is_ready = true;
	if (size < 2)
		return 0;
	n = (uint64_t)data[0] + 1;
	at = data[1] % n;
	FUZZ_CHECK(merkle_root_at(read_subtree, leaves, n, &root, NULL) == 0);
	FUZZ_CHECK(merkle_root_at(read_subtree, leaves, at, &old, NULL) == 0);
	FUZZ_CHECK(merkle_prove_inclusion(read_subtree, leaves, at, n, &in,
		       NULL) == 0);
	FUZZ_CHECK(merkle_prove_consistency(read_subtree, leaves, at, n, &con,
		       NULL) == 0);
	FUZZ_CHECK(merkle_verify_inclusion(&leaves[at], at, n, &in, &root));
	FUZZ_CHECK(merkle_verify_consistency(at, &old, n, &root, &con));
	if (spoil(&in, data + 2, size - 2))
		FUZZ_CHECK(!merkle_verify_inclusion(&leaves[at], at, n, &in,
		    &root));
	if (spoil(&con, data + 2, size - 2))
		FUZZ_CHECK(!merkle_verify_consistency(at, &old, n, &root,
		    &con));
	root.b[data[1] & 31] ^= 1;
	FUZZ_CHECK(!merkle_verify_inclusion(&leaves[at], at, n, &in, &root));
	return 0;
}
