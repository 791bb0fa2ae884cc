/* The `grants:` of policy files: what may be asked for, and who says yes. */
#include "policy/loading.h"

#include "config/config.h"
#include "model/grant.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GRANT_MAX_DEFAULT_MS ((int64_t)8 * 3600000)

void
grant_entry_release(struct grant_entry *e)
{
	free(e->name);
	who_release(&e->who);
	strv_release(&e->repositories);
	strv_release(&e->refs);
	strv_release(&e->paths);
	strv_release(&e->from);
}

/* -- reading -- */

static int
take_entry_name(const struct loading *l, const struct yaml_node *at,
    struct grant_entry *e, struct gg_error *err)
{
	const struct ruleset *rs = l->rs;
	const struct yaml_node *name = yaml_get(at, "name");
	int rc = yaml_take_text(l->tree, at, "name", &e->name, err);

	if (rc < 0)
		return rc;
	if (!rule_name_is_valid(e->name))
		return yaml_fail(l->tree, name, err,
		    "name: \"%.70s\" is not a grant's name (at most %d of A-Z a-z 0-9 . _ -, a letter or digit first)",
		    e->name, RULE_NAME_MAX);
	for (size_t i = 0; i + 1 < rs->n_grants; i++)
		if (strcmp(rs->grants[i].name, e->name) == 0)
			return yaml_fail(l->tree, name, err, "grant %s twice",
			    e->name);
	return 0;
}

/* Of a list of what may be had, nothing is taken away. */
static int
no_exclusions(const struct loading *l, const struct yaml_node *at,
    const char *name, const struct strv *globs, struct gg_error *err)
{
	for (size_t i = 0; i < globs->n; i++)
		if (globs->v[i][0] == '!')
			return yaml_fail(l->tree, yaml_get(at, name), err,
			    "%s: a grant says what it covers, so there is no !",
			    name);
	return 0;
}

static int
take_scope(const struct loading *l, const struct yaml_node *at,
    struct grant_entry *e, struct gg_error *err)
{
	static const char *const words[] = { "fetch", "push", "create",
		"fast-forward", "force", "delete", "tag-move", NULL };
	static const unsigned bits[] = { GRANT_FETCH, GRANT_PUSH,
		GRANT_UPDATE(UPDATE_CREATE), GRANT_UPDATE(UPDATE_FAST_FORWARD),
		GRANT_UPDATE(UPDATE_FORCE), GRANT_UPDATE(UPDATE_DELETE),
		GRANT_UPDATE(UPDATE_TAG_MOVE) };
	int rc;

	if ((rc = take_lower_globs(l, at, "repositories", &e->repositories,
		 err)) < 0 ||
	    (rc = take_globs(l, at, "refs", &e->refs, err)) < 0 ||
	    (rc = take_globs(l, at, "paths", &e->paths, err)) < 0 ||
	    (rc = no_exclusions(l, at, "repositories", &e->repositories, err)) <
		0 ||
	    (rc = no_exclusions(l, at, "refs", &e->refs, err)) < 0 ||
	    (rc = no_exclusions(l, at, "paths", &e->paths, err)) < 0 ||
	    (rc = take_words(l, at, "verbs", words, bits, &e->verbs, err)) < 0)
		return rc;
	if (e->paths.n > 0 && (e->verbs & GRANT_ACCESS) != 0)
		return yaml_fail(l->tree, yaml_get(at, "paths"), err,
		    "fetch and push are for whole repositories: leave out paths, or these verbs");
	return 0;
}

static int
take_reviewers(const struct loading *l, const struct yaml_node *entry,
    struct grant_entry *e, struct gg_error *err)
{
	static const char *const keys[] = { "required", "from", NULL };
	static const char *const needed[] = { "from", NULL };
	const struct yaml_node *at = yaml_get(entry, "approvals");
	uint64_t required = 1;
	int rc;

	if ((rc = yaml_check_keys(l->tree, at, "approvals", keys, err)) < 0 ||
	    (rc = take_required(l, at, "approvals of a grant", needed, err)) <
		0 ||
	    (rc = yaml_take_u64(l->tree, at, "required", 1, RULE_REQUIRED_MAX,
		 &required, err)) < 0 ||
	    (rc = take_names(l, at, "from", &e->from, err)) < 0)
		return rc;
	e->required = (uint32_t)required;
	if (e->from.n == 0)
		return yaml_fail(l->tree, yaml_get(at, "from"), err,
		    "from must name a group: somebody has to approve a grant");
	return 0;
}

