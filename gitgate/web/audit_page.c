/* Search in the audit log. */
#include "web/web_priv.h"

#include <stdlib.h>

static void
search_field(struct web_call *c, struct buf *b, const char *name,
    const char *label)
{
	const char *value = http_query(c->rq, name);

	html_lit(b, "<div><label for=\"q-");
	html_attrs(b, name);
	html_lit(b, "\">");
	html_texts(b, label);
	html_lit(b, "</label><input id=\"q-");
	html_attrs(b, name);
	html_lit(b, "\" name=\"");
	html_attrs(b, name);
	html_lit(b, "\" value=\"");
	html_attrs(b, value);
	html_lit(b, "\"></div>");
}

static const struct {
	const char *name, *label;
} fields[] = { { "repository", "Repository" }, { "ref", "Ref" },
	{ "principal", "Principal" }, { "type", "Type" },
	{ "since", "Since (2026-11-22)" }, { "until", "Until" } };

static void
search_form(struct web_call *c, struct buf *b)
{
	html_lit(b,
	    "<form class=\"search\" method=\"get\" action=\"/-/audit\">");
	for (size_t i = 0; i < GG_COUNT(fields); i++)
		search_field(c, b, fields[i].name, fields[i].label);
	html_lit(b, "<button class=\"primary\">Search</button></form>");
}

/* What an entry comes down to: a verdict and whose, a result, a state. */
static void
outcome(struct buf *b, const json_t *e)
{
	static const char *const keys[] = { "verdict", "result", "state" };
	const char *by = json_get(e, "reviewer");

	for (size_t i = 0; i < GG_COUNT(keys); i++) {
		if (json_get(e, keys[i])[0] == '\0')
			continue;
		html_texts(b, json_get(e, keys[i]));
		break;
	}
	if (by[0] != '\0') {
		html_lit(b, " by <strong>");
		html_texts(b, by);
		html_lit(b, "</strong>");
	}
}

static void
entry_row(struct buf *b, const json_t *e)
{
	GG_AUTO_MEM char *all = json_dumps(e, JSON_INDENT(2) | JSON_SORT_KEYS);
	const char *push = json_get(e, "push");

	html_lit(b, "<tr><td>");
	html_when(b, json_get(e, "time"));
	html_lit(b, "</td><td>");
	html_texts(b, json_get(e, "type"));
	html_lit(b, "</td><td>");
	html_texts(b, json_get(e, "repository"));
	html_lit(b, " ");
	html_texts(b, json_get(e, "ref"));
	html_lit(b, "</td><td>");
	html_texts(b, json_get(e, "principal"));
	html_lit(b, "</td><td>");
	outcome(b, e);
	html_lit(b, "</td><td><details><summary>entry</summary><pre>");
	html_texts(b, all);
	html_lit(b, "</pre></details>");
	if (push[0] != '\0') {
		html_lit(b, "<a href=\"/-/pushes/");
		html_urls(b, push);
		html_lit(b, "\">push</a>");
	}
	html_lit(b, "</td></tr>");
}

static void
older_link(struct web_call *c, struct buf *b, uint64_t next)
{
	if (next == 0)
		return;
	html_lit(b, "<p><a href=\"/-/audit?cursor=");
	html_u64(b, next);
	for (size_t i = 0; i < GG_COUNT(fields); i++) {
		const char *v = http_query(c->rq, fields[i].name);

		if (v == NULL || v[0] == '\0')
			continue;
		html_lit(b, "&amp;");
		html_urls(b, fields[i].name);
		html_lit(b, "=");
		html_urls(b, v);
	}
	html_lit(b, "\">Older</a></p>");
}

void
audit_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	json_t *items = json_array(), *e;
	uint64_t next = 0;
	size_t i;
	int rc = list_audit(c, items, &next, &err);

	if (rc != 0) {
		json_decref(items);
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Audit", "Audit");
	html_lit(&b, "<h1>Audit log</h1>");
	if (!access_is_auditor(&c->who))
		html_lit(&b,
		    "<p class=\"dim\">You see the entries of repositories that "
		    "you may fetch.</p>");
	search_form(c, &b);
	html_lit(&b,
	    "<div class=\"scroll\"><table><thead><tr><th>Time</th>"
	    "<th>Type</th><th>Repository and ref</th><th>Principal</th>"
	    "<th>Outcome</th><th>More</th></tr></thead><tbody>");
	json_array_foreach(items, i, e) entry_row(&b, e);
	html_lit(&b, "</tbody></table></div>");
	if (json_array_size(items) == 0)
		html_lit(&b, "<p class=\"empty\">No entry fits.</p>");
	older_link(c, &b, next);
	json_decref(items);
	page_reply(c, 200, &b);
}
