/* Agent Trace: the records that a commit adds to .agent-trace/. */
#include "pack/documents_priv.h"

#include <stdlib.h>
#include <string.h>

#define TRACES ".agent-trace/"
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
