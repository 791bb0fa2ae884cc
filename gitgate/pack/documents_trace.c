/* Agent Trace: the records that a commit adds to .agent-trace/. */
#include "base/fd.h"
#include "pack/documents_priv.h"

#include <stdlib.h>
#include <string.h>

#define TRACES     ".agent-trace/"
#define TRACES_DIR ".agent-trace"
/* Beyond, the lines of a rewritten file are not compared. */
#define LINES_MAX ((size_t)1 << 20)

static bool
is_trace(const struct path_change *p)
{
	struct view path = view_str(p->path);

	return view_has_prefix(path, TRACES) && is_file(p->new_mode) &&
	    (!is_file(p->old_mode) || !oid_eq(&p->old_oid, &p->new_oid)) &&
	    (view_has_suffix(path, ".jsonl") || view_has_suffix(path, ".json"));
}

/* -- the lines that are new -- */

struct lines {
	struct view *v;
	size_t n;
};

static void
lines_release(struct lines *l)
{
	free(l->v);
}
GG_DEFINE_AUTO_RELEASE(lines);

static bool
next_line(struct view *rest, struct view *line)
{
	if (rest->n == 0)
		return false;
	if (!view_cut(rest, '\n', line)) {
		*line = *rest;
		rest->n = 0;
	}
	return true;
}

static int
line_cmp(const void *a, const void *b)
{
	const struct view *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return x->n > 0 ? memcmp(x->p, y->p, x->n) : 0;
}

/* False where there are too many. */
static bool
lines_of(struct view text, struct lines *out)
{
	struct view rest = text, line;
	size_t n = 0;

	while (next_line(&rest, &line))
		n++;
	if (n > LINES_MAX)
		return false;
	if ((out->v = calloc(n + 1, sizeof(*out->v))) == NULL)
		gg_die("no memory for %zu lines", n);
	while (next_line(&text, &line))
		out->v[out->n++] = line;
	qsort(out->v, out->n, sizeof(*out->v), line_cmp);
	return true;
}

/* A file that was appended to, which is how they grow. */
static bool
is_continued(struct view old, struct view new)
{
	return old.n == 0 ||
	    (old.p[old.n - 1] == '\n' &&
		new.n >= old.n &&memcmp(old.p, new.p, old.n) == 0);
}

static void
new_lines(struct collecting *c, struct view old, struct view new,
    struct buf *out)
{
	GG_AUTO_RELEASE(lines) known = { 0 };
	struct view line;

	if (is_continued(old, new)) {
		view_skip(&new, old.n);
		buf_addv(out, new);
		return;
	}
	if (!lines_of(old, &known)) {
		documents_incomplete(c, "provenance-read");
		return;
	}
	while (next_line(&new, &line)) {
		if (known.n > 0 &&
		    bsearch(&line, known.v, known.n, sizeof(*known.v),
			line_cmp) != NULL)
			continue;
		buf_addv(out, line);
		buf_addc(out, '\n');
	}
}

/* -- one file, all files -- */

static int
take_trace(struct collecting *c, uint32_t update, uint32_t commit,
    const struct path_change *p, struct gg_error *err)
{
	bool lines = view_has_suffix(view_str(p->path), ".jsonl"), got;
	GG_AUTO_RELEASE(object) old = { 0 };
	GG_AUTO_RELEASE(object) new = { 0 };
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SIZE_MAX / 2);
	struct document *d;
	int rc = documents_blob(c, &p->new_oid, &new, &got, err);

	if (rc != 0 || !got)
		return rc;
	if (lines && is_file(p->old_mode)) {
		rc = documents_blob(c, &p->old_oid, &old, &got, err);
		if (rc != 0 || !got)
			return rc;
	}
	new_lines(c, old.data, new.data, &text);
	if ((rc = buf_check(&text, err)) != 0 || text.n == 0)
		return rc;
	d = documents_add(c, DOCUMENT_AGENT_TRACE, update, p->path, "",
	    buf_view(&text), new.data.n, lines);
	if (d != NULL)
		d->commit = commit;
	return 0;
}

/* The first update that brings each commit; made when one is needed. */
static uint32_t *
updates_of_commits(const struct change_report *r)
{
	uint32_t *of = calloc(r->n_commits + 1, sizeof(*of));

	if (of == NULL)
		gg_die("no memory for %zu commits", r->n_commits);
	for (size_t u = r->n_updates; u-- > 0;)
		for (size_t s = 0; s < r->n_scopes; s++)
			for (size_t i = 0; i < r->updates[u].scopes[s].n; i++)
				of[r->updates[u].scopes[s].v[i]] = (uint32_t)u;
	return of;
}

