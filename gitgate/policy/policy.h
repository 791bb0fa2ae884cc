/*
 * Policy: rule files to one rule set; a change report to a decision. Pure
 * logic but for ruleset_load(), which reads the directory.
 */
#ifndef GITGATE_POLICY_POLICY_H
#define GITGATE_POLICY_POLICY_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "model/grant.h"
#include "model/push.h"
#include "model/report.h"
#include "model/verdict.h"

#include <jansson.h>

struct ruleset;

enum access { ACCESS_FETCH = 1, ACCESS_PUSH = 2 };

/*
 * Read every *.yaml, *.yml and *.json of dir in name order. A broken file is
 * GG_E_INPUT with "file:line: what is wrong". warnings gets sentences that do
 * not refuse the set (a rule that can never match, ...); may be NULL.
 */
GG_MUST_USE int ruleset_load(const char *dir, struct ruleset **out,
    struct strv *warnings, struct gg_error *err);
/* One file's text added to an empty or earlier set (tests, fuzzing). */
GG_MUST_USE int ruleset_parse(struct ruleset *rs, const char *file,
    struct view text, struct gg_error *err);
struct ruleset *ruleset_new(void);
void ruleset_free(struct ruleset *rs);
GG_DEFINE_AUTO(ruleset);

/* Hex SHA-256 over the names and bytes of all files in order. */
const char *ruleset_digest(const struct ruleset *rs);
/* The files that the digest is over, paths below the directory; borrowed. */
const struct strv *ruleset_files(const struct ruleset *rs);
size_t ruleset_n_rules(const struct ruleset *rs);
size_t ruleset_n_files(const struct ruleset *rs);

/* May some rule ask this principal for an approval, by a group of its? (Who
 * is named in a CODEOWNERS file is known when a push came.) */
bool ruleset_asks(const struct ruleset *rs, const struct principal *p);

/* What this principal may do on this repository: bits of enum access; 0
 * means that it sees a 404. Repository globs match without regard to case. */
unsigned ruleset_access(const struct ruleset *rs, const struct principal *p,
    const char *repository);
/* Has any access entry anonymous among its principals, for this repository
 * and these bits? */
bool ruleset_anonymous_may(const struct ruleset *rs, const char *repository,
    unsigned bits);

/* Somebody asks for a grant (docs/identity.md, "Grants"). Borrowed. */
struct grant_question {
	const struct principal *principal; /* for whom; only its name is
	                                      looked at unless it asks itself */
	const struct principal *asker;
	const struct grant_scope *scope; /* grant_scope_check()ed */
	int64_t for_ms;
};
struct grant_terms {
	const char *name;        /* of the entry of `grants:`; borrowed */
	uint32_t required;       /* approvals */
	const struct strv *from; /* groups; borrowed */
	int64_t max_ms;
};
/* May this be asked for, and who has to approve? When not: name is NULL, or
 * that of an entry which only gives less time (max_ms). */
bool ruleset_may_ask(const struct ruleset *rs, const struct grant_question *q,
    struct grant_terms *out);
/* Does this entry of `grants:` (still) let the principal have that? */
bool ruleset_still_grants(const struct ruleset *rs, const char *name,
    const struct principal *p, const struct grant_scope *scope);

/*
 * Scopes: rules with the same `refs` condition share one. A rule without
 * `refs` has the scope that covers every ref. At most REPORT_MAX_SCOPES (a
 * set with more is refused when it is loaded).
 */
size_t ruleset_n_scopes(const struct ruleset *rs);
bool ruleset_scope_covers(const struct ruleset *rs, size_t scope,
    const char *refname);
/* May any rule of this scope apply to this principal and repository? When
 * not, the inspector need not compute it (its commit lists stay empty). */
bool ruleset_scope_needed(const struct ruleset *rs, size_t scope,
    const struct principal *p, const char *repository);

/* Will this new ref of this principal's stay at the gate, whatever is in it,
 * if it is not denied? No where that depends on what is in it. */
