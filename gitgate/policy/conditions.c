/* Conditions on who pushes what to where, and when. */
#include "policy/judging.h"

#include "base/clock.h"
#include "config/config.h"

#include <stdarg.h>

void
because(struct judging *j, const char *fmt, ...)
{
	char text[WHY_MAX];
	va_list ap;

	if (j->why == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(j->why);
	buf_adds(j->why, text);
}

/* The glob that decides about text, or NULL where none matches. */
static const char *
decisive(const struct strv *globs, const char *text)
{
	for (size_t i = globs->n; i-- > 0;) {
		const char *g = globs->v[i];

		if (glob_match(g + (g[0] == '!'), view_str(text)))
			return g;
	}
	return NULL;
}

static bool
say_globs(struct judging *j, const struct strv *globs, const char *text,
    bool match)
{
	const char *g = j->why ? decisive(globs, text) : NULL;

	if (g != NULL)
		because(j, "\"%s\" decides about %s", g, text);
	else if (match)
		because(j, "nothing takes %s away", text);
	else
		because(j, "nothing in the list matches %s", text);
	return match;
}

static bool
has_repositories(const struct rule *r)
{
	return r->repositories.n > 0;
}

static bool
test_repositories(struct judging *j)
{
	GG_AUTO_MEM char *lower = strdup(j->in->repository);

	for (char *s = lower; s != NULL && *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + 32);
	return say_globs(j, &j->r->repositories, lower ? lower : "",
	    repositories_match(&j->r->repositories, j->in->repository));
}

static bool
has_refs(const struct rule *r)
{
	return r->refs.n > 0;
}

static bool
test_refs(struct judging *j)
{
	const struct strv *refs = &j->r->refs;
	const char *name = j->in->updates->v[j->u].refname;
	const char *target = j->in->symref_targets ?
	    j->in->symref_targets[j->u] :
	    NULL;

	if (!glob_list_match(refs, view_str(name)) && target != NULL &&
	    glob_list_match(refs, view_str(target)))
		return say_globs(j, refs, target, true);
	return say_globs(j, refs, name, glob_list_match(refs, view_str(name)));
}

static bool
has_updates(const struct rule *r)
{
	return r->updates != 0;
}

static bool
test_updates(struct judging *j)
{
	enum update_kind kind = judged_update(j)->kind;

	because(j, "the update is a %s", update_kind_name(kind));
	return (j->r->updates & 1u << kind) != 0;
}

static bool
has_who(const struct rule *r)
{
	const struct who *w = &r->who;

	return w->names.n > 0 || w->groups.n > 0 || w->except.n > 0 ||
	    w->anonymous;
}

static const char *
shared_group(const struct principal *p, const struct strv *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		if (strv_has(&p->groups, groups->v[i]))
			return groups->v[i];
	return NULL;
}

static bool
test_who(struct judging *j)
{
	const struct principal *p = j->in->principal;
	const struct who *w = &j->r->who;
	const char *in = shared_group(p, &w->groups);
	const char *out = shared_group(p, &w->except);
	bool match = who_match(w, p);

	if (p->method == AUTH_ANONYMOUS)
		because(j, "the pusher is anonymous");
	else if (out != NULL)
		because(j, "%s is in %s, which is excepted", p->name, out);
	else if (strv_has(&w->names, p->name))
		because(j, "%s is named", p->name);
	else if (in != NULL)
		because(j, "%s is in %s", p->name, in);
	else
		because(j, "%s is %s", p->name,
		    match ? "not excepted" : "neither named nor in a group");
	return match;
}

static bool
has_during(const struct rule *r)
{
	return r->during.n > 0;
}

static bool
has_outside(const struct rule *r)
{
	return r->outside.n > 0;
}

static bool
in_windows(struct judging *j, const struct time_windows *w)
{
	char now[CLOCK_RFC3339_SIZE];
	size_t which = 0;
	bool in = time_windows_match(w, j->in->now_wall_ms, &which);

	clock_format(j->in->now_wall_ms, now);
	if (in)
		because(j, "%s is in window %zu", now, which + 1);
	else
		because(j, "%s is in none of the windows", now);
	return in;
}

static bool
test_during(struct judging *j)
{
	return in_windows(j, &j->r->during);
}

static bool
test_outside(struct judging *j)
{
	return !in_windows(j, &j->r->outside);
}

const struct condition outer_conditions[] = {
	{ "updates", has_updates, test_updates, false },
	{ "principals", has_who, test_who, false },
	{ "repositories", has_repositories, test_repositories, false },
	{ "refs", has_refs, test_refs, false },
	{ "during", has_during, test_during, false },
	{ "outside", has_outside, test_outside, false },
	{ NULL, NULL, NULL, false },
};
