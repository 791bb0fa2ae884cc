#include "pack/connect.h"

#include "base/clock.h"
#include "pack/obj_check.h"
#include "pack/tree_walk.h"

enum {
	KNOWN_SLOTS = 1 << 15, /* ids lately seen in the mirror */
	CLOCK_EVERY = 1024,
	REACHED = 0x80, /* in marks; the low bits are the object's kind */
};

/* A small cache: most entries of a new tree are those of the old one. */
struct known {
	struct oid oid;
	enum object_kind kind;
};

struct check {
	const struct connect *c;
	const char **limit;
	unsigned char *marks; /* per object of the pack */
	struct u32s todo;     /* objects of the pack to read */
	struct known *known;
	/* mirror not clean: what was taken from it has to be reachable from
	 * what is advertised; value: kind, 0 once proven */
	struct oidmap owed;
	size_t owed_left;
	uint64_t steps;
};

static void
check_release(struct check *k)
{
	free(k->marks);
	u32s_release(&k->todo);
	free(k->known);
	oidmap_release(&k->owed);
}
GG_DEFINE_AUTO_RELEASE(check);

static int
missing(const struct oid *oid, enum object_kind kind, struct gg_error *err)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	return gg_fail(err, GG_E_PEER, "missing %s %s", object_kind_word(kind),
	    hex);
}

static int
wrong_kind(const struct oid *oid, enum object_kind is, enum object_kind wanted,
    struct gg_error *err)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	return gg_fail(err, GG_E_PEER, "%s is a %s, not a %s", hex,
	    object_kind_word(is), object_kind_word(wanted));
}

static int
in_time(struct check *k, struct gg_error *err)
{
	if (k->steps++ % CLOCK_EVERY != 0 || clock_mono_ms() < k->c->deadline)
		return 0;
	*k->limit = "inspection-time";
	return gg_fail(err, GG_E_LIMIT, "looking at the push takes too long");
}

/* ---- what is needed ---- */

static int
owe(struct check *k, const struct oid *oid, enum object_kind kind)
{
	(void)oidmap_put(&k->owed, oid, (uint32_t)kind, NULL);
	return 0;
}

/*
 * The bases of a thin pack that --fix-thin took from the mirror: deltas
 * against them give away what they hold, so they are owed like any other.
 */
static int
owe_thin_bases(struct check *k, struct gg_error *err)
{
	struct objects *o = k->c->objects;
	enum object_kind kind;
	struct oid oid;
	uint64_t size;
	int rc;

	for (uint32_t i = 0; i < objects_count(o); i++) {
		if (objects_offset(o, i) < k->c->sent_end)
			continue;
		objects_oid_at(o, i, &oid);
		if ((rc = objects_header(o, &oid, &kind, &size, err)) != 0)
			return rc;
		(void)owe(k, &oid, kind);
	}
	return 0;
}

/* An object that the pack does not hold. */
static int
need_base(struct check *k, const struct oid *oid, enum object_kind kind,
    struct gg_error *err)
{
	struct known *at;
	enum object_kind is;
	struct gg_error why;
	uint64_t size;
	uint32_t slot;
	int rc;

	memcpy(&slot, oid->b, sizeof(slot));
	at = &k->known[slot % KNOWN_SLOTS];
	if (oid_eq(&at->oid, oid) && at->kind == kind)
		return 0;
	rc = objects_header(k->c->objects, oid, &is, &size, &why);
	if (rc == GG_E_NOTFOUND)
		return missing(oid, kind, err);
	if (rc != 0)
		return gg_fail(err, (enum gg_code)rc, "%s", why.msg);
	if (kind != OBJECT_NONE && kind != is)
		return wrong_kind(oid, is, kind, err);
	*at = (struct known){ *oid, is };
	return k->c->job->mirror_clean ? 0 : owe(k, oid, is);
}

static int
need(struct check *k, const struct oid *oid, enum object_kind kind,
    struct gg_error *err)
{
	uint32_t at = objects_find(k->c->objects, oid);
	enum object_kind is;
	uint64_t size;
	int rc;

