#include "web/diff_lines.h"

#include "ipc/codec.h"
#include "web/html.h"
#include "web/word_diff.h"

enum {
	LINE_SHOWN = 2000, /* bytes of one line */
	RUN_MAX = 200,     /* lines that are looked at together */
	ALIKE_PERCENT = 50,
};

struct side {
	struct view text[RUN_MAX];
	bool no_newline[RUN_MAX];
	int partner[RUN_MAX]; /* index on the other side; -1 */
	size_t n;
	uint64_t line; /* number of the next line that is shown */
};

struct rows {
	struct buf *b;
	struct diff_lines *l;
	struct side del, add;
};

/* ---- text ---- */

static void
text_with(struct buf *b, struct view line, const struct word_spans *s,
    bool mark_blanks)
{
	size_t end = line.n, at = 0, i = 0;

	while (mark_blanks && end > 0 &&
	    (line.p[end - 1] == ' ' || line.p[end - 1] == '\t'))
		end--;
	for (; s != NULL && i < s->n && s->v[i].begin < end; i++) {
		size_t stop = s->v[i].end < end ? s->v[i].end : end;

		html_text(b, view_of(line.p + at, s->v[i].begin - at));
		html_lit(b, "<mark>");
		html_text(b,
		    view_of(line.p + s->v[i].begin, stop - s->v[i].begin));
		html_lit(b, "</mark>");
		at = stop;
	}
	html_text(b, view_of(line.p + at, end - at));
	if (end == line.n)
		return;
	html_lit(b, "<span class=\"ws\">");
	html_text(b, view_of(line.p + end, line.n - end));
	html_lit(b, "</span>");
}

void
diff_line_text(struct buf *b, struct view line, bool mark_blanks)
{
	size_t rest = line.n > LINE_SHOWN ? line.n - LINE_SHOWN : 0;

	/* not inside a character */
	while (rest > 0 && rest < line.n &&
	    ((unsigned char)line.p[line.n - rest] & 0xc0) == 0x80)
		rest++;
	text_with(b, view_of(line.p, line.n - rest), NULL,
	    mark_blanks && rest == 0);
	if (rest == 0)
		return;
	html_lit(b, "<span class=\"cut\">not shown: ");
	html_u64(b, rest);
	html_lit(b, " bytes of this line</span>");
}

static void
number(struct buf *b, bool shown, uint64_t n)
{
	html_lit(b, "<td class=\"n\">");
	if (shown)
		html_u64(b, n);
	html_lit(b, "</td>");
}

/* Of the new side, with who is said to have made the line. */
static void
new_number(struct rows *r, uint64_t n)
{
	html_lit(r->b, "<td class=\"n\">");
	view_line_mark(r->b, &r->l->claims, n);
	html_u64(r->b, n);
	html_lit(r->b, "</td>");
}

static void
line_cell(struct buf *b, const char *look, char sign, struct view line,
    const struct word_spans *s, bool no_newline)
{
	html_lit(b, "<td class=\"line");
	html_attrs(b, look);
	html_lit(b, "\"><span class=\"sign\">");
	buf_addc(b, sign);
	html_lit(b, "</span>");
	if (s != NULL && s->n > 0)
		text_with(b, line, s, sign == '+');
	else
		diff_line_text(b, line, sign == '+');
	if (no_newline)
		html_lit(b, "<span class=\"cut\">no newline at the end</span>");
	html_lit(b, "</td>");
}

/* ---- a run of removed lines and the added ones behind them ---- */

static void
pair_up(struct rows *r, size_t i, size_t k)
{
	r->del.partner[i] = (int)k;
	r->add.partner[k] = (int)i;
}

/* In order where there are as many; else each with the next one that is
 * like it. */
