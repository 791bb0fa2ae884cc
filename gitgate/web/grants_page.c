/* Grants: the list, one of them, asking, and the offer beside a review. */
#include "web/grants.h"

#include "base/clock.h"
#include "base/fd.h"
#include "hold/grant_cover.h"

#include <stdlib.h>
#include <string.h>

/* -- a scope, in words -- */

static void
code_list(struct buf *b, const struct strv *v, const char *none)
{
	if (v->n == 0)
		html_texts(b, none);
	for (size_t i = 0; i < v->n; i++) {
		html_lit(b, "<code>");
		html_texts(b, v->v[i]);
		html_lit(b, "</code> ");
	}
}

static void
fact_list(struct buf *b, const char *name, const struct strv *v,
    const char *none)
{
	html_lit(b, "<dt>");
	html_texts(b, name);
	html_lit(b, "</dt><dd>");
	code_list(b, v, none);
	html_lit(b, "</dd>");
}

static const char *const verb_words[GRANT_VERB_COUNT] = {
	"fetch everything in the repository",
	"push to the refs",
	"create refs",
	"move refs forward",
	"force-push refs",
	"delete refs",
	"move tags",
};

static void
verbs(struct buf *b, unsigned bits)
{
	bool some = false;

	for (unsigned i = 0; i < GRANT_VERB_COUNT; i++) {
		if ((bits & (1u << i)) == 0)
			continue;
		if (some)
			html_lit(b, ", ");
		html_texts(b, verb_words[i]);
		some = true;
	}
	if ((bits & GRANT_UPDATES) != 0)
		html_lit(b, " without a new review where a rule holds it");
}

static void
view_scope(struct buf *b, const char *principal, const struct grant_scope *s)
{
	html_lit(b, "<dl class=\"scope\"><dt>who</dt><dd><strong>");
	html_texts(b, principal);
	html_lit(b, "</strong></dd><dt>may</dt><dd>");
	verbs(b, s->verbs);
	html_lit(b, "</dd>");
	fact_list(b, "repositories", &s->repositories, "none");
	fact_list(b, "refs", &s->refs, "every ref");
	if ((s->verbs & GRANT_UPDATES) != 0) {
		fact_list(b, "held for paths", &s->paths, "any path");
		fact_list(b, "held by rules", &s->rules, "any rule");
	}
	html_lit(b, "</dl>");
}

/* -- beside the review of a hold -- */

static void
option(struct buf *b, const char *value, int64_t ms)
{
	html_lit(b, "<option value=\"");
	html_attrs(b, value);
	html_lit(b, "\">and the same for ");
	html_span(b, ms);
	html_lit(b, "</option>");
}

static void
choices(struct buf *b, int64_t most)
{
	static const int64_t minutes[] = { 10, 30, 60, 240 };
	GG_AUTO_MEM char *all = path_f("%llds", (long long)(most / 1000));

	html_lit(b,
	    "<label for=\"grant\">Approve</label> <select id=\"grant\" "
	    "name=\"grant\"><option value=\"\" selected>only this push"
	    "</option>");
	for (size_t i = 0; i < GG_COUNT(minutes); i++) {
		GG_AUTO_MEM char *value = path_f("%lldm",
		    (long long)minutes[i]);

		if (minutes[i] * 60000 < most)
			option(b, value, minutes[i] * 60000);
	}
	option(b, all, most);
	html_lit(b, "</select>");
}

void
view_grant_offer(const struct web_call *c, struct buf *b,
    const struct stored_hold *h)
{
	const struct limits *l = &c->cfg->limits;
	int64_t most = (int64_t)(l->grant_ms < l->grant_max_ms ?
		l->grant_ms :
		l->grant_max_ms);
	GG_AUTO_RELEASE(grant_scope) scope = { 0 };
	struct gg_error err = { 0 };
	int rc = most < 1000 || strcmp(h->principal, "anonymous") == 0 ?
	    GG_E_REFUSED :
	    grant_offer(h->repository, h->updates, (size_t)l->grant_scope,
		&scope, &err);

	if (rc != 0)
		return;
	html_lit(b, "<fieldset class=\"grant\"><legend>How far</legend>");
	choices(b, most);
	html_lit(b, "<details><summary>What \"the same\" means</summary>");
	view_scope(b, h->principal, &scope);
	html_lit(b,
	    "<p class=\"dim\">Where the hold needs several approvals, all who "
	    "choose it count. It can be <a href=\"/-/grants\">revoked</a> at "
	    "any time.</p></details></fieldset>");
}

