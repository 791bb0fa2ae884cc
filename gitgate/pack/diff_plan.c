/* What the diff will show of each update, noted while the report is made. */
#include "pack/inspect_state.h"

/* A new ref is best shown against where it left upstream's HEAD. */
static int
branch_point(struct inspection *in, const struct update_report *u,
    struct oid *from, struct gg_error *err)
{
	GG_AUTO_RELEASE(u32s) bases = { 0 };
	enum object_kind kind;
	bool too_many = false;
	struct oid head;
	int rc;

	if (oid_is_zero(&in->refs->head) ||
	    objects_peel(in->objects, &in->refs->head, &head, &kind, NULL) !=
		0 ||
	    kind != OBJECT_COMMIT)
		return 0;
	rc = commits_merge_bases(&in->commits,
	    commits_node(&in->commits, &u->peeled),
	    commits_node(&in->commits, &head), in->job->limits.walk_commits,
	    &bases, &too_many, err);
	if (rc == 0 && bases.n > 0)
		*from = in->commits.nodes[bases.v[0]].oid;
	return rc;
}

/* The commits of all scopes' lists together, newest first as far as each
 * list is. */
static void
gather(const struct inspection *in, const struct update_report *u,
    struct diff_plan *plan)
{
	GG_AUTO_MEM bool *seen = calloc(in->report->n_commits + 1, 1);

	if (seen == NULL)
		gg_die("no memory for a diff's commits");
	for (size_t s = 0; s < in->report->n_scopes; s++) {
		const struct commit_list *l = &u->scopes[s];

		for (size_t i = 0; i < l->n; i++) {
			if (seen[l->v[i]])
				continue;
			seen[l->v[i]] = true;
			if (plan->n_commits < DIFF_COMMITS_MAX)
				plan->commits[plan->n_commits++] =
				    in->report->commits[l->v[i]].oid;
			plan->n_commits_all++;
		}
	}
}

int
diff_plan_make(struct inspection *in, const struct ref_update *update,
    const struct update_report *u, struct diff_plan *plan, struct gg_error *err)
{
	enum object_kind kind = OBJECT_NONE;
	struct oid peeled;
	int rc = 0;

	plan->from = update->old_oid;
	if (oid_is_zero(&update->new_oid))
		return 0;
	if (u->kind == UPDATE_CREATE) {
		rc = objects_peel(in->objects, &update->new_oid, &peeled, &kind,
		    err);
		if (rc == 0 && kind == OBJECT_COMMIT)
			rc = branch_point(in, u, &plan->from, err);
	}
	if (rc != 0 ||
	    (rc = inspection_tip(in, &plan->from, &plan->old_tree,
		 &plan->old_blob, err)) != 0 ||
	    (rc = inspection_tip(in, &update->new_oid, &plan->new_tree,
		 &plan->new_blob, err)) != 0)
		return rc;
	gather(in, u, plan);
	return 0;
}
