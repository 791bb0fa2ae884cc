/* What the files of config/ share. */
#ifndef GITGATE_CONFIG_INTERNAL_H
#define GITGATE_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/template.h"
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
/* Make the path that was read at `at` absolute; *path is replaced. */
GG_MUST_USE int config_expand_path(const struct loading *l,
    const struct yaml_node *at, char **path, struct gg_error *err);
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
/* Room for each thing of the list `at`, `size` bytes, all zero; *room NULL: no
 * list, or an empty one. What is no list of at most `most`: GG_E_INPUT. */
GG_MUST_USE int config_list_room(const struct loading *l,
    const struct yaml_node *at, const char *what, size_t most, size_t size,
    void **room, struct gg_error *err);
void repository_release(struct repository *r);

/* Sections of their own files: issuers.c, providers.c, tls.c, notices.c. Each
 * gets the value of its key (NULL: not given) and fills its part of l->conf.
 */
GG_MUST_USE int config_take_issuers(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
GG_MUST_USE int config_take_providers(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
GG_MUST_USE int config_take_certificates(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
GG_MUST_USE int config_take_tls(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
/* When all has been read: do the parts of TLS and client certificates fit
 * each other and the rest? */
GG_MUST_USE int config_check_tls(const struct loading *l, struct gg_error *err);
/* A secret in the directory (absolute) that other processes have and the gate
 * must not, as written or with the links of its path followed; NULL: none. */
const char *config_secret_within(const struct config *c, const char *dir);
/* Is none of them in a directory that the gate's walls let it read? */
GG_MUST_USE int
config_check_secrets(const struct loading *l, struct gg_error *err);
GG_MUST_USE int config_take_retention(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
GG_MUST_USE int config_take_notices(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
GG_MUST_USE int config_take_witnesses(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
GG_MUST_USE int config_take_deliveries(const struct loading *l,
    const struct yaml_node *at, struct gg_error *err);
/* When all has been read: is each file in a directory that its writer may have
 * whole? */
GG_MUST_USE int
config_check_deliveries(const struct loading *l, struct gg_error *err);
/* https, or http to this machine; no user in it. */
bool config_is_web_url(const char *url);
/* Is the file (NULL: none) below the directory, as written or with links
 * followed? */
bool config_is_within(const char *dir, const char *file);
/* identity_parts.c: what several of them share. keys of a map to alternatives;
 * a list of group rules. */
GG_MUST_USE int
config_take_claim_rules(const struct loading *l, const struct yaml_node *map,
    const char *name, struct claim_rule **out, size_t *n, struct gg_error *err);
GG_MUST_USE int
config_take_group_rules(const struct loading *l, const struct yaml_node *map,
    const char *name, struct group_rule **out, size_t *n, struct gg_error *err);

/* slice.c: what a role is told of a config. NULL and "" are two things here;
 * needs ipc/codec.h. */
struct dec;
#define SLICE_MAX_TEXT 65536
void slice_enc_optional(struct buf *b, const char *s);
char *slice_dec_optional(struct dec *d);

/* Names of JWS algorithms; the default where the key is not there. */
GG_MUST_USE int
config_take_algorithms(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err);

/* release.c */
void claim_rules_free(struct claim_rule *r, size_t n);
void group_rules_free(struct group_rule *r, size_t n);
void issuer_release(struct issuer *x);
void provider_release(struct provider *x);
void notice_target_release(struct notice_target *x);
void witness_release(struct witness *x);

#endif
