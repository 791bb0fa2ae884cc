/*
 * The diff of a push, from the records that the inspector wrote (hostile):
 * never parsed as text, each line escaped, nothing left out in silence.
 * As a whole or one commit; in one column or two; in parts.
 */
#include "web/diff_view.h"

#include "base/num.h"
#include "web/diff_lines.h"

#include <stdlib.h>

#define LINES_PER_PAGE 3000
#define PAGE_BYTES     ((size_t)4 * 1024 * 1024)
#define FILES_LISTED   200
#define WORD_STEPS     8000000 /* of a page, in all */

/* ---- what is asked for ---- */

static uint64_t
number_in(const struct web_call *c, const char *name)
{
	const char *s = http_query(c->rq, name);
	uint64_t n = 0;

	if (s == NULL || num_parse(view_str(s), UINT32_MAX, &n, NULL) != 0)
		return 0;
	return n;
}

void
diff_wish_read(const struct web_call *c, struct diff_wish *w)
{
	const char *view = http_query(c->rq, "view");
	const char *commit = http_query(c->rq, "commit");
	struct oid oid;

	w->self = http_path(c->rq);
	w->split = view != NULL && strcmp(view, "split") == 0;
	if (commit != NULL && oid_parse(view_str(commit), &oid))
		oid_format(&oid, w->commit);
	w->from = number_in(c, "from");
	w->line = number_in(c, "line");
}

static void
argument(struct buf *b, const char **sep, const char *name, const char *value)
{
	buf_addf(b, "%s%s=", *sep, name);
	html_urls(b, value);
	*sep = "&amp;";
}

static void
number_argument(struct buf *b, const char **sep, const char *name, uint64_t n)
{
	buf_addf(b, "%s%s=%llu", *sep, name, (unsigned long long)n);
	*sep = "&amp;";
}

/* A link to the same page, for a quoted attribute. */
static void
link_to(struct buf *b, const struct diff_wish *w, const char *commit,
    bool split, uint64_t from, uint64_t line)
{
	const char *sep = "?";

	html_attrs(b, w->self);
	if (commit[0] != '\0')
		argument(b, &sep, "commit", commit);
	if (w->ref != NULL)
		argument(b, &sep, "ref", w->ref);
	if (split)
		argument(b, &sep, "view", "split");
	if (w->skip > 0)
		number_argument(b, &sep, "skip", w->skip);
	if (from > 0 || line > 0)
		number_argument(b, &sep, "from", from);
	if (line > 0)
		number_argument(b, &sep, "line", line);
}

void
diff_commit_link(struct buf *b, const struct diff_wish *w, const char *commit)
{
	link_to(b, w, commit, w->split, 0, 0);
	html_lit(b, "#diff");
}

/* ---- the files that are shown, in their order ---- */

struct chosen {
	const struct diff_index *x;
	const struct diff_wish *w;
	const struct diff_entry **v;
	size_t *section; /* of each */
	size_t n;
	size_t n_sections;
	uint64_t added, removed;
	struct diff_lines lines;
};

static void
chosen_release(struct chosen *k)
{
	free((void *)k->v);
	free(k->section);
}
GG_DEFINE_AUTO_RELEASE(chosen);

/* The net diff of an update of one commit is that commit's. */
static bool
is_only_commit(const struct diff_index *x, const struct diff_section *s,
    const char *commit)
{
	const struct diff_section *next = s + 1;

	return s->commit.n == 0 && view_eq_str(s->to, commit) &&
	    x->n_cuts == 0 &&
	    (next == x->sections + x->n_sections || next->commit.n == 0);
}

static bool
is_chosen(const struct chosen *k, const struct diff_section *s)
{
	if (k->w->commit[0] == '\0')
		return s->commit.n == 0;
	return view_eq_str(s->commit, k->w->commit) ||
	    is_only_commit(k->x, s, k->w->commit);
}

/* Under another name they are no new lines. */
static uint64_t
entry_added(const struct diff_entry *e)
{
	return e->renamed_from != NULL ? 0 : e->added;
}

