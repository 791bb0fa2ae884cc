#include "web/diff_index.h"

#include "base/text.h"
#include "ipc/codec.h"

#include <stdlib.h>

/* of the blob without a byte: many files are that, none comes from another */
#define EMPTY_BLOB "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

void
diff_index_release(struct diff_index *x)
{
	free(x->sections);
	free(x->files);
	free(x->cuts);
	*x = (struct diff_index){ 0 };
}

static void *
grown(void *v, size_t n, size_t *alloc, size_t item)
{
	size_t want = *alloc > 0 ? 2 * *alloc : 16;
	void *p;

	if (n < *alloc)
		return v;
	if ((p = reallocarray(v, want, item)) == NULL)
		gg_die("no memory for a diff's index");
	*alloc = want;
	return p;
}

static struct diff_section *
add_section(struct diff_index *x)
{
	x->sections = grown(x->sections, x->n_sections, &x->sections_alloc,
	    sizeof(*x->sections));
	x->sections[x->n_sections] = (struct diff_section){
		.first = x->n_files
	};
	return &x->sections[x->n_sections++];
}

static bool
add_update(struct diff_index *x, struct view body)
{
	struct diff_section *s = add_section(x);
	struct dec d = dec_of(body);

	s->ref = dec_bytes(&d);
	s->from = dec_bytes(&d);
	s->to = dec_bytes(&d);
	return dec_end(&d, NULL) == 0;
}

static bool
add_commit(struct diff_index *x, struct view body)
{
	struct dec d = dec_of(body);
	struct diff_section *s;

	if (x->n_sections == 0)
		return false;
	s = add_section(x);
	s->ref = s[-1].ref;
	s->from = s[-1].from;
	s->to = s[-1].to;
	s->commit = dec_bytes(&d);
	s->subject = dec_bytes(&d);
	return dec_end(&d, NULL) == 0;
}

static bool
add_file(struct diff_index *x, struct view body, struct view rest)
{
	struct diff_entry *e;

	if (x->n_sections == 0)
		return false;
	x->files = grown(x->files, x->n_files, &x->files_alloc,
	    sizeof(*x->files));
	e = &x->files[x->n_files++];
	*e = (struct diff_entry){ .records = view_of(rest.p, 0) };
	x->sections[x->n_sections - 1].n++;
	return diff_file_decode(body, &e->f, NULL) == 0;
}

static bool
add_cut(struct diff_index *x, struct view body)
{
	struct dec d = dec_of(body);
	struct diff_cut *c;

	x->cuts = grown(x->cuts, x->n_cuts, &x->cuts_alloc, sizeof(*x->cuts));
	c = &x->cuts[x->n_cuts++];
	c->why = dec_bytes(&d);
	c->files = dec_u64(&d);
	c->lines = dec_u64(&d);
	c->section = x->n_sections > 0 ? x->n_sections - 1 : 0;
	return dec_end(&d, NULL) == 0;
}

/* A hunk or a line belongs to the file right before it. */
static bool
add_line(struct diff_index *x, enum diff_kind kind, struct view rest)
{
	struct diff_entry *e;

	if (!x->in_file)
		return false;
	e = &x->files[x->n_files - 1];
	e->records.n = (size_t)(rest.p - e->records.p);
	e->n_records++;
	e->added += kind == DIFF_ADDED;
	e->removed += kind == DIFF_REMOVED;
	return true;
}

static bool
add_record(struct diff_index *x, enum diff_kind kind, struct view body,
    struct view rest)
{
	bool line = kind != DIFF_UPDATE && kind != DIFF_COMMIT &&
	    kind != DIFF_CUT && kind != DIFF_FILE;

	x->in_file = kind == DIFF_FILE || (line && x->in_file);
	switch (kind) {
	case DIFF_UPDATE:
		return add_update(x, body);
	case DIFF_COMMIT:
		return add_commit(x, body);
	case DIFF_FILE:
		return add_file(x, body, rest);
	case DIFF_CUT:
		return add_cut(x, body);
	case DIFF_HUNK:
	case DIFF_CONTEXT:
	case DIFF_ADDED:
	case DIFF_REMOVED:
	case DIFF_NO_NEWLINE:
		return add_line(x, kind, rest);
	}
	return false;
}

/* ---- exact renames ---- */

static int
by_oid(const void *a, const void *b)
{
	const struct diff_entry *const *x = a;
	const struct diff_entry *const *y = b;
	int d = memcmp((*x)->f.old_oid.p, (*y)->f.old_oid.p, OID_HEX);

	/* as they stand, where many have the same contents */
	return d != 0 ? d : *x < *y ? -1 : *x > *y;
}

