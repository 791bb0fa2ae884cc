/* Entire's checkpoints: a ref each, or all in the tree of one branch. */
#include "model/provenance.h"
#include "pack/documents_priv.h"

#include <string.h>
#include <strings.h>

#define CHECKPOINTS_BRANCH "refs/heads/entire/checkpoints/v1"
#define CHECKPOINT_REFS    "refs/entire/checkpoints/"
#define ID_MAX             26
#define PART_MAX           3 /* digits of a session's directory */

/* "refs/entire/checkpoints/<last two of id>/<id>": the id. */
static bool
id_of_ref(const char *refname, struct view *id)
{
	struct view shard;

	*id = view_str(refname);
	if (!view_has_prefix(*id, CHECKPOINT_REFS))
		return false;
	view_skip(id, strlen(CHECKPOINT_REFS));
	return view_cut(id, '/', &shard) && shard.n == 2 &&
	    checkpoint_id_is_valid(*id) &&
	    strncasecmp(shard.p, id->p + id->n - 2, 2) == 0;
}

bool
documents_is_entire(const char *refname)
{
	struct view id;

	return strcmp(refname, CHECKPOINTS_BRANCH) == 0 ||
	    id_of_ref(refname, &id);
}

/* One checkpoint being taken. */
struct checkpoint {
	struct collecting *c;
	uint32_t update;
	char id[ID_MAX + 1];
};

static int
read_tree(struct collecting *c, const struct oid *oid, struct tree_list *out,
    struct gg_error *err)
{
	uint64_t *left = &c->in->changes.entries_left;
	int rc = tree_list_read(c->in->objects, oid, *left, out, err);

	if (rc == GG_E_LIMIT)
		documents_incomplete(c, "walk-entries");
	if (rc == 0)
		*left -= out->n;
	return rc;
}

/* The file of this name, or NULL. */
static const struct tree_entry *
file_named(const struct tree_list *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (view_eq_str(t->v[i].name, name) && is_file(t->v[i].mode))
			return &t->v[i];
	return NULL;
}

static int
take_file(struct checkpoint *k, const struct tree_list *t, const char *name,
    enum document_kind kind, const char *part, struct gg_error *err)
{
	const struct tree_entry *e = file_named(t, name);
	GG_AUTO_RELEASE(object) obj = { 0 };
	bool got;
	int rc;

	if (e == NULL)
		return 0;
	if ((rc = documents_blob(k->c, &e->oid, &obj, &got, err)) == 0 && got)
		(void)documents_add(k->c, kind, k->update, k->id, part,
		    obj.data, obj.data.n, false);
	return rc;
}

/* full.jsonl, and where it is in pieces full.jsonl.001 and so on: how long
 * they are, and the digest that stands beside them. Never what they hold. */
static int
take_transcript(struct checkpoint *k, const struct tree_list *t,
    const char *part, struct gg_error *err)
{
	const struct tree_entry *e = file_named(t, "content_hash.txt");
	GG_AUTO_RELEASE(object) hash = { 0 };
	uint64_t bytes = 0, size;
	enum object_kind kind;
	bool any = false, got;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->n; i++) {
		if (!view_has_prefix(t->v[i].name, "full.jsonl") ||
		    !is_file(t->v[i].mode))
			continue;
		rc = objects_header(k->c->in->objects, &t->v[i].oid, &kind,
		    &size, err);
		if (rc == 0 && !__builtin_add_overflow(bytes, size, &bytes))
			any = true;
	}
	if (rc == 0 && any && e != NULL)
		rc = documents_blob(k->c, &e->oid, &hash, &got, err);
	if (rc == 0 && any)
		(void)documents_add(k->c, DOCUMENT_ENTIRE_TRANSCRIPT, k->update,
		    k->id, part, hash.data, bytes, false);
	return rc;
}

static int
take_session(struct checkpoint *k, const struct tree_list *t, const char *part,
    struct gg_error *err)
{
	int rc = 0;

	if (*part != '\0') /* else it is the root's, and taken already */
		rc = take_file(k, t, "metadata.json", DOCUMENT_ENTIRE_SESSION,
		    part, err);
	if (rc == 0)
		rc = take_file(k, t, "prompt.txt", DOCUMENT_ENTIRE_PROMPT, part,
		    err);
	return rc == 0 ? take_transcript(k, t, part, err) : rc;
}

static bool
part_of(const struct tree_entry *e, char out[PART_MAX + 1])
{
	if (e->mode != MODE_TREE || e->name.n == 0 || e->name.n > PART_MAX)
		return false;
	for (size_t i = 0; i < e->name.n; i++)
		if (e->name.p[i] < '0' || e->name.p[i] > '9')
			return false;
	memcpy(out, e->name.p, e->name.n);
	out[e->name.n] = '\0';
	return true;
}

