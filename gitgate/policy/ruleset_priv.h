/* What the files of policy/ share: a rule set as it is in memory. */
#ifndef GITGATE_POLICY_RULESET_PRIV_H
#define GITGATE_POLICY_RULESET_PRIV_H

#include "policy/path_match.h"
#include "policy/policy.h"

#include "crypto/digest.h"

#define RULE_NAME_MAX     64
#define RULE_MESSAGE_MAX  500 /* characters */
#define RULE_GLOB_MAX     512 /* characters */
#define RULE_REQUIRED_MAX 20
#define RULE_EXPIRES_MS   ((int64_t)72 * 3600000)
#define RULE_TOO_LARGE    "too-large"

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
	enum verdict then;
	uint32_t required;
	struct strv from;
	bool allow_self;
	int64_t wait_ms, expires_ms;
	char *message; /* "" where there is none */
	size_t scope;
};

struct ruleset {
	struct access_entry *access;
	size_t n_access;
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
	return r->n_paths > 0 || r->changes != 0;
}

void rule_release(struct rule *r);
void access_entry_release(struct access_entry *a);
void who_release(struct who *w);
bool who_match(const struct who *w, const struct principal *p);
/* globs are lower case; the name is not. */
bool repositories_match(const struct strv *globs, const char *repository);
/* Add sentences on what is allowed but can hardly be meant. */
void ruleset_warn(const struct ruleset *rs, struct strv *warnings);

#endif