static void
find_partners(struct rows *r)
{
	size_t from = 0;

	for (size_t i = 0; i < r->del.n; i++)
		r->del.partner[i] = -1;
	for (size_t k = 0; k < r->add.n; k++)
		r->add.partner[k] = -1;
	if (r->del.n == r->add.n) {
		for (size_t i = 0; i < r->del.n; i++)
			pair_up(r, i, i);
		return;
	}
	for (size_t i = 0; i < r->del.n; i++) {
		unsigned best = 0;
		size_t at = 0;

		for (size_t k = from; k < r->add.n && k < from + 32; k++) {
			unsigned like = word_likeness(r->del.text[i],
			    r->add.text[k]);

			if (like > best) {
				best = like;
				at = k;
			}
		}
		if (best >= ALIKE_PERCENT) {
			pair_up(r, i, at);
			from = at + 1;
		}
	}
}

static void
spans_for(struct rows *r, int i, int k, struct word_spans *a,
    struct word_spans *b)
{
	a->n = b->n = 0;
	if (i >= 0 && k >= 0)
		(void)word_diff(r->del.text[i], r->add.text[k], a, b,
		    &r->l->words_left);
}

static void
unified_rows(struct rows *r)
{
	struct word_spans a, b;

	for (size_t i = 0; i < r->del.n; i++) {
		spans_for(r, (int)i, r->del.partner[i], &a, &b);
		html_lit(r->b, "<tr class=\"del\">");
		number(r->b, true, r->del.line++);
		number(r->b, false, 0);
		line_cell(r->b, "", '-', r->del.text[i], &a,
		    r->del.no_newline[i]);
		html_lit(r->b, "</tr>\n");
	}
	for (size_t k = 0; k < r->add.n; k++) {
		spans_for(r, r->add.partner[k], (int)k, &a, &b);
		html_lit(r->b, "<tr class=\"add\">");
		number(r->b, false, 0);
		new_number(r, r->add.line++);
		line_cell(r->b, "", '+', r->add.text[k], &b,
		    r->add.no_newline[k]);
		html_lit(r->b, "</tr>\n");
	}
}

static void
half_row(struct rows *r, struct side *s, bool there, size_t i, const char *look,
    char sign, const struct word_spans *spans)
{
	if (there && s == &r->add)
		new_number(r, s->line);
	else
		number(r->b, there, s->line);
	if (!there) {
		html_lit(r->b, "<td class=\"none\"></td>");
		return;
	}
	s->line++;
	line_cell(r->b, look, sign, s->text[i], spans, s->no_newline[i]);
}

static void
split_row(struct rows *r, bool old_there, size_t i, bool new_there, size_t k)
{
	struct word_spans a = { .n = 0 }, b = { .n = 0 };

	if (old_there && new_there)
		spans_for(r, (int)i, (int)k, &a, &b);
	html_lit(r->b, "<tr>");
	half_row(r, &r->del, old_there, i, " del", '-', &a);
	half_row(r, &r->add, new_there, k, " add", '+', &b);
	html_lit(r->b, "</tr>\n");
}

/* Partners stand beside each other; what is between them fills up. */
static void
split_rows(struct rows *r)
{
	size_t i = 0, k = 0;

	while (i < r->del.n || k < r->add.n) {
		bool old_there = i < r->del.n, new_there = k < r->add.n;

		if (old_there && new_there && r->del.partner[i] >= 0 &&
		    (size_t)r->del.partner[i] != k)
			old_there = false;
		else if (old_there && new_there && r->add.partner[k] >= 0 &&
		    (size_t)r->add.partner[k] != i)
			new_there = false;
		split_row(r, old_there, i, new_there, k);
		i += old_there;
		k += new_there;
	}
}

static void
flush(struct rows *r)
{
	if (r->del.n == 0 && r->add.n == 0)
		return;
	find_partners(r);
	if (r->l->split)
		split_rows(r);
	else
		unified_rows(r);
	r->del.n = r->add.n = 0;
}

static void
push_line(struct side *s, struct view line)
{
	s->text[s->n] = line;
	s->no_newline[s->n] = false;
	s->n++;
}

/* ---- records ---- */

static void
context_row(struct rows *r, struct view line)
{
	flush(r);
	html_lit(r->b, "<tr>");
	number(r->b, true, r->del.line++);
	if (r->l->split)
		line_cell(r->b, "", ' ', line, NULL, false);
	new_number(r, r->add.line++);
	line_cell(r->b, "", ' ', line, NULL, false);
	html_lit(r->b, "</tr>\n");
}

