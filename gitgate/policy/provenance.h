/* What a pusher claims against what its credential proves. */
#ifndef GITGATE_POLICY_PROVENANCE_H
#define GITGATE_POLICY_PROVENANCE_H

#include "base/strv.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * Does a verified token name this session? verified: the object of what the
 * credential proved, or NULL. Only the claims count that mean a session or a
 * run: a branch's name, say, is proven often and anybody can claim to be
 * called so. names: which these are for the token's issuer
 * (`session-claims`); NULL or empty: the usual ones (docs/formats.md, "Claims
 * in commit messages").
 */
bool session_is_proven(const json_t *verified, const struct strv *names,
    const char *session);

#endif
