/* The inbox, and the page on which a reviewer decides. */
#include "base/clock.h"
#include "base/fd.h"
#include "web/web_priv.h"

#include <stdlib.h>

static void
state_badge(struct buf *b, const char *state)
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
	state_badge(b, json_get(h, "state"));
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

/* What becomes of it, in one sentence. */
static void
next_step(struct buf *b, const struct stored_hold *h)
{
	static const char *const texts[HOLD_STATE_COUNT] = {
		[HOLD_PENDING] = "When the approvals below are complete, "
				 "gitgate pushes exactly this upstream. One "
				 "rejection ends it.",
		[HOLD_APPROVED] = "It is approved; gitgate is pushing it "
				  "upstream.",
		[HOLD_FORWARDED] = "Upstream has it.",
		[HOLD_FAILED] = "Upstream refused it; nothing more happens.",
		[HOLD_STALE] = "The ref moved upstream meanwhile, so the "
			       "approval no longer fits; it must be pushed "
			       "again.",
		[HOLD_REJECTED] = "A reviewer rejected it; nothing went "
				  "upstream.",
		[HOLD_EXPIRED] = "Nobody decided in time; nothing went "
				 "upstream.",
		[HOLD_WITHDRAWN] = "It was taken back; nothing went upstream.",
		[HOLD_SUPERSEDED] = "A newer push of the same principal "
				    "replaced it; nothing went upstream.",
	};
	const char *said = json_get(h->outcome, "message");

	html_lit(b, "<p class=\"next\">");
	html_texts(b, h->state < HOLD_STATE_COUNT ? texts[h->state] : "");
	html_lit(b, "</p>");
	if (said[0] != '\0') {
		html_lit(b, "<pre class=\"said\">");
		html_texts(b, said);
		html_lit(b, "</pre>");
	}
}

static void
need_reviews(struct buf *b, const json_t *reviews)
{
	const json_t *r;
	size_t i;

	json_array_foreach(reviews, i, r)
	{
		html_lit(b, "<div class=\"review\">");
		html_texts(b, json_get(r, "verdict"));
		html_lit(b, " by <strong>");
		html_texts(b, json_get(r, "reviewer"));
		html_lit(b, "</strong> <span class=\"dim\">");
		html_when(b, json_get(r, "time"));
		html_lit(b, "</span>");
		if (json_get(r, "comment")[0] != '\0') {
			html_lit(b, "<blockquote>");
			html_texts(b, json_get(r, "comment"));
			html_lit(b, "</blockquote>");
		}
		html_lit(b, "</div>");
	}
}

static void
show_needs(struct buf *b, const json_t *needs)
{
	const json_t *n, *g;
	size_t i, k, i_person;

	html_lit(b, "<section class=\"card\"><h2>Approvals</h2><ul>");
	json_array_foreach(needs, i, n)
	{
		json_int_t required = json_integer_value(json_object_get(n,
		    "required"));

		html_lit(b, "<li>Rule <strong>");
		html_texts(b, json_get(n, "rule"));
		html_lit(b, "</strong> needs ");
		html_u64(b, required > 0 ? (uint64_t)required : 1);
		html_lit(b, " from ");
		json_array_foreach(json_object_get(n, "from"), k, g)
		{
			if (k > 0)
				html_lit(b, " or ");
			html_texts(b, json_string_value(g));
		}
		json_array_foreach(json_object_get(n, "people"), i_person, g)
		{
			if (k > 0 || i_person > 0)
				html_lit(b, " or ");
			html_texts(b, json_string_value(g));
		}
		if (k == 0 && i_person == 0)
			html_lit(b, "any reviewer");
		html_lit(b, ".");
		need_reviews(b, json_object_get(n, "reviews"));
		html_lit(b, "</li>");
	}
	html_lit(b, "</ul></section>");
}

static void
act_button(const struct web_call *c, struct buf *b, const char *verb,
    const char *label, const char *look)
{
	html_lit(b, "<button class=\"");
	html_attrs(b, look);
	html_lit(b, "\" formaction=\"/-/holds/");
	html_urls(b, c->id);
	html_lit(b, "/");
	html_urls(b, verb);
	html_lit(b, "\">");
	html_texts(b, label);
	html_lit(b, "</button>");
}