static void
choose_files(struct chosen *k, size_t section, bool guarded)
{
	const struct diff_section *s = &k->x->sections[section];

	for (size_t i = s->first; i < s->first + s->n; i++) {
		const struct diff_entry *e = &k->x->files[i];

		if (e->is_rename_source || (e->rule != NULL) != guarded)
			continue;
		k->v[k->n] = e;
		k->section[k->n++] = section;
		k->added += entry_added(e);
		k->removed += e->removed;
	}
}

static void
choose(struct chosen *k)
{
	k->v = calloc(k->x->n_files + 1, sizeof(*k->v));
	k->section = calloc(k->x->n_files + 1, sizeof(*k->section));
	if (k->v == NULL || k->section == NULL)
		gg_die("no memory for a diff");
	for (size_t i = 0; i < k->x->n_sections; i++) {
		if (!is_chosen(k, &k->x->sections[i]))
			continue;
		/* what a rule asks to be looked at comes first */
		k->n_sections++;
		choose_files(k, i, true);
		choose_files(k, i, false);
		if (k->w->commit[0] != '\0')
			break; /* the same in every update that brings it */
	}
}

/* ---- one file ---- */

static void
counts(struct buf *b, uint64_t added, uint64_t removed)
{
	if (added == 0 && removed == 0)
		return;
	html_lit(b, "<span class=\"count\"><span class=\"plus\">+");
	html_u64(b, added);
	html_lit(b, "</span> <span class=\"minus\">\xe2\x88\x92");
	html_u64(b, removed);
	html_lit(b, "</span></span>");
}

static void
badge(struct buf *b, const char *look, const char *text)
{
	html_lit(b, " <span class=\"badge ");
	html_attrs(b, look);
	html_lit(b, "\">");
	html_texts(b, text);
	html_lit(b, "</span>");
}

static void
kind_badges(struct buf *b, const struct diff_entry *e)
{
	const struct diff_file *f = &e->f;
	char mode[48];

	if (e->renamed_from != NULL)
		badge(b, "", "renamed, contents unchanged");
	else if (f->old_mode == 0)
		badge(b, "", "added");
	else if (f->new_mode == 0)
		badge(b, "", "deleted");
	else if (f->old_mode != f->new_mode) {
		(void)snprintf(mode, sizeof(mode), "mode %06o → %06o",
		    f->old_mode, f->new_mode);
		badge(b, "warn", mode);
	}
	if (f->new_mode == 0100755 && f->old_mode == 0)
		badge(b, "warn", "executable");
	if (f->flags & DIFF_FLAG_BINARY)
		badge(b, "warn", "binary");
	if (f->flags & DIFF_FLAG_SUBMODULE)
		badge(b, "warn", "submodule");
	if (f->flags & DIFF_FLAG_SYMLINK)
		badge(b, "warn", "symlink");
	if (f->flags & DIFF_FLAG_TOO_LARGE)
		badge(b, "warn", "too large to show");
}

static void
names(struct buf *b, const struct diff_entry *e)
{
	const struct view none = view_of(NULL, 0);
	struct view was = e->renamed_from != NULL ?
	    e->renamed_from->f.old_path :
	    e->f.old_path.n > 0 && e->f.new_path.n > 0 &&
		!view_eq(e->f.old_path, e->f.new_path) ?
	    e->f.old_path :
	    none;

	html_lit(b, "<code>");
	if (was.n > 0) {
		html_text(b, was);
		html_lit(b, "</code> → <code>");
	}
	if (diff_entry_path(e).n == 0)
		html_lit(b, "(a tag's object)");
	html_text(b, diff_entry_path(e));
	html_lit(b, "</code>");
}

static void
sizes(struct buf *b, const struct diff_entry *e)
{
	if (e->f.flags & DIFF_FLAG_SUBMODULE)
		return;
	html_lit(b, "<span class=\"dim small\">");
	if (e->f.old_mode != 0 && e->f.new_mode != 0) {
		html_bytes(b, e->f.old_bytes);
		html_lit(b, " → ");
	}
	html_bytes(b, e->f.new_mode != 0 ? e->f.new_bytes : e->f.old_bytes);
	html_lit(b, "</span>");
}

