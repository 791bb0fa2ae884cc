/* Time. wall_ms: milliseconds since 1970 UTC; mono_ms: since boot. */
#ifndef GITGATE_BASE_CLOCK_H
#define GITGATE_BASE_CLOCK_H

#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

#define CLOCK_RFC3339_SIZE 32

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);

/* "2026-11-22T07:00:00.123Z" (RFC 3339, UTC) into out. */
void clock_format(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/*
 * Read RFC 3339 with "Z" or a numeric offset, fraction optional; also a
 * bare date "2026-11-22" (midnight UTC). 0 or GG_E_INPUT.
 */
GG_MUST_USE int
clock_parse(struct view v, int64_t *wall_ms, struct gg_error *err);

#endif
