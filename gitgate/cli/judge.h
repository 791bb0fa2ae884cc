/* Judging recorded pushes again, on the gate's machine: `policy explain`,
 * `policy test`, `pushes replay` and `pushes diff`. */
#ifndef GITGATE_CLI_JUDGE_H
#define GITGATE_CLI_JUDGE_H

#include "cli/cli.h"
#include "policy/policy.h"
#include "role/recorded.h"

struct judge {
	struct config *config;
	struct store *store;
	struct ruleset *rs;
	char *bin_dir;
	int rules_fd; /* compiled secret rules; 0: none */
};
void judge_release(struct judge *j);
GG_DEFINE_AUTO_RELEASE(judge);

/* Configuration and store, without rules yet. */
GG_MUST_USE int
judge_begin(struct cli *cli, struct judge *j, struct gg_error *err);
/* The rules of a directory; NULL: the configuration's. */
GG_MUST_USE int
judge_rules(struct judge *j, const char *policy_dir, struct gg_error *err);
/* Those by which the push was judged: kept beside it, or in force still.
 * GG_E_NOTFOUND. */
GG_MUST_USE int judge_rules_then(struct judge *j, const struct stored_push *p,
    struct gg_error *err);
/* recorded_rejudge() in an inspector of its own. */
GG_MUST_USE int judge_again(const struct judge *j, const struct stored_push *p,
    json_t *trace, int diff_fd, struct rejudged *out, struct gg_error *err);
/* label, then text that is made safe for a terminal; no newline. */
void say_part(const char *label, const char *text);
/* "rule matched, because" for people. */
void say_trace(const json_t *trace);

#endif
