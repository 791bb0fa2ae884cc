#include "policy/ruleset_priv.h"

#include "config/config.h"

static bool
same(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

static bool
same_paths(const struct rule *a, const struct rule *b)
{
	if (a->n_paths != b->n_paths)
		return false;
	for (size_t i = 0; i < a->n_paths; i++)
		if (a->paths[i].away != b->paths[i].away ||
		    strcmp(a->paths[i].exact.glob, b->paths[i].exact.glob) != 0)
			return false;
	return true;
}

static bool
same_conditions(const struct rule *a, const struct rule *b)
{
	return a->updates == b->updates && a->changes == b->changes &&
	    a->who.anonymous == b->who.anonymous &&
	    same(&a->repositories, &b->repositories) &&
	    same(&a->refs, &b->refs) && same(&a->who.names, &b->who.names) &&
	    same(&a->who.groups, &b->who.groups) &&
	    same(&a->who.except, &b->who.except) && same_paths(a, b);
}

static bool
same_effect(const struct rule *a, const struct rule *b)
{
	return a->then == b->then && a->required == b->required &&
	    a->allow_self == b->allow_self && same(&a->from, &b->from);
}

/* Every glob of the list is taken away again behind it. */
static bool
takes_all_away(const struct strv *list)
{
	bool any = false;

	for (size_t i = 0; i < list->n; i++) {
		bool away = list->v[i][0] == '!';

		if (away && strcmp(list->v[i], "!**") == 0)
			any = false;
		else if (!away || i == 0)
			any = true;
	}
	for (size_t i = 0; any && i < list->n; i++) {
		bool gone = false;

		if (list->v[i][0] == '!' && i == 0)
			return false;
		for (size_t k = i + 1; k < list->n && !gone; k++)
			gone = list->v[k][0] == '!' &&
			    strcmp(list->v[k] + 1, list->v[i]) == 0;
		if (list->v[i][0] != '!' && !gone)
			return false;
	}
	return list->n > 0;
}

static bool
nobody_left(const struct who *w)
{
	if (w->names.n > 0 || w->anonymous || w->groups.n == 0)
		return false;
	for (size_t i = 0; i < w->groups.n; i++)
		if (!strv_has(&w->except, w->groups.v[i]))
			return false;
	return true;
}

static void
warn_refs(const struct rule *r, struct strv *out)
{
	for (size_t i = 0; i < r->refs.n; i++) {
		const char *glob = r->refs.v[i] + (r->refs.v[i][0] == '!');
		size_t n = strcspn(glob, "*?[\\");

		if (n > strlen("refs/"))
			n = strlen("refs/");
		if (strncmp(glob, "refs/", n) != 0)
			strv_addf(out,
			    "%s:%d: rule %s: refs \"%s\" matches no full name: write refs/heads/... or refs/tags/...",
			    r->file, r->line, r->name, glob);
	}
	if (takes_all_away(&r->refs))
		strv_addf(out,
		    "%s:%d: rule %s can never match: its refs take away everything",
		    r->file, r->line, r->name);
}

static void
warn_paths(const struct rule *r, struct strv *out)
{
	for (size_t i = 0; i < r->n_paths; i++) {
		const char *glob = r->paths[i].exact.glob;
		size_t n = strlen(glob);

		if (glob[0] == '/')
			strv_addf(out,
			    "%s:%d: rule %s: path \"%s\" matches nothing: paths do not begin with a slash",
			    r->file, r->line, r->name, glob);
		else if (n > 0 && glob[n - 1] == '/')
			strv_addf(out,
			    "%s:%d: rule %s: path \"%s\" matches nothing: write \"%s**\" for what is below",
			    r->file, r->line, r->name, glob, glob);
	}
	if (rule_has_paths(r) && r->updates == 1u << UPDATE_DELETE)
		strv_addf(out,
		    "%s:%d: rule %s can never match: deleting a ref changes no paths",
		    r->file, r->line, r->name);
}

static bool
all_are_heads(const struct strv *refs)
{
	for (size_t i = 0; i < refs->n; i++)
		if (!view_has_prefix(view_str(refs->v[i]), "refs/heads/"))
			return false;
	return refs->n > 0;
}

static void
warn_rule(const struct rule *r, struct strv *out)
{
	warn_refs(r, out);
	warn_paths(r, out);
	if (nobody_left(&r->who))
		strv_addf(out,
		    "%s:%d: rule %s can never match: except-groups has all of its groups",
		    r->file, r->line, r->name);
	if (r->then == VERDICT_ALLOW)
		strv_addf(out,
		    "%s:%d: rule %s has no effect: what no rule holds or denies is allowed",
		    r->file, r->line, r->name);
	if (r->updates == 1u << UPDATE_TAG_MOVE && all_are_heads(&r->refs))
		strv_addf(out,
		    "%s:%d: rule %s can never match: tag-move is for refs/tags/",
		    r->file, r->line, r->name);
}

void
ruleset_warn(const struct ruleset *rs, struct strv *warnings)
{
	if (rs->n_access == 0)
		strv_addf(warnings,
		    "no access entry: nobody may fetch or push anything");
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		warn_rule(r, warnings);
		for (size_t k = 0; k < i; k++) {
			if (!same_conditions(&rs->rules[k], r) ||
			    !same_effect(&rs->rules[k], r))
				continue;
			strv_addf(warnings,
			    "%s:%d: rule %s says the same as rule %s (%s:%d)",
			    r->file, r->line, r->name, rs->rules[k].name,
			    rs->rules[k].file, rs->rules[k].line);
			break;
		}
	}
}
