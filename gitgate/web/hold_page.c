/* The page on which a reviewer decides. */
#include "base/clock.h"
#include "base/fd.h"
#include "web/diff_view.h"
#include "web/provenance.h"

#include <stdlib.h>

/* Policy says of a push as a whole whether it stays at the gate. */
static bool
is_to_be_kept(const struct stored_hold *h)
{
	return json_is_true(json_object_get(json_array_get(h->updates, 0),
	    "keep"));
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
		[HOLD_KEPT] = "The gate keeps it; nothing went upstream.",
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
	const char *text = h->state < HOLD_STATE_COUNT ? texts[h->state] : "";

	if (is_to_be_kept(h))
		text = h->state == HOLD_PENDING ?
		    "When the approvals below are complete, exactly this will "
		    "be kept at the gate, not sent upstream. One rejection "
		    "ends it." :
		    h->state == HOLD_APPROVED ? "It is approved; the gate is "
						"about to keep it." :
						text;
	html_lit(b, "<div id=\"next\" role=\"status\" class=\"next ");
	html_attrs(b, hold_state_name(h->state));
	html_lit(b, "\"><p");
	if (h->state == HOLD_APPROVED)
		html_lit(b, " class=\"work\"");
	html_lit(b, ">");
	html_texts(b, text);
	html_lit(b, "</p>");
	if (said[0] != '\0') {
		html_lit(b, "<pre class=\"said\">");
		html_texts(b, said);
		html_lit(b, "</pre>");
	}
	html_lit(b, "</div>");
}

/* ---- what is needed, and who gave it ---- */

static void
need_reviews(struct buf *b, const json_t *reviews)
{
	const json_t *r;
	size_t i;

	json_array_foreach(reviews, i, r)
	{
		bool yes = strcmp(json_get(r, "verdict"), "approve") == 0;

		html_lit(b, "<div class=\"review ");
		html_attrs(b, json_get(r, "verdict"));
		html_lit(b, "\">");
		html_texts(b, yes ? "approved by " : "rejected by ");
		html_lit(b, "<strong>");
		html_texts(b, json_get(r, "reviewer"));
		html_lit(b, "</strong> <span class=\"dim small\">");
		html_when(b, json_get(r, "time"));
		html_lit(b, " \xc2\xb7 <a href=\"/-/audit?reviewer=");
		html_urls(b, json_get(r, "reviewer"));
		html_lit(b, "\">in the audit log</a></span>");
		if (json_get(r, "comment")[0] != '\0') {
			html_lit(b, "<blockquote>");
			html_texts(b, json_get(r, "comment"));
			html_lit(b, "</blockquote>");
		}
		html_lit(b, "</div>");
	}
}

static void
need_from(struct buf *b, const json_t *need)
{
	const json_t *g;
	size_t k, i, n = 0;

	json_array_foreach(json_object_get(need, "from"), k, g)
	{
		html_texts(b, n++ > 0 ? " or " : "");
		html_texts(b, json_string_value(g));
	}
	json_array_foreach(json_object_get(need, "people"), i, g)
	{
		html_texts(b, n++ > 0 ? " or " : "");
		html_texts(b, json_string_value(g));
	}
	if (n == 0)
		html_lit(b, "any reviewer");
}

static uint64_t
approvals(const json_t *reviews)
{
	uint64_t n = 0;
	const json_t *r;
	size_t i;

	json_array_foreach(reviews, i, r)
	    n += strcmp(json_get(r, "verdict"), "approve") == 0;
	return n;
}

static void
show_need(struct buf *b, const json_t *need)
{
	json_int_t said = json_integer_value(json_object_get(need, "required"));
	uint64_t required = said > 0 ? (uint64_t)said : 1;
	uint64_t given = approvals(json_object_get(need, "reviews"));

	html_lit(b, "<li");
	if (given >= required)
		html_lit(b, " class=\"done\"");
	html_lit(b, "><div class=\"need\"><span class=\"dots\">");
	html_u64(b, given);
	html_lit(b, " of ");
	html_u64(b, required);
	html_lit(b, "</span><span>from <strong>");
	need_from(b, need);
	html_lit(b, "</strong> <span class=\"dim\">for rule ");
	html_texts(b, json_get(need, "rule"));
	html_lit(b, "</span></span></div>");
	need_reviews(b, json_object_get(need, "reviews"));
	html_lit(b, "</li>");
}

