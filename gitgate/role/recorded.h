/*
 * Recorded pushes, judged again: what `policy explain`, `policy test` and
 * the API's preview do. The whole inspection runs again from the recorded
 * bytes, so that rules that ask for other refs, lines or findings than the
 * policy of that day get what they ask for.
 */
#ifndef GITGATE_ROLE_RECORDED_H
#define GITGATE_ROLE_RECORDED_H

#include "base/auto.h"
#include "base/error.h"
#include "config/config.h"
#include "model/report.h"
#include "model/verdict.h"
#include "policy/policy.h"
#include "proto/advert.h"
#include "store/store.h"

#include <jansson.h>

/*
 * Keep upstream's refs as the push saw them: <push_dir>/upstream, and their
 * SHA-256 as request.refs_sha256. Pushes that saw the same refs share one file (a hard link below state-dir/adverts).
 */
GG_MUST_USE int
recorded_keep_refs(const struct config *c, const struct advert *refs,
    const char *push_dir, json_t *request, struct gg_error *err);
/* Remove shared refs that no push needs any more. */
void recorded_sweep_refs(const struct config *c);

struct rejudged {
	struct change_report *report;
	char report_digest[65]; /* hex SHA-256 of the report of now */
	struct decision *decision;
};
void rejudged_release(struct rejudged *r);
GG_DEFINE_AUTO_RELEASE(rejudged);

/* What a rejudgement works with; borrowed. */
struct rejudge_fds {
	int inspector; /* socket of an idle one; used up */
	int rules;     /* the compiled secret rules, 0 or less: none */
	int diff;      /* a file that gets the diff records; -1: none */
};

/*
 * Inspect and judge a recorded push by a rule set, as of the time when it
 * came: findings that were allowed then are. trace: as in policy_input, may be
 * NULL. Hook programs are not asked: what one said to the same rule and ref
 * then counts, or allow where it was not asked.
 * GG_E_NOTFOUND when the push was recorded without what is needed, or its
 * pack is gone; GG_E_PEER / GG_E_LIMIT when inspection itself refuses it now.
 */
GG_MUST_USE int recorded_rejudge(const struct config *c, struct store *store,
    const struct ruleset *rs, const struct rejudge_fds *fds,
    const struct stored_push *push, json_t *trace, struct rejudged *out,
    struct gg_error *err);

/*
 * Are the files of a recorded push those that were recorded? What is not, or
 * is gone, is said in faults. GG_E_NOMEM and the like only.
 */
GG_MUST_USE int recorded_check(const struct config *c,
    const struct stored_push *push, struct strv *faults, struct gg_error *err);
/* What makes a push judged again another one, in words: its report (only if
 * by the same policy), and each ref's verdict and reasons. */
void recorded_compare(const struct stored_push *push, const struct rejudged *r,
    bool same_policy, struct strv *differences);

/* The strictest verdict that was recorded for a push; false when it was never
 * judged. */
bool recorded_verdict(const struct stored_push *push, enum verdict *out);

/*
 * What there is to say of a push that was judged again, as JSON (the API's
 * preview and `policy explain --json`); trace is borrowed. New reference.
 */
json_t *recorded_explanation(const struct ruleset *rs,
    const struct stored_push *push, const struct rejudged *r, json_t *trace);

/* updates of a stored push as structs. GG_E_CORRUPT. */
GG_MUST_USE int updates_from_json(const json_t *updates,
    struct ref_updates *out, struct gg_error *err);
void strv_from_json(const json_t *array, struct strv *out);

#endif
