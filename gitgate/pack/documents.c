/* Documents: what is taken, the limits, and git-ai's notes. */
#include "pack/documents.h"

#include "base/text.h"
#include "pack/documents_priv.h"
#include "scan/scanner.h"

#include <string.h>

#define NOTES_REF "refs/notes/ai"
/* Notes that a rewritten tree may hold: beyond, they are not told apart. */
#define NOTES_MAX ((size_t)1 << 20)

static char *
keep(char *s)
{
	if (s == NULL)
		gg_die("no memory for a document");
	return s;
}

void
documents_incomplete(struct collecting *c, const char *why)
{
	struct change_report *r = c->in->report;

	if (r->documents_incomplete == NULL)
		r->documents_incomplete = keep(strdup(why));
}

int
documents_blob(struct collecting *c, const struct oid *oid, struct object *out,
    bool *got, struct gg_error *err)
{
	enum object_kind kind;
	uint64_t size;
	int rc = objects_header(c->in->objects, oid, &kind, &size, err);

	*got = false;
	if (rc != 0 || kind != OBJECT_BLOB)
		return rc;
	if (size > c->read) {
		documents_incomplete(c, "provenance-read");
		return 0;
	}
	c->read -= size;
	if ((rc = objects_read(c->in->objects, oid, size, out, err)) == 0)
		*got = true;
	return rc;
}

/* -- the text of one -- */

/* At most max bytes: whole lines, or whole characters. */
static struct view
cut_to(struct view v, uint64_t max, bool lines)
{
	const char *end;

	if (v.n <= max)
		return v;
	v.n = (size_t)max;
	if (lines) {
		end = v.n > 0 ? memrchr(v.p, '\n', v.n) : NULL;
		v.n = end != NULL ? (size_t)(end - v.p) + 1 : 0;
		return v;
	}
	for (size_t i = 1; i <= 4 && i <= v.n; i++) {
		unsigned char head = (unsigned char)v.p[v.n - i];

		if ((head & 0xc0) == 0x80)
			continue;
		/* the start of a character that does not end here */
		if (head >= 0x80 && utf8_len(view_of(v.p + v.n - i, i)) == 0)
			v.n -= i;
		break;
	}
	return v;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Of a large text only the start is masked, and a piece more, which is then
 * cut off: in it may lie half a secret, which no mask knows.
 */
static void
set_text(struct collecting *c, struct document *d, struct view text, bool lines)
{
	uint64_t one = c->in->job->limits.document_bytes;
	uint64_t max = least(one, c->bytes), whole = text.n;
	GG_AUTO_RELEASE(buf) masked = BUF_INIT(SIZE_MAX / 2);
	size_t tail = 0;

	if (text.n > max && text.n - max > SCAN_OVERLAP) {
		tail = SCAN_OVERLAP;
		text.n = (size_t)max + tail;
	}
	if (masks_apply(&c->in->masks, text, &masked)) {
		if (masked.failed != 0)
			gg_die("no memory for a document");
		d->masked = true;
		text = buf_view(&masked);
	}
	if (text.n > max || tail > 0) {
		documents_incomplete(c,
		    whole > one ? "provenance-document" : "provenance-bytes");
		d->cut = true;
		text = cut_to(text,
		    least(max, text.n - (tail < text.n ? tail : text.n)),
		    lines);
	}
	c->bytes -= text.n;
	d->n = text.n;
	d->text = keep(view_dup(text));
}

struct document *
documents_add(struct collecting *c, enum document_kind kind, uint32_t update,
    const char *key, const char *part, struct view text, uint64_t bytes,
    bool lines)
{
	struct document *d;

	if (c->documents == 0) {
		c->in->report->documents_all++;
		documents_incomplete(c, "provenance-documents");
		return NULL;
	}
	if ((d = change_report_add_document(c->in->report)) == NULL)
		gg_die("more documents than a report holds");
	c->documents--;
	d->kind = kind;
	d->update = update;
	d->key = keep(strdup(key));
	d->part = keep(strdup(part));
	d->bytes = bytes;
	set_text(c, d, text, lines);
	return d;
}

/* -- git-ai's notes -- */

struct note {
	struct oid commit, blob;
};
struct notes {
	struct note *v;
	size_t n, alloc;
};

static void
notes_release(struct notes *n)
{
	free(n->v);
}

/* The notes of both sides, where the trees differ: a fan-out that changed
 * shows every note of it on both. */
struct note_walk {
	struct notes old, new;
};

static int
notes_add(struct notes *n, const struct note *note, struct gg_error *err)
{
	size_t want = n->alloc != 0 ? 2 * n->alloc : 64;
	void *p;

	if (n->n == NOTES_MAX)
		return gg_fail(err, GG_E_LIMIT, "too many notes");
	if (n->n == n->alloc) {
		if ((p = reallocarray(n->v, want, sizeof(*n->v))) == NULL)
			return gg_fail(err, GG_E_NOMEM, "notes");
		n->v = p;
		n->alloc = want;
	}
	n->v[n->n++] = *note;
	return 0;
}

/* "ab/cd/ef...": the commit's id, with or without slashes. */
static bool
commit_of_path(struct view path, struct oid *out)
{
	char hex[OID_HEX];
	size_t n = 0;

	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] == '/')
			continue;
		if (n == sizeof(hex))
			return false;
		hex[n++] = path.p[i];
	}
	return oid_parse(view_of(hex, n), out);
}

