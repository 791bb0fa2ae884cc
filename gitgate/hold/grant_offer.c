/* The scope of "and the same for a while", from a hold's own words. */
#include "hold/grant_cover.h"

#include <string.h>

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static void
add_once(struct strv *v, const char *s)
{
	if (!strv_has(v, s))
		strv_add(v, s);
}

/* One rule that holds. all_paths: one of them is about no paths of its own. */
static int
add_reason(const json_t *reason, struct grant_scope *out, bool *all_paths,
    struct gg_error *err)
{
	const json_t *same = json_object_get(reason, "same"), *glob;
	size_t i;

	if (!json_is_array(same))
		return gg_fail(err, GG_E_REFUSED,
		    "rule %.64s has to be looked at each time",
		    text_of(reason, "rule"));
	add_once(&out->rules, text_of(reason, "rule"));
	if (json_array_size(same) == 0)
		*all_paths = true;
	json_array_foreach(same, i, glob)
	{
		if (!json_is_string(glob))
			return gg_fail(err, GG_E_CORRUPT, "a hold is damaged");
		add_once(&out->paths, json_string_value(glob));
	}
	return 0;
}

static int
add_update(const json_t *u, struct grant_scope *out, bool *all_paths,
    struct gg_error *err)
{
	const json_t *reasons = json_object_get(u, "reasons"), *r;
	size_t i;
	int rc;

	if (strcmp(text_of(u, "verdict"), "hold") != 0)
		return 0;
	add_once(&out->refs, text_of(u, "ref"));
	out->verbs |= grant_verb_parse(view_str(text_of(u, "kind"))) &
	    GRANT_UPDATES;
	json_array_foreach(reasons, i,
	    r) if (strcmp(text_of(r, "verdict"), "hold") == 0 &&
	    (rc = add_reason(r, out, all_paths, err)) != 0) return rc;
	return 0;
}

int
grant_offer(const char *repository, const json_t *updates, size_t list_max,
    struct grant_scope *out, struct gg_error *err)
{
	bool all_paths = false;
	const json_t *u;
	size_t i;
	int rc;

	strv_add(&out->repositories, repository);
	for (char *s = out->repositories.n > 0 ? out->repositories.v[0] : NULL;
	     s != NULL && *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + 32);
	json_array_foreach(updates, i,
	    u) if ((rc = add_update(u, out, &all_paths, err)) != 0) return rc;
	if (all_paths)
		strv_release(&out->paths);
	if (out->rules.n == 0)
		return gg_fail(err, GG_E_REFUSED, "no rule holds it");
	rc = grant_scope_check(out, list_max, err);
	return rc == GG_E_INPUT ? gg_wrap(err, GG_E_REFUSED, "too much") : rc;
}
