/* What policy says of a push. Zeroed memory means denied. */
#ifndef GITGATE_MODEL_VERDICT_H
#define GITGATE_MODEL_VERDICT_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "model/oid.h"
#include "model/report.h"

#include <stdint.h>

enum verdict { VERDICT_DENY = 0, VERDICT_HOLD = 1, VERDICT_ALLOW = 2 };
const char *verdict_name(enum verdict v); /* deny, hold, allow */
static inline enum verdict
verdict_strictest(enum verdict a, enum verdict b)
{
	return a < b ? a : b;
}

/* One path (or, with an empty path, one commit) that made a rule match. */
struct match {
	char *path;        /* bytes; may be "" */
	char *change;      /* "added", "modified", ... or "" */
	struct oid commit; /* zero: the net difference */
};

#define REASON_MAX_MATCHES 100

/* Why: one rule that matched one ref update. */
struct reason {
	char *rule;
	enum verdict verdict;
	bool keep;     /* with VERDICT_ALLOW: at the gate, not upstream */
	char *message; /* the rule's own words, or "" */
	struct match *matches;
	size_t n_matches;
	size_t n_matches_all; /* how many there were before the cut */
	/* May approvals that were given in advance lift this hold? Not where
	 * something could not be looked at, or the rule does not want it. */
	bool may_grant;
	struct strv patterns; /* with may_grant: the rule's path globs that
	                         matched; none: it has none */
};

/* What a hold needs because of one rule. */
struct need {
	char *rule;
	uint32_t required; /* approvals */
	/* Groups, and people by name, whose approval counts; both empty: any
	 * reviewer's. */
	struct strv from, people;
	bool allow_self;
	int64_t wait_ms;    /* how long a client is kept waiting; 0: not */
	int64_t expires_ms; /* how long the hold stays open */
};

struct ref_decision {
	char *refname;
	struct oid old_oid, new_oid;
	enum update_kind kind;
	enum verdict verdict;
	bool keep; /* when it goes through, the gate keeps it: upstream is not
	              told of it */
	struct reason *reasons;
	size_t n_reasons;
	struct strv grants; /* ids: held, but allowed by these */
};

/* The whole push: its verdict is the strictest of its refs'. */
struct decision {
	enum verdict verdict;
	struct ref_decision *refs;
	size_t n_refs;
	struct need *needs; /* one per rule that holds, over all refs */
	size_t n_needs;
	char policy_digest[65]; /* hex SHA-256 of the whole rule set */
};

/* deny, hold, keep, allow */
const char *reason_word(const struct reason *r);
/* Does what goes through of this push stay at the gate? All of it or nothing
 * does. */
bool decision_keeps(const struct decision *d);

struct decision *decision_new(size_t n_refs);
void decision_free(struct decision *d);
GG_DEFINE_AUTO(decision);
struct reason *ref_decision_add(struct ref_decision *r);
struct need *decision_add_need(struct decision *d);
/* Counts all, keeps the first REASON_MAX_MATCHES. */
void reason_add_match(struct reason *r, const char *path, const char *change,
    const struct oid *commit);

#endif