	if (at == NOT_IN_PACK)
		return need_base(k, oid, kind, err);
	if (k->marks[at] == 0) {
		rc = objects_header(k->c->objects, oid, &is, &size, err);
		if (rc != 0)
			return rc;
		k->marks[at] = (unsigned char)(REACHED | is);
		/* a clean mirror has what stands below it, too */
		if (is != OBJECT_BLOB &&
		    !(k->c->job->mirror_clean &&
			objects_in_mirror(k->c->objects, oid)))
			u32s_add(&k->todo, at);
	}
	is = (enum object_kind)(k->marks[at] & ~REACHED);
	if (kind != OBJECT_NONE && kind != is)
		return wrong_kind(oid, is, kind, err);
	return 0;
}

/* ---- one object of the pack ---- */

static int
on_commit(struct check *k, const struct oid *oid, struct view raw,
    struct gg_error *err)
{
	uint32_t node = commits_node(k->c->commits, oid);
	const struct commits *c = k->c->commits;
	struct oid at;
	int rc;

	if ((rc = obj_check_commit(raw, k->c->relax, err)) != 0 ||
	    (rc = commits_load(k->c->commits, node, err)) != 0)
		return rc;
	at = c->nodes[node].tree;
	rc = need(k, &at, OBJECT_TREE, err);
	for (uint32_t i = 0; rc == 0 && i < c->nodes[node].n_parents; i++) {
		at = c->nodes[commits_parent(c, node, i)].oid;
		rc = need(k, &at, OBJECT_COMMIT, err);
	}
	return rc;
}

static int
on_tree(struct check *k, struct view raw, struct gg_error *err)
{
	struct tree_entry e;
	uint32_t type;
	int rc;

	if ((rc = obj_check_tree(raw, k->c->relax, err)) != 0)
		return rc;
	while ((rc = tree_next(&raw, &e, err)) == 1) {
		type = e.mode & MODE_TYPE;
		if (type == MODE_GITLINK)
			continue; /* lives in another repository */
		rc = need(k, &e.oid,
		    type == MODE_TREE ? OBJECT_TREE : OBJECT_BLOB, err);
		if (rc != 0 || (rc = in_time(k, err)) != 0)
			return rc;
	}
	return rc;
}

static int
on_tag(struct check *k, struct view raw, struct gg_error *err)
{
	struct tag_fields tag;
	int rc;

	if ((rc = obj_check_tag(raw, k->c->relax, err)) != 0 ||
	    (rc = tag_parse(raw, &tag, err)) != 0)
		return rc;
	return need(k, &tag.target, tag.kind, err);
}

static int
on_object(struct check *k, uint32_t at, struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	char hex[OID_HEX + 1];
	struct oid oid;
	int rc;

	objects_oid_at(k->c->objects, at, &oid);
	rc = objects_read(k->c->objects, &oid, OBJECT_READ_MAX, &obj, err);
	if (rc != 0)
		return rc;
	rc = obj.kind == OBJECT_COMMIT ? on_commit(k, &oid, obj.data, err) :
	    obj.kind == OBJECT_TREE    ? on_tree(k, obj.data, err) :
	    obj.kind == OBJECT_TAG     ? on_tag(k, obj.data, err) :
					 0;
	if (rc != GG_E_PEER)
		return rc;
	oid_format(&oid, hex);
	return gg_wrap(err, rc, "%s %s", object_kind_word(obj.kind), hex);
}

static int
walk_pack(struct check *k, struct gg_error *err)
{
	int rc = 0;

	while (rc == 0 && k->todo.n > 0) {
		rc = on_object(k, k->todo.v[--k->todo.n], err);
		if (rc == 0)
			rc = in_time(k, err);
	}
	return rc;
}

/* The pack goes upstream as it is: what upstream does not need, it must have
 * already. */
static int
owe_needless(struct check *k, const struct oid *oid, struct gg_error *err)
{
	enum object_kind kind;
	uint64_t size;
	int rc;

	if (k->c->job->mirror_clean)
		return 0;
	rc = objects_header(k->c->objects, oid, &kind, &size, err);
	return rc != 0 ? rc : owe(k, oid, kind);
}