static void
show_needs(struct buf *b, const json_t *needs)
{
	const json_t *n;
	size_t i;

	html_lit(b,
	    "<section class=\"card\" id=\"needs\"><h2>Approvals</h2><ul "
	    "class=\"needs\">");
	json_array_foreach(needs, i, n) show_need(b, n);
	html_lit(b, "</ul></section>");
}

/* ---- the decision ---- */

static void
act_form(const struct web_call *c, struct buf *b, const struct stored_hold *h,
    bool review, bool withdraw)
{
	html_lit(b, "<form method=\"post\" action=\"/-/holds/");
	html_urls(b, c->id);
	html_texts(b, review ? "/approve" : "/withdraw");
	html_lit(b, "\">");
	page_csrf(c, b);
	html_lit(b,
	    "<div><label for=\"comment\">Comment (optional)</label><textarea "
	    "id=\"comment\" name=\"comment\" rows=\"1\" maxlength=\"4000\" "
	    "placeholder=\"Comment (optional)\"></textarea></div>");
	if (review)
		view_grant_offer(c, b, h);
	html_lit(b, "<div class=\"buttons\">");
	if (review) {
		page_act_button(c, b, "holds", "approve", "Approve", "primary");
		page_act_button(c, b, "holds", "reject", "Reject", "danger");
	}
	if (withdraw)
		page_act_button(c, b, "holds", "withdraw", "Withdraw", "quiet");
	html_lit(b, "</div></form>");
}

static void
show_decision(const struct web_call *c, struct buf *b,
    const struct stored_hold *h)
{
	bool own = strcmp(h->principal, c->who.name) == 0, review;
	bool withdraw = own || access_is_admin(&c->who);
	struct gg_error why = { 0 };

	if (h->state != HOLD_PENDING)
		return;
	html_lit(b,
	    "<section class=\"decide\" id=\"decide\" "
	    "aria-labelledby=\"decide-name\"><h2 id=\"decide-name\">Your "
	    "decision</h2>");
	review = access_may_review(c, h, &why);
	if (!c->session.is_open) {
		html_lit(b, "<p>With a token, use the API.</p></section>");
		return;
	}
	if (!review) {
		html_lit(b, "<p class=\"dim\">You cannot review this push: ");
		html_texts(b, why.msg);
		html_lit(b, ".</p>");
	}
	if (review || withdraw)
		act_form(c, b, h, review, withdraw);
	html_lit(b, "</section>");
}

/* ---- what is asked ---- */

static void
wants_to(struct buf *b, const json_t *updates)
{
	static const struct {
		const char *kind, *verb;
	} verbs[] = { { "create", "create" }, { "fast-forward", "update" },
		{ "force", "overwrite" }, { "delete", "delete" },
		{ "tag-move", "move the tag" } };
	const json_t *u = json_array_get(updates, 0);

	if (json_array_size(updates) != 1) {
		html_lit(b, "change ");
		html_u64(b, json_array_size(updates));
		html_lit(b, " refs");
		return;
	}
	for (size_t i = 0; i < GG_COUNT(verbs); i++)
		if (strcmp(verbs[i].kind, json_get(u, "kind")) == 0)
			html_texts(b, verbs[i].verb);
	html_lit(b, " <code>");
	html_texts(b, json_get(u, "ref"));
	html_lit(b, "</code>");
}

static void
lead(struct buf *b, const struct stored_hold *h, const struct change *ch)
{
	html_lit(b, "<p class=\"lead\"><strong>");
	html_texts(b, h->principal);
	html_lit(b, "</strong> wants to ");
	wants_to(b, h->updates);
	if (ch->report != NULL && ch->report->n_commits > 0) {
		html_lit(b, " with ");
		html_u64(b, ch->report->n_commits);
		html_texts(b,
		    ch->report->n_commits == 1 ? " commit" : " commits");
	}
	if (ch->has_diff) {
		html_lit(b, " in ");
		view_diff_counts(b, &ch->x);
	}
	html_lit(b, "</p>");
}

