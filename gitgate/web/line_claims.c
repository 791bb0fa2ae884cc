#include "web/line_claims.h"

#include "web/web_priv.h"

#include <stdlib.h>

#define CLAIMS_TOLD 5

void
line_claims_release(struct line_claims *l)
{
	free(l->v);
	*l = (struct line_claims){ 0 };
}

/* ---- reading ---- */

static char
mark_of(const char *by)
{
	return strcmp(by, "ai") == 0 ? 'A' :
	    strcmp(by, "human") == 0 ? 'H' :
	    strcmp(by, "mixed") == 0 ? 'M' :
				       '?';
}

static const struct commit_info *
find_commit(const struct change_report *r, const char *hex)
{
	struct oid oid;

	if (r == NULL || !oid_parse(view_str(hex), &oid))
		return NULL;
	for (size_t i = 0; i < r->n_commits; i++)
		if (oid_eq(&r->commits[i].oid, &oid))
			return &r->commits[i];
	return NULL;
}

/* Where it is known which blobs a commit has. */
struct source {
	const struct commit_info *commit; /* of the report, or NULL: */
	const struct diff_index *x;
	const char *hex;
};

/* What the commit made of the path; what it left alone has no new lines. */
static bool
blob_in_report(const struct commit_info *ci, const char *path,
    char oid[OID_HEX + 1])
{
	for (size_t i = 0; i < ci->paths.n; i++) {
		const struct path_change *p = &ci->paths.v[i];

		if (p->new_mode == 0 || strcmp(p->path, path) != 0)
			continue;
		oid_format(&p->new_oid, oid);
		return true;
	}
	return false;
}

/* The new side of a difference to the commit is the commit's. */
static bool
blob_in_section(const struct diff_index *x, const struct diff_section *s,
    const char *path, char oid[OID_HEX + 1])
{
	for (size_t i = s->first; i < s->first + s->n; i++) {
		const struct diff_file *f = &x->files[i].f;

		if (f->new_mode == 0 || f->new_oid.n != OID_HEX ||
		    !view_eq_str(f->new_path, path))
			continue;
		memcpy(oid, f->new_oid.p, OID_HEX);
		oid[OID_HEX] = '\0';
		return true;
	}
	return false;
}

static bool
find_blob(const struct source *from, const char *path, char oid[OID_HEX + 1])
{
	const struct diff_index *x = from->x;

	if (from->commit != NULL)
		return blob_in_report(from->commit, path, oid);
	for (size_t i = 0; x != NULL && i < x->n_sections; i++)
		if (x->sections[i].commit.n == 0 &&
		    view_eq_str(x->sections[i].to, from->hex) &&
		    blob_in_section(x, &x->sections[i], path, oid))
			return true;
	return false;
}

static void
add_range(struct line_claims *l, const struct line_claim *like,
    const json_t *range)
{
	json_int_t from = json_integer_value(json_array_get(range, 0));
	json_int_t to = json_integer_value(json_array_get(range, 1));
	struct line_claim *x;

	if (from < 1 || to < from)
		return;
	if (l->n == LINE_CLAIMS_MAX) {
		l->cut = true;
		return;
	}
	x = &l->v[l->n++];
	*x = *like;
	x->from = (uint64_t)from;
	x->to = (uint64_t)to;
}

static void
add_record(struct line_claims *l, const struct source *from,
    const json_t *record)
{
	const json_t *f, *range;
	size_t i, k;

	json_array_foreach(json_object_get(record, "files"), i, f)
	{
		const char *path = json_get(f, "path");
		struct line_claim like = { .path = path,
			.file = f,
			.record = record,
			.mark = mark_of(json_get(f, "by")) };

		if (!find_blob(from, path, like.oid))
			continue;
		json_array_foreach(json_object_get(f, "ranges"), k, range)
		    add_range(l, &like, range);
	}
}

static int
by_place(const void *a, const void *b)
{
	const struct line_claim *x = a, *y = b;
	int c = strcmp(x->oid, y->oid);

	if (c == 0)
		c = strcmp(x->path, y->path);
	if (c == 0)
		c = (x->from > y->from) - (x->from < y->from);
	return c;
}