static void
file_head(struct buf *b, const struct diff_entry *e, size_t at)
{
	html_lit(b, "<details open class=\"file");
	if (e->rule != NULL)
		html_lit(b, " guarded");
	html_lit(b, "\" id=\"f");
	html_u64(b, at + 1);
	html_lit(b, "\"><summary><h4>");
	names(b, e);
	html_lit(b, "</h4><span>");
	if (e->rule != NULL) {
		html_lit(b, "<span class=\"badge hold\">rule ");
		html_texts(b, e->rule);
		html_lit(b, "</span>");
	}
	kind_badges(b, e);
	html_lit(b, "</span><span class=\"more\">");
	counts(b, entry_added(e), e->removed);
	html_lit(b, " ");
	sizes(b, e);
	html_lit(b, "</span></summary>");
}

static void
note(struct buf *b, const char *text)
{
	html_lit(b, "<p class=\"note\">");
	html_texts(b, text);
	html_lit(b, "</p>");
}

static void
file_words(struct buf *b, const struct diff_entry *e)
{
	if (e->n_records > 0 && e->renamed_from == NULL)
		return;
	if (e->renamed_from != NULL)
		note(b, "The file has another name; every byte is the same.");
	else if (e->f.flags & DIFF_FLAG_BINARY)
		note(b, "Binary: its bytes are not shown as text.");
	else if (e->f.flags & DIFF_FLAG_TOO_LARGE)
		note(b, "Too large to be shown here.");
	else if (e->f.old_mode != 0 && e->f.new_mode != 0 &&
	    view_eq(e->f.old_oid, e->f.new_oid))
		note(b, "Only its mode changes.");
	else if (e->f.old_bytes == 0 && e->f.new_bytes == 0)
		note(b, "An empty file.");
	else
		note(b, "Its lines are not shown here.");
}

/* True: there is room for more. */
static bool
show_file(struct buf *b, struct chosen *k, size_t at, uint64_t *line)
{
	const struct diff_entry *e = k->v[at];
	uint64_t shown = e->n_records;

	k->lines.claims = line_claims_of(k->w->claims, e->f.new_path,
	    e->f.new_oid);
	file_head(b, e, at);
	file_words(b, e);
	view_file_claims(b, &k->lines.claims);
	if (e->renamed_from == NULL)
		shown = diff_lines_show(b, &k->lines, e, *line);
	view_file_more(b, k->w, e);
	html_lit(b, "</details>\n");
	*line = shown < e->n_records ? shown : 0;
	return *line == 0 && k->lines.lines_left > 0 &&
	    b->n < k->lines.bytes_max;
}

/* ---- sections ---- */

static void
short_oid(struct buf *b, struct view hex)
{
	html_lit(b, "<code class=\"oid\">");
	if (hex.n == 0)
		html_lit(b, "(nothing)");
	html_text(b, view_of(hex.p, hex.n < 12 ? hex.n : 12));
	html_lit(b, "</code>");
}

static void
section_head(struct buf *b, const struct diff_section *s)
{
	html_lit(b, "<h3 class=\"section\">");
	if (s->commit.n > 0) {
		html_lit(b, "Commit ");
		short_oid(b, s->commit);
		html_lit(b, " ");
		html_text(b, s->subject);
	} else {
		html_lit(b, "All changes to <code>");
		html_text(b, s->ref);
		html_lit(b, "</code>: ");
		short_oid(b, s->from);
		html_lit(b, " → ");
		short_oid(b, s->to);
	}
	html_lit(b, "</h3>");
}

