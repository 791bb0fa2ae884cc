/* `retention:`: how long recordings are kept. */
#include "config/internal.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX 1000

static const char *const kinds[RETAIN_COUNT] = { "forwarded", "failed",
	"denied", "refused" };

const char *
retain_kind_name(enum retain_kind k)
{
	return kinds[k];
}

int64_t
config_retention_ms(const struct config *c, const char *repository,
    enum retain_kind kind)
{
	const struct retention *r = &c->retention;

	for (size_t i = 0; i < r->n_rules; i++)
		if (r->rules[i].ms[kind] >= 0 &&
		    glob_match(r->rules[i].path, view_str(repository)))
			return r->rules[i].ms[kind];
	return r->all.ms[kind] >= 0 ? r->all.ms[kind] : 0;
}

static int
take_times(const struct loading *l, const struct yaml_node *at, int64_t *ms,
    struct gg_error *err)
{
	for (size_t i = 0; i < RETAIN_COUNT; i++) {
		const struct yaml_node *v = yaml_get(at, kinds[i]);
		int rc;

		ms[i] = -1;
		if (v == NULL)
			continue;
		if (v->text != NULL && strcmp(v->text, "forever") == 0) {
			ms[i] = 0;
			continue;
		}
		if ((rc = yaml_take_duration(l->tree, at, kinds[i], &ms[i],
			 err)) < 0)
			return rc;
		if (ms[i] == 0)
			return yaml_fail(l->tree, v, err,
			    "retention: %s must be a duration of more than nothing, or forever",
			    kinds[i]);
	}
	return 0;
}

static int
take_rule(const struct loading *l, const struct yaml_node *at,
    struct retention_rule *r, struct gg_error *err)
{
	static const char *const keys[] = { "path", "forwarded", "failed",
		"denied", "refused", NULL };
	int rc;

	if ((rc = yaml_check_keys(l->tree, at, "retention", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "path", &r->path, err)) < 0 ||
	    (rc = take_times(l, at, r->ms, err)) < 0)
		return rc;
	if (r->path == NULL)
		return yaml_fail(l->tree, at, err,
		    "retention: path is missing: a repository or a glob");
	if (glob_check(r->path, err) < 0)
		return yaml_fail_wrap(l->tree, at, err, "retention: path");
	return 0;
}

static int
take_rules(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	struct retention *r = &l->conf->retention;
	int rc = 0;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST || at->n > RULES_MAX)
		return yaml_fail(l->tree, at, err,
		    "retention: repositories must be a list of at most %d",
		    RULES_MAX);
	if ((r->rules = calloc(at->n + 1, sizeof(*r->rules))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "retention");
	for (size_t i = 0; i < at->n && rc == 0; i++)
		rc = take_rule(l, &at->item[i], &r->rules[r->n_rules++], err);
	return rc;
}

static int
take_time(const struct loading *l, const struct yaml_node *at, const char *key,
    int64_t *ms, struct gg_error *err)
{
	const struct yaml_node *v = yaml_get(at, key);
	int rc;

	if (v == NULL || (v->text != NULL && strcmp(v->text, "forever") == 0))
		return 0;
	if ((rc = yaml_take_duration(l->tree, at, key, ms, err)) < 0)
		return rc;
	if (*ms == 0)
		return yaml_fail(l->tree, v, err,
		    "retention: %s must be a duration of more than nothing, or "
		    "forever",
		    key);
	return 0;
}

int
config_take_retention(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "default", "repositories",
		"personal-data", "attic", NULL };
	static const char *const times[] = { "forwarded", "failed", "denied",
		"refused", NULL };
	struct retention *r = &l->conf->retention;
	const struct yaml_node *all;
	int rc;

	for (size_t i = 0; i < RETAIN_COUNT; i++)
		r->all.ms[i] = -1;
	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "retention", keys, err)) < 0)
		return rc;
	if ((rc = take_time(l, at, "personal-data", &r->personal_ms, err)) <
		0 ||
	    (rc = take_time(l, at, "attic", &r->attic_ms, err)) < 0)
		return rc;
	if ((all = yaml_get(at, "default")) != NULL &&
	    ((rc = yaml_check_keys(l->tree, all, "retention: default", times,
		  err)) < 0 ||
		(rc = take_times(l, all, r->all.ms, err)) < 0))
		return rc;
	return take_rules(l, yaml_get(at, "repositories"), err);
}
