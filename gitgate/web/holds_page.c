/* The inbox: what one may decide, what else is open, what is done. */
#include "base/clock.h"
#include "web/web_priv.h"

/* An end that is nearer than this is said. */
#define NEAR_MS    ((int64_t)12 * 3600 * 1000)
#define REFS_SHOWN 3

void
view_state(struct buf *b, const char *state)
{
	html_lit(b, "<span class=\"badge ");
	html_attrs(b, state);
	html_lit(b, "\">");
	html_texts(b, state);
	html_lit(b, "</span>");
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

/* ---- one hold ---- */

static void
one_ref(struct buf *b, const json_t *u)
{
	static const char *const words[][2] = { { "create", "create" },
		{ "fast-forward", "move" }, { "force", "force-push" },
		{ "delete", "delete" }, { "tag-move", "move the tag" } };
	const char *kind = json_get(u, "kind");

	for (size_t i = 0; i < GG_COUNT(words); i++)
		if (strcmp(kind, words[i][0]) == 0)
			kind = words[i][1];
	html_texts(b, kind);
	html_lit(b, " <code>");
	html_texts(b, json_get(u, "ref"));
	html_lit(b, "</code>");
}

static void
wishes(struct buf *b, const json_t *updates)
{
	size_t i, n = json_array_size(updates);
	const json_t *u;

	json_array_foreach(updates, i, u)
	{
		if (i == REFS_SHOWN) {
			html_lit(b, " and ");
			html_u64(b, n - i);
			html_lit(b, " more");
			break;
		}
		html_texts(b, i > 0 ? ", " : "");
		one_ref(b, u);
	}
}

static void
who(struct buf *b, const json_t *h)
{
	const json_t *v = json_object_get(h, "verified");
	const char *owner = json_get(v, "owner"),
		   *issuer = json_get(v, "issuer");
	const char *by = issuer[0] != '\0' ? issuer : json_get(v, "auth");

	html_lit(b, "<strong>");
	html_texts(b, json_get(h, "principal"));
	html_lit(b, "</strong>");
	if (owner[0] != '\0') {
		html_lit(b, " for <strong>");
		html_texts(b, owner);
		html_lit(b, "</strong>");
	}
	if (by[0] != '\0') {
		html_lit(b, " <span class=\"dim small\">(verified by ");
		html_texts(b, by);
		html_lit(b, ")</span>");
	}
}

/* The words of a rule, from where it is a reason. */
static const char *
words_of(const json_t *updates, const char *rule)
{
	const json_t *u, *r;
	size_t i, k;

	json_array_foreach(updates, i, u)
	{
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		{
			if (strcmp(json_get(r, "rule"), rule) == 0 &&
			    json_get(r, "message")[0] != '\0')
				return json_get(r, "message");
		}
	}
	return "";
}

static uint64_t
approvals_of(const json_t *need)
{
	const json_t *r;
	uint64_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(need, "reviews"), i, r)
	    n += strcmp(json_get(r, "verdict"), "approve") == 0;
	return n;
}

static void
asked_people(struct buf *b, const json_t *need)
{
	static const char *const lists[] = { "from", "people" };
	const json_t *g;
	size_t n = 0, i;

	for (size_t k = 0; k < GG_COUNT(lists); k++) {
		json_array_foreach(json_object_get(need, lists[k]), i, g)
		{
			html_texts(b, n++ > 0 ? " or " : "");
			html_texts(b, json_string_value(g));
		}
	}
	if (n == 0)
		html_lit(b, "any reviewer");
}

