/* What the files of policy/ share: a rule set as it is in memory. */
#ifndef GITGATE_POLICY_RULESET_PRIV_H
#define GITGATE_POLICY_RULESET_PRIV_H

#include "policy/path_match.h"
#include "policy/policy.h"
#include "policy/schedule.h"

#include "crypto/digest.h"

#define RULE_NAME_MAX     64
#define RULE_MESSAGE_MAX  500 /* characters */
#define RULE_GLOB_MAX     512 /* characters */
#define RULE_REQUIRED_MAX 20
#define RULE_EXPIRES_MS   ((int64_t)72 * 3600000)
#define RULE_TOO_LARGE    "too-large"
#define RULE_KEPT         "kept"

/* Names, groups and anonymous are alternatives; with none of them everyone
 * is meant. Groups of except take away. */
struct who {
	struct strv names, groups, except;
	bool anonymous;
};

struct access_entry {
	struct who who;
	struct strv repositories; /* lower case */
	unsigned bits;            /* of enum access */
};

/* What may be asked for and who says yes. */
struct grant_entry {
	char *name;
	struct who who;
	/* Nothing in refs or paths: all of them. Repositories: lower case. */
	struct strv repositories, refs, paths;
	unsigned verbs; /* of model/grant.h */
	int64_t max_ms;
	uint32_t required;
	struct strv from;
};

/* A file of keys in the policy directory; text is NULL until it was read. */
struct key_file {
	char *name; /* NULL: none */
	char *text;
	size_t n;
	int line; /* where it was named */
};

/* What one commit has to be like; empty lists are no condition. */
struct commit_condition {
	struct strv author_email, committer_email; /* lower case */
	struct strv message, subject;
	bool signed_by;   /* one of the files is named */
	bool want_signed; /* validly signed ones match, instead of the others */
	struct key_file allowed_signers, openpgp;
};

/* Limits; UINT64_MAX: none. */
struct more_than {
	uint64_t commits, files, lines;
};

/* What a push has to say of its making. */
enum provenance {
	PROVENANCE_NONE,
	PROVENANCE_ANY,
	PROVENANCE_SESSION,
	PROVENANCE_PROMPT,
	PROVENANCE_MODEL
};
struct provenance_condition {
	enum provenance require; /* PROVENANCE_NONE: no condition */
	bool verified;           /* the credential has to name the session */
};

struct rule {
	char *name;
	char *file;
	int line;
	struct strv repositories; /* lower case; empty: all */
	struct strv refs;         /* empty: all */
	unsigned updates;         /* 1 << enum update_kind; 0: all */
	struct who who;
	struct path_glob *paths;
	size_t n_paths;
	unsigned changes; /* CHANGE_*; 0: any */
	bool has_blob_limit;
	uint64_t blob_larger_than;
	bool secrets;
	bool has_commits;
	struct commit_condition commits;
	bool has_more_than;
	struct more_than more_than;
	struct provenance_condition provenance;
	struct time_windows during, outside;
	char *hook; /* NULL: none; else it says the verdict, not then */
	bool has_then;
	enum verdict then;
	bool keep; /* then: keep; `then` is VERDICT_ALLOW */
	uint32_t required;
	struct strv from;
	bool from_codeowners;
	bool allow_self;
	bool grant; /* approvals given in advance count */
	int64_t wait_ms, expires_ms;
	char *message; /* "" where there is none */
	size_t scope;
};

/* What a name in CODEOWNERS is called here. */
struct owner_alias {
	char *owner; /* as in the file: "@acme/dba" */
	char *group;
};

struct ruleset {
	struct owner_alias *aliases;
	size_t n_aliases;
	struct strv secret_files; /* full paths */
	struct strv files;        /* what was read, below the directory */
	struct access_entry *access;
	size_t n_access;
	struct grant_entry *grants;
	size_t n_grants;
	struct rule *rules;
	size_t n_rules;
	struct strv scopes[REPORT_MAX_SCOPES]; /* their refs */
	size_t n_scopes;
	size_t n_files;
	unsigned char digest[DIGEST_SHA256_BYTES];
	char digest_hex[DIGEST_SHA256_HEX_SIZE];
};

/* Does the rule look at commits' paths? */
static inline bool
rule_has_paths(const struct rule *r)
{
	return r->n_paths > 0 || r->changes != 0 || r->has_blob_limit;
}

/* Does it look at anything that the inspector lists per scope? */
static inline bool
rule_has_content(const struct rule *r)
{
	return rule_has_paths(r) || r->secrets || r->has_commits ||
	    r->has_more_than || r->provenance.require != PROVENANCE_NONE ||
	    r->hook != NULL;
}

/* May it hold a push (so its approvals are asked for)? */
static inline bool
rule_may_hold(const struct rule *r)
{
	return r->then == VERDICT_HOLD || r->hook != NULL;
}

void rule_release(struct rule *r);
void access_entry_release(struct access_entry *a);
void grant_entry_release(struct grant_entry *e);
void who_release(struct who *w);
void commit_condition_release(struct commit_condition *c);
bool who_match(const struct who *w, const struct principal *p);
/* globs are lower case; the name is not. */
bool repositories_match(const struct strv *globs, const char *repository);
/* Add sentences on what is allowed but can hardly be meant. */
void ruleset_warn(const struct ruleset *rs, struct strv *warnings);

#endif
