/* What the files that read rules share. Private to policy/. */
#ifndef GITGATE_POLICY_LOADING_H
#define GITGATE_POLICY_LOADING_H

#include "policy/ruleset_priv.h"

#include "config/yaml_tree.h"

/* Of key files and of secret rules. */
#define RULE_FILE_MAX ((size_t)4 * 1024 * 1024)

struct loading {
	struct ruleset *rs;
	const struct yaml_tree *tree;
};

/* v with room for one more, which is zeroed and counts at once. */
void *loading_append(void *v, size_t *n, size_t size);
/* Are all of these keys there? what: "a rule", for the message. */
GG_MUST_USE int
take_required(const struct loading *l, const struct yaml_node *map,
    const char *what, const char *const *names, struct gg_error *err);
/* A list of names of principals or groups, where there is one. */
GG_MUST_USE int take_names(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err);
bool rule_name_is_valid(const char *s);
/* An entry of `grants:` (ruleset_grants.c). */
GG_MUST_USE int take_grant(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err);

GG_MUST_USE int check_glob(const struct loading *l, const struct yaml_node *at,
    const char *name, struct gg_error *err);
/* A list of globs that is there and not empty, or not there. */
GG_MUST_USE int take_globs(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err);
/* The same, in lower case. */
GG_MUST_USE int
take_lower_globs(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err);
/* A list of words; *bits gets values[index] of each. */
GG_MUST_USE int take_words(const struct loading *l, const struct yaml_node *map,
    const char *name, const char *const *words, const unsigned *values,
    unsigned *bits, struct gg_error *err);
GG_MUST_USE int take_who(const struct loading *l, const struct yaml_node *map,
    struct who *out, struct gg_error *err);
/* The conditions of a rule. */
GG_MUST_USE int take_when(const struct loading *l, const struct yaml_node *rule,
    struct rule *r, struct gg_error *err);

/* A chain over the files: SHA-256(last digest, name, text). */
GG_MUST_USE int ruleset_add_digest(struct ruleset *rs, const char *file,
    struct view text, struct gg_error *err);

#endif
