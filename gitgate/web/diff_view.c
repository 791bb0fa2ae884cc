/*
 * The diff of a push, from the records that the inspector wrote (hostile):
 * never parsed as text, each line escaped, nothing left out in silence.
 */
#include "base/fd.h"
#include "base/num.h"
#include "ipc/codec.h"
#include "model/diff.h"
#include "web/web_priv.h"

#include <stdlib.h>

#define LINES_PER_PAGE 4000
#define PAGE_BYTES     ((size_t)4 * 1024 * 1024)
#define LINE_SHOWN     ((size_t)2000) /* bytes of one line */
#define NAME_MAX_BYTES 4096

struct diff_view {
	struct buf *b;
	bool table; /* inside a file's table */
	bool file;  /* inside a file's section */
	uint64_t old_line, new_line;
	size_t lines;
};

static void
close_table(struct diff_view *d)
{
	if (d->table)
		html_lit(d->b, "</tbody></table></div>");
	d->table = false;
}

static void
close_file(struct diff_view *d)
{
	close_table(d);
	if (d->file)
		html_lit(d->b, "</section>");
	d->file = false;
}

static void
open_table(struct diff_view *d)
{
	if (!d->table)
		html_lit(d->b,
		    "<div class=\"scroll\"><table class=\"diff\"><tbody>");
	d->table = true;
}

static void
short_oid(struct buf *b, const char *hex)
{
	html_lit(b, "<code class=\"oid\">");
	if (hex[0] == '\0')
		html_lit(b, "(nothing)");
	else
		html_text(b, view_of(hex, strnlen(hex, 12)));
	html_lit(b, "</code>");
}

static bool
show_update(struct diff_view *d, struct view body)
{
	struct dec in = dec_of(body);
	GG_AUTO_MEM char *ref = dec_str(&in, NAME_MAX_BYTES);
	GG_AUTO_MEM char *from = dec_str(&in, 64);
	GG_AUTO_MEM char *to = dec_str(&in, 64);

	close_file(d);
	html_lit(d->b, "<h3>All changes to <code>");
	html_texts(d->b, ref);
	html_lit(d->b, "</code>: ");
	short_oid(d->b, from);
	html_lit(d->b, " → ");
	short_oid(d->b, to);
	html_lit(d->b, "</h3>");
	return dec_end(&in, NULL) == 0;
}

static bool
show_commit(struct diff_view *d, struct view body)
{
	struct dec in = dec_of(body);
	GG_AUTO_MEM char *hex = dec_str(&in, 64);
	GG_AUTO_MEM char *subject = dec_str(&in, 65536);

	close_file(d);
	html_lit(d->b, "<h3>Commit ");
	short_oid(d->b, hex);
	html_lit(d->b, " ");
	html_text(d->b, view_of(subject, strnlen(subject, 300)));
	html_lit(d->b, "</h3>");
	return dec_end(&in, NULL) == 0;
}

static void
file_notes(struct buf *b, uint32_t old_mode, uint32_t new_mode,
    uint64_t size[2], uint8_t flags)
{
	if (old_mode == 0)
		html_lit(b, " <span class=\"badge\">added</span>");
	else if (new_mode == 0)
		html_lit(b, " <span class=\"badge\">deleted</span>");
	else if (old_mode != new_mode)
		buf_addf(b,
		    " <span class=\"badge warn\">mode %06o → %06o</span>",
		    old_mode, new_mode);
	if (new_mode == 0100755 && old_mode == 0)
		html_lit(b, " <span class=\"badge warn\">executable</span>");
	if (flags & DIFF_FLAG_BINARY)
		html_lit(b, " <span class=\"badge warn\">binary</span>");
	if (flags & DIFF_FLAG_SUBMODULE)
		html_lit(b, " <span class=\"badge warn\">submodule</span>");
	if (flags & DIFF_FLAG_SYMLINK)
		html_lit(b, " <span class=\"badge warn\">symlink</span>");
	if (flags & DIFF_FLAG_TOO_LARGE)
		html_lit(b,
		    " <span class=\"badge warn\">too large to "
		    "show</span>");
	html_lit(b, " <span class=\"dim\">");
	html_bytes(b, size[0]);
	html_lit(b, " → ");
	html_bytes(b, size[1]);
	html_lit(b, "</span>");
}

