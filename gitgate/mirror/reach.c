/* May an object be sent: is it there, and reachable from what is visible? */
#include "mirror/mirror_priv.h"

#include <stdlib.h>
#include <string.h>

/* A hash set of object ids; ids are evenly spread already. */
struct oid_set {
	git_oid *v;
	bool *used;
	size_t n, room; /* room is a power of two, or 0 */
};

struct walk {
	git_odb *odb;
	struct oid_set wanted; /* what has not been met yet */
	struct oid_set seen;   /* trees that were looked at, and on the way */
	git_oid *todo;         /* trees to look at */
	size_t n_todo, todo_alloc;
	size_t n_left; /* of wanted */
	uint64_t entries, max_entries;
};

static void
set_release(struct oid_set *s)
{
	free(s->v);
	free(s->used);
	*s = (struct oid_set){ 0 };
}

static size_t
slot(const struct oid_set *s, const git_oid *id)
{
	size_t at;

	memcpy(&at, id->id, sizeof(at));
	for (at &= s->room - 1; s->used[at]; at = (at + 1) & (s->room - 1)) {
		if (git_oid_equal(&s->v[at], id))
			break;
	}
	return at;
}

static void
set_grow(struct oid_set *s)
{
	struct oid_set was = *s;

	s->room = was.room == 0 ? 256 : was.room * 2;
	s->v = calloc(s->room, sizeof(*s->v));
	s->used = calloc(s->room, sizeof(*s->used));
	if (s->v == NULL || s->used == NULL)
		gg_die("no memory for a set of objects");
	for (size_t i = 0; i < was.room; i++) {
		if (was.used[i]) {
			size_t at = slot(s, &was.v[i]);

			s->v[at] = was.v[i];
			s->used[at] = true;
		}
	}
	set_release(&was);
}

/* False when it was in it already. */
static bool
set_add(struct oid_set *s, const git_oid *id)
{
	size_t at;

	if (s->n * 2 >= s->room)
		set_grow(s);
	at = slot(s, id);
	if (s->used[at])
		return false;
	s->used[at] = true;
	s->v[at] = *id;
	s->n++;
	return true;
}

static bool
set_has(const struct oid_set *s, const git_oid *id)
{
	return s->room > 0 && s->used[slot(s, id)];
}

static void
walk_release(struct walk *w)
{
	set_release(&w->wanted);
	set_release(&w->seen);
	free(w->todo);
}
GG_DEFINE_AUTO_RELEASE(walk);

/* The walk came by an object. True the first time. */
static bool
meet(struct walk *w, const git_oid *id)
{
	if (!set_add(&w->seen, id))
		return false;
	if (set_has(&w->wanted, id))
		w->n_left--;
	return true;
}

static void
meet_tree(struct walk *w, const git_oid *id)
{
	if (!meet(w, id))
		return;
	if (w->n_todo == w->todo_alloc) {
		w->todo_alloc = w->todo_alloc == 0 ? 256 : w->todo_alloc * 2;
		w->todo = reallocarray(w->todo, w->todo_alloc,
		    sizeof(*w->todo));
		if (w->todo == NULL)
			gg_die("no memory for a walk");
	}
	w->todo[w->n_todo++] = *id;
}

/* A tip: the tags on the way are met; a commit goes into the walk. */
static int
add_tip(struct walk *w, git_repository *repo, git_revwalk *commits,
    const struct oid *tip, struct gg_error *err)
{
	git_object *o = NULL;
	git_oid id;
	int rc = 0;

	memcpy(id.id, tip->b, OID_BYTES);
	while (rc == 0) {
		git_object_free(o);
		o = NULL;
		if (git_object_lookup(&o, repo, &id, GIT_OBJECT_ANY) != 0) {
			/* A ref that came or went since: not in the mirror,
			 * so nothing can be reached from it. */
			rc = git_error_last()->klass == GIT_ERROR_ODB ?
			    0 :
			    mirror_git_fail(err, GG_E_CORRUPT, "tip");
			break;
		}
		if (git_object_type(o) != GIT_OBJECT_TAG)
			break;
		(void)meet(w, &id);
		id = *git_tag_target_id((git_tag *)o);
	}
	if (rc == 0 && o != NULL && git_object_type(o) == GIT_OBJECT_COMMIT &&
	    git_revwalk_push(commits, &id) != 0)
		rc = mirror_git_fail(err, GG_E_CORRUPT, "tip");
	else if (rc == 0 && o != NULL && git_object_type(o) == GIT_OBJECT_TREE)
		meet_tree(w, &id);
	else if (rc == 0 && o != NULL)
		(void)meet(w, &id);
	git_object_free(o);
	return rc;
}