void
line_claims_read(struct line_claims *out, const json_t *provenance,
    const struct change_report *r, const struct diff_index *x)
{
	const json_t *records = json_object_get(provenance, "records");
	const json_t *c, *index;
	size_t i, k;

	*out = (struct line_claims){ 0 };
	if (json_array_size(records) == 0)
		return;
	if ((out->v = calloc(LINE_CLAIMS_MAX, sizeof(*out->v))) == NULL)
		gg_die("no memory for claims of lines");
	json_array_foreach(json_object_get(provenance, "commits"), i, c)
	{
		const char *hex = json_get(c, "commit");
		const struct source from = {
			.commit = find_commit(r, hex), .x = x, .hex = hex
		};

		json_array_foreach(json_object_get(c, "records"), k,
		    index) add_record(out, &from,
		    json_array_get(records, (size_t)json_integer_value(index)));
	}
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), by_place);
}

/* ---- looking up ---- */

struct file_claims
line_claims_of(const struct line_claims *l, struct view path, struct view oid)
{
	struct file_claims f = { .v = NULL };

	for (size_t i = 0; l != NULL && i < l->n; i++) {
		if (!view_eq_str(oid, l->v[i].oid) ||
		    !view_eq_str(path, l->v[i].path)) {
			if (f.n > 0)
				break;
			continue;
		}
		if (f.n++ == 0)
			f.v = &l->v[i];
	}
	return f;
}

char
line_claims_mark(const struct file_claims *f, uint64_t line)
{
	char mark = '\0';

	for (size_t i = 0; i < f->n && f->v[i].from <= line; i++) {
		if (f->v[i].to < line)
			continue;
		if (mark != '\0' && mark != f->v[i].mark)
			return '!';
		mark = f->v[i].mark;
	}
	return mark;
}

/* ---- showing ---- */

static const char *
words_of(char mark)
{
	switch (mark) {
	case 'A':
		return "an agent";
	case 'H':
		return "a human";
	case 'M':
		return "an agent and a human";
	case '!':
		return "several, who say different things";
	default:
		return "an unknown one";
	}
}

void
view_line_mark(struct buf *b, struct file_claims *f, uint64_t line)
{
	char mark = line_claims_mark(f, line);

	if (mark != '\0') {
		html_lit(b, "<i class=\"by\">");
		buf_addc(b, mark);
		html_lit(b, "</i>");
	}
	if (mark != '\0' && mark != f->last) {
		html_lit(b, "<span class=\"vh\"> claimed to be by ");
		html_texts(b, words_of(mark));
		html_lit(b, ", line </span>");
	}
	f->last = mark;
}

void
view_line_range(struct buf *b, uint64_t from, uint64_t to)
{
	html_u64(b, from);
	if (to == from)
		return;
	html_lit(b, "\xe2\x80\x93");
	html_u64(b, to);
}

static void
told(struct buf *b, const struct line_claim *x)
{
	static const char *const names[] = { "tool", "model", "session",
		"human" };

	html_lit(b, "<i class=\"by\">");
	buf_addc(b, x->mark);
	html_lit(b, "</i> lines ");
	view_line_range(b, x->from, x->to);
	html_lit(b, " by ");
	html_texts(b, words_of(x->mark));
	for (size_t i = 0; i < GG_COUNT(names); i++) {
		const char *s = json_get(x->file, names[i]);

		if (s[0] == '\0')
			s = json_get(x->record, names[i]);
		if (s[0] == '\0')
			continue;
		html_lit(b, ", ");
		html_text(b, view_of(s, strnlen(s, 200)));
	}
}

void
view_file_claims(struct buf *b, const struct file_claims *f)
{
	if (f->n == 0)
		return;
	html_lit(b,
	    "<p class=\"note\"><span class=\"badge claimed\">claimed</span> ");
	for (size_t i = 0; i < f->n && i < CLAIMS_TOLD; i++) {
		html_texts(b, i > 0 ? "; " : "");
		told(b, &f->v[i]);
	}
	if (f->n > CLAIMS_TOLD) {
		html_lit(b, "; \xe2\x80\xa6 ");
		html_u64(b, f->n - CLAIMS_TOLD);
		html_lit(b, " more");
	}
	html_lit(b, "</p>");
}

void
view_marks_legend(struct buf *b, const struct line_claims *l)
{
	if (l == NULL || l->n == 0)
		return;
	html_lit(b,
	    "<p class=\"note legend\">Beside a line's number, who made it as a "
	    "record claims: <i class=\"by\">A</i> an agent, <i class=\"by\">H"
	    "</i> a human, <i class=\"by\">M</i> both, <i class=\"by\">?</i> "
	    "unknown, <i class=\"by\">!</i> records differ. Only where the "
	    "file is shown as it is in the commit that the record is for.");
	if (l->cut)
		html_lit(b, " There are more than are marked.");
	html_lit(b, "</p>");
}
