/* What the files of config/ share. */
#ifndef GITGATE_CONFIG_INTERNAL_H
#define GITGATE_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/yaml_tree.h"

struct loading {
	const struct yaml_tree *tree;
	const char *dir; /* where relative paths begin */
	struct config *conf;
};

/* Read the value of key name as a path, made absolute. */
GG_MUST_USE int
config_take_path(const struct loading *l, const struct yaml_node *map,
    const char *name, char **out, struct gg_error *err);
/* Read `repositories:`. */
GG_MUST_USE int config_take_repositories(const struct loading *l,
    const struct yaml_node *root, struct gg_error *err);
/* Which kind of upstream is it? GG_E_INPUT with the reason; no byte of a
 * password is in it. */
GG_MUST_USE int upstream_classify(const char *text, bool allow_plain_http,
    enum upstream_kind *kind, struct gg_error *err);
/* Are all globs (each maybe with a '!') well-formed? */
GG_MUST_USE int
config_take_globs(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err);
void repository_release(struct repository *r);

#endif