bool ruleset_keeps(const struct ruleset *rs, const struct principal *p,
    const char *repository, const char *refname);

/*
 * What the inspector must look for beside paths, because some rule that may
 * apply to this principal and repository asks for it: JOB_WANT_* bits of
 * model/job.h.
 */
unsigned ruleset_wants(const struct ruleset *rs, const struct principal *p,
    const char *repository);
/* The gitleaks rule files that `secrets: true` means (config or the shipped
 * one), as full paths in the policy directory; borrowed. */
const struct strv *ruleset_secret_files(const struct ruleset *rs);

/* The programs that rules ask (`hook:`), each once, added to out. */
void ruleset_hooks(const struct ruleset *rs, struct strv *out);

/*
 * An external decision (`hook:`). program: a name without '/' in the hooks
 * directory; input: borrowed. Returns 0 with the answer, or an error, which
 * denies. Filled by the gate (hook runner) or by a test.
 */
struct hook_answer {
	enum verdict verdict;
	char *message; /* malloc'ed */
};
typedef int (*policy_hook)(void *ctx, const char *program, const json_t *input,
    struct hook_answer *out, struct gg_error *err);

enum {
	POLICY_UPSTREAM_HAS = 1, /* upstream has this ref */
	POLICY_IN_THE_WAY = 2,   /* there is a/b where this is a, or so */
	POLICY_KEPT = 4,         /* the gate keeps it */
};

struct policy_input {
	const char *repository;
	const struct principal *principal;
	const struct ref_updates *updates;
	/* refnames that are symbolic upstream: the update is judged as one of
	 * its target too; NULL or the target per update */
	const char *const *symref_targets;
	/* per update, POLICY_* bits: who has the ref now; NULL: nobody says */
	const unsigned char *places;
	const struct change_report *report; /* updates in the same order */
	int64_t now_wall_ms;                /* for during and outside */
	/* the push options "agent.*", an object of texts; NULL: none */
	const json_t *claimed;
	/* provenance records that the push brings (docs/formats.md), an
	 * array; NULL: none */
	const json_t *records;
	/* of those that earlier pushes of the principal brought, what is about
	 * checkpoints that commits of this push name; likewise */
	const json_t *earlier;
	/* fingerprints of findings that a reviewer has allowed (and that have
	 * not expired); NULL: none */
	const struct strv *allowed_findings;
	policy_hook hook; /* NULL: a rule with a hook denies */
	void *hook_ctx;
	/* NULL, or an array that gets one object per rule and ref update:
	 * {"rule","file","line","ref","matched":bool,"verdict",
	 *  "conditions":[{"name","matched":bool,"why"}]} */
	json_t *trace;
};

/*
 * Judge. Total: always yields a decision for a valid input; an error
 * (GG_E_CORRUPT when report and updates do not fit, GG_E_NOMEM) must be
 * treated as a refusal. Strictest verdict wins, needs add up, what no rule
 * matches is allowed, an update that is too_large is held at least (rule
 * name "too-large", one approval from any reviewer, when no rule holds it).
 * What a rule with `then: keep` matches stays at the gate, unless it is
 * denied; what cannot be kept so is denied (rule name "kept").
 */
GG_MUST_USE int policy_evaluate(const struct ruleset *rs,
    const struct policy_input *in, struct decision **out, struct gg_error *err);

/*
 * Does a rule's path glob cover this path? Also its case-folded, Unicode-
 * normalised (NFC), HFS+- and NTFS-folded twins; "dir/<starstar>" covers the
 * entry "dir" itself. A leading '!' must be handled by the caller.
 */
bool policy_path_match(const char *glob, struct view path);

/* JSON of a decision, as in the API's "updates" (DESIGN section 14), new
 * reference; bytes that are not UTF-8 are shown as U+FFFD. */
json_t *decision_updates_json(const struct decision *d);
/* The needs without reviews: [{"rule","required","from",...}], with "people"
 * where a need names some; hold/quorum.h reads them back. */
json_t *decision_needs_json(const struct decision *d);

#endif
