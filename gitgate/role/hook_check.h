/* Are the programs there that rules ask? */
#ifndef GITGATE_ROLE_HOOK_CHECK_H
#define GITGATE_ROLE_HOOK_CHECK_H

#include "base/error.h"
#include "config/config.h"
#include "policy/policy.h"

/* 0, or GG_E_INPUT with the first one that is not in hooks-dir or cannot be
 * executed. For a process that may look there: not for the gate. */
GG_MUST_USE int hooks_check(const struct config *c, const struct ruleset *rs,
    struct gg_error *err);

#endif
