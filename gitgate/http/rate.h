/*
 * How often, by key: so many in a period, all at once if need be, and again
 * as time passes (GCRA: one time per key). Memory is bounded: beyond the
 * number of entries the key that was used longest ago is forgotten, which is
 * the one most likely to have its whole allowance back.
 */
#ifndef GITGATE_HTTP_RATE_H
#define GITGATE_HTTP_RATE_H

#include "base/auto.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Longer keys share an entry with others that begin so. */
#define RATE_KEY_SIZE 136

struct rate;
GG_MUST_USE int
rate_new(size_t entries, struct rate **out, struct gg_error *err);
void rate_free(struct rate *r);
GG_DEFINE_AUTO(rate);
/*
 * Take one of `most` per period_ms. 0: taken; else the seconds (rounded up, at
 * least 1) after which one may be taken, and none was. most 0: no limit.
 * now_ms: any clock that does not go back. Thread-safe.
 */
unsigned rate_take(struct rate *r, const char *key, uint64_t most,
    int64_t period_ms, int64_t now_ms);
/* Keys that are known. */
size_t rate_count(struct rate *r);

#endif
