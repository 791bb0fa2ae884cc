/* The inbox. */
#include "web/web_priv.h"

void
view_state(struct buf *b, const char *state)
{
	html_lit(b, "<span class=\"badge ");
	html_attrs(b, state);
	html_lit(b, "\">");
	html_texts(b, state);
	html_lit(b, "</span>");
}

static void
filters(struct buf *b, const char *now)
{
	html_lit(b, "<nav class=\"filters\" aria-label=\"State\">");
	for (int i = -1; i < HOLD_STATE_COUNT; i++) {
		const char *s = i < 0 ? "all" :
					hold_state_name((enum hold_state)i);

		html_lit(b, "<a href=\"/-/holds?state=");
		html_urls(b, s);
		html_lit(b, "\"");
		if (strcmp(now, s) == 0)
			html_lit(b, " aria-current=\"page\"");
		html_lit(b, ">");
		html_texts(b, s);
		html_lit(b, "</a>");
	}
	html_lit(b, "</nav>");
}

static void
refs_of(struct buf *b, const json_t *updates)
{
	const json_t *u;
	size_t i;

	json_array_foreach(updates, i, u)
	{
		if (i == 3) {
			html_lit(b, " and ");
			html_u64(b, json_array_size(updates) - i);
			html_lit(b, " more");
			break;
		}
		html_lit(b, "<code>");
		html_texts(b, json_get(u, "ref"));
		html_lit(b, "</code> ");
	}
}

static void
rules_of(struct buf *b, const json_t *needs)
{
	const json_t *n;
	size_t i;

	json_array_foreach(needs, i, n)
	{
		if (i > 0)
			html_lit(b, ", ");
		html_texts(b, json_get(n, "rule"));
	}
}

static void
hold_item(struct buf *b, const json_t *h)
{
	html_lit(b, "<li class=\"card\"><a class=\"cover\" href=\"/-/holds/");
	html_urls(b, json_get(h, "id"));
	html_lit(b, "\"><strong>");
	html_texts(b, json_get(h, "repository"));
	html_lit(b, "</strong></a> ");
	view_state(b, json_get(h, "state"));
	html_lit(b, "<div>");
	refs_of(b, json_object_get(h, "updates"));
	html_lit(b, "</div><div class=\"dim\">pushed by ");
	html_texts(b, json_get(h, "principal"));
	html_lit(b, " · ");
	html_when(b, json_get(h, "created"));
	html_lit(b, " · held by ");
	rules_of(b, json_object_get(h, "needs"));
	html_lit(b, "</div></li>");
}

static void
hold_items(struct buf *b, const json_t *items)
{
	const json_t *h;
	size_t i;

	html_lit(b, "<ul class=\"list\">");
	json_array_foreach(items, i, h) hold_item(b, h);
	html_lit(b, "</ul>");
}

static void
more_link(struct buf *b, const char *path, const char *state, const char *next)
{
	if (next[0] == '\0')
		return;
	html_lit(b, "<p><a href=\"");
	html_attrs(b, path);
	html_lit(b, "?state=");
	html_urls(b, state);
	html_lit(b, "&amp;cursor=");
	html_urls(b, next);
	html_lit(b, "\">Older</a></p>");
}

void
page_failure(struct web_call *c, int rc, const struct gg_error *err)
{
	unsigned status = status_of(rc);

	if (status >= 500)
		page_error(c, status, "Not available",
		    "The gate cannot show this at the moment. Try again soon.");
	else
		page_error(c, status,
		    status == 404     ? "Not found" :
			status == 403 ? "Not allowed" :
			status == 409 ? "Too late" :
					"Not possible",
		    err->msg);
}

void
holds_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	const char *state = http_query(c->rq, "state");
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	json_t *items = json_array();
	int rc;

	if (state == NULL || state[0] == '\0')
		state = "pending";
	rc = list_holds(c, strcmp(state, "all") == 0 ? "" : state, items, next,
	    &err);
	if (rc != 0) {
		json_decref(items);
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Holds", "Holds");
	html_lit(&b, "<h1>Holds</h1>");
	filters(&b, state);
	if (json_array_size(items) == 0)
		html_lit(&b, "<p class=\"empty\">Nothing here.</p>");
	else
		hold_items(&b, items);
	more_link(&b, "/-/holds", state, next);
	json_decref(items);
	page_reply(c, 200, &b);
}