static void
one_need(struct buf *b, const json_t *need, const json_t *updates)
{
	const char *rule = json_get(need, "rule"),
		   *words = words_of(updates, rule);
	json_int_t required = json_integer_value(json_object_get(need,
	    "required"));
	uint64_t n = approvals_of(need),
		 of = required > 0 ? (uint64_t)required : 1;

	html_lit(b, "<li");
	if (n >= of)
		html_lit(b, " class=\"done\"");
	html_lit(b, "><span class=\"dots\">");
	html_u64(b, n);
	html_lit(b, " of ");
	html_u64(b, of);
	html_lit(b, "</span> from ");
	asked_people(b, need);
	html_lit(b, ": ");
	if (words[0] != '\0') {
		html_texts(b, words);
		html_lit(b, " <span class=\"dim small\">(rule ");
		html_texts(b, rule);
		html_lit(b, ")</span></li>");
		return;
	}
	html_lit(b, "rule <strong>");
	html_texts(b, rule);
	html_lit(b, "</strong></li>");
}

static void
near_end(struct buf *b, const json_t *h)
{
	int64_t end, left;

	if (strcmp(json_get(h, "state"), "pending") != 0 ||
	    clock_parse(view_str(json_get(h, "expires")), &end, NULL) != 0)
		return;
	left = end - clock_wall_ms();
	if (left > NEAR_MS)
		return;
	html_lit(b, " <span class=\"badge warn\">");
	if (left > 0) {
		html_lit(b, "expires in ");
		html_span(b, left);
	} else {
		html_lit(b, "expires now");
	}
	html_lit(b, "</span>");
}

static void
hold_item(struct buf *b, const json_t *h)
{
	const json_t *updates = json_object_get(h, "updates"), *need;
	size_t i;

	html_lit(b, "<li class=\"card row\" data-row=\"");
	html_attrs(b, json_get(h, "id"));
	html_lit(b,
	    "\"><div class=\"top\"><h2><a class=\"cover\" href=\"/-/holds/");
	html_urls(b, json_get(h, "id"));
	html_lit(b, "\">");
	html_texts(b, json_get(h, "repository"));
	html_lit(b, "</a></h2> ");
	view_state(b, json_get(h, "state"));
	near_end(b, h);
	html_lit(b, "<span class=\"age dim small\">");
	view_age(b, json_get(h, "created"));
	html_lit(b, "</span></div><p>");
	who(b, h);
	html_lit(b, " wants to ");
	wishes(b, updates);
	html_lit(b, "</p><ul class=\"asks\">");
	json_array_foreach(json_object_get(h, "needs"), i, need)
	    one_need(b, need, updates);
	html_lit(b, "</ul></li>");
}

/* ---- the list ---- */

static const char *const states[] = { "pending", "approved", "forwarded",
	"kept", "failed", "stale", "rejected", "expired", "withdrawn",
	"superseded", NULL };
static const struct filter filter_fields[] = {
	{ "text", "Filter by text", "a repository, ref, path, name, ...",
	    NULL },
	{ "repository", "Repository", "acme/app", NULL },
	{ "principal", "Pushed by", "ci-agent", NULL },
	{ "ref", "Ref", "main", NULL },
	{ "rule", "Rule", "migrations", NULL },
	{ "state", "State", NULL, states },
};
static const struct filters filters = { "/-/holds", "view", filter_fields,
	GG_COUNT(filter_fields) };

static void
count(struct buf *b, const struct hold_count *n)
{
	html_lit(b, " <span class=\"n\">");
	html_u64(b, n->n);
	if (n->more)
		html_lit(b, "+");
	html_lit(b, "</span>");
}

static void
tabs(const struct web_call *c, struct buf *b, enum hold_view now,
    const struct hold_count *mine, const struct hold_count *open)
{
	static const struct {
		enum hold_view view;
		const char *words;
	} all[] = { { HOLD_VIEW_MINE, "Mine to decide" },
		{ HOLD_VIEW_OPEN, "All open" }, { HOLD_VIEW_DONE, "Done" },
		{ HOLD_VIEW_ALL, "All" } };

	html_lit(b, "<nav class=\"filters\" aria-label=\"Which holds\">");
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		html_lit(b, "<a href=\"");
		filters_link(c, b, &filters, true, "view",
		    hold_view_name(all[i].view));
		html_lit(b, "\"");
		if (all[i].view == now)
			html_lit(b, " aria-current=\"page\"");
		html_lit(b, ">");
		html_texts(b, all[i].words);
		if (all[i].view == HOLD_VIEW_MINE)
			count(b, mine);
		else if (all[i].view == HOLD_VIEW_OPEN)
			count(b, open);
		html_lit(b, "</a>");
	}
	html_lit(b, "</nav>");
}