static int
note_leaf(void *ctx, struct view path, const struct tree_value *v,
    struct gg_error *err)
{
	struct note_walk *w = ctx;
	struct note note;
	int rc = 0;

	if (!commit_of_path(path, &note.commit))
		return 0;
	note.blob = v[0].oid;
	if (is_file(v[0].mode))
		rc = notes_add(&w->old, &note, err);
	note.blob = v[1].oid;
	if (rc == 0 && is_file(v[1].mode))
		rc = notes_add(&w->new, &note, err);
	return rc;
}

static int
note_cmp(const void *a, const void *b)
{
	const struct note *x = a, *y = b;
	int c = oid_cmp(&x->commit, &y->commit);

	return c != 0 ? c : oid_cmp(&x->blob, &y->blob);
}

static int
take_note(struct collecting *c, uint32_t update, const struct note *note,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(object) obj = { 0 };
	char hex[OID_HEX + 1];
	bool got;
	int rc = documents_blob(c, &note->blob, &obj, &got, err);

	if (rc != 0 || !got)
		return rc;
	oid_format(&note->commit, hex);
	(void)documents_add(c, DOCUMENT_GIT_AI_NOTE, update, hex, "", obj.data,
	    obj.data.n, false);
	return 0;
}

static int
take_notes(struct collecting *c, uint32_t update, struct note_walk *w,
    struct gg_error *err)
{
	int rc = 0;

	if (w->new.n > 0)
		qsort(w->new.v, w->new.n, sizeof(*w->new.v), note_cmp);
	if (w->old.n > 0)
		qsort(w->old.v, w->old.n, sizeof(*w->old.v), note_cmp);
	for (size_t i = 0; rc == 0 && i < w->new.n; i++)
		if (w->old.n == 0 ||
		    bsearch(&w->new.v[i], w->old.v, w->old.n, sizeof(*w->old.v),
			note_cmp) == NULL)
			rc = take_note(c, update, &w->new.v[i], err);
	return rc;
}

static int
collect_notes(struct collecting *c, uint32_t update, const struct oid *old_tree,
    const struct oid *new_tree, struct gg_error *err)
{
	const struct oid roots[2] = { *old_tree, *new_tree };
	struct note_walk found = { 0 };
	const struct tree_walk w = {
		.objects = c->in->objects,
		.path_bytes = c->in->job->limits.path_bytes,
		.tree_depth = c->in->job->limits.tree_depth,
		.entries_left = &c->in->changes.entries_left,
		.n = 2,
		.same = tree_walk_pair_is_same,
		.leaf = note_leaf,
		.ctx = &found,
	};
	const char *hit = "provenance-documents";
	int rc = tree_walk(&w, roots, &hit, err);

	if (rc == GG_E_LIMIT) {
		documents_incomplete(c, hit);
		rc = 0;
	} else if (rc == 0) {
		rc = take_notes(c, update, &found, err);
	}
	notes_release(&found.old);
	notes_release(&found.new);
	return rc;
}

/* -- all of them -- */

static int
collect_update(struct collecting *c, uint32_t i, struct gg_error *err)
{
	const struct ref_update *u = &c->in->refs->updates.v[i];
	bool notes = strcmp(u->refname, NOTES_REF) == 0;
	struct oid old_tree, new_tree, blob;
	int rc;

	if (oid_is_zero(&u->new_oid) ||
	    (!notes && !documents_is_entire(u->refname)))
		return 0;
	if ((rc = inspection_tip(c->in, &u->old_oid, &old_tree, &blob, err)) !=
		0 ||
	    (rc = inspection_tip(c->in, &u->new_oid, &new_tree, &blob, err)) !=
		0 ||
	    oid_is_zero(&new_tree))
		return rc;
	return notes ? collect_notes(c, i, &old_tree, &new_tree, err) :
		       documents_entire(c, i, &old_tree, &new_tree, err);
}

/* What only this push, or upstream's past, is to blame for is left out. */
static int
forgive(struct collecting *c, int rc)
{
	if (rc != GG_E_NOTFOUND && rc != GG_E_PEER && rc != GG_E_CORRUPT &&
	    rc != GG_E_LIMIT)
		return rc;
	documents_incomplete(c, "unreadable-object");
	return 0;
}

int
documents_collect(struct inspection *in, struct gg_error *err)
{
	const struct job_limits *l = &in->job->limits;
	struct collecting c = {
		.in = in,
		.documents = least(l->documents, REPORT_MAX_DOCUMENTS),
		.bytes = least(l->documents_bytes, REPORT_DOCUMENTS_MAX),
		.read = l->documents_read,
	};
	int rc = 0;

	if (c.documents == 0)
		return 0;
	for (uint32_t i = 0; rc == 0 && i < in->refs->updates.n; i++) {
		rc = forgive(&c, collect_update(&c, i, err));
		if (rc == 0)
			rc = forgive(&c, documents_tip_traces(&c, i, err));
	}
	if (rc == 0)
		rc = forgive(&c, documents_traces(&c, err));
	return rc;
}
