/*
 * C2SP tlog-policy: which logs are trusted, which witnesses are known, and how
 * many of whom must have cosigned a checkpoint.
 *
 *	log <vkey> [<url>]
 *	witness <name> <vkey> [<url>]
 *	group <name> all|any|<k> <member>...
 *	quorum <name>|none
 */
#ifndef GITGATE_AUDIT_TLOG_POLICY_H
#define GITGATE_AUDIT_TLOG_POLICY_H

#include "audit/checkpoint.h"
#include "audit/note.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

#define TLOG_POLICY_MAX_BYTES     ((size_t)256 * 1024)
#define TLOG_POLICY_LOGS_MAX      64
#define TLOG_POLICY_WITNESSES_MAX 64
#define TLOG_POLICY_GROUPS_MAX    64

struct tlog_policy_log {
	struct note_vkey key; /* its name is the log's origin */
	char *url;            /* NULL: none given */
	int line;
};

struct tlog_policy_witness {
	char *name; /* within the policy; its key has another */
	struct note_vkey key;
	char *url;
	int line;
};

struct tlog_policy_group; /* tlog_policy.c */

struct tlog_policy {
	struct tlog_policy_log *logs;
	size_t n_logs;
	struct tlog_policy_witness *witnesses;
	size_t n_witnesses;
	struct tlog_policy_group *groups;
	size_t n_groups;
	char *quorum; /* the name, or "none" */
	struct {
		enum {
			QUORUM_UNSET,
			QUORUM_NONE,
			QUORUM_WITNESS,
			QUORUM_GROUP
		} kind;
		size_t i;
	} root; /* what the name means */
};

/* An empty one, to be filled by the functions below; NULL without memory. */
struct tlog_policy *tlog_policy_new(void);
void tlog_policy_free(struct tlog_policy *p);
GG_DEFINE_AUTO(tlog_policy);

/*
 * Read a file's text, strictly. GG_E_INPUT: "file:line: what is wrong";
 * GG_E_NOMEM.
 */
GG_MUST_USE int tlog_policy_parse(struct view text, const char *file,
    struct tlog_policy **out, struct gg_error *err);
/* The same from a file. GG_E_SYS, GG_E_NOTFOUND where it cannot be read. */
GG_MUST_USE int tlog_policy_load(const char *file, struct tlog_policy **out,
    struct gg_error *err);

/*
 * One without a file: add logs and witnesses, then say that k of the witnesses
 * are the quorum (0: none). name and url are copied; url may be NULL.
 * GG_E_INPUT, GG_E_LIMIT, GG_E_NOMEM.
 */
GG_MUST_USE int tlog_policy_add_log(struct tlog_policy *p, struct view vkey,
    struct view url, struct gg_error *err);
GG_MUST_USE int tlog_policy_add_witness(struct tlog_policy *p, struct view name,
    struct view vkey, struct view url, struct gg_error *err);
GG_MUST_USE int
tlog_policy_k_of_all(struct tlog_policy *p, size_t k, struct gg_error *err);

/* Is the quorum met where has[i] says whether witnesses[i] has cosigned? */
bool tlog_policy_is_met(const struct tlog_policy *p, const bool *has);

/* Who signed a checkpoint, and when (seconds since 1970; 0: has not). */
struct tlog_policy_found {
	const struct note_vkey *log; /* borrowed from the policy; may be NULL */
	uint64_t time_s[TLOG_POLICY_WITNESSES_MAX];
	bool has[TLOG_POLICY_WITNESSES_MAX];
	bool is_met;
};
/*
 * Take a checkpoint: signed by a log of the policy, of which it must be (where
 * the policy names none, that is not looked at and found->log is NULL). Every
 * signature of a key that the policy knows must be good. Whether the quorum is
 * met is told, not asked for. *c borrows from msg. 0 or GG_E_CORRUPT.
 */
GG_MUST_USE int tlog_policy_open(const struct tlog_policy *p, struct view msg,
    struct checkpoint *c, struct tlog_policy_found *found,
    struct gg_error *err);

/* The log's first key with this origin; NULL. */
const struct tlog_policy_log *
tlog_policy_find_log(const struct tlog_policy *p, struct view origin);

#endif
