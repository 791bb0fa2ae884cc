/*
 * `witnesses:` as one policy, whether it is a list with a number or a file of
 * C2SP tlog-policy. The supervisor reads the file, so that gate and messenger
 * get the same text and need not be allowed to read it.
 */
#ifndef GITGATE_ROLE_WITNESS_POLICY_H
#define GITGATE_ROLE_WITNESS_POLICY_H

#include "audit/tlog_policy.h"
#include "config/config.h"

/* What the config's `policy:` file says; nothing where there is none. */
GG_MUST_USE int witness_policy_read(const struct config *c, struct buf *text,
    struct gg_error *err);
/*
 * Who the witnesses are: where they come from a file they are put into the
 * config. text is what witness_policy_read() gave. out may be NULL; *out has
 * the witnesses in the order of the config's. GG_E_INPUT with file and line.
 */
GG_MUST_USE int witness_policy_apply(struct config *c, struct view text,
    struct tlog_policy **out, struct gg_error *err);
/* Both: is what the config says usable? */
GG_MUST_USE int witness_policy_check(struct config *c, struct gg_error *err);

#endif
