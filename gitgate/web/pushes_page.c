/* Recorded pushes, whatever became of them. */
#include "web/diff_view.h"

static void
push_row(struct buf *b, const json_t *p)
{
	const json_t *u;
	size_t i;

	html_lit(b, "<tr><td><a href=\"/-/pushes/");
	html_urls(b, json_get(p, "id"));
	html_lit(b, "\">");
	html_when(b, json_get(p, "created"));
	html_lit(b, "</a></td><td>");
	html_texts(b, json_get(p, "repository"));
	html_lit(b, "</td><td>");
	json_array_foreach(json_object_get(p, "updates"), i, u)
	{
		if (i == 3) {
			html_lit(b, "…");
			break;
		}
		html_lit(b, "<code>");
		html_texts(b, json_get(u, "ref"));
		html_lit(b, "</code> ");
	}
	html_lit(b, "</td><td>");
	html_texts(b, json_get(p, "principal"));
	html_lit(b, "</td><td><span class=\"badge ");
	html_attrs(b, json_get(p, "state"));
	html_lit(b, "\">");
	html_texts(b, json_get(p, "state"));
	html_lit(b, "</span></td></tr>");
}

void
pushes_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	json_t *items = json_array(), *p;
	size_t i;
	int rc = list_pushes(c, items, next, &err);

	if (rc != 0) {
		json_decref(items);
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Pushes", "Pushes");
	html_lit(&b,
	    "<h1>Pushes</h1><div class=\"scroll\"><table><thead><tr>"
	    "<th>When</th><th>Repository</th><th>Refs</th><th>Who</th>"
	    "<th>State</th></tr></thead><tbody>");
	json_array_foreach(items, i, p) push_row(&b, p);
	html_lit(&b, "</tbody></table></div>");
	if (json_array_size(items) == 0)
		html_lit(&b, "<p class=\"empty\">Nothing here.</p>");
	if (next[0] != '\0') {
		html_lit(&b, "<p><a href=\"/-/pushes?cursor=");
		html_urls(&b, next);
		html_lit(&b, "\">Older</a></p>");
	}
	json_decref(items);
	page_reply(c, 200, &b);
}

static void
time_line(struct buf *b, const struct stored_push *p)
{
	html_lit(b, "<section class=\"card\"><h2>Time line</h2><ol><li>");
	html_time(b, p->created_ms);
	html_lit(b, " received</li>");
	if (p->decided_ms != 0) {
		html_lit(b, "<li>");
		html_time(b, p->decided_ms);
		html_lit(b, " inspected and judged</li>");
	}
	if (p->done_ms != 0) {
		html_lit(b, "<li>");
		html_time(b, p->done_ms);
		html_lit(b, " ended: ");
		html_texts(b, push_state_name(p->state));
		html_lit(b, "</li>");
	}
	html_lit(b, "</ol>");
	if (json_get(p->outcome, "message")[0] != '\0') {
		html_lit(b, "<pre class=\"said\">");
		html_texts(b, json_get(p->outcome, "message"));
		html_lit(b, "</pre>");
	}
	html_lit(b, "</section>");
}

static void
push_head(struct buf *b, const struct stored_push *p, const char *hold)
{
	html_lit(b, "<div class=\"ask\"><h1>");
	html_texts(b, p->repository);
	html_lit(b, " ");
	view_state(b, push_state_name(p->state));
	html_lit(b, "</h1>");
	if (hold[0] != '\0') {
		html_lit(b, "<p class=\"meta\"><a href=\"/-/holds/");
		html_urls(b, hold);
		html_lit(b, "\">Its hold and reviews</a></p>");
	}
	html_lit(b, "</div>");
}

void
push_page(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	GG_AUTO_RELEASE(change) ch = { 0 };
	struct gg_error err = { 0 };
	char hold[ULID_SIZE] = "";
	int rc = load_push(c, &p, hold, &err);
	json_t *o;

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	o = json_of_push(c, &p, hold);
	page_begin(c, &b, "Push", "Pushes");
	push_head(&b, &p, hold);
	html_lit(&b, "<div class=\"grid\"><div>");
	view_updates(&b, "What", p.updates);
	html_lit(&b, "</div><div class=\"side\">");
	time_line(&b, &p);
	view_facts(&b, &p, o);
	view_receipts(c, &b);
	html_lit(&b, "</div><div>");
	change_load(c, p.id, p.updates, NULL, &ch);
	view_commits(&b, &ch, o);
	html_lit(&b, "</div></div>");
	view_change(&b, &ch);
	json_decref(o);
	page_reply(c, 200, &b);
}