static void
note_row(struct rows *r, struct view text)
{
	buf_addf(r->b, "<tr class=\"hunk\"><td colspan=\"%d\">",
	    r->l->split ? 4 : 3);
	html_text(r->b, text);
	html_lit(r->b, "</td></tr>\n");
}

static void
hunk_row(struct rows *r, struct view body, bool shown)
{
	struct dec d = dec_of(body);
	uint32_t old_start = dec_u32(&d), old_n = dec_u32(&d);
	uint32_t new_start = dec_u32(&d), new_n = dec_u32(&d);
	struct view section = dec_bytes(&d);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(1024);

	flush(r);
	r->del.line = old_start;
	r->add.line = new_start;
	if (!shown)
		return;
	buf_addf(&text, "@@ -%u,%u +%u,%u @@ ", old_start, old_n, new_start,
	    new_n);
	buf_addv(&text, view_of(section.p, section.n < 200 ? section.n : 200));
	note_row(r, buf_view(&text));
}

/* Of the line before. */
static void
no_newline(struct rows *r)
{
	if (r->add.n > 0)
		r->add.no_newline[r->add.n - 1] = true;
	else if (r->del.n > 0)
		r->del.no_newline[r->del.n - 1] = true;
	else
		note_row(r, view_str("no newline at the end of the file"));
}

static void
show_record(struct rows *r, enum diff_kind kind, struct view body)
{
	if (kind == DIFF_HUNK) {
		hunk_row(r, body, true);
		return;
	}
	if (kind == DIFF_NO_NEWLINE) {
		no_newline(r);
		return;
	}
	if (kind == DIFF_CONTEXT) {
		context_row(r, body);
	} else if (kind == DIFF_REMOVED) {
		if (r->add.n > 0 || r->del.n == RUN_MAX)
			flush(r);
		push_line(&r->del, body);
	} else {
		if (r->add.n == RUN_MAX)
			flush(r);
		push_line(&r->add, body);
	}
	if (r->l->lines_left > 0)
		r->l->lines_left--;
}

/* What is not shown again still counts the lines. */
static void
pass_record(struct rows *r, enum diff_kind kind, struct view body)
{
	if (kind == DIFF_HUNK)
		hunk_row(r, body, false);
	r->del.line += kind == DIFF_CONTEXT || kind == DIFF_REMOVED;
	r->add.line += kind == DIFF_CONTEXT || kind == DIFF_ADDED;
}

static void
table_begin(struct buf *b, bool split, bool marked)
{
	html_lit(b, "<table class=\"diff ");
	if (marked) /* room for them beside the numbers */
		html_lit(b, "marked ");
	if (split)
		html_lit(b,
		    "split\"><colgroup><col class=\"n\"><col><col class=\"n\">"
		    "<col></colgroup><thead class=\"vh\"><tr><th>old line</th>"
		    "<th>old text</th><th>new line</th><th>new text</th></tr>"
		    "</thead><tbody>");
	else
		html_lit(b,
		    "unified\"><thead class=\"vh\"><tr><th>old line</th>"
		    "<th>new line</th><th>text</th></tr></thead><tbody>");
}

uint64_t
diff_lines_show(struct buf *b, struct diff_lines *l, const struct diff_entry *e,
    uint64_t skip)
{
	struct rows r = { .b = b, .l = l };
	struct view rest = e->records, body;
	enum diff_kind kind;
	uint64_t at = 0;

	if (e->n_records == 0)
		return 0;
	table_begin(b, l->split, l->claims.n > 0);
	while ((l->lines_left > 0 || at < skip) &&
	    diff_record_next(&rest, &kind, &body, NULL) == 1) {
		if (at >= skip && b->n > l->bytes_max)
			break;
		if (at++ < skip)
			pass_record(&r, kind, body);
		else
			show_record(&r, kind, body);
	}
	/* of a last line nothing is kept back */
	if (rest.n > 0 && rest.p[0] == DIFF_NO_NEWLINE &&
	    diff_record_next(&rest, &kind, &body, NULL) == 1) {
		show_record(&r, kind, body);
		at++;
	}
	flush(&r);
	html_lit(b, "</tbody></table>");
	return at;
}
