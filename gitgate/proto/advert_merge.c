/* Upstream's refs and those that the gate keeps, as one. */
#include "proto/advert.h"

#include <stdlib.h>
#include <string.h>

/* The first ref whose name is not less than this one. */
static size_t
lower_bound(const struct advert *a, const char *name)
{
	size_t low = 0, high = a->n_refs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(a->refs[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
advert_in_the_way(const struct advert *a, const char *refname)
{
	GG_AUTO_RELEASE(buf) below = BUF_INIT((size_t)1 << 20);
	size_t i;

	for (const char *s = strchr(refname, '/'); s != NULL;
	     s = strchr(s + 1, '/'))
		if (advert_find(a, view_of(refname, (size_t)(s - refname))) !=
		    NULL)
			return true;
	buf_addf(&below, "%s/", refname);
	if (buf_check(&below, NULL) != 0)
		return true;
	i = lower_bound(a, buf_str(&below));
	return i < a->n_refs &&
	    strncmp(a->refs[i].name, buf_str(&below), below.n) == 0;
}

static char *
copy_of(const char *s)
{
	char *copy = s != NULL ? strdup(s) : NULL;

	if (s != NULL && copy == NULL)
		gg_die("no memory for an advertisement");
	return copy;
}

static void
add_ref(struct advert *out, const struct advert_ref *r, bool kept)
{
	struct advert_ref *to = &out->refs[out->n_refs++];

	*to = *r;
	to->name = copy_of(r->name);
	to->symref = copy_of(r->symref);
	to->kept = kept;
}

static int
copy_rest(const struct advert *from, struct advert *to, struct gg_error *err)
{
	strv_copy(&to->caps, &from->caps);
	to->head_target = copy_of(from->head_target);
	to->head_oid = from->head_oid;
	if (from->n_shallow > 0) {
		to->shallow = calloc(from->n_shallow, sizeof(*to->shallow));
		if (to->shallow == NULL)
			return gg_fail(err, GG_E_NOMEM, "refs");
		memcpy(to->shallow, from->shallow,
		    from->n_shallow * sizeof(*to->shallow));
		to->n_shallow = from->n_shallow;
	}
	return strv_check(&to->caps, err);
}

int
advert_merge(const struct advert *upstream, const struct advert *kept,
    struct advert **out, size_t *shadowed, struct gg_error *err)
{
	GG_AUTO(advert) a = advert_new();
	size_t i = 0, n = upstream->n_refs + kept->n_refs;
	int rc;

	*shadowed = 0;
	if (n > ADVERT_MAX_REFS)
		return gg_fail(err, GG_E_LIMIT, "more than %d refs",
		    ADVERT_MAX_REFS);
	if (a == NULL || (a->refs = calloc(n + 1, sizeof(*a->refs))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "refs");
	a->alloc = n + 1;
	if ((rc = copy_rest(upstream, a, err)) != 0)
		return rc;
	for (size_t k = 0; k < kept->n_refs; k++) {
		const char *name = kept->refs[k].name;

		while (i < upstream->n_refs &&
		    strcmp(upstream->refs[i].name, name) < 0)
			add_ref(a, &upstream->refs[i++], false);
		if ((i < upstream->n_refs &&
			strcmp(upstream->refs[i].name, name) == 0) ||
		    advert_in_the_way(upstream, name))
			++*shadowed;
		else
			add_ref(a, &kept->refs[k], true);
	}
	while (i < upstream->n_refs)
		add_ref(a, &upstream->refs[i++], false);
	*out = gg_take(a);
	return 0;
}
