/* Is a commit signed by one of a rule's keys? */
#ifndef GITGATE_POLICY_SIGNED_H
#define GITGATE_POLICY_SIGNED_H

#include "policy/ruleset_priv.h"

/*
 * True only for a signature that verifies with a key of the rule's files that
 * is valid now (a commit's own date is the signer's word). Total.
 */
bool commit_is_signed(const struct commit_condition *k,
    const struct commit_info *c, int64_t now_wall_ms);

#endif
