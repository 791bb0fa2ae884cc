/* The change report: one entry per update, one per commit. */
#include "base/clock.h"
#include "base/fd.h"
#include "pack/documents.h"
#include "pack/extras.h"
#include "pack/inspect_state.h"
#include "pack/obj_check.h"

enum { FIELD_MAX = 1024, MESSAGE_MAX = 65536 };

/* A copy without NUL, cut to max bytes. */
static char *
text_of(struct view v, size_t max)
{
	const char *nul = v.n > 0 ? memchr(v.p, '\0', v.n) : NULL;
	char *s;

	if (nul != NULL)
		v.n = (size_t)(nul - v.p);
	if (v.n > max)
		v.n = max;
	if ((s = view_dup(v)) == NULL)
		gg_die("no memory for a commit's text");
	return s;
}

static void
replace(char **at, char *with)
{
	free(*at);
	*at = with;
}

static void
fill_commit(struct commit_info *info, const struct commit_node *node,
    const struct commit_fields *f)
{
	info->oid = node->oid;
	info->tree = f->tree;
	info->n_parents = f->n_parents;
	if (f->n_parents > 0)
		commit_parent(f, 0, &info->first_parent);
	replace(&info->author_name, text_of(f->author.name, FIELD_MAX));
	replace(&info->author_email, text_of(f->author.email, FIELD_MAX));
	replace(&info->committer_name, text_of(f->committer.name, FIELD_MAX));
	replace(&info->committer_email, text_of(f->committer.email, FIELD_MAX));
	info->author_time = f->author.time;
	info->committer_time = f->committer.time;
	replace(&info->message, text_of(f->message, MESSAGE_MAX));
}

static void
note_cut(struct inspection *in, size_t index, const char *why)
{
	if (index >= in->cut_alloc) {
		size_t want = index * 2 + 64;
		void *p = reallocarray(in->cut, want, sizeof(*in->cut));

		if (p == NULL)
			gg_die("no memory for %zu commits", want);
		in->cut = p;
		in->cut_alloc = want;
	}
	in->cut[index] = why;
}

/* Read one commit and list its paths; its place in the report. */
static int
add_commit(struct inspection *in, uint32_t node, uint32_t *index,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	struct oid oid = in->commits.nodes[node].oid;
	struct commit_fields f;
	struct commit_info *info;
	const char *cut = NULL;
	int rc;

	rc = objects_read_as(in->objects, &oid, OBJECT_COMMIT, &obj, err);
	if (rc != 0 || (rc = commit_parse(obj.data, &f, err)) != 0)
		return rc;
	info = change_report_add_commit(in->report);
	*index = (uint32_t)in->report->n_commits - 1;
	(void)oidmap_put(&in->listed, &oid, *index, NULL);
	fill_commit(info, &in->commits.nodes[node], &f);
	if ((in->job->wants & JOB_WANT_SIGNATURES) != 0)
		extras_signature(obj.data, info);
	object_release(&obj);
	rc = changes_of_commit(&in->changes, node, &info->paths, &cut,
	    in->limit, err);
	note_cut(in, *index, cut);
	return rc;
}

static void
too_large(struct update_report *u, const char *why)
{
	if (u->too_large)
		return;
	u->too_large = true;
	replace(&u->too_large_why, text_of(view_str(why), FIELD_MAX));
}

static int
in_time(struct inspection *in, struct gg_error *err)
{
	if (clock_mono_ms() < in->deadline)
		return 0;
	*in->limit = "inspection-time";
	return gg_fail(err, GG_E_LIMIT, "looking at the push takes too long");
}

