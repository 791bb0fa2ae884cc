/* The gate's walls: what it may open once it has its store and its log. */
#ifndef GITGATE_ROLE_GATE_WALLS_H
#define GITGATE_ROLE_GATE_WALLS_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

/*
 * For this process, for ever: its state directory, the policy to read, what
 * libpq and the resolver need; nothing to execute, no other file (upstream's
 * credentials above all). required: GG_E_UNAVAILABLE where the kernel cannot.
 */
GG_MUST_USE int
gate_walls_enter(const struct config *c, bool required, struct gg_error *err);

#endif
