/* `witnesses:`: who else signs the audit log's checkpoints. */
#include "config/internal.h"

#include <stdlib.h>

#define WITNESSES_MAX 16

/* "name+id+key"; that they fit each other is for who can compute it. */
static int
take_key(const struct loading *l, const struct yaml_node *at, struct witness *w,
    struct gg_error *err)
{
	const char *plus = w->vkey != NULL ? strchr(w->vkey, '+') : NULL;

	if (plus == NULL || plus == w->vkey || strchr(plus + 1, '+') == NULL)
		return yaml_fail(l->tree, at, err,
		    "witnesses: key must be the witness's public key, of the "
		    "form name+id+base64");
	w->name = view_dup(view_of(w->vkey, (size_t)(plus - w->vkey)));
	if (w->name == NULL)
		return gg_fail(err, GG_E_NOMEM, "witnesses");
	for (size_t i = 0; i + 1 < l->conf->n_witnesses; i++)
		if (strcmp(l->conf->witnesses[i].name, w->name) == 0)
			return yaml_fail(l->tree, at, err,
			    "witnesses: %s twice (first on line %d)", w->name,
			    l->conf->witnesses[i].line);
	return 0;
}

static int
take_witness(const struct loading *l, const struct yaml_node *at,
    struct witness *w, struct gg_error *err)
{
	static const char *const keys[] = { "key", "url", "ca-file", NULL };
	size_t n;
	int rc;

	w->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "witnesses", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "key", &w->vkey, err)) < 0 ||
	    (rc = take_key(l, at, w, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "url", &w->url, err)) < 0 ||
	    (rc = config_take_path(l, at, "ca-file", &w->ca_file, err)) < 0)
		return rc;
	if (w->url == NULL)
		return yaml_fail(l->tree, at, err,
		    "witnesses: %s needs a url: where its add-checkpoint is",
		    w->name);
	if (service_url_check(w->url, err) < 0)
		return yaml_fail_wrap(l->tree, yaml_get(at, "url"), err, "url");
	for (n = strlen(w->url); n > 0 && w->url[n - 1] == '/'; n--)
		w->url[n - 1] = '\0';
	return 0;
}

static int
take_list(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct config *c = l->conf;
	int rc;

	if (at->kind != NODE_LIST || at->n == 0 || at->n > WITNESSES_MAX)
		return yaml_fail(l->tree, at, err,
		    "witnesses: list must have 1 to %d witnesses",
		    WITNESSES_MAX);
	if ((c->witnesses = calloc(at->n, sizeof(*c->witnesses))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "witnesses");
	for (size_t i = 0; i < at->n; i++) {
		rc = take_witness(l, &at->item[i],
		    &c->witnesses[c->n_witnesses++], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
config_take_witnesses(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "list", "quorum", "require",
		"policy", "ca-file", NULL };
	struct config *c = l->conf;
	const struct yaml_node *list;
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "witnesses", keys, err)) < 0)
		return rc;
	if ((rc = yaml_take_bool(l->tree, at, "require", &c->witness_required,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "policy", &c->witness_policy, err)) <
		0 ||
	    (rc = config_take_path(l, at, "ca-file", &c->witness_ca_file,
		 err)) < 0)
		return rc;
	list = yaml_get(at, "list");
	if (c->witness_policy != NULL) {
		if (list == NULL && yaml_get(at, "quorum") == NULL)
			return 0;
		return yaml_fail(l->tree, at, err,
		    "witnesses: policy says who they are and what a quorum "
		    "is: no list and quorum beside it");
	}
	if (list == NULL)
		return yaml_fail(l->tree, at, err,
		    "witnesses needs a list, or a policy");
	if (c->witness_ca_file != NULL)
		return yaml_fail(l->tree, yaml_get(at, "ca-file"), err,
		    "witnesses: ca-file belongs to each witness of a list");
	if ((rc = take_list(l, list, err)) < 0)
		return rc;
	c->witness_quorum = c->n_witnesses;
	return yaml_take_u64(l->tree, at, "quorum", 1, c->n_witnesses,
	    &c->witness_quorum, err);
}