/* -- where no rule looks at commits -- */

static int
traces_dir(struct collecting *c, const struct oid *tree, struct oid *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tree_list) root = { 0 };
	uint64_t *left = &c->in->changes.entries_left;
	int rc;

	*out = (struct oid){ { 0 } };
	if (oid_is_zero(tree))
		return 0;
	rc = tree_list_read(c->in->objects, tree, *left, &root, err);
	if (rc == GG_E_LIMIT)
		documents_incomplete(c, "walk-entries");
	if (rc != 0)
		return rc;
	*left -= root.n;
	for (size_t i = 0; i < root.n; i++)
		if (root.v[i].mode == MODE_TREE &&
		    view_eq_str(root.v[i].name, TRACES_DIR))
			*out = root.v[i].oid;
	return 0;
}

struct tip_walk {
	struct collecting *c;
	uint32_t update;
};

static int
tip_leaf(void *ctx, struct view path, const struct tree_value *v,
    struct gg_error *err)
{
	const struct tip_walk *w = ctx;
	GG_AUTO_MEM char *name = path_f(TRACES "%.*s", (int)path.n, path.p);
	const struct path_change p = { .path = name,
		.old_mode = v[0].mode,
		.new_mode = v[1].mode,
		.old_oid = v[0].oid,
		.new_oid = v[1].oid };

	/* what is not in the pack came with another push */
	if (!is_trace(&p) ||
	    objects_find(w->c->in->objects, &p.new_oid) == NOT_IN_PACK)
		return 0;
	return take_trace(w->c, w->update, UINT32_MAX, &p, err);
}

static int
tip_traces(struct collecting *c, uint32_t i, struct gg_error *err)
{
	const struct ref_update *u = &c->in->refs->updates.v[i];
	const struct oid *from = oid_is_zero(&u->old_oid) ? &c->in->refs->head :
							    &u->old_oid;
	struct tip_walk ctx = { c, i };
	const struct tree_walk w = {
		.objects = c->in->objects,
		.path_bytes = c->in->job->limits.path_bytes,
		.tree_depth = c->in->job->limits.tree_depth,
		.entries_left = &c->in->changes.entries_left,
		.n = 2,
		.same = tree_walk_pair_is_same,
		.leaf = tip_leaf,
		.ctx = &ctx,
	};
	struct oid trees[2], dirs[2], blob;
	const char *hit = "walk-entries";
	int rc = 0;

	if (oid_is_zero(&u->new_oid))
		return 0;
	if ((rc = inspection_tip(c->in, from, &trees[0], &blob, err)) != 0 ||
	    (rc = inspection_tip(c->in, &u->new_oid, &trees[1], &blob, err)) !=
		0 ||
	    (rc = traces_dir(c, &trees[1], &dirs[1], err)) != 0 ||
	    oid_is_zero(&dirs[1]) ||
	    (rc = traces_dir(c, &trees[0], &dirs[0], err)) != 0)
		return rc;
	rc = tree_walk(&w, dirs, &hit, err);
	if (rc == GG_E_LIMIT)
		documents_incomplete(c, hit);
	return rc;
}

int
documents_tip_traces(struct collecting *c, uint32_t i, struct gg_error *err)
{
	const struct push_job_refs *refs = c->in->refs;

	for (size_t s = 0; s < refs->n_scopes; s++)
		if (refs->scopes[s].needed)
			return 0; /* commits are known */
	return tip_traces(c, i, err);
}

/* -- in commits -- */

int
documents_traces(struct collecting *c, struct gg_error *err)
{
	const struct change_report *r = c->in->report;
	GG_AUTO_MEM uint32_t *update = NULL;
	int rc = 0;

	/* lists are newest first */
	for (size_t i = r->n_commits; i-- > 0;) {
		const struct path_changes *p = &r->commits[i].paths;

		for (size_t k = 0; rc == 0 && k < p->n; k++) {
			if (!is_trace(&p->v[k]))
				continue;
			if (update == NULL)
				update = updates_of_commits(r);
			rc = take_trace(c, update[i], (uint32_t)i, &p->v[k],
			    err);
		}
	}
	return rc;
}
