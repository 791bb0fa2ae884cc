#include "pack/tree_walk.h"

#include "base/buf.h"
#include "pack/obj_check.h"

/* The walk under way. */
struct walk {
	const struct tree_walk *w;
	struct buf path;
	uint64_t depth;
	const char **limit;
};

/* One directory: each stream's place in its list; equal trees share one. */
struct level {
	struct tree_list lists[MERGE_VALUES_MAX];
	size_t list_of[MERGE_VALUES_MAX]; /* n: this stream has no tree */
	size_t at[MERGE_VALUES_MAX];
	size_t n;
	/* here and not on the stack: levels nest */
	struct tree_value v[MERGE_VALUES_MAX];
	struct oid below[MERGE_VALUES_MAX];
};

static void
level_free(struct level *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++)
		tree_list_release(&l->lists[i]);
	free(l);
}
GG_DEFINE_AUTO(level);

void
tree_list_release(struct tree_list *t)
{
	object_release(&t->obj);
	free(t->v);
	*t = (struct tree_list){ 0 };
}

static int
by_order(const void *a, const void *b)
{
	return tree_entry_cmp(a, b);
}

static int
count_entries(struct view raw, size_t *n, bool *sorted, struct gg_error *err)
{
	struct tree_entry e, before = { 0 };
	int got;

	*n = 0;
	*sorted = true;
	while ((got = tree_next(&raw, &e, err)) == 1) {
		if (*n > 0 && tree_entry_cmp(&before, &e) > 0)
			*sorted = false;
		before = e;
		(*n)++;
	}
	return got;
}

int
tree_list_read(struct objects *o, const struct oid *oid, uint64_t max_entries,
    struct tree_list *out, struct gg_error *err)
{
	struct view raw;
	bool sorted;
	size_t n;
	int rc;

	if ((rc = objects_read_as(o, oid, OBJECT_TREE, &out->obj, err)) != 0)
		return rc;
	raw = out->obj.data;
	if ((rc = count_entries(raw, &n, &sorted, err)) != 0)
		return rc;
	if (n > max_entries)
		return gg_fail(err, GG_E_LIMIT, "too many tree entries");
	if (n == 0)
		return 0;
	if ((out->v = reallocarray(NULL, n, sizeof(*out->v))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "tree");
	while (out->n < n && tree_next(&raw, &out->v[out->n], err) == 1)
		out->n++;
	if (!sorted)
		qsort(out->v, out->n, sizeof(*out->v), by_order);
	return 0;
}

static int
level_load(struct walk *k, struct level *l, const struct oid *oids,
    struct gg_error *err)
{
	uint64_t *left = k->w->entries_left;
	size_t same;
	int rc;

	l->n = k->w->n;
	for (size_t i = 0; i < l->n; i++) {
		l->list_of[i] = l->n;
		if (oid_is_zero(&oids[i]))
			continue;
		for (same = 0; same < i; same++)
			if (oid_eq(&oids[same], &oids[i]))
				break;
		l->list_of[i] = same < i ? l->list_of[same] : i;
		if (same < i)
			continue;
		rc = tree_list_read(k->w->objects, &oids[i], *left,
		    &l->lists[i], err);
		if (rc == GG_E_LIMIT)
			*k->limit = "walk-entries";
		if (rc != 0)
			return rc;
		*left -= l->lists[i].n;
	}
	return 0;
}

static const struct tree_entry *
head(const struct level *l, size_t stream)
{
	const struct tree_list *t;

	if (l->list_of[stream] == l->n)
		return NULL;
	t = &l->lists[l->list_of[stream]];
	return l->at[stream] < t->n ? &t->v[l->at[stream]] : NULL;
}

/* The least entry of all heads; the values of all streams at it, which then
 * step on. False at the end. */
static bool
level_next(struct level *l, struct tree_entry *key)
{
	struct tree_value *v = l->v;
	const struct tree_entry *least = NULL, *e;

	for (size_t i = 0; i < l->n; i++) {
		e = head(l, i);
		if (e != NULL &&
		    (least == NULL || tree_entry_cmp(e, least) < 0))
			least = e;
	}
	if (least == NULL)
		return false;
	*key = *least;
	for (size_t i = 0; i < l->n; i++) {
		e = head(l, i);
		v[i] = (struct tree_value){ 0 };
		if (e == NULL || tree_entry_cmp(e, key) != 0)
			continue;
		v[i] = (struct tree_value){ e->mode, e->oid };
		l->at[i]++;
	}
	return true;
}

static int
walk_level(struct walk *k, const struct oid *oids, struct gg_error *err);

static int
descend(struct walk *k, struct level *l, struct gg_error *err)
{
	int rc;

	if (k->depth >= k->w->tree_depth) {
		*k->limit = "tree-depth";
		return gg_fail(err, GG_E_LIMIT, "a tree is nested too deep");
	}
	/* where there is nothing the id is zero already */
	for (size_t i = 0; i < l->n; i++)
		l->below[i] = l->v[i].oid;
	buf_addc(&k->path, '/');
	k->depth++;
	rc = walk_level(k, l->below, err);
	k->depth--;
	return rc;
}

static int
visit(struct walk *k, const struct tree_entry *key, struct level *l,
    struct gg_error *err)
{
	if (k->path.n + key->name.n > k->w->path_bytes) {
		*k->limit = "path-length";
		return gg_fail(err, GG_E_LIMIT, "a path in a tree is too long");
	}
	buf_addv(&k->path, key->name);
	if ((key->mode & MODE_TYPE) == MODE_TREE)
		return descend(k, l, err);
	return k->w->leaf(k->w->ctx, buf_view(&k->path), l->v, err);
}

static int
walk_level(struct walk *k, const struct oid *oids, struct gg_error *err)
{
	GG_AUTO(level) l = calloc(1, sizeof(*l));
	size_t dir = k->path.n;
	struct tree_entry key;
	int rc;

	if (l == NULL)
		return gg_fail(err, GG_E_NOMEM, "tree walk");
	if ((rc = level_load(k, l, oids, err)) != 0)
		return rc;
	while (level_next(l, &key)) {
		if (k->w->same(k->w->ctx, l->v))
			continue;
		if ((rc = visit(k, &key, l, err)) != 0)
			return rc;
		k->path.n = dir;
		k->path.p[dir] = '\0';
	}
	return 0;
}

bool
tree_walk_pair_is_same(void *ctx, const struct tree_value *v)
{
	(void)ctx;
	return tree_value_eq(&v[0], &v[1]);
}

int
tree_walk(const struct tree_walk *w, const struct oid *roots,
    const char **limit, struct gg_error *err)
{
	struct tree_value v[MERGE_VALUES_MAX];
	struct walk k = { .w = w, .limit = limit };
	int rc;

	for (size_t i = 0; i < w->n; i++)
		v[i] = (struct tree_value){
			oid_is_zero(&roots[i]) ? 0 : MODE_TREE, roots[i]
		};
	if (w->same(w->ctx, v))
		return 0;
	buf_init(&k.path, w->path_bytes + 2);
	rc = walk_level(&k, roots, err);
	buf_release(&k.path);
	return rc;
}