static int
add_tips(struct walk *w, const struct mirror *m, git_repository *repo,
    git_revwalk *commits, const struct advert *visible,
    const struct strv *hidden, struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; visible != NULL && i < visible->n_refs && rc == 0;
	     i++) {
		if (!mirror_is_hidden(hidden, visible->refs[i].name))
			rc = add_tip(w, repo, commits, &visible->refs[i].oid,
			    err);
	}
	for (size_t i = 0; visible == NULL && i < m->now.n && rc == 0; i++) {
		if (!mirror_is_hidden(hidden, m->now.v[i].name))
			rc = add_tip(w, repo, commits, &m->now.v[i].oid, err);
	}
	return rc;
}

static int
count_entry(struct walk *w, struct gg_error *err)
{
	if (++w->entries > w->max_entries)
		return gg_fail(err, GG_E_LIMIT,
		    "too much history to look for what was asked for");
	return 0;
}

static int
walk_commits(struct walk *w, git_repository *repo, git_revwalk *commits,
    struct gg_error *err)
{
	git_oid id;
	int rc = 0, step;

	while (rc == 0 && w->n_left > 0) {
		git_commit *c = NULL;

		if ((step = git_revwalk_next(&id, commits)) == GIT_ITEROVER)
			return 0;
		if (step != 0)
			return mirror_git_fail(err, GG_E_CORRUPT, "history");
		(void)meet(w, &id);
		if ((rc = count_entry(w, err)) != 0)
			break;
		if (git_commit_lookup(&c, repo, &id) != 0)
			return mirror_git_fail(err, GG_E_CORRUPT, "history");
		meet_tree(w, git_commit_tree_id(c));
		git_commit_free(c);
	}
	return rc;
}

static int
walk_trees(struct walk *w, git_repository *repo, struct gg_error *err)
{
	int rc = 0;

	while (rc == 0 && w->n_left > 0 && w->n_todo > 0) {
		git_tree *t = NULL;

		if (git_tree_lookup(&t, repo, &w->todo[--w->n_todo]) != 0)
			return mirror_git_fail(err, GG_E_CORRUPT, "tree");
		for (size_t i = 0; i < git_tree_entrycount(t) && rc == 0; i++) {
			const git_tree_entry *e = git_tree_entry_byindex(t, i);

			rc = count_entry(w, err);
			if (git_tree_entry_type(e) == GIT_OBJECT_TREE)
				meet_tree(w, git_tree_entry_id(e));
			else if (git_tree_entry_type(e) == GIT_OBJECT_BLOB)
				(void)meet(w, git_tree_entry_id(e));
		}
		git_tree_free(t);
	}
	return rc;
}

static int
refuse(const git_oid *id, struct gg_error *err)
{
	char hex[OID_HEX + 1];

	(void)git_oid_tostr(hex, sizeof(hex), id);
	return gg_fail(err, GG_E_REFUSED, "not our ref %s", hex);
}

static int
walk_all(struct walk *w, const struct mirror *m, const struct advert *visible,
    const struct strv *hidden, struct gg_error *err)
{
	git_repository *repo = NULL;
	git_revwalk *commits = NULL;
	int rc = 0;

	if (git_repository_wrap_odb(&repo, m->odb) != 0 ||
	    git_revwalk_new(&commits, repo) != 0)
		rc = mirror_git_fail(err, GG_E_NOMEM, "walk");
	if (rc == 0)
		rc = add_tips(w, m, repo, commits, visible, hidden, err);
	if (rc == 0)
		rc = walk_commits(w, repo, commits, err);
	if (rc == 0)
		rc = walk_trees(w, repo, err);
	git_revwalk_free(commits);
	git_repository_free(repo);
	for (size_t i = 0; rc == 0 && w->n_left > 0 && i < w->wanted.room;
	     i++) {
		if (w->wanted.used[i] && !set_has(&w->seen, &w->wanted.v[i]))
			rc = refuse(&w->wanted.v[i], err);
	}
	return rc;
}

static int
read_wants(struct walk *w, const struct strv *wants, struct gg_error *err)
{
	git_oid id;

	for (size_t i = 0; i < wants->n; i++) {
		struct oid o;

		if (!oid_parse(view_str(wants->v[i]), &o))
			return gg_fail(err, GG_E_PEER,
			    "a want is no object id");
		memcpy(id.id, o.b, OID_BYTES);
		/* What is not there is refused in the same words. */
		if (git_odb_exists_ext(w->odb, &id,
			GIT_ODB_LOOKUP_NO_REFRESH) != 1)
			return refuse(&id, err);
		if (set_add(&w->wanted, &id))
			w->n_left++;
	}
	return 0;
}

int
mirror_check_wants(struct mirror *m, const struct strv *wants,
    const struct advert *visible, const struct strv *hidden, bool clean,
    uint64_t max_entries, struct gg_error *err)
{
	GG_AUTO_RELEASE(walk) w = { .max_entries = max_entries };
	int rc;

	if (wants->n == 0)
		return 0;
	if ((rc = mirror_open_odb(m, err)) != 0)
		return rc;
	w.odb = m->odb;
	if ((rc = read_wants(&w, wants, err)) != 0 || clean)
		return rc;
	return walk_all(&w, m, visible, hidden, err);
}
