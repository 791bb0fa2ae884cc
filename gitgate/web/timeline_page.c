/* Every value that one ref had: API and page. */
#include "web/web_priv.h"

#include <string.h>

void
api_timeline(struct web_call *c)
{
	struct gg_error err = { 0 };
	json_t *steps = json_array();
	uint64_t next = 0;
	int rc = list_timeline(c, steps, &next, &err);

	if (rc == 0) {
		api_reply_list(c, "steps", steps,
		    next ? json_sprintf("%llu", (unsigned long long)next) :
			   json_null());
		return;
	}
	json_decref(steps);
	api_failure(c, rc, &err);
}

static void
id_cell(struct buf *b, const char *id)
{
	html_lit(b, "<td><code title=\"");
	html_attrs(b, id);
	html_lit(b, "\">");
	if (id[0] != '\0' && strspn(id, "0") == strlen(id))
		html_lit(b, "none");
	else if (strchr(id, '/') != NULL)
		html_texts(b, id);
	else
		html_text(b, view_of(id, strnlen(id, 12)));
	html_lit(b, "</code></td>");
}

static void
who(struct buf *b, const json_t *step)
{
	const json_t *reviewers = json_object_get(step, "reviewers"), *r;
	size_t i;

	if (strcmp(json_get(step, "how"), "out-of-band") == 0) {
		html_lit(b, "<strong class=\"bad\">without the gate</strong>");
		return;
	}
	html_texts(b, json_get(step, "principal"));
	json_array_foreach(reviewers, i, r)
	{
		html_texts(b, i == 0 ? ", approved by " : ", ");
		html_texts(b, json_string_value(r) ? json_string_value(r) : "");
	}
	if (strcmp(json_get(step, "how"), "kept") == 0)
		html_lit(b, ", kept at the gate");
	if (strcmp(json_get(step, "how"), "dropped") == 0)
		html_lit(b, ", dropped at the gate");
	view_link(b, "pushes", "push", json_get(step, "push"));
	view_link(b, "holds", "hold", json_get(step, "hold"));
}

/* What is claimed of its making, in a line. */
static void
claims(struct buf *b, const json_t *step)
{
	static const char *const options[] = { "agent.session", "agent.model" };
	static const char *const lists[] = { "tools", "models", "sessions",
		"checkpoints" };
	const json_t *all = json_object_get(step, "claimed"), *x;
	const json_t *commits = json_object_get(all, "commits");
	const char *sep = "";
	size_t n;

	for (size_t i = 0; i < GG_COUNT(options); i++) {
		if (json_get(all, options[i])[0] == '\0')
			continue;
		html_texts(b, sep);
		html_texts(b, json_get(all, options[i]));
		sep = ", ";
	}
	for (size_t i = 0; i < GG_COUNT(lists); i++)
		json_array_foreach(json_object_get(commits, lists[i]), n, x)
		{
			html_texts(b, sep);
			html_texts(b, json_string_value(x));
			sep = ", ";
		}
	if (*sep != '\0')
		html_lit(b, " <span class=\"badge claimed\">claimed</span>");
}

static void
explain_links(const struct web_call *c, struct buf *b, const json_t *step)
{
	html_lit(b, "<a href=\"/-/audit/explain?repository=");
	html_urls(b, http_query(c->rq, "repository"));
	html_lit(b, "&amp;ref=");
	html_urls(b, http_query(c->rq, "ref"));
	if (strchr(json_get(step, "new"), '/') == NULL) {
		html_lit(b, "&amp;oid=");
		html_urls(b, json_get(step, "new"));
	}
	html_lit(b, "\">explain</a> <a href=\"/-/api/v1/audit/");
	html_u64(b, (uint64_t)json_integer_value(json_object_get(step, "seq")));
	html_lit(b, "/receipt\">receipt</a>");
}

static void
step_row(const struct web_call *c, struct buf *b, const json_t *step)
{
	html_lit(b, "<tr><td>");
	html_when(b, json_get(step, "time"));
	html_lit(b, "</td>");
	id_cell(b, json_get(step, "old"));
	id_cell(b, json_get(step, "new"));
	html_lit(b, "<td>");
	html_texts(b, json_get(step, "kind"));
	html_lit(b, "</td><td>");
	who(b, step);
	html_lit(b, "</td><td>");
	claims(b, step);
	html_lit(b, "</td><td>");
	explain_links(c, b, step);
	html_lit(b, "</td></tr>");
	if (json_is_true(json_object_get(step, "gap")))
		html_lit(b,
		    "<tr><td colspan=\"7\" class=\"dim\">How it came to the "
		    "old value is not in the log.</td></tr>");
}

static void
older_link(struct web_call *c, struct buf *b, uint64_t next)
{
	if (next == 0)
		return;
	html_lit(b, "<p><a href=\"/-/audit/timeline?repository=");
	html_urls(b, http_query(c->rq, "repository"));
	html_lit(b, "&amp;ref=");
	html_urls(b, http_query(c->rq, "ref"));
	html_lit(b, "&amp;cursor=");
	html_u64(b, next);
	html_lit(b, "\">Older</a></p>");
}

void
timeline_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	json_t *steps = json_array(), *step;
	uint64_t next = 0;
	size_t i;
	int rc = list_timeline(c, steps, &next, &err);

	if (rc != 0) {
		json_decref(steps);
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Timeline", "Audit");
	html_lit(&b, "<h1>");
	html_texts(&b, http_query(c->rq, "ref"));
	html_lit(&b, "</h1><p class=\"dim\">Every value it had in ");
	html_texts(&b, http_query(c->rq, "repository"));
	html_lit(&b,
	    ", newest first.</p><div class=\"scroll\"><table><thead><tr>"
	    "<th>Time</th><th>From</th><th>To</th><th>Kind</th><th>By</th>"
	    "<th>Provenance</th><th>More</th></tr></thead><tbody>");
	json_array_foreach(steps, i, step) step_row(c, &b, step);
	html_lit(&b, "</tbody></table></div>");
	if (json_array_size(steps) == 0)
		html_lit(&b, "<p class=\"empty\">The log knows none.</p>");
	older_link(c, &b, next);
	json_decref(steps);
	page_reply(c, 200, &b);
}
