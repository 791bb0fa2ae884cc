/* `from-codeowners`: whose approval what a rule found needs. */
#include "policy/judging.h"
#include "policy/owners.h"

#include <strings.h>

/* About a second of one core, for one rule of a push. */
#define OWNERS_BUDGET 20000000u

struct owning {
	const struct judging *j;
	struct owners *owners;
	struct decision *decision;
	uint64_t budget;
	bool unowned_noted;
};

static const char *
alias_of(const struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->n_aliases; i++)
		if (strcasecmp(rs->aliases[i].owner, name) == 0)
			return rs->aliases[i].group;
	return NULL;
}

static void
add_once(struct strv *to, const char *s)
{
	if (!strv_has(to, s))
		strv_add(to, s);
}

/* "@org/team" and what is in the map are groups, all else is a person. */
static void
add_owner(const struct ruleset *rs, const char *name, struct need *to)
{
	const char *group = alias_of(rs, name);

	if (group != NULL)
		add_once(&to->from, group);
	else if (name[0] != '@')
		add_once(&to->people, name);
	else if (name[1] == '@' || strchr(name, '/') != NULL)
		add_once(&to->from, name + 1);
	else
		add_once(&to->people, name + 1);
}

static bool
same_set(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!strv_has(b, a->v[i]))
			return false;
	return true;
}

static struct need *
find_need(struct decision *d, const char *rule, const struct need *like)
{
	for (size_t i = 0; i < d->n_needs; i++)
		if (strcmp(d->needs[i].rule, rule) == 0 &&
		    same_set(&d->needs[i].from, &like->from) &&
		    same_set(&d->needs[i].people, &like->people))
			return &d->needs[i];
	return NULL;
}

/* Takes from and people of set. */
static void
add_need_of(struct owning *o, struct need *set, uint32_t required)
{
	const struct rule *r = o->j->r;
	struct need *n = find_need(o->decision, r->name, set);

	if (required < r->required)
		required = r->required;
	if (n != NULL) {
		if (n->required < required)
			n->required = required;
		strv_release(&set->from);
		strv_release(&set->people);
		return;
	}
	n = decision_add_need(o->decision);
	*n = *set;
	if ((n->rule = strdup(r->name)) == NULL)
		gg_die("no memory for a decision");
	n->required = required;
	n->allow_self = r->allow_self;
	n->wait_ms = r->wait_ms;
	n->expires_ms = r->expires_ms;
}

static void
note_entry(struct owning *o, struct owners_entry *e)
{
	struct need set = { 0 };

	if (e->noted)
		return;
	e->noted = true;
	for (size_t i = 0; i < e->names.n; i++)
		add_owner(o->j->rs, e->names.v[i], &set);
	add_need_of(o, &set, o->owners->sections[e->section].required);
}

static void
note_unowned(struct owning *o)
{
	struct need set = { 0 };

	if (o->unowned_noted)
		return;
	o->unowned_noted = true;
	strv_copy(&set.from, &o->j->r->from);
	add_need_of(o, &set, 1);
}

static void
own_path(struct owning *o, const char *path)
{
	bool owned = false;

	for (size_t s = 0; s < o->owners->n_sections; s++) {
		struct owners_entry *e = owners_find(o->owners, s,
		    view_str(path), &o->budget);

		if (e == NULL)
			continue;
		if (!o->owners->sections[s].optional)
			note_entry(o, e);
		owned = owned || !o->owners->sections[s].optional;
	}
	if (!owned)
		note_unowned(o);
}

static void
own_changes(struct owning *o, const struct path_changes *changes)
{
	for (size_t i = 0; i < changes->n && o->budget > 0; i++)
		if (!rule_has_paths(o->j->r) ||
		    path_is_meant(o->j->r, &changes->v[i]))
			own_path(o, changes->v[i].path);
}

/* What was not looked at may be anybody's. */
static void
own_everything(struct owning *o)
{
	for (size_t i = 0; i < o->owners->n_entries; i++) {
		struct owners_entry *e = &o->owners->entries[i];

		if (e->names.n > 0 && !o->owners->sections[e->section].optional)
			note_entry(o, e);
	}
	note_unowned(o);
}

int
owners_needs(struct judging *j, struct decision *d, struct gg_error *err)
{
	const struct update_report *u = judged_update(j);
	const struct commit_list *list = judged_commits(j);
	GG_AUTO(owners) owners = owners_parse(u->owners_path ? u->owners_path :
							       "",
	    view_of(u->owners, u->owners != NULL ? u->owners_n : 0));
	struct owning o = { .j = j,
		.owners = owners,
		.decision = d,
		.budget = OWNERS_BUDGET > j->owners_spent ?
		    OWNERS_BUDGET - j->owners_spent :
		    0 };
	size_t before = d->n_needs;

	if (u->too_large)
		own_everything(&o);
	for (size_t i = 0; i < list->n && o.budget > 0; i++)
		own_changes(&o, &j->in->report->commits[list->v[i]].paths);
	own_changes(&o, &u->net);
	j->owners_spent = OWNERS_BUDGET - o.budget;
	if (o.budget == 0)
		return gg_fail(err, GG_E_LIMIT,
		    "the change is too large to tell the owners of all its paths");
	/* held without a path: by something else than a change of one */
	if (d->n_needs == before && !o.unowned_noted) {
		bool any = false;

		for (size_t i = 0; i < owners->n_entries; i++)
			any = any || owners->entries[i].noted;
		if (!any)
			note_unowned(&o);
	}
	return 0;
}
