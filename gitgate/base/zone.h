/*
 * Time zones: the system's zone files (TZif, RFC 9636), read once and kept.
 * Nothing of the process's own time zone is looked at or changed.
 */
#ifndef GITGATE_BASE_ZONE_H
#define GITGATE_BASE_ZONE_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

struct zone;

/*
 * A zone by its name ("Europe/Berlin", "UTC"), from the system's zoneinfo.
 * "UTC" needs no file. GG_E_INPUT for a name that is none or that the system
 * does not have, and for a file that cannot be read.
 */
GG_MUST_USE int
zone_load(const char *name, struct zone **out, struct gg_error *err);
/* The same from a file's bytes. */
GG_MUST_USE int
zone_parse(struct view file, struct zone **out, struct gg_error *err);
void zone_free(struct zone *z);
GG_DEFINE_AUTO(zone);

/* Seconds that local time is ahead of UTC at this moment. */
int64_t zone_offset_s(const struct zone *z, int64_t wall_ms);

#endif