/* To what was not recorded, while it can be read. */
static void
read_on(struct buf *b, const struct chosen *k, const struct diff_cut *cut)
{
	const struct diff_section *s;
	uint64_t skip;
	const char *sep = "?";

	if (k->w->hold == NULL || cut->section >= k->x->n_sections)
		return;
	s = &k->x->sections[cut->section];
	/* a file that was begun is shown again */
	skip = k->w->skip + s->n - (s->n > 1 && cut->lines > 0 ? 1 : 0);
	html_lit(b, " <a href=\"/-/holds/");
	html_urls(b, k->w->hold);
	html_lit(b, "/diff");
	buf_addf(b, "%s%s=", sep, s->commit.n > 0 ? "commit" : "ref");
	html_url(b, s->commit.n > 0 ? s->commit : s->ref);
	sep = "&amp;";
	if (k->w->split)
		argument(b, &sep, "view", "split");
	if (skip > 0)
		number_argument(b, &sep, "skip", skip);
	html_lit(b, "\">Read on from the objects</a>");
}

static void
commit_not_recorded(struct buf *b, const struct diff_wish *w)
{
	html_lit(b,
	    "<p class=\"cut\">This commit's own changes are not in the "
	    "recorded diff.");
	if (w->hold != NULL && !w->on_demand) {
		html_lit(b, " <a href=\"/-/holds/");
		html_urls(b, w->hold);
		html_lit(b, "/diff?commit=");
		html_urls(b, w->commit);
		html_lit(b, "\">Read them from the objects</a>");
	}
	html_lit(b, "</p>");
}

static bool
cut_concerns(const struct chosen *k, const struct diff_cut *cut)
{
	return cut->section < k->x->n_sections &&
	    is_chosen(k, &k->x->sections[cut->section]);
}

static void
show_cuts(struct buf *b, const struct chosen *k)
{
	for (size_t i = 0; i < k->x->n_cuts; i++) {
		const struct diff_cut *cut = &k->x->cuts[i];

		/* the one at the very end speaks of all that follows */
		if (!cut_concerns(k, cut) && i + 1 < k->x->n_cuts)
			continue;
		html_lit(b, "<p class=\"cut\" role=\"note\">not shown: ");
		html_u64(b, cut->files);
		html_lit(b, " files, ");
		html_u64(b, cut->lines);
		html_lit(b, " lines. ");
		html_text(b, cut->why);
		html_lit(b, ".");
		read_on(b, k, cut);
		html_lit(b, "</p>");
	}
	if (k->x->damaged)
		html_lit(b,
		    "<p class=\"cut\" role=\"alert\">The rest of this diff is "
		    "damaged and not shown.</p>");
}

/* Which part this is, what is before and behind it. */
static void
parts(struct buf *b, const struct chosen *k, size_t next, uint64_t line)
{
	const struct diff_wish *w = k->w;
	uint64_t left = 0;

	if (w->from == 0 && w->line == 0 && next >= k->n)
		return;
	html_lit(b, "<p class=\"cut\" role=\"note\">");
	if (w->from > 0 || w->line > 0) {
		html_lit(b,
		    "This is not the beginning of the diff. <a href=\"");
		link_to(b, w, w->commit, w->split, 0, 0);
		html_lit(b, "#diff\">From the beginning</a> ");
	}
	if (next < k->n) {
		for (size_t i = next; i < k->n; i++)
			left += k->v[i]->n_records;
		html_lit(b, "The diff goes on: ");
		html_u64(b, k->n - next);
		html_texts(b,
		    k->n - next == 1 ? " file with " : " files with ");
		html_u64(b, left - (line < left ? line : left));
		html_lit(b, " lines are not shown yet. <a href=\"");
		link_to(b, w, w->commit, w->split, next, line);
		html_lit(b, "#diff\">Next part</a>");
	}
	html_lit(b, "</p>");
}

static void
show_files(struct buf *b, struct chosen *k)
{
	size_t at = k->w->from < k->n ? (size_t)k->w->from : 0;
	uint64_t line = k->w->from < k->n ? k->w->line : 0;
	size_t section = SIZE_MAX;
	bool room = true;

	k->lines = (struct diff_lines){ .split = k->w->split,
		.lines_left = LINES_PER_PAGE,
		.bytes_max = b->n + PAGE_BYTES,
		.words_left = WORD_STEPS };
	while (at < k->n && room) {
		if (k->section[at] != section) {
			section = k->section[at];
			section_head(b, &k->x->sections[section]);
		}
		room = show_file(b, k, at, &line);
		at += line == 0;
	}
	if (at >= k->n)
		show_cuts(b, k);
	parts(b, k, at, line);
}