/* Begins a form with its comment; buttons say what it does. */
static void
act_form(const struct web_call *c, struct buf *b, const char *verb)
{
	html_lit(b, "<form method=\"post\" action=\"/-/holds/");
	html_urls(b, c->id);
	html_lit(b, "/");
	html_urls(b, verb);
	html_lit(b, "\">");
	page_csrf(c, b);
	html_lit(b, "<label for=\"comment-");
	html_attrs(b, verb);
	html_lit(b, "\">Comment (optional)</label><textarea id=\"comment-");
	html_attrs(b, verb);
	html_lit(b,
	    "\" name=\"comment\" rows=\"2\" maxlength=\"4000\">"
	    "</textarea><div class=\"decide\">");
}

static void
show_actions(const struct web_call *c, struct buf *b,
    const struct stored_hold *h)
{
	bool own = strcmp(h->principal, c->who.name) == 0;
	struct gg_error why = { 0 };

	if (h->state != HOLD_PENDING)
		return;
	html_lit(b, "<section class=\"card\"><h2>Your decision</h2>");
	if (!c->session.is_open) {
		html_lit(b, "<p>With a token, use the API.</p></section>");
		return;
	}
	if (access_may_review(c, h, &why)) {
		act_form(c, b, "approve");
		act_button(c, b, "approve", "Approve", "primary");
		act_button(c, b, "reject", "Reject", "danger");
		html_lit(b, "</div></form>");
	} else {
		html_lit(b, "<p class=\"dim\">You cannot review this push: ");
		html_texts(b, why.msg);
		html_lit(b, ".</p>");
	}
	if (own || access_is_admin(&c->who)) {
		act_form(c, b, "withdraw");
		act_button(c, b, "withdraw", "Withdraw", "quiet");
		html_lit(b, "</div></form>");
	}
	html_lit(b, "</section>");
}

static void
show_head(struct web_call *c, struct buf *b, const struct stored_hold *h)
{
	int64_t now = clock_wall_ms();

	html_lit(b, "<h1>");
	html_texts(b, h->repository);
	html_lit(b, " ");
	state_badge(b, hold_state_name(h->state));
	html_lit(b, "</h1><p class=\"dim\" data-hold=\"");
	html_attrs(b, c->id);
	html_lit(b, "\" data-state=\"");
	html_attrs(b, hold_state_name(h->state));
	html_lit(b, "\">Held ");
	html_time(b, h->created_ms);
	html_lit(b, ", ");
	html_span(b, now - h->created_ms);
	html_lit(b, " ago");
	if (h->state == HOLD_PENDING) {
		html_lit(b, "; expires ");
		html_time(b, h->expires_ms);
		if (h->expires_ms > now) {
			html_lit(b, " (in ");
			html_span(b, h->expires_ms - now);
			html_lit(b, ")");
		}
	}
	html_lit(b, " · <a href=\"/-/pushes/");
	html_urls(b, h->push_id);
	html_lit(b, "\">the recorded push</a></p>");
	next_step(b, h);
}

void
hold_page(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	int rc = load_hold(c, &h, &p, &err);
	json_t *o;

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	o = json_of_hold(c, &h, p.id != NULL ? &p : NULL);
	page_begin(c, &b, "Hold", "Holds");
	show_head(c, &b, &h);
	if (p.id != NULL)
		view_facts(&b, &p);
	show_needs(&b, json_object_get(o, "needs"));
	json_decref(o);
	view_updates(&b, h.updates);
	show_actions(c, &b, &h);
	view_commits(c, &b, h.push_id);
	view_diff(c, &b, h.push_id, http_path(c->rq));
	page_reply(c, 200, &b);
}

void
hold_act(struct web_call *c)
{
	GG_AUTO_MEM char *back = path_f("/-/holds/%s", c->id);
	const char *comment = http_form(c->rq, "comment");
	struct gg_error err = { 0 };
	int rc = act_on_hold(c, comment != NULL ? comment : "", &err);

	if (rc != 0)
		page_failure(c, rc, &err);
	else
		page_redirect(c, back, NULL);
}
