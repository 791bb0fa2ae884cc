#include "role/kept_refs.h"

#include <stdlib.h>

bool
kept_any(const struct advert *has)
{
	for (size_t i = 0; i < has->n_refs; i++)
		if (has->refs[i].kept)
			return true;
	return false;
}

bool
kept_is_base(const struct ruleset *rs, const char *repository,
    const struct principal *p, const struct ref_updates *updates,
    const struct advert *has)
{
	for (size_t i = 0; i < updates->n; i++) {
		const struct ref_update *u = &updates->v[i];
		const struct advert_ref *r = advert_find(has,
		    view_str(u->refname));

		if (r != NULL ? r->kept :
				ruleset_keeps(rs, p, repository, u->refname))
			return true;
	}
	return false;
}

/* The new names of this push, which have to stand beside each other. */
static struct advert *
new_names(const struct ref_updates *updates)
{
	GG_AUTO(advert) a = advert_new();

	for (size_t i = 0; a != NULL && i < updates->n; i++)
		if (!oid_is_zero(&updates->v[i].new_oid) &&
		    advert_add(a, view_str(updates->v[i].refname),
			&updates->v[i].new_oid, NULL) != 0)
			return NULL;
	if (a == NULL || advert_sort(a, NULL) != 0)
		return NULL;
	return gg_take(a);
}

unsigned char *
kept_places(const struct ref_updates *updates, const struct advert *has)
{
	GG_AUTO(advert) fresh = new_names(updates);
	unsigned char *at = calloc(updates->n + 1, 1);

	if (at == NULL)
		gg_die("no memory for a push");
	for (size_t i = 0; i < updates->n; i++) {
		const struct ref_update *u = &updates->v[i];
		const struct advert_ref *r = advert_find(has,
		    view_str(u->refname));

		if (r != NULL)
			at[i] = r->kept ? POLICY_KEPT : POLICY_UPSTREAM_HAS;
		else if (fresh == NULL || advert_in_the_way(has, u->refname) ||
		    advert_in_the_way(fresh, u->refname))
			at[i] = POLICY_IN_THE_WAY;
	}
	return at;
}

bool
kept_in_json(const json_t *updates)
{
	return json_is_true(json_object_get(json_array_get(updates, 0),
	    "keep"));
}