/* -- the list -- */

static void
filters(struct buf *b, const char *now)
{
	html_lit(b, "<nav class=\"filters\" aria-label=\"State\">");
	for (int i = -1; i < GRANT_STATE_COUNT; i++) {
		const char *s = i < 0 ? "all" :
					grant_state_name((enum grant_state)i);

		html_lit(b, "<a href=\"/-/grants?state=");
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
json_codes(struct buf *b, const json_t *list, const char *none)
{
	const json_t *x;
	size_t i;

	if (json_array_size(list) == 0)
		html_texts(b, none);
	json_array_foreach(list, i, x)
	{
		html_lit(b, "<code>");
		html_texts(b, json_string_value(x));
		html_lit(b, "</code> ");
	}
}

static void
grant_item(struct buf *b, const json_t *g)
{
	html_lit(b, "<li class=\"card\"><a class=\"cover\" href=\"/-/grants/");
	html_urls(b, json_get(g, "id"));
	html_lit(b, "\"><strong>");
	html_texts(b, json_get(g, "principal"));
	html_lit(b, "</strong></a> ");
	view_state(b, json_get(g, "state"));
	html_lit(b, "<div>");
	json_codes(b, json_object_get(g, "verbs"), "");
	html_lit(b, "in ");
	json_codes(b, json_object_get(g, "repositories"), "");
	html_lit(b, ", ");
	json_codes(b, json_object_get(g, "refs"), "every ref");
	html_lit(b, "</div><div class=\"dim\">asked by ");
	html_texts(b, json_get(g, "asked_by"));
	html_lit(b, " · ");
	html_when(b, json_get(g, "created"));
	html_lit(b, " · ends ");
	html_when(b, json_get(g, "expires"));
	html_lit(b, "</div><div>");
	html_texts(b, json_get(g, "reason"));
	html_lit(b, "</div></li>");
}

static void
field(struct buf *b, const char *name, const char *label, const char *example)
{
	html_lit(b, "<div><label for=\"ask-");
	html_attrs(b, name);
	html_lit(b, "\">");
	html_texts(b, label);
	html_lit(b, "</label><input id=\"ask-");
	html_attrs(b, name);
	html_lit(b, "\" name=\"");
	html_attrs(b, name);
	html_lit(b, "\" placeholder=\"");
	html_attrs(b, example);
	html_lit(b, "\"></div>");
}

static void
ask_form(const struct web_call *c, struct buf *b)
{
	if (!c->session.is_open)
		return;
	html_lit(b,
	    "<section class=\"card\"><h2>Ask for a grant</h2><form "
	    "method=\"post\" action=\"/-/grants\">");
	page_csrf(c, b);
	field(b, "principal", "For whom (empty: yourself)", "ci-deploy");
	field(b, "repositories", "Repositories", "acme/app");
	field(b, "refs", "Refs (empty: every ref)", "refs/heads/main");
	field(b, "paths", "Paths that rules hold (empty: any)", "db/**");
	html_lit(b, "<fieldset><legend>May</legend>");
	for (unsigned i = 0; i < GRANT_VERB_COUNT; i++) {
		html_lit(b, "<label><input type=\"checkbox\" name=\"verb-");
		html_attrs(b, grant_verb_name(i));
		html_lit(b, "\" value=\"1\"> ");
		html_texts(b, grant_verb_name(i));
		html_lit(b, "</label> ");
	}
	html_lit(b, "</fieldset>");
	field(b, "for", "For how long", "30m");
	field(b, "reason", "Why", "incident 4711");
	html_lit(b,
	    "<div class=\"buttons\"><button class=\"primary\">Ask</button>"
	    "</div></form></section>");
}

static void
show_list(struct web_call *c, struct buf *b, const char *state,
    const json_t *items, const char *next)
{
	const json_t *g;
	size_t i;

	page_begin(c, b, "Grants", "Grants");
	html_lit(b, "<h1>Grants</h1>");
	filters(b, state);
	if (json_array_size(items) == 0)
		html_lit(b, "<p class=\"empty\">Nothing here.</p>");
	html_lit(b, "<ul class=\"list\">");
	json_array_foreach(items, i, g) grant_item(b, g);
	html_lit(b, "</ul>");
	if (next[0] != '\0') {
		html_lit(b, "<p><a href=\"/-/grants?state=");
		html_urls(b, state);
		html_lit(b, "&amp;cursor=");
		html_urls(b, next);
		html_lit(b, "\">Older</a></p>");
	}
	ask_form(c, b);
}

void
grants_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	const char *state = http_query(c->rq, "state");
	json_t *items = json_array();
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	int rc;

	if (state == NULL || state[0] == '\0')
		state = "all";
	rc = grant_list(c, strcmp(state, "all") == 0 ? "" : state, items, next,
	    &err);
	if (rc != 0) {
		page_failure(c, rc, &err);
	} else {
		show_list(c, &b, state, items, next);
		page_reply(c, 200, &b);
	}
	json_decref(items);
}

/* -- one -- */

static void
fact_time(struct buf *b, const char *name, int64_t ms)
{
	if (ms == 0)
		return;
	html_lit(b, "<dt>");
	html_texts(b, name);
	html_lit(b, "</dt><dd>");
	html_time(b, ms);
	html_lit(b, "</dd>");
}

static void
fact_text(struct buf *b, const char *name, const char *text)
{
	if (*text == '\0')
		return;
	html_lit(b, "<dt>");
	html_texts(b, name);
	html_lit(b, "</dt><dd>");
	html_texts(b, text);
	html_lit(b, "</dd>");
}

static void
show_facts(struct buf *b, const struct stored_grant *g)
{
	html_lit(b, "<section class=\"card\"><h2>History</h2><dl>");
	fact_text(b, "why", g->reason);
	fact_text(b, "asked by", g->asked_by);
	fact_text(b, "by policy's grant", g->entry);
	if (*g->hold_id != '\0') {
		html_lit(b, "<dt>with hold</dt><dd><a href=\"/-/holds/");
		html_urls(b, g->hold_id);
		html_lit(b, "\">");
		html_texts(b, g->hold_id);
		html_lit(b, "</a></dd>");
	}
	html_lit(b, "<dt>lasts</dt><dd>");
	html_span(b, g->for_ms);
	html_lit(b, "</dd>");
	fact_time(b, "asked", g->created_ms);
	fact_time(b, "active since", g->active_ms);
	fact_time(b, g->state == GRANT_ASKED ? "to be decided until" : "until",
	    g->expires_ms);
	fact_time(b, "ended", g->closed_ms);
	fact_text(b, "ended by", g->closer);
	html_lit(b, "<dt>used</dt><dd>");
	html_u64(b, g->uses);
	html_texts(b, g->uses == 1 ? " time" : " times");
	html_lit(b, "</dd>");
	fact_time(b, "last used", g->used_ms);
	html_lit(b, "</dl></section>");
}

static void
show_reviews(struct buf *b, const struct stored_grant *g)
{
	html_lit(b, "<section class=\"card\"><h2>Approvals</h2>");
	if (*g->hold_id == '\0') {
		html_lit(b, "<p>It needs ");
		html_u64(b, g->required);
		html_lit(b, " from ");
		code_list(b, &g->from, "nobody");
		html_lit(b, "</p>");
	}
	for (size_t i = 0; i < g->n_reviews; i++) {
		const struct stored_review *r = &g->reviews[i];

		html_lit(b, "<div class=\"review\">");
		html_texts(b, r->approve ? "approve" : "reject");
		html_lit(b, " by <strong>");
		html_texts(b, r->reviewer);
		html_lit(b, "</strong> <span class=\"dim\">");
		html_time(b, r->time_ms);
		html_lit(b, "</span>");
		if (*r->comment != '\0') {
			html_lit(b, "<blockquote>");
			html_texts(b, r->comment);
			html_lit(b, "</blockquote>");
		}
		html_lit(b, "</div>");
	}
	html_lit(b, "</section>");
}

static void
show_actions(const struct web_call *c, struct buf *b,
    const struct stored_grant *g)
{
	struct gg_error why = { 0 };
	bool review;

	if (g->state > GRANT_ACTIVE)
		return;
	html_lit(b, "<section class=\"card\"><h2>Your decision</h2>");
	if (!c->session.is_open) {
		html_lit(b, "<p>With a token, use the API.</p></section>");
		return;
	}
	review = c->ops->may_review_grant(c->ops->ctx, c->id, &c->who, &why) ==
	    0;
	if (!review && g->state == GRANT_ASKED) {
		html_lit(b, "<p class=\"dim\">You cannot approve it: ");
		html_texts(b, why.msg);
		html_lit(b, ".</p>");
	}
	html_lit(b, "<form method=\"post\" action=\"/-/grants/");
	html_urls(b, c->id);
	html_texts(b, review ? "/approve" : "/revoke");
	html_lit(b, "\">");
	page_csrf(c, b);
	html_lit(b,
	    "<label for=\"comment\">Comment (optional)</label><textarea "
	    "id=\"comment\" name=\"comment\" rows=\"1\" maxlength=\"4000\">"
	    "</textarea><div class=\"buttons\">");
	if (review) {
		page_act_button(c, b, "grants", "approve", "Approve",
		    "primary");
		page_act_button(c, b, "grants", "reject", "Reject", "danger");
	}
	page_act_button(c, b, "grants", "revoke",
	    g->state == GRANT_ASKED ? "Withdraw" : "Revoke", "quiet");
	html_lit(b, "</div></form></section>");
}

void
grant_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	GG_AUTO_RELEASE(stored_grant) g = { 0 };
	struct gg_error err = { 0 };
	int rc = grant_load(c, &g, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Grant", "Grants");
	html_lit(&b, "<h1>Grant ");
	view_state(&b, grant_state_name(g.state));
	html_lit(&b, "</h1><section class=\"card\"><h2>What it covers</h2>");
	view_scope(&b, g.principal, &g.scope);
	html_lit(&b, "</section>");
	show_reviews(&b, &g);
	show_facts(&b, &g);
	show_actions(c, &b, &g);
	page_reply(c, 200, &b);
}

/* -- forms -- */

static void
take_list(const struct web_call *c, const char *name, struct strv *out)
{
	const char *s = http_form(c->rq, name);

	for (; s != NULL && *s != '\0';) {
		size_t n = strcspn(s, " ,\t\r\n");

		if (n > 0)
			strv_addv(out, view_of(s, n));
		s += n;
		s += strspn(s, " ,\t\r\n");
	}
}

static void
take_scope(const struct web_call *c, struct grant_scope *s)
{
	take_list(c, "repositories", &s->repositories);
	take_list(c, "refs", &s->refs);
	take_list(c, "paths", &s->paths);
	for (size_t i = 0; i < s->repositories.n; i++)
		for (char *t = s->repositories.v[i]; *t != '\0'; t++)
			if (*t >= 'A' && *t <= 'Z')
				*t = (char)(*t + 32);
	for (unsigned i = 0; i < GRANT_VERB_COUNT; i++) {
		GG_AUTO_MEM char *name = path_f("verb-%s", grant_verb_name(i));

		if (http_form(c->rq, name) != NULL)
			s->verbs |= 1u << i;
	}
}

void
grant_ask_act(struct web_call *c)
{
	GG_AUTO_RELEASE(grant_scope) scope = { 0 };
	struct gg_error err = { 0 };
	int rc;

	take_scope(c, &scope);
	rc = grant_ask(c, http_form(c->rq, "principal"), &scope,
	    http_form(c->rq, "for"), http_form(c->rq, "reason"), c->id, &err);
	if (rc != 0) {
		page_failure(c, rc, &err);
	} else {
		GG_AUTO_MEM char *there = path_f("/-/grants/%s", c->id);

		page_redirect(c, there, NULL);
	}
}

void
grant_act(struct web_call *c)
{
	GG_AUTO_MEM char *back = path_f("/-/grants/%s", c->id);
	const char *comment = http_form(c->rq, "comment");
	struct gg_error err = { 0 };
	int rc = grant_do(c, comment != NULL ? comment : "", &err);

	if (rc != 0)
		page_failure(c, rc, &err);
	else
		page_redirect(c, back, NULL);
}
