#include "policy/ruleset_priv.h"

#include "base/clock.h"
#include "config/config.h"

static bool
same_effect(const struct rule *a, const struct rule *b)
{
	return a->then == b->then && a->required == b->required &&
	    a->from_codeowners == b->from_codeowners &&
	    a->allow_self == b->allow_self && strv_eq(&a->from, &b->from);
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
	if (r->n_paths > 0 && r->paths[r->n_paths - 1].away &&
	    strcmp(r->paths[r->n_paths - 1].exact.glob, "**") == 0)
		strv_addf(out,
		    "%s:%d: rule %s can never match: its paths take away everything",
		    r->file, r->line, r->name);
	if (r->updates != 1u << UPDATE_DELETE)
		return;
	if (rule_has_paths(r))
		strv_addf(out,
		    "%s:%d: rule %s can never match: deleting a ref changes no paths",
		    r->file, r->line, r->name);
	else if (r->secrets || r->has_commits || r->has_more_than ||
	    r->provenance.require != PROVENANCE_NONE)
		strv_addf(out,
		    "%s:%d: rule %s can never match: deleting a ref brings no commits",
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
	if (time_windows_over(&r->during, clock_wall_ms()))
		strv_addf(out,
		    "%s:%d: rule %s can never match again: all of during is over",
		    r->file, r->line, r->name);
	if (takes_all_away(&r->repositories))
		strv_addf(out,
		    "%s:%d: rule %s can never match: its repositories take away everything",
		    r->file, r->line, r->name);
	if (r->hook != NULL && r->has_then)
		strv_addf(out,
		    "%s:%d: rule %s: then has no effect beside a hook, which says the verdict",
		    r->file, r->line, r->name);
	if (r->hook == NULL && r->then == VERDICT_ALLOW && !r->keep)
		strv_addf(out,
		    "%s:%d: rule %s has no effect: what no rule holds or denies is allowed",
		    r->file, r->line, r->name);
	if (r->updates == 1u << UPDATE_TAG_MOVE && all_are_heads(&r->refs))
		strv_addf(out,
		    "%s:%d: rule %s can never match: tag-move is for refs/tags/",
		    r->file, r->line, r->name);
}

/* Does a match whatever b matches? Both without a leading "!" in doubt: no. */
static bool
list_covers(const struct strv *a, const struct strv *b)
{
	if (a->n == 0 || strv_eq(a, b))
		return true;
	if (b->n == 0 || b->v[0][0] == '!')
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i][0] == '!')
			return false;
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i][0] != '!' && !strv_has(a, b->v[i]))
			return false;
	return true;
}

static void
list_paths(const struct rule *r, struct strv *out)
{
	for (size_t i = 0; i < r->n_paths; i++)
		strv_addf(out, "%s%s", r->paths[i].away ? "!" : "",
		    r->paths[i].exact.glob);
}

static bool
paths_cover(const struct rule *a, const struct rule *b)
{
	GG_AUTO_RELEASE(strv) x = STRV_INIT;
	GG_AUTO_RELEASE(strv) y = STRV_INIT;

	list_paths(a, &x);
	list_paths(b, &y);
	if (!list_covers(&x, &y) ||
	    (a->changes != 0 &&
		(b->changes == 0 || (b->changes & ~a->changes) != 0)))
		return false;
	return !a->has_blob_limit ||
	    (b->has_blob_limit && b->blob_larger_than >= a->blob_larger_than);
}

static bool
same_file(const struct key_file *a, const struct key_file *b)
{
	if (a->name == NULL || b->name == NULL)
		return a->name == b->name;
	return strcmp(a->name, b->name) == 0;
}

static bool
commits_cover(const struct rule *a, const struct rule *b)
{
	const struct commit_condition *x = &a->commits, *y = &b->commits;

	if (!a->has_commits)
		return true;
	return b->has_commits &&
	    list_covers(&x->author_email, &y->author_email) &&
	    list_covers(&x->committer_email, &y->committer_email) &&
	    list_covers(&x->message, &y->message) &&
	    list_covers(&x->subject, &y->subject) &&
	    (!x->signed_by ||
		(y->signed_by && x->want_signed == y->want_signed &&
		    same_file(&x->allowed_signers, &y->allowed_signers) &&
		    same_file(&x->openpgp, &y->openpgp)));
}

