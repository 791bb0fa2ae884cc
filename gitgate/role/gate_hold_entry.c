/* What entries of the log say about a hold. */
#include "role/gate_push.h"

#include <string.h>

/* An entry has at most 64 KiB, with a comment and the updates: the names of
 * so many rules, so long, and of whom they ask. All is in the store. */
#define RULES_MAX      10
#define NAME_MAX_BYTES 200
#define NAMES_MAX      20
#define NEEDS_MAX      ((size_t)16 << 10)

static json_t *
cut_name(const json_t *text)
{
	const char *s = json_string_value(text);

	return audit_text_cut(s != NULL ? s : "", NAME_MAX_BYTES);
}

/* Each rule that holds, once, so that a search by it finds the hold. */
static json_t *
rules_of(const json_t *needs)
{
	json_t *rules = json_array();
	const json_t *need;
	size_t i;

	json_array_foreach(needs, i, need)
	{
		json_t *o;

		if (i == RULES_MAX)
			break;
		o = json_object();
		(void)json_object_set_new(o, "rule",
		    cut_name(json_object_get(need, "rule")));
		(void)json_object_set_new(o, "verdict", json_string("hold"));
		(void)json_array_append_new(rules, o);
	}
	return rules;
}

json_t *
audit_of_hold(const char *type, const struct stored_hold *h)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "type",
	    type, "hold", h->id, "push", h->push_id, "repository",
	    h->repository, "principal", h->principal, "report",
	    h->report_digest, "policy", h->policy_digest, "rules",
	    rules_of(h->needs));
}

static void
add_names(json_t *to, const char *key, const json_t *names)
{
	json_t *some;
	const json_t *name;
	size_t i;

	if (json_array_size(names) == 0)
		return;
	some = json_array();
	json_array_foreach(names, i, name) if (i < NAMES_MAX)(void)
	    json_array_append_new(some, cut_name(name));
	(void)json_object_set_new(to, key, some);
}

void
audit_add_needs(json_t *entry, const struct stored_hold *h)
{
	json_t *needs = json_array();
	const json_t *need;
	size_t i, left = NEEDS_MAX;

	json_array_foreach(h->needs, i, need)
	{
		json_t *o = json_object();
		size_t n;

		(void)json_object_set_new(o, "rule",
		    cut_name(json_object_get(need, "rule")));
		(void)json_object_set(o, "required",
		    json_object_get(need, "required"));
		add_names(o, "from", json_object_get(need, "from"));
		add_names(o, "people", json_object_get(need, "people"));
		n = json_dumpb(o, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII);
		if (i == RULES_MAX || n > left) {
			json_decref(o);
			break;
		}
		left -= n;
		(void)json_array_append_new(needs, o);
	}
	(void)json_object_set_new(entry, "needs", needs);
}

void
audit_add_reviewers(json_t *entry, const struct stored_hold *h)
{
	json_t *names = json_array();

	for (size_t i = 0; i < h->n_reviews; i++)
		if (h->reviews[i].approve)
			(void)json_array_append_new(names,
			    audit_text(h->reviews[i].reviewer));
	(void)json_object_set_new(entry, "reviewers", names);
}

json_t *
audit_of_closing(const struct stored_hold *h, enum hold_state state,
    const char *reason)
{
	json_t *e = audit_of_hold("hold.closed", h);

	audit_add_reviewers(e, h);
	(void)json_object_set_new(e, "state",
	    json_string(hold_state_name(state)));
	(void)json_object_set_new(e, "reason", audit_words(reason));
	return e;
}