/* ---- above them ---- */

static void
choice(struct buf *b, const struct diff_wish *w, bool split, const char *name)
{
	html_lit(b, "<a href=\"");
	link_to(b, w, w->commit, split, w->from, 0);
	html_lit(b, "#diff\"");
	if (split == w->split)
		html_lit(b, " aria-current=\"true\"");
	html_lit(b, ">");
	html_texts(b, name);
	html_lit(b, "</a>");
}

static void
tools(struct buf *b, const struct chosen *k)
{
	html_lit(b, "<div class=\"tools\" id=\"diff\"><h2>");
	html_u64(b, k->n);
	html_texts(b, k->n == 1 ? " changed file " : " changed files ");
	counts(b, k->added, k->removed);
	html_lit(b, "</h2>");
	if (k->w->commit[0] != '\0') {
		html_lit(b, "<p>One commit only. <a href=\"");
		if (k->w->on_demand) {
			html_lit(b, "/-/holds/");
			html_urls(b, k->w->hold);
		} else {
			link_to(b, k->w, "", k->w->split, 0, 0);
		}
		html_lit(b, "#diff\">Show all changes</a></p>");
	}
	html_lit(b, "<nav class=\"seg\" aria-label=\"Way of showing\">");
	choice(b, k->w, false, "Unified");
	choice(b, k->w, true, "Side by side");
	html_lit(b, "</nav></div>");
}

static void
listed_file(struct buf *b, const struct chosen *k, size_t i, bool here)
{
	const struct diff_entry *e = k->v[i];

	html_lit(b, "<li><a href=\"");
	if (!here)
		link_to(b, k->w, k->w->commit, k->w->split, i, 0);
	buf_addf(b, "#f%zu\">", i + 1);
	names(b, e);
	html_lit(b, "</a>");
	if (e->rule != NULL) {
		html_lit(b, "<span class=\"badge hold\">rule ");
		html_texts(b, e->rule);
		html_lit(b, "</span>");
	}
	counts(b, entry_added(e), e->removed);
	html_lit(b, "</li>");
}

/* Nobody needs a list of one. */
static void
file_list(struct buf *b, const struct chosen *k)
{
	size_t i, from = k->w->from < k->n ? (size_t)k->w->from : 0;
	uint64_t lines = 0;

	if (k->n < 2)
		return;
	html_lit(b,
	    "<nav class=\"card\" aria-label=\"Changed files\"><ul "
	    "class=\"files\">");
	for (i = 0; i < k->n && i < FILES_LISTED; i++) {
		listed_file(b, k, i, i >= from && lines < LINES_PER_PAGE);
		lines += i >= from ? k->v[i]->n_records : 0;
	}
	html_lit(b, "</ul>");
	if (i < k->n) {
		html_lit(b, "<p class=\"cut\">not listed: ");
		html_u64(b, k->n - i);
		html_lit(b, " files</p>");
	}
	html_lit(b, "</nav>");
}

void
view_diff(struct buf *b, const struct diff_index *x, const struct diff_wish *w)
{
	GG_AUTO_RELEASE(chosen) k = { .x = x, .w = w };

	choose(&k);
	tools(b, &k);
	if (k.n_sections == 0 && w->commit[0] != '\0')
		commit_not_recorded(b, w);
	file_list(b, &k);
	view_marks_legend(b, w->claims);
	show_files(b, &k);
}

void
view_diff_counts(struct buf *b, const struct diff_index *x)
{
	struct diff_wish whole = { .self = "" };
	GG_AUTO_RELEASE(chosen) k = { .x = x, .w = &whole };

	choose(&k);
	html_u64(b, k.n);
	html_texts(b, k.n == 1 ? " file " : " files ");
	counts(b, k.added, k.removed);
}