int
take_grant(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "name", "principals",
		"repositories", "refs", "paths", "verbs", "max", "approvals",
		NULL };
	static const char *const needed[] = { "name", "principals",
		"repositories", "verbs", "approvals", NULL };
	struct ruleset *rs = l->rs;
	struct grant_entry *e;
	int rc;

	rs->grants = loading_append(rs->grants, &rs->n_grants, sizeof(*e));
	e = &rs->grants[rs->n_grants - 1];
	e->max_ms = GRANT_MAX_DEFAULT_MS;
	if ((rc = yaml_check_keys(l->tree, at, "a grant", keys, err)) < 0 ||
	    (rc = take_required(l, at, "a grant", needed, err)) < 0 ||
	    (rc = take_entry_name(l, at, e, err)) < 0 ||
	    (rc = take_who(l, at, &e->who, err)) < 0 ||
	    (rc = take_scope(l, at, e, err)) < 0 ||
	    (rc = yaml_take_duration(l->tree, at, "max", &e->max_ms, err)) <
		0 ||
	    (rc = take_reviewers(l, at, e, err)) < 0)
		return rc;
	if (e->max_ms < 1)
		return yaml_fail(l->tree, yaml_get(at, "max"), err,
		    "max must be more than 0");
	if (e->who.anonymous || (e->who.names.n == 0 && e->who.groups.n == 0))
		return yaml_fail(l->tree, yaml_get(at, "principals"), err,
		    "principals must name someone: names or groups");
	return 0;
}

/* -- asking -- */

/*
 * Is all that `asked` matches matched by `may` too? Told without knowing what
 * there is: a text without wildcards is looked up; a glob must be the same, or
 * stand below a "dir/<starstar>" without wildcards before it.
 */
static bool
glob_is_within(const char *may, const char *asked)
{
	size_t n = strlen(may), plain;

	if (strcmp(may, asked) == 0 || strcmp(may, "**") == 0)
		return true;
	if (asked[strcspn(asked, "*?[\\")] == '\0')
		return glob_match(may, view_str(asked));
	if (n < 3 || strcmp(may + n - 3, "/**") != 0)
		return false;
	plain = strcspn(may, "*?[\\");
	return plain == n - 2 && strncmp(may, asked, plain) == 0 &&
	    asked[plain] != '\0';
}

static bool
list_is_within(const struct strv *may, const struct strv *asked)
{
	if (may->n == 0)
		return true;
	for (size_t i = 0; i < asked->n; i++) {
		bool found = false;

		for (size_t k = 0; k < may->n && !found; k++)
			found = glob_is_within(may->v[k], asked->v[i]);
		if (!found)
			return false;
	}
	return asked->n > 0;
}

static bool
entry_covers(const struct grant_entry *e, const struct grant_scope *s)
{
	return (s->verbs & ~e->verbs) == 0 &&
	    list_is_within(&e->repositories, &s->repositories) &&
	    list_is_within(&e->refs, &s->refs) &&
	    list_is_within(&e->paths, &s->paths);
}

/* Of another one only the name is known: its groups are looked at when the
 * grant is used. */
static bool
entry_is_for(const struct grant_entry *e, const struct grant_question *q)
{
	if (strcmp(q->principal->name, q->asker->name) == 0)
		return who_match(&e->who, q->asker);
	return (who_match(&e->who, q->asker) ||
		   principal_in_any(q->asker, &e->from)) &&
	    (strv_has(&e->who.names, q->principal->name) ||
		e->who.groups.n > 0);
}

bool
ruleset_may_ask(const struct ruleset *rs, const struct grant_question *q,
    struct grant_terms *out)
{
	*out = (struct grant_terms){ 0 };
	for (size_t i = 0; i < rs->n_grants; i++) {
		const struct grant_entry *e = &rs->grants[i];

		if (!entry_is_for(e, q) || !entry_covers(e, q->scope))
			continue;
		*out = (struct grant_terms){ e->name, e->required, &e->from,
			e->max_ms };
		if (q->for_ms <= e->max_ms)
			return true;
	}
	return false;
}

bool
ruleset_still_grants(const struct ruleset *rs, const char *name,
    const struct principal *p, const struct grant_scope *scope)
{
	for (size_t i = 0; i < rs->n_grants; i++)
		if (strcmp(rs->grants[i].name, name) == 0)
			return who_match(&rs->grants[i].who, p) &&
			    entry_covers(&rs->grants[i], scope);
	return false;
}
