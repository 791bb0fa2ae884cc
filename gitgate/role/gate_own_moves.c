/* Pushes of ours, as a way from what upstream had to what it has. */
#include "role/out_of_band.h"

#include "base/fd.h"

#include <stdlib.h>
#include <string.h>

/* So much later than another one a push of ours must have ended to have come
 * after it for certain: the end of one is noted some time behind it. */
#define AFTER_MS ((int64_t)1000)
/* A chain of pushes of ours that lies between two refreshes. */
#define CHAIN_MAX 1000

void
own_moves_release(struct own_moves *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->v[i].u.refname);
	free(o->v);
}

static int
add_move(void *ctx, const char *ref, const char *old, const char *new,
    int64_t done_ms)
{
	struct own_moves *o = ctx;
	struct move m = { .done_ms = done_ms };

	if (!oid_parse(view_str(old), &m.u.old_oid) ||
	    !oid_parse(view_str(new), &m.u.new_oid))
		return 0;
	if (o->n == o->alloc) {
		o->alloc = o->alloc ? o->alloc * 2 : 16;
		o->v = reallocarray(o->v, o->alloc, sizeof(*o->v));
		if (o->v == NULL)
			gg_die("no memory for moves");
	}
	m.u.refname = path_f("%s", ref);
	o->v[o->n++] = m;
	return 0;
}

/* What is under way ends last. */
static int64_t
end_of(const struct move *m)
{
	return m->done_ms != 0 ? m->done_ms : INT64_MAX;
}

static int
cmp_moves(const void *a, const void *b)
{
	const struct move *x = a, *y = b;
	int cmp = strcmp(x->u.refname, y->u.refname);

	if (cmp != 0)
		return cmp;
	return end_of(x) < end_of(y) ? -1 : end_of(x) > end_of(y);
}

int
own_moves_read(struct gate *g, const struct repo_ref *repo, int64_t since_ms,
    struct own_moves *o, struct gg_error *err)
{
	int rc = store_push_moves(g->store, repo->name, since_ms, add_move, o,
	    err);

	if (rc == 0 && o->n > 0)
		qsort(o->v, o->n, sizeof(*o->v), cmp_moves);
	return rc;
}

/* A ref's moves: *n of them, from the returned place on. */
static struct move *
own_of(const struct own_moves *o, const char *ref, size_t *n)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(o->v[mid].u.refname, ref) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*n = 0; lo + *n < o->n; ++*n)
		if (strcmp(o->v[lo + *n].u.refname, ref) != 0)
			break;
	return o->v + lo;
}

/* The last move of ours that led to *to: its old value. *end: the latest end
 * of those that were taken. */
static bool
step_back(struct move *v, size_t n, struct oid *to, int64_t *end)
{
	while (n-- > 0) {
		if (v[n].used || !oid_eq(&v[n].u.new_oid, to))
			continue;
		v[n].used = true;
		if (end_of(&v[n]) > *end)
			*end = end_of(&v[n]);
		*to = v[n].u.old_oid;
		return true;
	}
	return false;
}

/* The first one that upstream took since: its new value. */
static bool
step_on(struct move *v, size_t n, int64_t since_ms, struct oid *from)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].used || v[i].done_ms < since_ms || v[i].done_ms == 0 ||
		    !oid_eq(&v[i].u.old_oid, from))
			continue;
		v[i].used = true;
		*from = v[i].u.new_oid;
		return true;
	}
	return false;
}

/* Has a push of ours moved the ref away from there again, behind all that
 * led there? Then something has put it back. */
static bool
was_left(const struct move *v, size_t n, const struct oid *now, int64_t end,
    int64_t asked_ms)
{
	for (size_t i = 0; i < n; i++)
		if (!v[i].used && v[i].done_ms != 0 &&
		    v[i].done_ms < asked_ms && end < INT64_MAX - AFTER_MS &&
		    v[i].done_ms > end + AFTER_MS &&
		    oid_eq(&v[i].u.old_oid, now))
			return true;
	return false;
}

/* What ended before the log said that somebody else had given the ref the
 * value that is known led there no more. */
static void
set_apart(struct move *v, size_t n, int64_t told_ms)
{
	for (size_t i = 0; i < n; i++)
		v[i].used = v[i].done_ms != 0 && v[i].done_ms < told_ms;
}

bool
own_moves_explain(const struct own_moves *o, const struct span *span,
    struct ref_update *u)
{
	size_t n;
	struct move *v = own_of(o, u->refname, &n);
	const struct oid now = u->new_oid;
	int64_t end = 0;
	int i;

	set_apart(v, n, span->told_ms);
	for (i = 0; i < CHAIN_MAX; i++) {
		if (!step_back(v, n, &u->new_oid, &end))
			break;
		if (!oid_eq(&u->old_oid, &u->new_oid))
			continue;
		if (!was_left(v, n, &now, end, span->asked_ms))
			return true;
		set_apart(v, n, span->told_ms);
		u->new_oid = now;
		break;
	}
	while (i++ < CHAIN_MAX && step_on(v, n, span->since_ms, &u->old_oid))
		continue;
	return false;
}
