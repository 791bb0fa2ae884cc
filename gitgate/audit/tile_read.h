/* Reading a log's tiles from wherever they are, and proofs from them. */
#ifndef GITGATE_AUDIT_TILE_READ_H
#define GITGATE_AUDIT_TILE_READ_H

#include "audit/tile.h"
#include "base/buf.h"

/*
 * How a path below a log is read (files or HTTP): appended to out. 0,
 * GG_E_NOTFOUND, GG_E_LIMIT where out is full, or another error.
 */
typedef int (*tile_source)(void *ctx, const char *path, struct buf *out,
    struct gg_error *err);

/*
 * Read a tile or bundle (full: width 256) by fetch into out, which is cleared
 * first; where a partial one is gone the full one is cut to its width. Sizes
 * and numbers are checked. GG_E_CORRUPT names the file.
 */
GG_MUST_USE int tile_fetch(tile_source fetch, void *ctx,
    const struct tile *want, struct buf *out, struct gg_error *err);

/*
 * Proofs from the tiles of a log that once published a checkpoint of size
 * entries: that entry index is in the tree of size entries; that the tree of
 * old_size is its beginning. GG_E_INPUT: they do not fit each other;
 * GG_E_CORRUPT names a bad tile. The hashes are as the tiles have them: verify
 * before relying on them.
 */
GG_MUST_USE int
tile_prove_inclusion(tile_source fetch, void *ctx, uint64_t index,
    uint64_t size, struct merkle_proof *out, struct gg_error *err);
GG_MUST_USE int
tile_prove_consistency(tile_source fetch, void *ctx, uint64_t old_size,
    uint64_t size, struct merkle_proof *out, struct gg_error *err);
/* The root of the first `at` entries, as those tiles have it. */
GG_MUST_USE int tile_root_at(tile_source fetch, void *ctx, uint64_t at,
    uint64_t size, struct merkle_hash *out, struct gg_error *err);

#endif