static int
list_commit(struct inspection *in, struct update_report *u, size_t scope,
    uint32_t node, struct gg_error *err)
{
	const uint32_t *known = oidmap_get(&in->listed,
	    &in->commits.nodes[node].oid);
	uint32_t index;
	int rc;

	if (known != NULL) {
		index = *known;
	} else {
		if (in->report->n_commits >= REPORT_MAX_COMMITS) {
			too_large(u, "walk-commits");
			return 0;
		}
		if ((rc = in_time(in, err)) != 0 ||
		    (rc = add_commit(in, node, &index, err)) != 0)
			return rc;
	}
	if (in->cut[index] != NULL)
		too_large(u, in->cut[index]);
	commit_list_add(&u->scopes[scope], index);
	return 0;
}

/* The node of the commit behind an upstream value; none: UINT32_MAX. */
static int
base_node(struct inspection *in, const struct oid *oid, uint32_t *node,
    struct gg_error *err)
{
	enum object_kind kind;
	struct gg_error why;
	struct oid peeled;
	int rc;

	*node = UINT32_MAX;
	if (oid_is_zero(oid))
		return 0;
	rc = objects_peel(in->objects, oid, &peeled, &kind, &why);
	if (rc == GG_E_NOTFOUND || rc == GG_E_PEER)
		return 0; /* no base, then: more commits count */
	if (rc != 0)
		return gg_fail(err, (enum gg_code)rc, "%s", why.msg);
	if (kind == OBJECT_COMMIT)
		*node = commits_node(&in->commits, &peeled);
	return 0;
}

static int
add_bases(struct inspection *in, const struct oid *oids, size_t n,
    struct u32s *out, struct gg_error *err)
{
	uint32_t node;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if ((rc = base_node(in, &oids[i], &node, err)) != 0)
			return rc;
		if (node != UINT32_MAX)
			u32s_add(out, node);
	}
	return 0;
}

static int
report_scope(struct inspection *in, const struct ref_update *update,
    struct update_report *u, size_t scope, struct gg_error *err)
{
	const struct push_job_scope *s = &in->refs->scopes[scope];
	bool all = s->covers_all, clean = all && in->job->mirror_clean;
	GG_AUTO_RELEASE(u32s) bases = { 0 };
	GG_AUTO_RELEASE(u32s) found = { 0 };
	bool too_many = false;
	int rc;

	rc = add_bases(in, &update->old_oid, 1, &bases, err);
	if (rc == 0 && !clean)
		rc = add_bases(in, all ? in->refs->advertised : s->oids,
		    all ? in->refs->n_advertised : s->n_oids, &bases, err);
	if (rc == 0)
		rc = commits_new(&in->commits,
		    commits_node(&in->commits, &u->peeled), &bases, clean,
		    in->job->limits.walk_commits, &found, &too_many, err);
	if (too_many)
		too_large(u, "walk-commits");
	for (size_t i = 0; rc == 0 && i < found.n; i++)
		rc = list_commit(in, u, scope, found.v[i], err);
	return rc;
}

int
inspection_tip(struct inspection *in, const struct oid *tip, struct oid *tree,
    struct oid *blob, struct gg_error *err)
{
	enum object_kind kind;
	struct oid peeled;
	uint32_t node;
	int rc;

	*tree = (struct oid){ 0 };
	*blob = (struct oid){ 0 };
	if (oid_is_zero(tip))
		return 0;
	rc = objects_peel(in->objects, tip, &peeled, &kind, err);
	if (rc != 0)
		return rc;
	if (kind == OBJECT_TREE)
		*tree = peeled;
	if (kind == OBJECT_BLOB)
		*blob = peeled;
	if (kind != OBJECT_COMMIT)
		return 0;
	node = commits_node(&in->commits, &peeled);
	if ((rc = commits_load(&in->commits, node, err)) == 0)
		*tree = in->commits.nodes[node].tree;
	return rc;
}

