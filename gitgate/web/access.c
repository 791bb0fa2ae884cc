/* Who may see what. */
#include "web/web_priv.h"

#include <strings.h>

static bool
in_groups(const struct principal *p, const char *const *names, size_t n)
{
	if (p->method == AUTH_ANONYMOUS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strv_has(&p->groups, names[i]))
			return true;
	return false;
}

bool
access_is_admin(const struct principal *p)
{
	static const char *const names[] = { "admin", "admins" };

	return in_groups(p, names, GG_COUNT(names));
}

bool
access_is_auditor(const struct principal *p)
{
	static const char *const names[] = { "auditor", "auditors" };

	return access_is_admin(p) || in_groups(p, names, GG_COUNT(names));
}

bool
access_may_allow(const struct principal *p)
{
	static const char *const names[] = { "security" };

	return access_is_admin(p) || in_groups(p, names, GG_COUNT(names));
}

/* Is the principal in a group that the need asks for? An empty list: any. */
static bool
need_asks_for(const json_t *need, const struct principal *p, bool *any)
{
	const json_t *from = json_object_get(need, "from");
	const json_t *people = json_object_get(need, "people");
	const json_t *g;
	size_t i;

	*any = json_array_size(from) == 0 && json_array_size(people) == 0;
	json_array_foreach(people, i, g) if (json_is_string(g) &&
	    principal_is_called(p, json_string_value(g))) return true;
	json_array_foreach(from, i, g) if (json_is_string(g) &&
	    strv_has(&p->groups, json_string_value(g))) return true;
	return false;
}

static bool
asked_by_name(const json_t *needs, const struct principal *p)
{
	const json_t *need;
	size_t i;
	bool any;

	json_array_foreach(needs, i,
	    need) if (need_asks_for(need, p, &any)) return true;
	return false;
}

bool
access_may_see(const struct web_call *c, const char *repository,
    const json_t *needs)
{
	if (c->who.method == AUTH_ANONYMOUS)
		return false;
	return access_is_auditor(&c->who) || asked_by_name(needs, &c->who) ||
	    (ruleset_access(c->rs, &c->who, repository) & ACCESS_FETCH) != 0;
}

bool
access_may_read_entry(const struct web_call *c, const json_t *entry)
{
	const char *repository = json_get(entry, "repository");
	const char *type = json_get(entry, "type");

	if (access_is_auditor(&c->who))
		return true;
	/* that a case is looked into, and why, is not for whom it is about */
	if (strncmp(type, "retention.", strlen("retention.")) == 0)
		return false;
	return repository[0] != '\0' &&
	    (ruleset_access(c->rs, &c->who, repository) & ACCESS_FETCH) != 0;
}

/* The gate decides; this only spares people a button that would refuse
 * them. */
bool
access_may_review(const struct web_call *c, const struct stored_hold *h,
    struct gg_error *why)
{
	return c->ops->may_review(c->ops->ctx, h->id, &c->who, why) == 0;
}
