/* Times of the week and of the calendar, for `during` and `outside`. */
#ifndef GITGATE_POLICY_SCHEDULE_H
#define GITGATE_POLICY_SCHEDULE_H

#include "base/auto.h"
#include "base/zone.h"
#include "config/yaml_tree.h"

#define SCHEDULE_MAX_WINDOWS 100
#define SCHEDULE_DAY_MINUTES 1440

/* A moment: of the world, or of every clock on the wall in its zone. */
struct moment {
	bool there;
	bool local; /* a bare date: its beginning in the window's zone */
	int64_t ms;
};

/* What is there must all hold. */
struct time_window {
	struct zone *zone;
	unsigned days; /* 1 << day, Sunday is 0; on which it begins */
	/* Minutes of the day; from > to: over midnight. */
	unsigned from, to;
	struct moment since, until; /* until is not in it any more */
};

struct time_windows {
	struct time_window *v;
	size_t n;
};

void time_windows_release(struct time_windows *w);
/*
 * Read `name` of map: a list of {days, from, to, timezone, since, until}. An
 * unknown time zone is an error.
 */
GG_MUST_USE int
time_windows_take(const struct yaml_tree *t, const struct yaml_node *map,
    const char *name, struct time_windows *out, struct gg_error *err);
/* Is now in one of them? *which is its index. */
bool time_windows_match(const struct time_windows *w, int64_t now_wall_ms,
    size_t *which);
/* Is every one of them over for good? (False where there is none.) */
bool time_windows_over(const struct time_windows *w, int64_t now_wall_ms);

#endif
