/* What narrows a list: a form that works without scripts, and links that keep
 * what was chosen. */
#include "base/clock.h"
#include "web/web_priv.h"

static const char *
chosen(const struct web_call *c, const char *name)
{
	const char *s = http_query(c->rq, name);

	return s != NULL ? s : "";
}

bool
filters_chosen(const struct web_call *c, const struct filters *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (chosen(c, f->v[i].name)[0] != '\0')
			return true;
	return false;
}

static void
argument(struct buf *b, bool *first, const char *name, const char *value)
{
	if (name == NULL || value[0] == '\0')
		return;
	html_texts(b, *first ? "?" : "&");
	html_urls(b, name);
	html_lit(b, "=");
	html_urls(b, value);
	*first = false;
}

void
filters_link(const struct web_call *c, struct buf *b, const struct filters *f,
    bool keep, const char *name, const char *value)
{
	bool first = true;

	html_attrs(b, f->path);
	if (f->kept != NULL && (name == NULL || strcmp(name, f->kept) != 0))
		argument(b, &first, f->kept, chosen(c, f->kept));
	for (size_t i = 0; keep && i < f->n; i++)
		if (name == NULL || strcmp(name, f->v[i].name) != 0)
			argument(b, &first, f->v[i].name,
			    chosen(c, f->v[i].name));
	argument(b, &first, name, value);
}

static void
choice(struct buf *b, const char *value, const char *text, const char *now)
{
	html_lit(b, "<option value=\"");
	html_attrs(b, value);
	html_lit(b, "\"");
	if (strcmp(value, now) == 0)
		html_lit(b, " selected");
	html_lit(b, ">");
	html_texts(b, text);
	html_lit(b, "</option>");
}

static void
named(struct buf *b, const struct filter *f)
{
	html_lit(b, " id=\"f-");
	html_attrs(b, f->name);
	html_lit(b, "\" name=\"");
	html_attrs(b, f->name);
	html_lit(b, "\"");
}

static void
field(const struct web_call *c, struct buf *b, const struct filter *f)
{
	const char *now = chosen(c, f->name);

	html_lit(b, "<div><label for=\"f-");
	html_attrs(b, f->name);
	html_lit(b, "\">");
	html_texts(b, f->label);
	html_lit(b, "</label>");
	if (f->choices != NULL) {
		html_lit(b, "<select");
		named(b, f);
		html_lit(b, ">");
		choice(b, "", "any", now);
		for (const char *const *p = f->choices; *p != NULL; p++)
			choice(b, *p, *p, now);
		html_lit(b, "</select></div>");
		return;
	}
	html_lit(b, "<input");
	named(b, f);
	html_lit(b, " value=\"");
	html_attrs(b, now);
	html_lit(b, "\"");
	if (f->hint != NULL) {
		html_lit(b, " placeholder=\"");
		html_attrs(b, f->hint);
		html_lit(b, "\"");
	}
	html_lit(b, "></div>");
}

static void
further(const struct web_call *c, struct buf *b, const struct filters *f)
{
	const struct filters rest = { f->path, f->kept, f->v + 1, f->n - 1 };

	html_lit(b, "<details class=\"further\"");
	if (filters_chosen(c, &rest))
		html_lit(b, " open");
	html_lit(b, "><summary>More filters</summary><div class=\"fields\">");
	for (size_t i = 0; i < rest.n; i++)
		field(c, b, &rest.v[i]);
	html_lit(b, "</div></details>");
}

void
view_filters(const struct web_call *c, struct buf *b, const struct filters *f)
{
	const char *kept = f->kept != NULL ? chosen(c, f->kept) : "";

	html_lit(b,
	    "<form class=\"filter\" role=\"search\" method=\"get\" action=\"");
	html_attrs(b, f->path);
	html_lit(b, "\">");
	if (kept[0] != '\0') {
		html_lit(b, "<input type=\"hidden\" name=\"");
		html_attrs(b, f->kept);
		html_lit(b, "\" value=\"");
		html_attrs(b, kept);
		html_lit(b, "\">");
	}
	html_lit(b, "<div class=\"first\">");
	field(c, b, &f->v[0]);
	html_lit(b, "<button>Filter</button>");
	if (filters_chosen(c, f)) {
		html_lit(b, "<a href=\"");
		filters_link(c, b, f, false, NULL, "");
		html_lit(b, "\">Show all</a>");
	}
	html_lit(b, "</div>");
	if (f->n > 1)
		further(c, b, f);
	html_lit(b, "</form>");
}

void
view_older(const struct web_call *c, struct buf *b, const struct filters *f,
    const char *next)
{
	if (next[0] == '\0')
		return;
	html_lit(b,
	    "<p class=\"older\"><a class=\"button\" rel=\"next\" href=\"");
	filters_link(c, b, f, true, "cursor", next);
	html_lit(b, "\">Older</a></p>");
}

void
view_list_keys(struct buf *b, const char *row)
{
	html_lit(b,
	    "<p class=\"keys\"><button type=\"button\" id=\"keys-open\" hidden>"
	    "Keys</button></p><dialog id=\"keys\" aria-labelledby=\"keys-name\">"
	    "<h2 id=\"keys-name\">Keys</h2><dl><dt><kbd>j</kbd> <kbd>k</kbd>"
	    "</dt><dd>next and previous ");
	html_texts(b, row);
	html_lit(b,
	    "</dd><dt><kbd>Enter</kbd></dt><dd>open it</dd><dt><kbd>/</kbd>"
	    "</dt><dd>go to the filter</dd><dt><kbd>n</kbd></dt><dd>show what "
	    "is new</dd><dt><kbd>?</kbd></dt><dd>this help</dd></dl>"
	    "<form method=\"dialog\"><label for=\"keys-on\"><input "
	    "type=\"checkbox\" id=\"keys-on\">use these keys</label><button>"
	    "Close</button></form></dialog>");
}

void
view_age(struct buf *b, const char *rfc3339)
{
	int64_t ms, ago;

	if (clock_parse(view_str(rfc3339), &ms, NULL) != 0) {
		html_texts(b, rfc3339);
		return;
	}
	ago = clock_wall_ms() - ms;
	html_lit(b, "<time datetime=\"");
	html_attrs(b, rfc3339);
	html_lit(b, "\" title=\"");
	html_attrs(b, rfc3339);
	html_lit(b, "\">");
	if (ago >= 60000) {
		html_span(b, ago);
		html_lit(b, " ago</time>");
	} else {
		html_lit(b, "just now</time>");
	}
}
