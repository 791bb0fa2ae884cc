#include "pack/commits.h"

#include "pack/obj_check.h"

enum {
	QUEUED = 1,  /* in the heap now */
	BASE = 2,    /* reachable from a base, or the second commit */
	TIP = 4,     /* reachable from the tip, or the first commit */
	COMMON = 8,  /* below a common ancestor */
	LISTED = 16, /* among the results, to be looked at again */
};

void
commits_release(struct commits *c)
{
	oidmap_release(&c->shallow);
	oidmap_release(&c->index);
	free(c->nodes);
	u32s_release(&c->parents);
	u32s_release(&c->touched);
	*c = (struct commits){ 0 };
}

uint32_t
commits_node(struct commits *c, const struct oid *oid)
{
	bool added;
	uint32_t at = *oidmap_put(&c->index, oid, (uint32_t)c->n, &added);

	if (!added)
		return at;
	if (c->n == c->alloc) {
		size_t want = c->alloc == 0 ? 64 : c->alloc * 2;
		void *p = reallocarray(c->nodes, want, sizeof(*c->nodes));

		if (p == NULL || want > UINT32_MAX)
			gg_die("no memory for %zu commits", want);
		c->nodes = p;
		c->alloc = want;
	}
	c->nodes[c->n++] = (struct commit_node){ .oid = *oid };
	return at;
}

/* The client says that it does not have the parents; neither do we? */
static bool
is_cut(struct commits *c, const struct commit_fields *f)
{
	struct oid parent;

	for (uint32_t i = 0; i < f->n_parents; i++) {
		commit_parent(f, i, &parent);
		if (objects_find(c->objects, &parent) == NOT_IN_PACK &&
		    !objects_in_mirror(c->objects, &parent))
			return true;
	}
	return false;
}

static void
take_fields(struct commits *c, uint32_t node, const struct commit_fields *f)
{
	struct oid oid = c->nodes[node].oid, parent;
	bool cut = oidmap_get(&c->shallow, &oid) != NULL && is_cut(c, f);
	uint32_t first = (uint32_t)c->parents.n, n = cut ? 0 : f->n_parents;

	for (uint32_t i = 0; i < n; i++) {
		commit_parent(f, i, &parent);
		u32s_add(&c->parents, commits_node(c, &parent));
	}
	c->nodes[node].tree = f->tree;
	c->nodes[node].time = f->committer.time;
	c->nodes[node].first_parent = first;
	c->nodes[node].n_parents = n;
	c->nodes[node].shallow = cut;
	c->nodes[node].missing = false;
}

int
commits_load(struct commits *c, uint32_t node, struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	struct commit_fields f;
	struct gg_error why;
	int rc;

	if (c->nodes[node].loaded)
		return 0;
	c->nodes[node].loaded = true;
	c->nodes[node].missing = true;
	c->nodes[node].in_mirror = objects_in_mirror(c->objects,
	    &c->nodes[node].oid);
	rc = objects_read_as(c->objects, &c->nodes[node].oid, OBJECT_COMMIT,
	    &obj, &why);
	if (rc == GG_E_NOTFOUND || rc == GG_E_PEER)
		return 0;
	if (rc != 0)
		return gg_fail(err, (enum gg_code)rc, "%s", why.msg);
	if (commit_parse(obj.data, &f, NULL) != 0)
		return 0;
	take_fields(c, node, &f);
	return 0;
}

/* ---- a heap of nodes, newest first ---- */

struct heap {
	struct u32s list;
	size_t busy; /* nodes in it that keep the walk going */
};

static void
heap_release(struct heap *h)
{
	u32s_release(&h->list);
}
GG_DEFINE_AUTO_RELEASE(heap);

static bool
newer(const struct commits *c, uint32_t a, uint32_t b)
{
	return c->nodes[a].time > c->nodes[b].time;
}

static void
heap_push(struct commits *c, struct heap *h, uint32_t node)
{
	uint32_t *v;
	size_t i, up;

	u32s_add(&h->list, node);
	v = h->list.v;
	for (i = h->list.n - 1; i > 0; i = up) {
		up = (i - 1) / 2;
		if (!newer(c, node, v[up]))
			break;
		v[i] = v[up];
	}
	v[i] = node;
}

static uint32_t
heap_pop(struct commits *c, struct heap *h)
{
	uint32_t *v = h->list.v, top = v[0], last = v[--h->list.n];
	size_t n = h->list.n, i = 0, down;

	while ((down = 2 * i + 1) < n) {
		if (down + 1 < n && newer(c, v[down + 1], v[down]))
			down++;
		if (!newer(c, v[down], last))
			break;
		v[i] = v[down];
		i = down;
	}
	if (n > 0)
		v[i] = last;
	return top;
}

/* Does a node with these flags keep the walk going? A list of new commits
 * is done when only bases are left; merge bases when only common history. */
static bool
is_busy(uint32_t flags, uint32_t quiet)
{
	return (flags & quiet) == 0;
}

static void
forget_flags(struct commits *c)
{
	for (size_t i = 0; i < c->touched.n; i++)
		c->nodes[c->touched.v[i]].flags = 0;
	c->touched.n = 0;
}

/* Add flags to a node; queue it when that is news. */
static int
mark(struct commits *c, struct heap *h, uint32_t node, uint32_t flags,
    uint32_t quiet, struct gg_error *err)
{
	uint32_t before, after;
	int rc;

	if ((rc = commits_load(c, node, err)) != 0)
		return rc;
	before = c->nodes[node].flags;
	after = before | flags;
	if (after == before || c->nodes[node].missing)
		return 0;
	if (before == 0)
		u32s_add(&c->touched, node);
	if (before & QUEUED) {
		if (is_busy(before, quiet) && !is_busy(after, quiet))
			h->busy--;
		c->nodes[node].flags = after;
		return 0;
	}
	c->nodes[node].flags = after | QUEUED;
	heap_push(c, h, node);
	h->busy += is_busy(after, quiet);
	return 0;
}