static int
nothing_unneeded(struct check *k, struct gg_error *err)
{
	char hex[OID_HEX + 1];
	struct oid oid;
	int rc;

	for (uint32_t i = 0; i < objects_count(k->c->objects); i++) {
		if (k->marks[i] != 0)
			continue;
		objects_oid_at(k->c->objects, i, &oid);
		if (objects_in_mirror(k->c->objects, &oid)) {
			/* as are the bases of a thin pack */
			if ((rc = owe_needless(k, &oid, err)) != 0)
				return rc;
			continue;
		}
		oid_format(&oid, hex);
		return gg_fail(err, GG_E_PEER, "pack holds unneeded object %s",
		    hex);
	}
	return 0;
}

/* ---- a mirror that holds more than is advertised ---- */

static void
proven(struct check *k, const struct oid *oid)
{
	uint32_t *kind = oidmap_get(&k->owed, oid);

	if (kind == NULL || *kind == 0)
		return;
	*kind = 0;
	if (k->owed_left > 0)
		k->owed_left--;
}

/* Prove tags, and gather the commits and trees that are advertised. */
static int
take_advertised(struct check *k, struct u32s *tips, struct oidmap *trees,
    struct gg_error *err)
{
	const struct push_job_refs *refs = k->c->refs;
	enum object_kind kind;
	struct gg_error why;
	struct oid oid;
	int rc;

	for (size_t i = 0; i < refs->n_advertised; i++) {
		proven(k, &refs->advertised[i]);
		rc = objects_peel(k->c->objects, &refs->advertised[i], &oid,
		    &kind, &why);
		if (rc == GG_E_NOTFOUND || rc == GG_E_PEER)
			continue; /* cannot prove anything, then */
		if (rc != 0)
			return gg_fail(err, (enum gg_code)rc, "%s", why.msg);
		proven(k, &oid);
		if (kind == OBJECT_COMMIT)
			u32s_add(tips, commits_node(k->c->commits, &oid));
		else if (kind == OBJECT_TREE)
			(void)oidmap_put(trees, &oid, 0, NULL);
	}
	return 0;
}

struct proof {
	struct check *k;
	struct oidmap seen; /* trees */
	uint64_t depth;
	bool commits; /* looking for commits (else: trees, blobs) */
};

static void
proof_release(struct proof *p)
{
	oidmap_release(&p->seen);
}
GG_DEFINE_AUTO_RELEASE(proof);

enum { DONE = 1 };

/* Everything below one advertised tree. */
static int
prove_tree(struct proof *p, const struct oid *root, struct gg_error *err)
{
	GG_AUTO_RELEASE(tree_list) list = { 0 };
	struct check *k = p->k;
	bool added;
	int rc;

	(void)oidmap_put(&p->seen, root, 0, &added);
	if (!added)
		return 0;
	proven(k, root);
	if (p->depth >= k->c->job->limits.tree_depth) {
		*k->limit = "tree-depth";
		return gg_fail(err, GG_E_LIMIT, "a tree is nested too deep");
	}
	rc = tree_list_read(k->c->objects, root, *k->c->entries_left, &list,
	    err);
	if (rc == GG_E_LIMIT)
		*k->limit = "walk-entries";
	if (rc != 0 || (rc = in_time(k, err)) != 0)
		return rc;
	*k->c->entries_left -= list.n;
	p->depth++;
	for (size_t i = 0; rc == 0 && i < list.n && k->owed_left > 0; i++) {
		uint32_t type = list.v[i].mode & MODE_TYPE;

		if (type == MODE_TREE)
			rc = prove_tree(p, &list.v[i].oid, err);
		else if (type != MODE_GITLINK)
			proven(k, &list.v[i].oid);
	}
	p->depth--;
	return rc;
}

static int
prove_at(void *ctx, uint32_t node, struct gg_error *err)
{
	struct proof *p = ctx;
	struct oid oid;
	int rc;

	if (p->k->owed_left == 0)
		return DONE;
	if ((rc = in_time(p->k, err)) != 0)
		return rc;
	if (p->commits) {
		oid = p->k->c->commits->nodes[node].oid;
		proven(p->k, &oid);
		return 0;
	}
	oid = p->k->c->commits->nodes[node].tree;
	return prove_tree(p, &oid, err);
}

