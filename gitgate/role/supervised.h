/*
 * What a role that lives long does with the supervisor's frames (courier,
 * messenger): it takes the configuration, builds its walls by the first one
 * and leaves where a later one needs others, takes the gate's socket, and
 * ends when it is asked to.
 */
#ifndef GITGATE_ROLE_SUPERVISED_H
#define GITGATE_ROLE_SUPERVISED_H

#include "base/error.h"
#include "config/config.h"
#include "ipc/frame.h"
#include "role/walls.h"

#include <stdbool.h>
#include <stdint.h>

#define SUPERVISED_EXIT_WALLS 75 /* start me again: the walls no longer fit */

/* What differs between the roles; each gets the ctx of struct supervised. */
struct supervised_way {
	enum role role;
	enum msg_type config, gate; /* the frames that bring these */
	int (*decode)(struct view bytes, struct config **out,
	    struct gg_error *err);
	/* The files that this config needs. */
	void (*walls)(void *ctx, const struct config *c, struct walls *out);
	/* A configuration is in force; at the first one the walls are up. */
	void (*configured)(void *ctx, bool first);
	/* sock is taken. */
	void (*set_gate)(void *ctx, int sock);
	/* End, with SUPERVISED_EXIT_WALLS, when what is in hand is done. */
	void (*leave)(void *ctx);
	/* End, with 0, at `deadline` (clock_mono_ms()) at the latest. */
	void (*end)(void *ctx, int64_t deadline);
};

struct supervised {
	const struct supervised_way *way;
	void *ctx;
	bool required;         /* no walls, no work */
	struct config *config; /* NULL until the first one came; owned */
	struct walls walls;
	int64_t walls_checked; /* clock_mono_ms() */
	bool draining;
	int exit_code;
	int64_t drain_deadline; /* clock_mono_ms(); negative: none */
	int held; /* 0, or what came with the first config, only to be held */
};

/* Read one frame of the supervisor's and do what it says. 1; 0: the
 * supervisor has gone; negative: the role cannot go on. */
GG_MUST_USE int
supervised_read(struct supervised *s, struct frame *f, struct gg_error *err);
/* Do the files still lie where the walls have their holes? Else it leaves.
 * Looks once a second at most, however often it is called. */
void supervised_check_walls(struct supervised *s);

#endif
