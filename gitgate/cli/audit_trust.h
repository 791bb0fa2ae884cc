/* Whom `audit verify` believes: the log's key, witnesses, and a quorum. */
#ifndef GITGATE_CLI_AUDIT_TRUST_H
#define GITGATE_CLI_AUDIT_TRUST_H

#include "cli/cli.h"

#include "audit/tlog_policy.h"

/* Texts of options, borrowed. */
struct trust_options {
	const char *key;    /* a vkey, or a file that holds it */
	const char *policy; /* a file of C2SP tlog-policy */
	struct strv
	    witnesses; /* vkeys or files; all of them must have signed */
};

/*
 * What they say, as one policy that names at least one log. With both a key
 * and a policy only that key's log is left. GG_E_INPUT says what is missing.
 */
GG_MUST_USE int trust_read(const struct trust_options *o,
    struct tlog_policy **out, struct gg_error *err);

/* "Nobody is asked for": then who cosigned is not worth a word. */
bool trust_has_witnesses(const struct tlog_policy *p);

/* GG_E_CORRUPT with a sentence: who has signed, and who has not. */
GG_MUST_USE int trust_check_quorum(const struct tlog_policy *p,
    const struct tlog_policy_found *f, struct gg_error *err);

/* Who cosigned a checkpoint of so many entries, for people and as JSON (new
 * references put into report). of: how many entries there are in all. */
void trust_say(const struct tlog_policy *p, const struct tlog_policy_found *f,
    uint64_t size, uint64_t of);
void trust_report(const struct tlog_policy *p,
    const struct tlog_policy_found *f, uint64_t size, json_t *report);

#endif