static struct diff_entry *
source_of(struct diff_entry **gone, size_t n, struct view oid)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (memcmp(gone[mid]->f.old_oid.p, oid.p, OID_HEX) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < n && memcmp(gone[lo]->f.old_oid.p, oid.p, OID_HEX) == 0;
	     lo++)
		if (!gone[lo]->is_rename_source)
			return gone[lo];
	return NULL;
}

static void
find_renames(struct diff_index *x, const struct diff_section *s)
{
	struct diff_entry **gone = calloc(s->n + 1, sizeof(*gone)), *from;
	size_t n = 0;

	if (gone == NULL)
		gg_die("no memory for renames");
	for (size_t i = 0; i < s->n; i++) {
		struct diff_entry *e = &x->files[s->first + i];

		if (e->f.new_mode == 0 && e->f.old_oid.n == OID_HEX &&
		    !view_eq_str(e->f.old_oid, EMPTY_BLOB))
			gone[n++] = e;
	}
	qsort((void *)gone, n, sizeof(*gone), by_oid);
	for (size_t i = 0; n > 0 && i < s->n; i++) {
		struct diff_entry *e = &x->files[s->first + i];

		if (e->f.old_mode != 0 || e->f.new_oid.n != OID_HEX ||
		    (from = source_of(gone, n, e->f.new_oid)) == NULL)
			continue;
		e->renamed_from = from;
		from->is_rename_source = true;
	}
	free((void *)gone);
}

/* ---- which rules ask for a look ---- */

struct guard {
	const char *ref, *path, *rule;
};
struct guards {
	struct guard *v;
	size_t n, alloc;
};

static int
guard_cmp(const void *a, const void *b)
{
	const struct guard *x = a, *y = b;
	int d = strcmp(x->path, y->path);

	return d != 0 ? d : strcmp(x->ref, y->ref);
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static void
guards_of(struct guards *g, const json_t *update)
{
	const json_t *r, *p;
	size_t i, k;

	json_array_foreach(json_object_get(update, "reasons"), i, r)
	{
		if (strcmp(text_of(r, "verdict"), "allow") == 0)
			continue;
		json_array_foreach(json_object_get(r, "paths"), k, p)
		{
			if (text_of(p, "path")[0] == '\0')
				continue;
			g->v = grown(g->v, g->n, &g->alloc, sizeof(*g->v));
			g->v[g->n++] = (struct guard){ text_of(update, "ref"),
				text_of(p, "path"), text_of(r, "rule") };
		}
	}
}

/* In JSON a path is UTF-8: it is compared as it was made that. */
static const char *
rule_for(const struct guards *g, struct view ref, struct view path)
{
	GG_AUTO_RELEASE(buf) a = BUF_INIT(ref.n * 3 + 1);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(path.n * 3 + 1);
	struct guard key, *at;

	if (path.n == 0 || g->n == 0)
		return NULL;
	utf8_replace(&a, ref, SIZE_MAX);
	utf8_replace(&b, path, SIZE_MAX);
	key = (struct guard){ buf_str(&a), buf_str(&b), NULL };
	at = bsearch(&key, g->v, g->n, sizeof(*g->v), guard_cmp);
	return at != NULL ? at->rule : NULL;
}

static void
find_rules(struct diff_index *x, const json_t *updates)
{
	struct guards g = { 0 };
	const json_t *u;
	size_t i;

	json_array_foreach(updates, i, u) guards_of(&g, u);
	if (g.n > 0)
		qsort(g.v, g.n, sizeof(*g.v), guard_cmp);
	for (i = 0; i < x->n_sections; i++) {
		const struct diff_section *s = &x->sections[i];

		for (size_t k = s->first; k < s->first + s->n; k++) {
			struct diff_entry *e = &x->files[k];

			e->rule = rule_for(&g, s->ref, e->f.new_path);
			if (e->rule == NULL)
				e->rule = rule_for(&g, s->ref, e->f.old_path);
		}
	}
	for (i = 0; i < x->n_files; i++)
		if (x->files[i].rule == NULL &&
		    x->files[i].renamed_from != NULL)
			x->files[i].rule = x->files[i].renamed_from->rule;
	free(g.v);
}

void
diff_index_read(struct diff_index *x, struct view bytes, const json_t *updates)
{
	enum diff_kind kind;
	struct view body;
	int rc = 1;

	while (!x->damaged &&
	    (rc = diff_record_next(&bytes, &kind, &body, NULL)) == 1)
		x->damaged = !add_record(x, kind, body, bytes);
	if (rc < 0)
		x->damaged = true;
	for (size_t i = 0; i < x->n_sections; i++)
		find_renames(x, &x->sections[i]);
	find_rules(x, updates);
}
