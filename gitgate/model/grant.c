#include "model/grant.h"

#include "base/error.h"

static const char *const state_names[GRANT_STATE_COUNT] = { "asked", "active",
	"rejected", "expired", "revoked", "withdrawn" };

static const char *const access_names[] = { "fetch", "push" };

const char *
grant_state_name(enum grant_state s)
{
	return s < GRANT_STATE_COUNT ? state_names[s] : "?";
}

bool
grant_state_parse(struct view v, enum grant_state *out)
{
	for (unsigned i = 0; i < GRANT_STATE_COUNT; i++) {
		if (view_eq_str(v, state_names[i])) {
			*out = (enum grant_state)i;
			return true;
		}
	}
	return false;
}

bool
grant_move_is_allowed(enum grant_state a, enum grant_state b)
{
	if (a == GRANT_ASKED)
		return b == GRANT_ACTIVE || b == GRANT_REJECTED ||
		    b == GRANT_EXPIRED || b == GRANT_WITHDRAWN;
	return a == GRANT_ACTIVE && (b == GRANT_EXPIRED || b == GRANT_REVOKED);
}

const char *
grant_verb_name(unsigned i)
{
	if (i < GG_COUNT(access_names))
		return access_names[i];
	if (i < GRANT_VERB_COUNT)
		return update_kind_name((enum update_kind)(i - 2));
	return "?";
}

unsigned
grant_verb_parse(struct view v)
{
	for (unsigned i = 0; i < GRANT_VERB_COUNT; i++)
		if (view_eq_str(v, grant_verb_name(i)))
			return 1u << i;
	return 0;
}

void
grant_scope_release(struct grant_scope *s)
{
	strv_release(&s->repositories);
	strv_release(&s->refs);
	strv_release(&s->paths);
	strv_release(&s->rules);
	*s = (struct grant_scope){ 0 };
}

void
grant_scope_copy(struct grant_scope *to, const struct grant_scope *from)
{
	strv_copy(&to->repositories, &from->repositories);
	strv_copy(&to->refs, &from->refs);
	strv_copy(&to->paths, &from->paths);
	strv_copy(&to->rules, &from->rules);
	to->verbs = from->verbs;
}
