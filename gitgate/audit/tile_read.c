/*
 * Proofs from tiles. A hash that a proof needs lies in one tile,
 * or is made of at most 128 of its hashes; a proof needs at most 64 hashes, so
 * what one costs grows with the logarithm of the log only.
 */
#include "audit/tile_read.h"

/* Cut a bundle to its first n entries; more must not be there if !may_cut. */
static int
cut_bundle(struct buf *b, unsigned n, bool may_cut, struct gg_error *err)
{
	struct view rest = buf_view(b), entry;
	int rc;

	for (unsigned i = 0; i < n; i++) {
		if ((rc = tile_next_entry(&rest, &entry, err)) < 0)
			return rc;
		if (rc == 0)
			return gg_fail(err, GG_E_CORRUPT,
			    "it has %u entries and not %u", i, n);
	}
	if (rest.n > 0 && !may_cut)
		return gg_fail(err, GG_E_CORRUPT, "it has more than %u entries",
		    n);
	b->n -= rest.n;
	return 0;
}

static int
check_tile(const struct tile *t, bool may_cut, struct buf *b,
    struct gg_error *err)
{
	size_t want = (size_t)t->width * MERKLE_HASH_BYTES;

	if (t->is_bundle)
		return cut_bundle(b, t->width, may_cut, err);
	if (b->n != (may_cut ? (size_t)TILE_BYTES : want))
		return gg_fail(err, GG_E_CORRUPT,
		    "it has %zu bytes and not %zu", b->n, want);
	b->n = want;
	return 0;
}

int
tile_fetch(tile_source fetch, void *ctx, const struct tile *want,
    struct buf *out, struct gg_error *err)
{
	struct tile full = *want;
	char path[TILE_PATH_SIZE];
	bool may_cut = false;
	int rc;

	tile_path(want, path);
	buf_clear(out);
	rc = fetch(ctx, path, out, err);
	if (rc == GG_E_NOTFOUND && want->width < TILE_WIDTH) {
		full.width = TILE_WIDTH;
		tile_path(&full, path);
		buf_clear(out);
		may_cut = fetch(ctx, path, out, NULL) == 0;
		rc = may_cut ? 0 : GG_E_NOTFOUND;
		tile_path(may_cut ? &full : want, path);
	}
	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_CORRUPT, "%s is missing", path);
	if (rc == GG_E_LIMIT)
		return gg_fail(err, GG_E_CORRUPT, "%s is too long", path);
	if (rc != 0)
		return gg_wrap(err, rc, "%s", path);
	if ((rc = check_tile(want, may_cut, out, err)) != 0)
		return gg_wrap(err, rc, "%s", path);
	return 0;
}

/* The tiles of a log of size entries, and the one that was read last. */
struct tiles {
	tile_source fetch;
	void *ctx;
	uint64_t size;
	bool has_last;
	struct tile last;
	struct buf bytes;
};
static void
tiles_release(struct tiles *t)
{
	buf_release(&t->bytes);
}
GG_DEFINE_AUTO_RELEASE(tiles);

static int
read_tile(struct tiles *t, unsigned level, uint64_t n, struct gg_error *err)
{
	struct tile want = { .level = level, .n = n, .width = TILE_WIDTH };
	int rc;

	if (n == tile_full_count(level, t->size))
		want.width = tile_partial_width(level, t->size);
	if (want.width == 0 || n > tile_full_count(level, t->size))
		return gg_fail(err, GG_E_INPUT, "the log has no such hash");
	if (t->has_last && t->last.level == level && t->last.n == n)
		return 0;
	t->has_last = false;
	rc = tile_fetch(t->fetch, t->ctx, &want, &t->bytes, err);
	if (rc != 0)
		return rc;
	t->has_last = true;
	t->last = want;
	return 0;
}

/* A merkle_reader. */
static int
read_hash(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out,
    struct gg_error *err)
{
	struct merkle_hash part[TILE_WIDTH];
	unsigned up = level / 8, count = 1U << level % 8;
	uint64_t first = index << level % 8;
	size_t at = (size_t)(first % TILE_WIDTH);
	struct tiles *t = ctx;
	int rc;

	if ((rc = read_tile(t, up, first / TILE_WIDTH, err)) != 0)
		return rc;
	if ((at + count) * MERKLE_HASH_BYTES > t->bytes.n)
		return gg_fail(err, GG_E_INPUT, "the log has no such hash");
	memcpy(part, t->bytes.p + at * MERKLE_HASH_BYTES,
	    count * MERKLE_HASH_BYTES);
	merkle_complete_root(part, count, out);
	return 0;
}

int
tile_prove_inclusion(tile_source fetch, void *ctx, uint64_t index,
    uint64_t size, struct merkle_proof *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tiles) t = { .fetch = fetch, .ctx = ctx, .size = size };

	buf_init(&t.bytes, TILE_BYTES + 1);
	return merkle_prove_inclusion(read_hash, &t, index, size, out, err);
}

int
tile_prove_consistency(tile_source fetch, void *ctx, uint64_t old_size,
    uint64_t size, struct merkle_proof *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tiles) t = { .fetch = fetch, .ctx = ctx, .size = size };

	buf_init(&t.bytes, TILE_BYTES + 1);
	return merkle_prove_consistency(read_hash, &t, old_size, size, out,
	    err);
}

int
tile_root_at(tile_source fetch, void *ctx, uint64_t at, uint64_t size,
    struct merkle_hash *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tiles) t = { .fetch = fetch, .ctx = ctx, .size = size };

	if (at > size)
		return gg_fail(err, GG_E_INPUT, "the log is not so long");
	buf_init(&t.bytes, TILE_BYTES + 1);
	return merkle_root_at(read_hash, &t, at, out, err);
}
