/*
 * C2SP tlog-tiles: where the hashes and entries of a log lie. Level 0 holds
 * leaf hashes; a hash of level l+1 is the root of a full tile of level l.
 */
#ifndef GITGATE_AUDIT_TILE_H
#define GITGATE_AUDIT_TILE_H

#include "audit/merkle.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

#define TILE_WIDTH            256
#define TILE_BYTES            (TILE_WIDTH * MERKLE_HASH_BYTES)
#define TILE_LEVELS           8 /* as many as a log below 2^63 entries has */
#define TILE_PATH_SIZE        64
#define TILE_ENTRY_MAX_BYTES  65535
#define TILE_BUNDLE_MAX_BYTES (TILE_WIDTH * (2 + TILE_ENTRY_MAX_BYTES))

struct tile {
	bool is_bundle; /* tile/entries/...: then level is 0 */
	unsigned level;
	uint64_t n;
	unsigned width; /* 1..256; 256 is a full tile */
};

/* "tile/0/x001/067.p/44" into out. Dies on a width out of range. */
void tile_path(const struct tile *t, char out[TILE_PATH_SIZE]);
/* The inverse, exactly that form. 0 or GG_E_INPUT. */
GG_MUST_USE int
tile_path_parse(struct view path, struct tile *out, struct gg_error *err);

/* In a log of size entries: full tiles of a level, width of the partial one
 * behind them (0: there is none). */
uint64_t tile_full_count(unsigned level, uint64_t size);
unsigned tile_partial_width(unsigned level, uint64_t size);

/*
 * Cut the next entry (u16 big-endian length, bytes) off a bundle. 1: *entry
 * borrows from it; 0: it is empty; GG_E_CORRUPT: it ends too early.
 */
GG_MUST_USE int
tile_next_entry(struct view *bundle, struct view *entry, struct gg_error *err);

#endif
