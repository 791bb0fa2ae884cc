#include "pack/changes.h"

#include "pack/obj_check.h"
#include "pack/tree_walk.h"

struct listing {
	struct changes *c;
	struct merge_rule rule;
	struct path_changes *out;
	const char **cut;
};

static bool
is_type(const struct tree_value *v, uint32_t type)
{
	return (v->mode & MODE_TYPE) == type;
}

unsigned
change_kinds(const struct tree_value *from, const struct tree_value *to)
{
	unsigned k = 0;

	if (from->mode == 0)
		k |= CHANGE_ADD;
	else if (to->mode == 0)
		k |= CHANGE_DELETE;
	else if (!oid_eq(&from->oid, &to->oid))
		k |= CHANGE_MODIFY;
	if (from->mode != 0 && to->mode != 0 && from->mode != to->mode)
		k |= CHANGE_MODE;
	if (is_type(from, MODE_SYMLINK) || is_type(to, MODE_SYMLINK))
		k |= CHANGE_SYMLINK;
	if (is_type(from, MODE_GITLINK) || is_type(to, MODE_GITLINK))
		k |= CHANGE_SUBMODULE;
	return k;
}

static bool
is_same(void *ctx, const struct tree_value *v)
{
	const struct listing *l = ctx;

	return merge_explains(&l->rule, v);
}

static uint64_t
size_of(struct changes *c, const struct tree_value *v)
{
	enum object_kind kind;
	uint64_t size = 0;

	if (v->mode == 0 || is_type(v, MODE_GITLINK) ||
	    objects_header(c->objects, &v->oid, &kind, &size, NULL) != 0)
		return 0;
	return size;
}

static int
add_leaf(void *ctx, struct view path, const struct tree_value *v,
    struct gg_error *err)
{
	struct listing *l = ctx;
	const struct tree_value *old = &v[merge_old_side(&l->rule, v)];
	struct path_change *p;

	if (l->c->paths_left == 0) {
		*l->cut = "listed-paths";
		return gg_fail(err, GG_E_LIMIT, "too many changed paths");
	}
	l->c->paths_left--;
	p = path_changes_add(l->out, path);
	p->kinds = change_kinds(old, &v[0]);
	p->old_mode = old->mode;
	p->new_mode = v[0].mode;
	p->old_oid = old->oid;
	p->new_oid = v[0].oid;
	p->new_bytes = size_of(l->c, &v[0]);
	return 0;
}

static int
list(struct listing *l, const struct oid *roots, const char **limit,
    struct gg_error *err)
{
	struct tree_walk w = {
		.objects = l->c->objects,
		.path_bytes = l->c->limits->path_bytes,
		.tree_depth = l->c->limits->tree_depth,
		.entries_left = &l->c->entries_left,
		.n = merge_rule_values(&l->rule),
		.same = is_same,
		.leaf = add_leaf,
		.ctx = l,
	};
	const char *hit = NULL;
	int rc = tree_walk(&w, roots, &hit, err);

	if (rc != GG_E_LIMIT)
		return rc;
	if (hit != NULL && strcmp(hit, "walk-entries") != 0) {
		*limit = hit;
		return rc;
	}
	if (hit != NULL)
		*l->cut = hit;
	return 0; /* cut: held as too large, not refused */
}

int
changes_net(struct changes *c, const struct oid *old_tree,
    const struct oid *new_tree, struct path_changes *out, const char **cut,
    const char **limit, struct gg_error *err)
{
	struct listing l = { .c = c, .out = out, .cut = cut };
	struct oid roots[2] = { *new_tree, *old_tree };

	l.rule.n_parents = 1;
	return list(&l, roots, limit, err);
}

/* The merge bases of parents one and two, as values behind the parents. */
static int
add_bases(struct listing *l, uint32_t node, uint32_t one, uint32_t two,
    struct oid *roots, struct gg_error *err)
{
	GG_AUTO_RELEASE(u32s) bases = { 0 };
	struct commits *g = l->c->commits;
	struct merge_rule *r = &l->rule;
	bool too_many = false;
	int rc;

	rc = commits_merge_bases(g, commits_parent(g, node, one),
	    commits_parent(g, node, two), l->c->limits->walk_commits, &bases,
	    &too_many, err);
	if (rc != 0)
		return rc;
	if (too_many || bases.n > MERGE_BASES_MAX - r->n_bases) {
		r->blind = true;
		return 0;
	}
	for (size_t i = 0; i < bases.n; i++) {
		roots[merge_rule_values(r)] = g->nodes[bases.v[i]].tree;
		r->bases[r->n_bases++] = (struct merge_base){ one, two };
	}
	return 0;
}

/* More parents than the rule takes: what differs from any of them counts. */
static int
many_parents(struct listing *l, uint32_t node, struct oid *roots,
    const char **limit, struct gg_error *err)
{
	struct commits *g = l->c->commits;
	int rc = 0;

	l->rule.n_parents = 1;
	for (uint32_t i = 0; rc == 0 && i < g->nodes[node].n_parents; i++) {
		uint32_t parent = commits_parent(g, node, i);

		if ((rc = commits_load(g, parent, err)) == 0) {
			roots[1] = g->nodes[parent].tree;
			rc = list(l, roots, limit, err);
		}
	}
	return rc;
}

int
changes_of_commit(struct changes *c, uint32_t node, struct path_changes *out,
    const char **cut, const char **limit, struct gg_error *err)
{
	struct listing l = { .c = c, .out = out, .cut = cut };
	struct oid roots[MERGE_VALUES_MAX] = { 0 };
	struct commits *g = c->commits;
	uint32_t n = g->nodes[node].n_parents;
	int rc = 0;

	roots[0] = g->nodes[node].tree;
	if (n > MERGE_PARENTS_MAX)
		return many_parents(&l, node, roots, limit, err);
	/* a root is compared with the empty tree */
	l.rule.n_parents = n == 0 ? 1 : n;
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		if ((rc = commits_load(g, commits_parent(g, node, i), err)) ==
		    0)
			roots[1 + i] =
			    g->nodes[commits_parent(g, node, i)].tree;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = i + 1; rc == 0 && k < n; k++)
			rc = add_bases(&l, node, i, k, roots, err);
	return rc != 0 ? rc : list(&l, roots, limit, err);
}