static void
none_of_mine(const struct web_call *c, struct buf *b,
    const struct hold_count *open)
{
	html_lit(b, "<p class=\"empty\">Nothing waits for you. ");
	if (open->n > 0) {
		html_lit(b, "<a href=\"/-/holds?view=open\">");
		html_u64(b, open->n);
		html_texts(b,
		    open->n == 1 ? " open hold waits" : " open holds wait");
		html_lit(b, " for others.</a>");
	} else if (!ruleset_asks(c->rs, &c->who)) {
		html_lit(b, "No rule asks for an approval of your groups.");
	} else {
		html_lit(b,
		    "What you may decide appears here while this page is "
		    "open.");
	}
	html_lit(b, "</p>");
}

static void
nothing(const struct web_call *c, struct buf *b, enum hold_view view,
    const struct hold_count *open)
{
	if (filters_chosen(c, &filters)) {
		html_lit(b,
		    "<p class=\"empty\">No hold fits these filters. <a href=\"");
		filters_link(c, b, &filters, false, NULL, "");
		html_lit(b, "\">Show all</a></p>");
	} else if (view == HOLD_VIEW_MINE) {
		none_of_mine(c, b, open);
	} else if (view == HOLD_VIEW_OPEN) {
		html_lit(b,
		    "<p class=\"empty\">No push is held at the moment. Those "
		    "that a rule holds appear here.</p>");
	} else {
		html_lit(b,
		    "<p class=\"empty\">No hold that you may see has ended "
		    "yet.</p>");
	}
}

static void
list(const struct web_call *c, struct buf *b, enum hold_view view,
    const json_t *items, const struct hold_count *open)
{
	const json_t *h;
	size_t i;

	html_lit(b,
	    "<div id=\"news\" class=\"news\" role=\"status\" "
	    "aria-live=\"polite\"></div><div id=\"list\" data-list=\"hold\">");
	if (json_array_size(items) == 0)
		nothing(c, b, view, open);
	html_lit(b, "<ul class=\"list\">");
	json_array_foreach(items, i, h) hold_item(b, h);
	html_lit(b, "</ul></div>");
}

/* Who may never decide begins with all that is open; a link with a state and
 * no view means all of that state. */
static enum hold_view
view_of_call(const struct web_call *c)
{
	const char *state = http_query(c->rq, "state");
	enum hold_view v;

	if (hold_view_parse(http_query(c->rq, "view"), &v))
		return v;
	if (state != NULL && state[0] != '\0')
		return HOLD_VIEW_ALL;
	return ruleset_asks(c->rs, &c->who) ? HOLD_VIEW_MINE : HOLD_VIEW_OPEN;
}

void
holds_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	enum hold_view view = view_of_call(c);
	struct hold_count open = { 0 };
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	json_t *items = json_array();
	int rc;

	c->rows = PAGE_ROWS;
	if ((rc = list_holds(c, view, items, next, &err)) != 0 ||
	    (rc = count_holds(c, HOLD_VIEW_MINE, COUNT_MOST, &c->mine, &err)) !=
		0 ||
	    (rc = count_holds(c, HOLD_VIEW_OPEN, COUNT_MOST, &open, &err)) !=
		0) {
		json_decref(items);
		page_failure(c, rc, &err);
		return;
	}
	c->is_counted = true;
	page_begin(c, &b, "Holds", "Holds");
	html_lit(&b, "<h1>Holds</h1>");
	tabs(c, &b, view, &c->mine, &open);
	view_filters(c, &b, &filters);
	list(c, &b, view, items, &open);
	view_older(c, &b, &filters, next);
	view_list_keys(&b, "hold");
	json_decref(items);
	page_reply(c, 200, &b);
}