static void
add_blob_change(struct inspection *in, struct path_changes *out,
    const struct oid *from, const struct oid *to)
{
	struct tree_value old = { oid_is_zero(from) ? 0 : MODE_FILE, *from };
	struct tree_value new = { oid_is_zero(to) ? 0 : MODE_FILE, *to };
	enum object_kind kind;
	struct path_change *p;

	if (tree_value_eq(&old, &new))
		return;
	p = path_changes_add(out, view_of(NULL, 0));
	p->kinds = change_kinds(&old, &new);
	p->old_mode = old.mode;
	p->new_mode = new.mode;
	p->old_oid = *from;
	p->new_oid = *to;
	if (new.mode != 0 &&
	    objects_header(in->objects, to, &kind, &p->new_bytes, NULL) != 0)
		p->new_bytes = 0;
}

static int
report_net(struct inspection *in, const struct ref_update *update,
    struct update_report *u, struct gg_error *err)
{
	struct oid old_tree, old_blob, new_tree, new_blob;
	const char *cut = NULL;
	int rc;

	if ((rc = inspection_tip(in, &update->old_oid, &old_tree, &old_blob,
		 err)) != 0 ||
	    (rc = inspection_tip(in, &update->new_oid, &new_tree, &new_blob,
		 err)) != 0)
		return rc;
	rc = changes_net(&in->changes, &old_tree, &new_tree, &u->net, &cut,
	    in->limit, err);
	add_blob_change(in, &u->net, &old_blob, &new_blob);
	if (cut != NULL)
		too_large(u, cut);
	return rc;
}

static int
decide_kind(struct inspection *in, const struct ref_update *update,
    struct update_report *u, struct gg_error *err)
{
	bool yes = false, too_many = false;
	enum object_kind was;
	uint64_t size;
	int rc;

	u->kind = UPDATE_FORCE;
	if (oid_is_zero(&update->old_oid))
		u->kind = UPDATE_CREATE;
	else if (view_has_prefix(view_str(update->refname), "refs/tags/"))
		u->kind = UPDATE_TAG_MOVE;
	if (u->kind != UPDATE_FORCE || u->object != OBJECT_COMMIT)
		return 0;
	rc = objects_header(in->objects, &update->old_oid, &was, &size, err);
	if (rc != 0 || was != OBJECT_COMMIT)
		return rc;
	rc = commits_contains(&in->commits,
	    commits_node(&in->commits, &update->new_oid),
	    commits_node(&in->commits, &update->old_oid),
	    in->job->limits.walk_commits, &yes, &too_many, err);
	if (too_many)
		too_large(u, "walk-commits");
	if (yes)
		u->kind = UPDATE_FAST_FORWARD;
	return rc;
}

/* The old value is upstream's own: the mirror that lacks it is out of date. */
static int
old_is_known(struct inspection *in, const struct ref_update *update,
    struct gg_error *err)
{
	enum object_kind kind;
	uint64_t size;
	int rc;

	if (oid_is_zero(&update->old_oid))
		return 0;
	rc = objects_header(in->objects, &update->old_oid, &kind, &size, err);
	if (rc == GG_E_NOTFOUND)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the mirror lacks the old value of %s", update->refname);
	return rc;
}

static int
report_update(struct inspection *in, const struct ref_update *update,
    struct update_report *u, struct gg_error *err)
{
	enum object_kind peeled;
	uint64_t size;
	int rc;

	u->kind = UPDATE_DELETE;
	if (oid_is_zero(&update->new_oid))
		return 0;
	if ((rc = old_is_known(in, update, err)) != 0 ||
	    (rc = objects_header(in->objects, &update->new_oid, &u->object,
		 &size, err)) != 0 ||
	    (rc = objects_peel(in->objects, &update->new_oid, &u->peeled,
		 &peeled, err)) != 0)
		return rc;
	if (view_has_prefix(view_str(update->refname), "refs/heads/") &&
	    u->object != OBJECT_COMMIT)
		return gg_fail(err, GG_E_PEER,
		    "refs/heads/ must point to a commit, not to a %s",
		    object_kind_word(u->object));
	if ((rc = decide_kind(in, update, u, err)) != 0)
		return rc;
	for (size_t i = 0;
	     rc == 0 && peeled == OBJECT_COMMIT && i < in->refs->n_scopes; i++)
		if (in->refs->scopes[i].needed)
			rc = report_scope(in, update, u, i, err);
	if (rc != 0 || u->kind == UPDATE_FAST_FORWARD ||
	    (u->kind == UPDATE_CREATE && peeled == OBJECT_COMMIT))
		return rc;
	return report_net(in, update, u, err);
}

