/*
 * A large blob, piece by piece: what lies whole in the push's pack is
 * inflated as it is read; a delta has to be put together in memory.
 */
#ifndef GITGATE_PACK_BLOB_STREAM_H
#define GITGATE_PACK_BLOB_STREAM_H

#include "base/error.h"
#include "base/view.h"
#include "pack/objects.h"

typedef int (*blob_piece)(void *ctx, struct view piece, struct gg_error *err);

/*
 * pack_fd: the pack file; i: the object's place in its index, which is a blob
 * of size bytes. What piece() returns ends it. GG_E_CORRUPT.
 */
GG_MUST_USE int blob_stream(struct objects *o, int pack_fd, uint32_t i,
    uint64_t size, blob_piece piece, void *ctx, struct gg_error *err);

#endif
