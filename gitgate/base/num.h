/* Numbers from text, strictly: the whole view or an error. */
#ifndef GITGATE_BASE_NUM_H
#define GITGATE_BASE_NUM_H

#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

/* Decimal digits only, no sign, at most max. 0 or GG_E_INPUT. */
GG_MUST_USE int
num_parse(struct view v, uint64_t max, uint64_t *out, struct gg_error *err);
/* "10", "10KiB", "10MiB", "2GiB" (also kB/MB/GB = powers of 1000). */
GG_MUST_USE int
num_parse_bytes(struct view v, uint64_t *bytes, struct gg_error *err);
/* "0s" "1500ms" "90s" "15m" "72h" "30d" into milliseconds. */
GG_MUST_USE int
num_parse_duration(struct view v, int64_t *ms, struct gg_error *err);

/* Overflow-checked size arithmetic: false when it does not fit. */
static inline bool
size_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}
static inline bool
size_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

#endif