/* ---- the whole ---- */

int
inspection_open_objects(struct inspection *in, struct gg_error *err)
{
	GG_AUTO_MEM char *attic = path_f("%s/" MIRROR_ATTIC, in->job->mirror);
	struct oid oid;
	int rc;

	rc = objects_open(in->job->mirror, in->idx, &in->objects, err);
	if (rc == 0 && in->job->recorded)
		rc = objects_add(in->objects, attic, err);
	if (rc != 0)
		return rc;
	in->commits.objects = in->objects;
	for (size_t i = 0; i < in->job->shallow.n; i++)
		if (oid_parse(view_str(in->job->shallow.v[i]), &oid))
			(void)oidmap_put(&in->commits.shallow, &oid, 1, NULL);
	in->changes = (struct changes){
		.objects = in->objects,
		.commits = &in->commits,
		.limits = &in->job->limits,
		.entries_left = in->job->limits.walk_entries,
		.paths_left = in->job->limits.listed_paths,
	};
	return 0;
}

static int
check(struct inspection *in, struct gg_error *err)
{
	uint64_t entries = in->job->limits.walk_entries;
	struct connect c = {
		.objects = in->objects,
		.commits = &in->commits,
		.job = in->job,
		.refs = in->refs,
		.relax = in->relax,
		.sent_end = in->scan != NULL ?
		    pack_scan_bytes(in->scan) - OID_BYTES :
		    0,
		.deadline = in->deadline,
		.entries_left = &entries,
	};

	return connect_check(&c, in->limit, err);
}

static int
make_report(struct inspection *in, struct gg_error *err)
{
	const struct ref_updates *u = &in->refs->updates;
	int rc = 0;

	in->report = change_report_new(u->n, in->refs->n_scopes);
	in->report->n_objects = in->scan != NULL ? pack_scan_objects(in->scan) :
						   0;
	in->report->pack_bytes = in->scan != NULL ? pack_scan_bytes(in->scan) :
						    0;
	if ((in->plans = calloc(u->n + 1, sizeof(*in->plans))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "report");
	for (size_t i = 0; rc == 0 && i < u->n; i++) {
		struct update_report *r = &in->report->updates[i];

		rc = report_update(in, &u->v[i], r, err);
		if (rc == 0)
			rc = diff_plan_make(in, &u->v[i], r, &in->plans[i],
			    err);
		if (rc == 0 && (in->job->wants & JOB_WANT_OWNERS) != 0)
			rc = extras_owners(in, &u->v[i], r, err);
	}
	if (rc == 0 && (in->job->wants & JOB_WANT_LINES) != 0)
		rc = extras_lines(in, in->limit, err);
	return rc;
}

int
inspection_report(struct inspection *in, struct change_report **out,
    struct gg_error *err)
{
	int rc;

	if (in->state != INSPECT_INDEXED)
		gg_die("inspection_report out of order");
	if ((rc = inspection_open_objects(in, err)) != 0 ||
	    (rc = check(in, err)) != 0 || (rc = make_report(in, err)) != 0 ||
	    (rc = secrets_scan(in, err)) != 0 ||
	    (rc = documents_collect(in, err)) != 0)
		/* what is missing is missing from the push */
		return rc == GG_E_NOTFOUND ?
		    gg_wrap(err, GG_E_PEER, "incomplete push") :
		    rc;
	in->state = INSPECT_REPORTED;
	*out = gg_take(in->report);
	return 0;
}