static int
first_owed(struct check *k, bool commits, struct gg_error *err)
{
	const struct oidmap *m = &k->owed;

	for (size_t i = 0; i < m->alloc; i++)
		if (m->slots[i].used && m->slots[i].value != 0 &&
		    (!commits || m->slots[i].value == OBJECT_COMMIT))
			return missing(&m->slots[i].oid,
			    (enum object_kind)m->slots[i].value, err);
	return 0;
}

static size_t
count_owed(const struct check *k, bool commits)
{
	const struct oidmap *m = &k->owed;
	size_t n = 0;

	for (size_t i = 0; i < m->alloc; i++)
		if (m->slots[i].used && m->slots[i].value != 0 &&
		    (m->slots[i].value == OBJECT_COMMIT) == commits)
			n++;
	return n;
}

/* Parents of the pack's commits: their trees hold most of what is owed. */
static void
owed_commits(struct check *k, struct u32s *out)
{
	const struct oidmap *m = &k->owed;

	for (size_t i = 0; i < m->alloc; i++)
		if (m->slots[i].used && m->slots[i].value == OBJECT_COMMIT)
			u32s_add(out,
			    commits_node(k->c->commits, &m->slots[i].oid));
}

static int
prove_commits(struct check *k, const struct u32s *tips, struct gg_error *err)
{
	struct proof p = { .k = k, .commits = true };
	int rc;

	k->owed_left = count_owed(k, true);
	if (k->owed_left == 0)
		return 0;
	rc = commits_each(k->c->commits, tips, prove_at, &p, err);
	if (rc < 0)
		return rc;
	return first_owed(k, true, err);
}

static int
prove_rest(struct check *k, const struct u32s *near, const struct u32s *tips,
    const struct oidmap *trees, struct gg_error *err)
{
	GG_AUTO_RELEASE(proof) p = { .k = k };
	int rc = 0;

	k->owed_left = count_owed(k, false);
	for (size_t i = 0; rc == 0 && k->owed_left > 0 && i < near->n; i++)
		if ((rc = commits_load(k->c->commits, near->v[i], err)) == 0)
			rc = prove_at(&p, near->v[i], err);
	for (size_t i = 0; rc == 0 && i < trees->alloc; i++)
		if (trees->slots[i].used)
			rc = prove_tree(&p, &trees->slots[i].oid, err);
	if (rc == 0 && k->owed_left > 0)
		rc = commits_each(k->c->commits, tips, prove_at, &p, err);
	if (rc < 0)
		return rc;
	return first_owed(k, false, err);
}

static int
prove(struct check *k, struct gg_error *err)
{
	GG_AUTO_RELEASE(u32s) tips = { 0 };
	GG_AUTO_RELEASE(u32s) near = { 0 };
	GG_AUTO_RELEASE(oidmap) trees = { 0 };
	int rc;

	owed_commits(k, &near);
	if ((rc = take_advertised(k, &tips, &trees, err)) != 0 ||
	    (rc = prove_commits(k, &tips, err)) != 0)
		return rc;
	return prove_rest(k, &near, &tips, &trees, err);
}

int
connect_check(const struct connect *c, const char **limit, struct gg_error *err)
{
	GG_AUTO_RELEASE(check) k = { .c = c, .limit = limit };
	const struct ref_updates *u = &c->refs->updates;
	int rc = 0;

	k.marks = calloc((size_t)objects_count(c->objects) + 1, 1);
	k.known = calloc(KNOWN_SLOTS, sizeof(*k.known));
	if (k.marks == NULL || k.known == NULL)
		return gg_fail(err, GG_E_NOMEM, "connectivity");
	for (size_t i = 0; rc == 0 && i < u->n; i++)
		if (!oid_is_zero(&u->v[i].new_oid))
			rc = need(&k, &u->v[i].new_oid, OBJECT_NONE, err);
	if (rc == 0)
		rc = walk_pack(&k, err);
	if (rc == 0)
		rc = nothing_unneeded(&k, err);
	if (rc == 0 && !c->job->mirror_clean)
		rc = owe_thin_bases(&k, err);
	if (rc == 0 && k.owed.n > 0)
		rc = prove(&k, err);
	return rc;
}
