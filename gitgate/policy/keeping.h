/* Which refs of a push stay at the gate, and which of them cannot. */
#ifndef GITGATE_POLICY_KEEPING_H
#define GITGATE_POLICY_KEEPING_H

#include "policy/policy.h"

/*
 * After all rules: deny what cannot be kept as they say, and settle the keep
 * flag of every ref. Then either all of a push that is not denied is kept, or
 * nothing of it.
 */
void settle_keeping(const struct policy_input *in, struct decision *d);

#endif