static bool
limit_covers(uint64_t a, uint64_t b)
{
	return b == UINT64_MAX || a <= b;
}

static bool
amounts_cover(const struct rule *a, const struct rule *b)
{
	return !a->has_more_than ||
	    (b->has_more_than &&
		limit_covers(a->more_than.commits, b->more_than.commits) &&
		limit_covers(a->more_than.files, b->more_than.files) &&
		limit_covers(a->more_than.lines, b->more_than.lines));
}

/* Who gives a session also gives something, and so on. */
static bool
provenance_covers(const struct provenance_condition *a,
    const struct provenance_condition *b)
{
	return a->require == PROVENANCE_NONE ||
	    (a->require == b->require && (a->verified || !b->verified));
}

static bool
who_covers(const struct who *a, const struct who *b)
{
	bool all = a->names.n == 0 && a->groups.n == 0 && a->except.n == 0 &&
	    !a->anonymous;

	return all ||
	    (a->anonymous == b->anonymous && strv_eq(&a->names, &b->names) &&
		strv_eq(&a->groups, &b->groups) &&
		strv_eq(&a->except, &b->except));
}

/*
 * Does a match whenever b does? Only a yes is certain. Rules with other
 * `refs` have other commits to look at: what lies on some branch already is
 * new to another one.
 */
static bool
rule_covers(const struct rule *a, const struct rule *b)
{
	if (a->hook != NULL || a->during.n > 0 || a->outside.n > 0)
		return false;
	if (rule_has_content(a) ? !strv_eq(&a->refs, &b->refs) :
				  !list_covers(&a->refs, &b->refs))
		return false;
	return (a->updates == 0 ||
		   (b->updates != 0 && (b->updates & ~a->updates) == 0)) &&
	    who_covers(&a->who, &b->who) &&
	    list_covers(&a->repositories, &b->repositories) &&
	    paths_cover(a, b) && (!a->secrets || b->secrets) &&
	    commits_cover(a, b) && amounts_cover(a, b) &&
	    provenance_covers(&a->provenance, &b->provenance);
}

/* Would the verdict and the needs be the same without b? */
static bool
rule_swallows(const struct rule *a, const struct rule *b)
{
	if (!rule_covers(a, b))
		return false;
	/* what was not looked at whole is held by b, not denied by a */
	if (a->then == VERDICT_DENY)
		return !(rule_has_content(a) && rule_may_hold(b));
	return a->then == VERDICT_HOLD && b->hook == NULL &&
	    b->then == VERDICT_HOLD && same_effect(a, b) &&
	    a->wait_ms == b->wait_ms && a->expires_ms == b->expires_ms;
}

static void
warn_swallowed(const struct ruleset *rs, size_t i, struct strv *out)
{
	const struct rule *r = &rs->rules[i];

	for (size_t k = 0; k < rs->n_rules; k++) {
		const struct rule *a = &rs->rules[k];
		bool both = k != i && a->hook == NULL && r->hook == NULL &&
		    rule_covers(a, r) && rule_covers(r, a) && same_effect(a, r);

		if (both && k < i) {
			strv_addf(out,
			    "%s:%d: rule %s says the same as rule %s (%s:%d)",
			    r->file, r->line, r->name, a->name, a->file,
			    a->line);
			return;
		}
		if (k == i || both || !rule_swallows(a, r) ||
		    (r->hook == NULL && r->then == VERDICT_ALLOW))
			continue;
		strv_addf(out,
		    "%s:%d: rule %s decides nothing: rule %s (%s:%d) matches whenever it does, and %s",
		    r->file, r->line, r->name, a->name, a->file, a->line,
		    a->then == VERDICT_DENY ? "denies" : "asks for the same");
		return;
	}
}

void
ruleset_warn(const struct ruleset *rs, struct strv *warnings)
{
	if (rs->n_access == 0)
		strv_addf(warnings,
		    "no access entry: nobody may fetch or push anything");
	for (size_t i = 0; i < rs->n_rules; i++) {
		warn_rule(&rs->rules[i], warnings);
		warn_swallowed(rs, i, warnings);
	}
}