static int
mark_parents(struct commits *c, struct heap *h, uint32_t node, uint32_t flags,
    uint32_t quiet, struct gg_error *err)
{
	uint32_t n = c->nodes[node].n_parents;
	int rc;

	for (uint32_t i = 0; i < n; i++)
		if ((rc = mark(c, h, commits_parent(c, node, i), flags, quiet,
			 err)) != 0)
			return rc;
	return 0;
}

static uint32_t
next(struct commits *c, struct heap *h, uint32_t quiet)
{
	uint32_t node = heap_pop(c, h);

	c->nodes[node].flags &= ~(uint32_t)QUEUED;
	h->busy -= is_busy(c->nodes[node].flags, quiet);
	return node;
}

/* ---- new commits ---- */

static void
keep_unpainted(const struct commits *c, struct u32s *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < out->n; i++)
		if (!(c->nodes[out->v[i]].flags & BASE))
			out->v[kept++] = out->v[i];
	out->n = kept;
}

static int
walk_new(struct commits *c, struct heap *h, bool mirror_is_base, uint64_t max,
    struct u32s *out, bool *too_many, struct gg_error *err)
{
	uint32_t node, flags;
	int rc;

	while (h->busy > 0) {
		node = next(c, h, BASE);
		flags = c->nodes[node].flags;
		if (mirror_is_base && c->nodes[node].in_mirror) {
			c->nodes[node].flags |= BASE;
			continue; /* so is everything below it */
		}
		if (!(flags & (BASE | LISTED))) {
			if (out->n >= max) {
				*too_many = true;
				return 0;
			}
			c->nodes[node].flags |= LISTED;
			u32s_add(out, node);
		}
		if ((rc = mark_parents(c, h, node, flags & (TIP | BASE), BASE,
			 err)) != 0)
			return rc;
	}
	return 0;
}

int
commits_new(struct commits *c, uint32_t tip, const struct u32s *bases,
    bool mirror_is_base, uint64_t max, struct u32s *out, bool *too_many,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(heap) h = { 0 };
	int rc;

	forget_flags(c);
	rc = mark(c, &h, tip, TIP, BASE, err);
	for (size_t i = 0; rc == 0 && i < bases->n; i++)
		rc = mark(c, &h, bases->v[i], BASE, BASE, err);
	if (rc == 0)
		rc = walk_new(c, &h, mirror_is_base, max, out, too_many, err);
	keep_unpainted(c, out);
	return rc;
}

/* ---- common ancestors ---- */

static int
walk_common(struct commits *c, struct heap *h, uint64_t max, struct u32s *out,
    bool *too_many, struct gg_error *err)
{
	uint32_t node, flags;
	uint64_t seen = 0;
	int rc;

	while (h->busy > 0) {
		if (seen++ >= max) {
			*too_many = true;
			return 0;
		}
		node = next(c, h, COMMON);
		flags = c->nodes[node].flags & (TIP | BASE | COMMON);
		if (flags == (TIP | BASE)) {
			if (!(c->nodes[node].flags & LISTED)) {
				c->nodes[node].flags |= LISTED;
				u32s_add(out, node);
			}
			flags |= COMMON;
		}
		if ((rc = mark_parents(c, h, node, flags, COMMON, err)) != 0)
			return rc;
	}
	return 0;
}

int
commits_merge_bases(struct commits *c, uint32_t one, uint32_t two, uint64_t max,
    struct u32s *out, bool *too_many, struct gg_error *err)
{
	GG_AUTO_RELEASE(heap) h = { 0 };
	size_t kept = 0;
	int rc;

	forget_flags(c);
	if ((rc = mark(c, &h, one, TIP, COMMON, err)) != 0 ||
	    (rc = mark(c, &h, two, BASE, COMMON, err)) != 0 ||
	    (rc = walk_common(c, &h, max, out, too_many, err)) != 0)
		return rc;
	for (size_t i = 0; i < out->n; i++)
		if (!(c->nodes[out->v[i]].flags & COMMON))
			out->v[kept++] = out->v[i];
	out->n = *too_many ? 0 : kept;
	return 0;
}

int
commits_contains(struct commits *c, uint32_t tip, uint32_t old, uint64_t max,
    bool *yes, bool *too_many, struct gg_error *err)
{
	GG_AUTO_RELEASE(u32s) bases = { 0 };
	int rc;

	*yes = tip == old;
	if (*yes)
		return 0;
	rc = commits_merge_bases(c, tip, old, max, &bases, too_many, err);
	/* old painted from the tip: exact whatever the dates say */
	*yes = rc == 0 && !*too_many && (c->nodes[old].flags & TIP) != 0;
	return rc;
}

int
commits_each(struct commits *c, const struct u32s *tips,
    int (*visit)(void *ctx, uint32_t node, struct gg_error *err), void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(heap) h = { 0 };
	uint32_t node;
	int rc = 0;

	forget_flags(c);
	for (size_t i = 0; rc == 0 && i < tips->n; i++)
		rc = mark(c, &h, tips->v[i], TIP, 0, err);
	while (rc == 0 && h.busy > 0) {
		node = next(c, &h, 0);
		rc = visit(ctx, node, err);
		if (rc == 0)
			rc = mark_parents(c, &h, node, TIP, 0, err);
	}
	return rc;
}
