/*
 * The walls of a role that lives long and whose files the configuration names
 * (courier, messenger). Landlock can only narrow, and knows a file by what it
 * is, not by its name: a role looks whether what it needs is still within,
 * and else asks to be started again.
 */
#ifndef GITGATE_ROLE_WALLS_H
#define GITGATE_ROLE_WALLS_H

#include "base/auto.h"
#include "base/error.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One path of the walls and what was there when they were built. */
struct wall {
	char *path;
	unsigned rights;
	dev_t dev;
	ino_t ino; /* 0: nothing was there */
};

struct walls {
	struct wall *v;
	size_t n;
	size_t alloc;
};

void walls_release(struct walls *w);
GG_DEFINE_AUTO_RELEASE(walls);
/* rights: SANDBOX_READ, ... A path that is NULL or relative is none. */
void walls_add(struct walls *w, const char *path, unsigned rights);
/* What who speaks TLS to named hosts reads. */
void walls_add_network(struct walls *w);
/* Is everything `now` needs within `built`, and is each still the same file? */
bool walls_cover(const struct walls *built, const struct walls *now);
GG_MUST_USE int
walls_enter(const struct walls *w, bool required, struct gg_error *err);

#endif
