/*
 * A reviewer's question about a held push. The push was inspected when it
 * came: here its objects are only read again, from the mirror and from the
 * pack in its quarantine, and what is a secret is found again, since nothing
 * remembers secrets.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "pack/inspect_state.h"
#include "pack/obj_check.h"

#include <dirent.h>
#include <limits.h>

/* The index of the one pack that a push has brought; NULL without one. */
static int
find_index(const struct push_job *job, char **idx, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/objects/pack", job->quarantine);
	DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    "the objects of this push are gone");
	while (*idx == NULL && (e = readdir(d)) != NULL)
		if (view_has_suffix(view_str(e->d_name), ".idx"))
			*idx = path_f("%s/%s", dir, e->d_name);
	(void)closedir(d);
	if (*idx == NULL && job->has_pack)
		return gg_fail(err, GG_E_NOTFOUND,
		    "the objects of this push are gone");
	return 0;
}

static int
prepare(struct inspection *in, struct gg_error *err)
{
	int rc;

	if ((rc = find_index(in->job, &in->idx, err)) != 0 ||
	    (rc = inspection_setup_git(err)) != 0)
		return rc;
	in->git = true;
	in->report = change_report_new(1, 0);
	return inspection_open_objects(in, err);
}

/* ---- which texts are asked for: secrets are looked for in them ---- */

static int
plan_net(struct inspection *in, const struct view_job *job,
    struct diff_plan *plan, struct gg_error *err)
{
	struct changes c = in->changes;
	const char *cut = NULL;
	int rc;

	plan->from = job->from;
	if ((rc = inspection_tip(in, &job->from, &plan->old_tree,
		 &plan->old_blob, err)) != 0 ||
	    (rc = inspection_tip(in, &job->to, &plan->new_tree, &plan->new_blob,
		 err)) != 0)
		return rc;
	return changes_net(&c, &plan->old_tree, &plan->new_tree,
	    &in->report->updates[0].net, &cut, in->limit, err);
}

static int
plan_commit(struct inspection *in, const struct view_job *job,
    struct gg_error *err)
{
	struct commit_info *info = change_report_add_commit(in->report);
	struct changes c = in->changes;
	const char *cut = NULL;
	uint32_t node = commits_node(&in->commits, &job->to);
	int rc;

	info->oid = job->to;
	if ((rc = commits_load(&in->commits, node, err)) != 0)
		return rc;
	if (in->commits.nodes[node].missing)
		return gg_fail(err, GG_E_NOTFOUND, "no such commit");
	return changes_of_commit(&c, node, &info->paths, &cut, in->limit, err);
}

static void
plan_blob(struct inspection *in, const struct view_job *job)
{
	struct path_change *p = path_changes_add(&in->report->updates[0].net,
	    view_str(job->path));

	p->kinds = CHANGE_MODIFY;
	p->new_mode = MODE_FILE;
	p->new_oid = job->to;
}

static int
write_blob(struct inspection *in, const struct view_job *job, int fd,
    uint64_t *written, struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	GG_AUTO_RELEASE(buf) masked = BUF_INIT((size_t)job->max_bytes * 2);
	enum object_kind kind;
	struct view text;
	uint64_t size = 0;
	int rc;

	if ((rc = objects_header(in->objects, &job->to, &kind, &size, err)) !=
	    0)
		return rc;
	if (kind != OBJECT_BLOB)
		return gg_fail(err, GG_E_NOTFOUND, "this is no file");
	if (size > job->max_bytes) {
		*in->limit = "view-size";
		return gg_fail(err, GG_E_LIMIT, "the file has %llu bytes",
		    (unsigned long long)size);
	}
	if ((rc = objects_read(in->objects, &job->to, job->max_bytes, &obj,
		 err)) != 0)
		return rc;
	text = obj.data;
	if (masks_apply(&in->masks, text, &masked)) {
		if ((rc = buf_check(&masked, err)) != 0)
			return rc;
		text = buf_view(&masked);
	}
	*written = text.n;
	return fd_write_all(fd, text, err);
}

static int
answer(struct inspection *in, const struct view_job *job, int fd,
    uint64_t *written, struct gg_error *err)
{
	struct diff_plan plan = { 0 };
	int rc = 0;

	if (job->kind == VIEW_BLOB)
		plan_blob(in, job);
	else if (job->kind == VIEW_COMMIT)
		rc = plan_commit(in, job, err);
	else
		rc = plan_net(in, job, &plan, err);
	if (rc != 0 || (rc = secrets_scan(in, err)) != 0)
		return rc;
	in->state = INSPECT_REPORTED;
	return job->kind == VIEW_BLOB ?
	    write_blob(in, job, fd, written, err) :
	    inspection_diff_part(in, job, &plan, fd, written, err);
}

int
inspection_view(const struct view_job *job, struct scanner *s, int fd,
    uint64_t *written, const char **limit, struct gg_error *err)
{
	GG_AUTO_RELEASE(push_job_refs) refs = { 0 };
	GG_AUTO(inspection) in = calloc(1, sizeof(*in));
	const struct oid none = { { 0 } };
	int rc;

	*limit = "";
	*written = 0;
	if (in == NULL)
		return gg_fail(err, GG_E_NOMEM, "view");
	/* no tag's message is asked for: the update names nothing */
	if ((rc = ref_updates_add(&refs.updates, &none, &none,
		 view_str(job->ref), 1, err)) != 0)
		return rc;
	in->job = &job->push;
	in->refs = &refs;
	in->limit = limit;
	in->scanner = s;
	in->deadline = clock_mono_ms() + INT_MAX;
	if ((rc = prepare(in, err)) != 0)
		return rc;
	return answer(in, job, fd, written, err);
}
