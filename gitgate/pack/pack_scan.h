/*
 * A first look at a pack as it streams in, in constant memory, before any
 * other code sees the bytes (gitformat-pack(5), version 2).
 *
 * Checked: the header, the number of entries, each entry's type and
 * announced size, that it inflates to exactly that size, that the base of an
 * offset delta is an earlier entry, what a delta announces as its result,
 * the depth of chains of offset deltas, and that nothing follows the
 * trailer. Not checked: the trailer's hash and the objects themselves; that
 * is index-pack's work.
 */
#ifndef GITGATE_PACK_PACK_SCAN_H
#define GITGATE_PACK_PACK_SCAN_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"
#include "model/job.h"

#include <stdint.h>

struct pack_scan;

/* limits is copied. NULL without memory. */
struct pack_scan *pack_scan_new(const struct job_limits *limits);
void pack_scan_free(struct pack_scan *s);
GG_DEFINE_AUTO(pack_scan);

/*
 * The next bytes, cut anywhere. 0; GG_E_PEER: malformed; GG_E_LIMIT: *limit
 * is the limit's key (a constant); GG_E_NOMEM. After a failure the scanner
 * is of no further use.
 */
GG_MUST_USE int pack_scan_feed(struct pack_scan *s, struct view piece,
    const char **limit, struct gg_error *err);
/* 0 when a whole pack was seen, else GG_E_PEER. */
GG_MUST_USE int pack_scan_end(const struct pack_scan *s, struct gg_error *err);

uint64_t pack_scan_bytes(const struct pack_scan *s);
uint64_t pack_scan_objects(const struct pack_scan *s); /* as announced */

#endif
