/* Search in the audit log. */
#include "web/web_priv.h"

#include <stdlib.h>

static const struct filter filter_fields[] = {
	{ "type", "Type of entry", "hold.review", NULL },
	{ "repository", "Repository", "acme/app", NULL },
	{ "ref", "Ref", "refs/heads/main", NULL },
	{ "principal", "Principal", "ci-agent", NULL },
	{ "reviewer", "Reviewer", "ann", NULL },
	{ "rule", "Rule", "protect-main", NULL },
	{ "path", "Path", "src/**/*.c", NULL },
	{ "verdict", "Verdict", "deny", NULL },
	{ "push", "Push", "its id", NULL },
	{ "hold", "Hold", "its id", NULL },
	{ "since", "Since", "2026-11-22", NULL },
	{ "until", "Before", "2026-11-23", NULL },
};
static const struct filters filters = { "/-/audit", NULL, filter_fields,
	GG_COUNT(filter_fields) };

/* What an entry comes down to: a verdict and whose, a result, a state. */
static void
outcome(struct buf *b, const json_t *e)
{
	/* What came of it says more than the verdict it comes of. */
	static const char *const keys[] = { "result", "verdict", "state" };
	const char *by = json_get(e, "reviewer");

	for (size_t i = 0; i < GG_COUNT(keys); i++) {
		if (json_get(e, keys[i])[0] == '\0')
			continue;
		html_texts(b, json_get(e, keys[i]));
		break;
	}
	if (by[0] != '\0') {
		html_lit(b, " by <strong><a href=\"/-/audit?reviewer=");
		html_urls(b, by);
		html_lit(b, "\">");
		html_texts(b, by);
		html_lit(b, "</a></strong>");
	}
}

static void
timeline_link(struct buf *b, const char *repository, const char *ref)
{
	if (repository[0] == '\0' || ref[0] == '\0')
		return;
	html_lit(b, "<a href=\"/-/audit/timeline?repository=");
	html_urls(b, repository);
	html_lit(b, "&amp;ref=");
	html_urls(b, ref);
	html_lit(b, "\">");
	html_texts(b, ref);
	html_lit(b, "</a>");
}

void
view_link(struct buf *b, const char *where, const char *what, const char *id)
{
	if (id[0] == '\0')
		return;
	html_lit(b, " <a href=\"/-/");
	html_texts(b, where);
	html_lit(b, "/");
	html_urls(b, id);
	html_lit(b, "\">");
	html_texts(b, what);
	html_lit(b, "</a>");
}

static void
entry_row(struct buf *b, const json_t *e)
{
	GG_AUTO_MEM char *all = json_dumps(e, JSON_INDENT(2) | JSON_SORT_KEYS);
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(e, "seq"));

	html_lit(b, "<tr><td class=\"n\">");
	html_u64(b, seq);
	html_lit(b, "</td><td>");
	html_when(b, json_get(e, "time"));
	html_lit(b, "</td><td><strong>");
	html_texts(b, json_get(e, "type"));
	html_lit(b, "</strong> ");
	html_texts(b, json_get(e, "repository"));
	html_lit(b, " <code>");
	timeline_link(b, json_get(e, "repository"), json_get(e, "ref"));
	html_lit(b, "</code></td><td>");
	html_texts(b, json_get(e, "principal"));
	html_lit(b, "</td><td>");
	outcome(b, e);
	html_lit(b, "</td><td><details><summary>entry</summary><pre>");
	html_texts(b, all);
	html_lit(b, "</pre></details>");
	view_link(b, "pushes", "push", json_get(e, "push"));
	view_link(b, "holds", "hold", json_get(e, "hold"));
	html_lit(b, " <a href=\"/-/api/v1/audit/");
	html_u64(b, seq);
	html_lit(b, "/receipt\">receipt</a></td></tr>");
}

void
audit_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	json_t *items = json_array(), *e;
	uint64_t next = 0;
	char older[24];
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
		    "<p class=\"meta\">You see the entries of repositories that "
		    "you may fetch.</p>");
	view_filters(c, &b, &filters);
	html_lit(&b,
	    "<div class=\"scroll card\"><table><thead><tr><th>Entry</th>"
	    "<th>Time</th>"
	    "<th>What</th><th>Principal</th><th>Outcome</th><th>More</th>"
	    "</tr></thead><tbody>");
	json_array_foreach(items, i, e) entry_row(&b, e);
	html_lit(&b, "</tbody></table></div>");
	if (json_array_size(items) == 0)
		html_lit(&b, "<p class=\"empty\">No entry fits.</p>");
	(void)snprintf(older, sizeof(older), "%llu", (unsigned long long)next);
	view_older(c, &b, &filters, next != 0 ? older : "");
	json_decref(items);
	if (access_is_auditor(&c->who))
		view_deliveries(c, &b);
	page_reply(c, 200, &b);
}
