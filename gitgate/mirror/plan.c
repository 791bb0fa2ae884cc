/* What upstream has and the mirror has not. */
#include "mirror/mirror_priv.h"

#include "base/fd.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LINES_BYTES ((size_t)128 << 20)

struct oids {
	struct oid *v;
	size_t n, alloc;
};

static int
push(struct oids *l, const struct oid *o, struct gg_error *err)
{
	if (l->n == l->alloc) {
		size_t want = l->alloc == 0 ? 64 : l->alloc * 2;
		struct oid *v = reallocarray(l->v, want, sizeof(*v));

		if (v == NULL)
			return gg_fail(err, GG_E_NOMEM, "list of objects");
		l->v = v;
		l->alloc = want;
	}
	l->v[l->n++] = *o;
	return 0;
}

static int
copy_refs(struct mirror *m, const struct advert *a, const struct strv *globs,
    struct gg_error *err)
{
	struct oid none = { 0 };
	int rc = 0;

	ref_list_release(&m->next);
	ref_list_release(&m->kept_next);
	m->n_kept_missing = 0;
	for (size_t i = 0; i < a->n_refs && rc == 0; i++) {
		struct view name = view_str(a->refs[i].name);

		if (!a->refs[i].kept && globs->n > 0 &&
		    !glob_list_match(globs, name))
			continue;
		if (a->refs[i].kept && !mirror_has_object(m, &a->refs[i].oid)) {
			m->n_kept_missing++;
			continue;
		}
		if (a->refs[i].kept)
			rc = ref_list_add(&m->kept_next, name, &a->refs[i].oid,
			    &none, err);
		if (rc != 0)
			break;
		rc = ref_list_add(&m->next, name, &a->refs[i].oid, &none, err);
	}
	/* Sorted by the reader of the advertisement: its word, not ours. */
	return rc == GG_E_CORRUPT ?
	    gg_fail(err, GG_E_PEER, "upstream's refs are not in order") :
	    rc;
}

static int
copy_head(struct mirror *m, const struct advert *a, const struct strv *globs,
    struct gg_error *err)
{
	char hex[OID_HEX + 1];

	free(m->next_head);
	m->next_head = NULL;
	/* A branch that is not carried stays unnamed. */
	if (a->head_target != NULL &&
	    (globs->n == 0 ||
		glob_list_match(globs, view_str(a->head_target)))) {
		m->next_head = path_f("ref: %s", a->head_target);
	} else if (a->head_target == NULL && !oid_is_zero(&a->head_oid)) {
		oid_format(&a->head_oid, hex);
		m->next_head = strdup(hex);
	} else {
		m->next_head = strdup(MIRROR_HEAD_UNKNOWN);
	}
	return m->next_head == NULL ? gg_fail(err, GG_E_NOMEM, "HEAD") : 0;
}

static int
copy_shallow(struct mirror *m, const struct advert *a, struct gg_error *err)
{
	char hex[OID_HEX + 1];

	buf_clear(&m->next_shallow);
	for (size_t i = 0; i < a->n_shallow; i++) {
		oid_format(&a->shallow[i], hex);
		buf_add(&m->next_shallow, hex, OID_HEX);
		buf_addc(&m->next_shallow, '\n');
	}
	return buf_check(&m->next_shallow, err);
}

static int
find_wants(struct mirror *m, const struct advert *a, struct gg_error *err)
{
	struct oids l = { 0 };
	int rc = 0;

	for (size_t i = 0; i < m->next.n && rc == 0; i++) {
		if (!mirror_has_object(m, &m->next.v[i].oid))
			rc = push(&l, &m->next.v[i].oid, err);
	}
	if (rc == 0 && m->next_head[0] != 'r' &&
	    !mirror_has_object(m, &a->head_oid))
		rc = push(&l, &a->head_oid, err);
	l.n = oids_sort_unique(l.v, l.n);
	free(m->wants);
	m->wants = l.v;
	m->n_wants = l.n;
	return rc;
}

static bool
is_in(const struct oids *l, const struct oid *o)
{
	for (size_t i = 0; i < l->n; i++) {
		if (oid_eq(&l->v[i], o))
			return true;
	}
	return false;
}

enum round { MOVED, BRANCHES, ALL, ROUNDS };

static bool
is_of_round(const struct mirror *m, const struct mirror_ref *r,
    enum round round)
{
	const struct mirror_ref *next;

	switch (round) {
	case MOVED:
		next = ref_list_find(&m->next, r->name);
		return next == NULL || !oid_eq(&next->oid, &r->oid);
	case BRANCHES:
		return strncmp(r->name, "refs/heads/", 11) == 0;
	case ALL:
	case ROUNDS:
		break;
	}
	return true;
}

/* The best bases first: what new commits most likely stand on. */
static int
find_haves(struct mirror *m, struct gg_error *err)
{
	struct oids l = { 0 };
	int rc = 0;

	for (int round = 0; round < ROUNDS && m->n_wants > 0; round++) {
		for (size_t i = 0;
		     i < m->now.n && rc == 0 && l.n < MIRROR_MAX_HAVES; i++) {
			const struct mirror_ref *r = &m->now.v[i];

			/* what is kept is none of upstream's business */
			if (is_of_round(m, r, (enum round)round) &&
			    ref_list_find(&m->kept_now, r->name) == NULL &&
			    !is_in(&l, &r->oid) &&
			    mirror_has_object(m, &r->oid))
				rc = push(&l, &r->oid, err);
		}
	}
	free(m->haves);
	m->haves = l.v;
	m->n_haves = l.n;
	return rc;
}

int
mirror_plan(struct mirror *m, const struct advert *a, const struct strv *globs,
    struct gg_error *err)
{
	int rc = mirror_open_odb(m, err);

	if (rc == 0)
		rc = copy_refs(m, a, globs, err);
	if (rc == 0)
		rc = copy_head(m, a, globs, err);
	if (rc == 0)
		rc = copy_shallow(m, a, err);
	if (rc == 0)
		rc = find_wants(m, a, err);
	if (rc == 0)
		rc = find_haves(m, err);
	return rc;
}

bool
mirror_needs_pack(const struct mirror *m)
{
	return m->n_wants > 0;
}

static void
format_lines(struct buf *out, const char *word, const struct oid *v, size_t n)
{
	char hex[OID_HEX + 1];

	for (size_t i = 0; i < n; i++) {
		oid_format(&v[i], hex);
		buf_addf(out, "%s %s\n", word, hex);
	}
}

void
mirror_need_format(const struct mirror *m, struct buf *out)
{
	format_lines(out, "want", m->wants, m->n_wants);
	format_lines(out, "have", m->haves, m->n_haves);
}