static void
age(struct buf *b, const struct stored_hold *h)
{
	int64_t now = clock_wall_ms();

	html_lit(b, "<p class=\"meta\">Held ");
	html_span(b, now - h->created_ms);
	html_lit(b, " ago (");
	html_time(b, h->created_ms);
	html_lit(b, ")");
	if (h->state == HOLD_PENDING) {
		html_lit(b, " · expires ");
		if (h->expires_ms > now) {
			html_lit(b, "in ");
			html_span(b, h->expires_ms - now);
			html_lit(b, " ");
		}
		html_lit(b, "(");
		html_time(b, h->expires_ms);
		html_lit(b, ")");
	}
	html_lit(b, " · <a href=\"/-/pushes/");
	html_urls(b, h->push_id);
	html_lit(b, "\">the recorded push</a></p>");
}

static void
show_head(struct web_call *c, struct buf *b, const struct stored_hold *h,
    const struct change *ch)
{
	html_lit(b, "<div class=\"ask\" data-hold=\"");
	html_attrs(b, c->id);
	html_lit(b, "\" data-state=\"");
	html_attrs(b, hold_state_name(h->state));
	html_lit(b, "\" data-seen=\"");
	html_attrs(b, hold_state_name(h->state));
	html_lit(b, " ");
	html_u64(b, h->n_reviews);
	html_lit(b, "\"><h1>");
	html_texts(b, h->repository);
	html_lit(b, " <span id=\"state\">");
	view_state(b, hold_state_name(h->state));
	html_lit(b, "</span></h1>");
	lead(b, h, ch);
	age(b, h);
	next_step(b, h);
	html_lit(b, "</div>");
}

static void
keys_help(struct buf *b)
{
	html_lit(b,
	    "<p class=\"keys\"><button type=\"button\" id=\"keys-open\" hidden>"
	    "Keys</button></p><dialog id=\"keys\" aria-labelledby=\"keys-name\">"
	    "<h2 id=\"keys-name\">Keys</h2><dl><dt><kbd>j</kbd> <kbd>k</kbd>"
	    "</dt><dd>next and previous file</dd><dt><kbd>c</kbd></dt><dd>write "
	    "a comment</dd><dt><kbd>a</kbd></dt><dd>go to Approve (Enter "
	    "presses it)</dd><dt><kbd>r</kbd></dt><dd>go to Reject</dd><dt>"
	    "<kbd>?</kbd></dt><dd>this help</dd></dl><form method=\"dialog\">"
	    "<label for=\"keys-on\"><input type=\"checkbox\" id=\"keys-on\">use "
	    "these keys</label><button>Close</button></form></dialog>");
}

static void
hold_body(struct web_call *c, struct buf *b, const struct stored_hold *h,
    const struct stored_push *p)
{
	json_t *o = json_of_hold(c, h, p->id != NULL ? p : NULL);
	const char *part = http_query(c->rq, "part");
	bool whole = part == NULL || strcmp(part, "live") != 0;
	GG_AUTO_RELEASE(change) ch = { 0 };

	if (whole)
		change_load(c, h->push_id, h->updates,
		    hold_has_objects(h) ? c->id : NULL, &ch);
	if (whole && p->id != NULL)
		change_join(c, p, &ch);
	show_head(c, b, h, &ch);
	if (whole) {
		html_lit(b, "<div class=\"grid\"><div>");
		view_updates(b, "Why it is held", h->repository, h->updates);
		html_lit(b, "</div><div class=\"side\">");
	}
	show_needs(b, json_object_get(o, "needs"));
	if (whole) {
		if (p->id != NULL)
			view_facts(b, p, o);
		html_lit(b, "</div><div>");
		view_commits(b, &ch);
		view_brought(b, ch.provenance);
		html_lit(b, "</div></div>");
		if (!hold_has_objects(h))
			html_lit(b,
			    "<p class=\"meta\">This hold has ended: of the "
			    "change, what was recorded is shown.</p>");
		view_change(b, &ch);
		keys_help(b);
	}
	show_decision(c, b, h);
	json_decref(o);
}

void
hold_page(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	GG_AUTO_MEM char *title = NULL;
	struct gg_error err = { 0 };
	int rc = load_hold(c, &h, &p, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	title = path_f("%s: %s", hold_state_name(h.state), h.repository);
	page_begin(c, &b, title, "Holds");
	hold_body(c, &b, &h, &p);
	hold_note_seen(c, &h);
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
