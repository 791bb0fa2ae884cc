/* The walls around a hook program (docs/architecture.md): the network is
 * open to it, state and keys are not. */
#ifndef GITGATE_ROLE_HOOK_WALLS_H
#define GITGATE_ROLE_HOOK_WALLS_H

#include "base/error.h"

#include <stdbool.h>

/* Never comes back wider. hooks_dir: where programs are. */
GG_MUST_USE int
hook_walls(const char *hooks_dir, bool required, struct gg_error *err);

#endif