static int
take_checkpoint(struct collecting *c, uint32_t update, struct view id,
    const struct oid *tree, struct gg_error *err)
{
	struct checkpoint k = { .c = c, .update = update };
	GG_AUTO_RELEASE(tree_list) root = { 0 };
	char part[PART_MAX + 1];
	int rc = read_tree(c, tree, &root, err);

	if (rc != 0 || file_named(&root, "metadata.json") == NULL)
		return rc;
	memcpy(k.id, id.p, id.n);
	rc = take_file(&k, &root, "metadata.json", DOCUMENT_ENTIRE_CHECKPOINT,
	    "", err);
	/* older ones have their one session in the root itself */
	if (rc == 0)
		rc = take_session(&k, &root, "", err);
	for (size_t i = 0; rc == 0 && i < root.n; i++) {
		GG_AUTO_RELEASE(tree_list) session = { 0 };

		if (!part_of(&root.v[i], part))
			continue;
		if ((rc = read_tree(c, &root.v[i].oid, &session, err)) == 0)
			rc = take_session(&k, &session, part, err);
	}
	return rc;
}

/* -- the branch -- */

/* Directories that are new or changed, by name and in order. */
struct changed {
	struct tree_list old, new;
	size_t at_old, at_new;
};

static int
changed_open(struct collecting *c, const struct oid *old_tree,
    const struct oid *new_tree, struct changed *out, struct gg_error *err)
{
	int rc = 0;

	if (!oid_is_zero(old_tree))
		rc = read_tree(c, old_tree, &out->old, err);
	return rc == 0 ? read_tree(c, new_tree, &out->new, err) : rc;
}

static void
changed_release(struct changed *x)
{
	tree_list_release(&x->old);
	tree_list_release(&x->new);
}
GG_DEFINE_AUTO_RELEASE(changed);

/* The next one; old: what it was, zero where it was none. NULL at the end. */
static const struct tree_entry *
changed_next(struct changed *x, struct oid *old)
{
	const struct tree_entry *e, *o;

	while (x->at_new < x->new.n) {
		e = &x->new.v[x->at_new++];
		*old = (struct oid){ 0 };
		while (x->at_old < x->old.n &&
		    tree_entry_cmp(&x->old.v[x->at_old], e) < 0)
			x->at_old++;
		o = x->at_old < x->old.n ? &x->old.v[x->at_old] : NULL;
		if (o != NULL && tree_entry_cmp(o, e) == 0 &&
		    o->mode == MODE_TREE)
			*old = o->oid;
		if (e->mode == MODE_TREE && !oid_eq(&e->oid, old))
			return e;
	}
	return NULL;
}

/* <id[:2]>/ */
static int
take_shard(struct collecting *c, uint32_t update, struct view shard,
    const struct oid *old_tree, const struct oid *new_tree,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(changed) x = { 0 };
	int rc = changed_open(c, old_tree, new_tree, &x, err);
	const struct tree_entry *e;
	char id[ID_MAX];
	struct oid old;

	while (rc == 0 && (e = changed_next(&x, &old)) != NULL) {
		if (e->name.n > ID_MAX - 2)
			continue;
		memcpy(id, shard.p, 2);
		memcpy(id + 2, e->name.p, e->name.n);
		if (checkpoint_id_is_valid(view_of(id, e->name.n + 2)))
			rc = take_checkpoint(c, update,
			    view_of(id, e->name.n + 2), &e->oid, err);
	}
	return rc;
}

static int
take_branch(struct collecting *c, uint32_t update, const struct oid *old_tree,
    const struct oid *new_tree, struct gg_error *err)
{
	GG_AUTO_RELEASE(changed) x = { 0 };
	int rc = changed_open(c, old_tree, new_tree, &x, err);
	const struct tree_entry *e;
	struct oid old;

	while (rc == 0 && (e = changed_next(&x, &old)) != NULL)
		if (e->name.n == 2)
			rc = take_shard(c, update, e->name, &old, &e->oid, err);
	return rc;
}

int
documents_entire(struct collecting *c, uint32_t update,
    const struct oid *old_tree, const struct oid *new_tree,
    struct gg_error *err)
{
	struct view id;

	if (!id_of_ref(c->in->refs->updates.v[update].refname, &id))
		return take_branch(c, update, old_tree, new_tree, err);
	return oid_eq(old_tree, new_tree) ?
	    0 :
	    take_checkpoint(c, update, id, new_tree, err);
}