static bool
show_file(struct diff_view *d, struct view body)
{
	struct dec in = dec_of(body);
	GG_AUTO_MEM char *old_path = dec_str(&in, NAME_MAX_BYTES);
	GG_AUTO_MEM char *new_path = dec_str(&in, NAME_MAX_BYTES);
	uint32_t old_mode = dec_u32(&in), new_mode = dec_u32(&in);
	uint64_t size[2];
	uint8_t flags;

	size[0] = dec_u64(&in);
	size[1] = dec_u64(&in);
	flags = dec_u8(&in);
	close_file(d);
	d->file = true;
	html_lit(d->b, "<section class=\"file\"><h4><code>");
	if (old_path[0] != '\0' && new_path[0] != '\0' &&
	    strcmp(old_path, new_path) != 0) {
		html_texts(d->b, old_path);
		html_lit(d->b, "</code> → <code>");
	}
	html_texts(d->b, new_path[0] != '\0' ? new_path : old_path);
	html_lit(d->b, "</code>");
	file_notes(d->b, old_mode, new_mode, size, flags);
	html_lit(d->b, "</h4>");
	return dec_end(&in, NULL) == 0;
}

static bool
show_hunk(struct diff_view *d, struct view body)
{
	struct dec in = dec_of(body);
	uint32_t old_start = dec_u32(&in), old_n = dec_u32(&in);
	uint32_t new_start = dec_u32(&in), new_n = dec_u32(&in);
	GG_AUTO_MEM char *section = dec_str(&in, 65536);

	open_table(d);
	d->old_line = old_start;
	d->new_line = new_start;
	buf_addf(d->b,
	    "<tr class=\"hunk\"><td class=\"n\"></td><td class=\"n\"></td><td>@@ -%u,%u +%u,%u "
	    "@@ ",
	    old_start, old_n, new_start, new_n);
	html_text(d->b, view_of(section, strnlen(section, 200)));
	html_lit(d->b, "</td></tr>");
	return dec_end(&in, NULL) == 0;
}

static void
line_number(struct buf *b, bool shown, uint64_t n)
{
	html_lit(b, "<td class=\"n\">");
	if (shown)
		html_u64(b, n);
	html_lit(b, "</td>");
}

static void
show_line(struct diff_view *d, enum diff_kind kind, struct view line)
{
	bool old_side = kind != DIFF_ADDED, new_side = kind != DIFF_REMOVED;
	struct buf *b = d->b;

	open_table(d);
	if (kind == DIFF_ADDED)
		html_lit(b, "<tr class=\"add\">");
	else if (kind == DIFF_REMOVED)
		html_lit(b, "<tr class=\"del\">");
	else
		html_lit(b, "<tr>");
	line_number(b, old_side, d->old_line);
	line_number(b, new_side, d->new_line);
	d->old_line += old_side;
	d->new_line += new_side;
	d->lines++;
	html_lit(b, "<td class=\"line\"><span class=\"sign\">");
	buf_addc(b,
	    kind == DIFF_ADDED       ? '+' :
		kind == DIFF_REMOVED ? '-' :
				       ' ');
	html_lit(b, "</span>");
	if (line.n > LINE_SHOWN) {
		html_text(b, view_of(line.p, LINE_SHOWN));
		html_lit(b, "<span class=\"cut\">not shown: ");
		html_u64(b, line.n - LINE_SHOWN);
		html_lit(b, " bytes of this line</span>");
	} else {
		html_text(b, line);
	}
	html_lit(b, "</td></tr>");
}

static bool
show_cut(struct diff_view *d, struct view body)
{
	struct dec in = dec_of(body);
	GG_AUTO_MEM char *what = dec_str(&in, 4096);
	uint64_t files = dec_u64(&in), lines = dec_u64(&in);

	close_table(d);
	html_lit(d->b, "<p class=\"cut\" role=\"note\">not shown: ");
	html_u64(d->b, files);
	html_lit(d->b, " files, ");
	html_u64(d->b, lines);
	html_lit(d->b, " lines. ");
	html_texts(d->b, what);
	html_lit(d->b, "</p>");
	return dec_end(&in, NULL) == 0;
}

static bool
show_record(struct diff_view *d, enum diff_kind kind, struct view body)
{
	switch (kind) {
	case DIFF_UPDATE:
		return show_update(d, body);
	case DIFF_COMMIT:
		return show_commit(d, body);
	case DIFF_FILE:
		return show_file(d, body);
	case DIFF_HUNK:
		return show_hunk(d, body);
	case DIFF_CUT:
		return show_cut(d, body);
	case DIFF_NO_NEWLINE:
		open_table(d);
		html_lit(d->b,
		    "<tr class=\"hunk\"><td class=\"n\"></td><td class=\"n\"></td><td>no newline "
		    "at the end of the file</td></tr>");
		return true;
	case DIFF_CONTEXT:
	case DIFF_ADDED:
	case DIFF_REMOVED:
		show_line(d, kind, body);
		return true;
	}
	return false;
}

