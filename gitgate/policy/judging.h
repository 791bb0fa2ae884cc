/*
 * One rule and one ref update at a time: what the conditions look at, and
 * what they find. Private to policy/.
 */
#ifndef GITGATE_POLICY_JUDGING_H
#define GITGATE_POLICY_JUDGING_H

#include "policy/ruleset_priv.h"

#include "base/buf.h"

#define WHY_MAX 400

/*
 * What one rule finds in one commit is found once, however many refs of the
 * push bring that commit: else a thousand refs to one large change would
 * cost a thousand times its paths.
 */
struct found {
	bool known;
	size_t n;       /* paths that the rule means */
	uint32_t *kept; /* indexes of the first REASON_MAX_MATCHES of them */
	size_t n_kept;
	bool commit_known, commit_matches;
	const char *commit_why; /* the part of `commits` that it met */
	bool lines_known;
	uint64_t lines;
	bool claims_known, claims_missing;
};

struct judging {
	const struct ruleset *rs;
	const struct policy_input *in;
	const struct rule *r;
	size_t u;
	struct found *found; /* of the rule, one per commit of the report */
	/* of `more-than`: the last list of commits, and its distinct files */
	const struct commit_list *counted;
	uint64_t n_files;
	uint64_t owners_spent; /* work for `from-codeowners` so far */

	struct reason reason; /* what was found */
	/* not everything was looked at, so the rule may match: "" or why */
	const char *uncertain;
	struct buf *why; /* NULL: nobody asks */
	json_t *proven;  /* of the principal, read when it is needed */
	json_t *records; /* of the push and earlier ones, by keys; likewise */
	json_t *said;    /* key: do its records say what the rule requires? */
};

struct condition {
	const char *name;
	bool (*has)(const struct rule *r);
	bool (*test)(struct judging *j);
	/* is it about what the inspector lists, which a limit may cut? */
	bool content;
};

/* All but `hook`, cheap ones first; ends with a NULL name. */
extern const struct condition outer_conditions[];
extern const struct condition content_conditions[];

static inline const struct update_report *
judged_update(const struct judging *j)
{
	return &j->in->report->updates[j->u];
}

static inline const struct commit_list *
judged_commits(const struct judging *j)
{
	return &judged_update(j)->scopes[j->r->scope];
}

/* Say why, for policy explain. */
void because(struct judging *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Does the rule mean this change of a path? */
bool path_is_meant(const struct rule *r, const struct path_change *c);

/* `provenance` (provenance.c): is what it requires missing? */
bool test_provenance(struct judging *j);
/* Does the push's token name this session? */
bool session_is_the_tokens(struct judging *j, const char *session);
/* Does a record of the push say it of this commit (records.c)? claims: what
 * its message claims, for the checkpoint that it names. */
struct claims;
bool records_say(struct judging *j, const struct commit_info *commit,
    const struct claims *claims);

/* Bytes that are not UTF-8 become U+FFFD, one for each. Never NULL. */
json_t *policy_text_json(const char *s);
char *policy_utf8(const char *s);

/* What a hook reads: docs/formats.md, "A hook's input". New reference. */
json_t *hook_input_json(const struct judging *j);

/*
 * The needs that CODEOWNERS adds for what the rule found in this update;
 * GG_E_LIMIT where they cannot be told (it is denied then, with err's
 * message).
 */
GG_MUST_USE int
owners_needs(struct judging *j, struct decision *d, struct gg_error *err);

#endif