/* The headers that a page in the middle stands under. */
struct context {
	struct view update, commit, file, hunk;
	uint64_t hunk_old, hunk_new; /* lines passed since the hunk's head */
};

static void
context_pass(struct context *x, enum diff_kind kind, struct view body)
{
	if (kind == DIFF_UPDATE) {
		*x = (struct context){ .update = body };
	} else if (kind == DIFF_COMMIT) {
		*x = (struct context){ .update = x->update, .commit = body };
	} else if (kind == DIFF_FILE) {
		x->file = body;
		x->hunk = view_of(NULL, 0);
	} else if (kind == DIFF_HUNK) {
		x->hunk = body;
		x->hunk_old = x->hunk_new = 0;
	} else {
		x->hunk_old += kind == DIFF_CONTEXT || kind == DIFF_REMOVED;
		x->hunk_new += kind == DIFF_CONTEXT || kind == DIFF_ADDED;
	}
}

static void
context_show(const struct context *x, struct diff_view *d)
{
	if (x->update.n > 0)
		(void)show_update(d, x->update);
	if (x->commit.n > 0)
		(void)show_commit(d, x->commit);
	if (x->file.n > 0)
		(void)show_file(d, x->file);
	if (x->hunk.n > 0) {
		(void)show_hunk(d, x->hunk);
		d->old_line += x->hunk_old;
		d->new_line += x->hunk_new;
	}
}

static void
page_links(struct buf *b, const char *self, uint64_t skip, uint64_t at,
    bool more)
{
	if (skip == 0 && !more)
		return;
	html_lit(b, "<p class=\"cut\" role=\"note\">");
	if (skip > 0) {
		html_lit(b,
		    "This is not the beginning of the diff. <a href=\"");
		html_attrs(b, self);
		html_lit(b, "#diff\">From the beginning</a> ");
	}
	if (more) {
		html_lit(b, "The diff goes on. <a href=\"");
		html_attrs(b, self);
		html_lit(b, "?skip=");
		html_u64(b, at);
		html_lit(b, "#diff\">Next part</a>");
	}
	html_lit(b, "</p>");
}

/* Show what stands behind the first skip records. */
static void
show_records(struct buf *b, struct view in, uint64_t skip, const char *self)
{
	struct diff_view d = { .b = b };
	struct context x = { 0 };
	size_t start = b->n;
	enum diff_kind kind;
	struct view body;
	uint64_t at = 0;
	bool fine = true, more = false;
	int rc = 0;

	while (fine && (rc = diff_record_next(&in, &kind, &body, NULL)) == 1) {
		if (at++ < skip) {
			context_pass(&x, kind, body);
			continue;
		}
		if (at == skip + 1 && skip > 0)
			context_show(&x, &d);
		fine = show_record(&d, kind, body);
		more = in.n > 0;
		if (more &&
		    (d.lines >= LINES_PER_PAGE || b->n - start > PAGE_BYTES))
			break;
		more = false;
	}
	close_file(&d);
	if (rc < 0 || !fine)
		html_lit(b,
		    "<p class=\"cut\" role=\"alert\">The rest of this diff is "
		    "damaged and not shown.</p>");
	page_links(b, self, skip, at, more);
}

void
view_diff(const struct web_call *c, struct buf *b, const char *push,
    const char *self)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/diff", c->cfg->state_dir,
	    push);
	const char *from = http_query(c->rq, "skip");
	uint64_t skip = 0;
	GG_AUTO_RELEASE(buf)
	raw = BUF_INIT((size_t)c->cfg->limits.diff_bytes * 2 + 1048576);

	html_lit(b, "<section class=\"card\" id=\"diff\"><h2>Diff</h2>");
	if (from != NULL &&
	    num_parse(view_str(from), UINT32_MAX, &skip, NULL) != 0)
		skip = 0;
	if (file_read(path, &raw, NULL) != 0)
		html_lit(b,
		    "<p class=\"cut\">There is no diff for this push.</p>");
	else
		show_records(b, buf_view(&raw), skip, self);
	html_lit(b, "</section>");
}
