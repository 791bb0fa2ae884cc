/* Recorded pushes, whatever became of them. */
#include "base/fd.h"
#include "web/diff_view.h"
#include "web/provenance.h"

#include <stdlib.h>
#include <sys/stat.h>

/* ---- the list ---- */

static const char *const states[] = { "receiving", "denied", "invalid", "held",
	"forwarding", "forwarded", "kept", "failed", "aborted", NULL };
static const struct filter filter_fields[] = {
	{ "text", "Filter by text", "a repository, ref, path, name, ...",
	    NULL },
	{ "repository", "Repository", "acme/app", NULL },
	{ "principal", "Pushed by", "ci-agent", NULL },
	{ "ref", "Ref", "main", NULL },
	{ "rule", "Rule", "migrations", NULL },
	{ "state", "State", NULL, states },
	{ "since", "Since", "2026-11-22", NULL },
	{ "until", "Before", "2026-11-23", NULL },
};
static const struct filters filters = { "/-/pushes", NULL, filter_fields,
	GG_COUNT(filter_fields) };

/* -1: it is not kept. */
static int64_t
pack_size(const struct web_call *c, const char *push)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/pack", c->cfg->state_dir,
	    push);
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static void
size_cell(const struct web_call *c, struct buf *b, const char *push)
{
	int64_t n = pack_size(c, push);

	html_lit(b, "</td><td data-name=\"Size\">");
	if (n >= 0)
		html_bytes(b, (uint64_t)n);
	else
		html_lit(b, "<span class=\"dim\">no pack</span>");
}

static void
refs_cell(struct buf *b, const json_t *updates)
{
	const json_t *u;
	size_t i;

	html_lit(b, "</td><td data-name=\"Refs\">");
	json_array_foreach(updates, i, u)
	{
		if (i == 3) {
			html_lit(b, "and ");
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
push_row(const struct web_call *c, struct buf *b, const json_t *p)
{
	html_lit(b, "<tr data-row=\"");
	html_attrs(b, json_get(p, "id"));
	html_lit(b, "\"><td><a class=\"name\" href=\"/-/pushes/");
	html_urls(b, json_get(p, "id"));
	html_lit(b, "\">");
	html_when(b, json_get(p, "created"));
	html_lit(b, "</a></td><td data-name=\"State\">");
	view_state(b, json_get(p, "state"));
	html_lit(b, "</td><td data-name=\"Repository\">");
	html_texts(b, json_get(p, "repository"));
	refs_cell(b, json_object_get(p, "updates"));
	html_lit(b, "</td><td data-name=\"Who\">");
	html_texts(b, json_get(p, "principal"));
	size_cell(c, b, json_get(p, "id"));
	html_lit(b, "</td></tr>");
}

static void
nothing(const struct web_call *c, struct buf *b)
{
	if (filters_chosen(c, &filters))
		html_lit(b,
		    "<p class=\"empty\">No push fits these filters.</p>");
	else
		html_lit(b,
		    "<p class=\"empty\">No push to a repository that you may "
		    "fetch was recorded yet. Every push is, whatever becomes "
		    "of it.</p>");
}

static void
table(const struct web_call *c, struct buf *b, const json_t *items)
{
	const json_t *p;
	size_t i;

	html_lit(b,
	    "<div id=\"news\" class=\"news\" role=\"status\" "
	    "aria-live=\"polite\"></div><div id=\"list\" data-list=\"push\">");
	if (json_array_size(items) == 0) {
		nothing(c, b);
		html_lit(b, "</div>");
		return;
	}
	html_lit(b,
	    "<div class=\"scroll card\"><table><thead><tr><th>When</th>"
	    "<th>State</th><th>Repository</th><th>Refs</th><th>Who</th>"
	    "<th>Size</th></tr></thead><tbody>");
	json_array_foreach(items, i, p) push_row(c, b, p);
	html_lit(b, "</tbody></table></div></div>");
}

void
pushes_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	char next[ULID_SIZE] = "";
	json_t *items = json_array();
	int rc;

	c->rows = PAGE_ROWS;
	rc = list_pushes(c, items, next, &err);
	if (rc != 0) {
		json_decref(items);
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Pushes", "Pushes");
	html_lit(&b, "<h1>Pushes</h1>");
	view_filters(c, &b, &filters);
	table(c, &b, items);
	view_older(c, &b, &filters, next);
	view_list_keys(&b, "push");
	json_decref(items);
	page_reply(c, 200, &b);
}

/* ---- one push: what happened when ---- */

#define EVENTS_MOST 200

struct time_line {
	struct buf *b;
	const struct stored_hold *hold; /* NULL: it has none */
	size_t n;
};

static void
rules(struct buf *b, const json_t *e)
{
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(e, "rules"), i, r)
	{
		html_texts(b, i > 0 ? ", " : " by rule ");
		html_lit(b, "<strong>");
		html_texts(b, json_get(r, "rule"));
		html_lit(b, "</strong>");
	}
}

static void
of_ref(struct buf *b, const json_t *e)
{
	html_lit(b, " <code>");
	html_texts(b, json_get(e, "ref"));
	html_lit(b, "</code>");
}

/* What others said, in their words. */
static void
said(struct buf *b, const char *words)
{
	if (words[0] == '\0')
		return;
	html_lit(b, ": <q>");
	html_texts(b, words);
	html_lit(b, "</q>");
}

static void
reviewed(struct buf *b, const json_t *e)
{
	html_texts(b,
	    strcmp(json_get(e, "verdict"), "approve") == 0 ? "approved by " :
							     "rejected by ");
	html_lit(b, "<strong>");
	html_texts(b, json_get(e, "reviewer"));
	html_lit(b, "</strong>");
	said(b, json_get(e, "comment"));
}

static void
answered(struct buf *b, const json_t *e)
{
	bool ok = strcmp(json_get(e, "result"), "ok") == 0;

	if (strcmp(json_get(e, "type"), "keep.result") == 0)
		html_texts(b, ok ? "the gate keeps" : "the gate did not keep");
	else
		html_texts(b, ok ? "upstream took" : "upstream did not take");
	of_ref(b, e);
	if (!ok && json_get(e, "upstream")[0] == '\0')
		said(b, json_get(e, "result"));
	said(b, json_get(e, "upstream"));
	said(b, json_get(e, "reason"));
}

void
view_event(struct buf *b, const json_t *e)
{
	const char *type = json_get(e, "type");

	if (strcmp(type, "push.received") == 0) {
		html_lit(b, "received and inspected");
	} else if (strcmp(type, "ref.update") == 0) {
		html_texts(b, json_get(e, "verdict"));
		of_ref(b, e);
		rules(b, e);
	} else if (strcmp(type, "hold.opened") == 0) {
		html_lit(b, "held for approval");
	} else if (strcmp(type, "hold.seen") == 0) {
		html_lit(b, "first seen by <strong>");
		html_texts(b, json_get(e, "reviewer"));
		html_lit(b, "</strong>");
	} else if (strcmp(type, "hold.review") == 0) {
		reviewed(b, e);
	} else if (strcmp(type, "hold.closed") == 0) {
		html_lit(b, "the hold ended: ");
		html_texts(b, json_get(e, "state"));
		said(b, json_get(e, "reason"));
	} else if (strcmp(type, "forward.intended") == 0) {
		html_lit(b, "sent upstream:");
		of_ref(b, e);
	} else if (strcmp(type, "keep.intended") == 0) {
		html_lit(b, "to be kept at the gate:");
		of_ref(b, e);
	} else if (strcmp(type, "forward.result") == 0 ||
	    strcmp(type, "keep.result") == 0) {
		answered(b, e);
	} else {
		html_texts(b, type);
		said(b, json_get(e, "reason"));
	}
}

static void
event_line(struct time_line *l, const char *time)
{
	html_lit(l->b, "<li><span class=\"dim small\">");
	html_when(l->b, time);
	html_lit(l->b, "</span> ");
	l->n++;
}

static int
add_event(void *ctx, uint64_t index, const char *text)
{
	struct time_line *l = ctx;
	json_t *e = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_get(e, "type");
	bool of_hold = strncmp(type, "hold.", 5) == 0;

	(void)index;
	/* the log is written first: what the store then refused is void */
	if (e != NULL && !json_is_true(json_object_get(e, "void")) &&
	    (!of_hold || (l->hold != NULL && hold_entry_is_true(e, l->hold)))) {
		event_line(l, json_get(e, "time"));
		view_event(l->b, e);
		html_lit(l->b, "</li>");
	}
	json_decref(e);
	return 0;
}

/* What the store has of it, in less words. */
static void
stored_lines(const struct web_call *c, struct time_line *l,
    const struct stored_push *p)
{
	json_t *all = json_timeline(c, p), *m;
	size_t i;

	json_array_foreach(all, i, m)
	{
		event_line(l, json_get(m, "time"));
		html_texts(l->b, json_get(m, "event"));
		if (json_get(m, "who")[0] != '\0') {
			html_lit(l->b, " by <strong>");
			html_texts(l->b, json_get(m, "who"));
			html_lit(l->b, "</strong>");
		}
		said(l->b, json_get(m, "message"));
		html_lit(l->b, "</li>");
	}
	json_decref(all);
}

static void
time_line(const struct web_call *c, struct buf *b, const struct stored_push *p)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	struct audit_query q = {
		.push = p->id, .limit = EVENTS_MOST, .oldest_first = true
	};
	struct time_line l = { .b = b };
	uint64_t next = 0;

	if (store_hold_of_push(c->ops->store, p->id, &h, NULL) == 0)
		l.hold = &h;
	html_lit(b,
	    "<section class=\"card\"><h2>Time line</h2><ol class=\"line\">");
	/* while the index cannot be read */
	if (store_audit_query(c->ops->store, &q, add_event, &l, &next, NULL) !=
		0 ||
	    l.n == 0)
		stored_lines(c, &l, p);
	html_lit(b, "</ol>");
	if (next != 0)
		html_lit(b,
		    "<p class=\"cut\">not shown: what came later; it is in "
		    "the audit log</p>");
	html_lit(b, "</section>");
}

/* Refs that stay at the gate come without others. */
static bool
is_for_the_gate(const json_t *updates)
{
	const json_t *u;
	size_t i;

	json_array_foreach(updates, i, u)
	{
		if (json_is_true(json_object_get(u, "keep")))
			return true;
	}
	return false;
}

/* What became of it; upstream's own words are quoted. */
static void
outcome(const struct web_call *c, struct buf *b, const struct stored_push *p)
{
	const char *message = json_get(p->outcome, "message");
	bool keeps = is_for_the_gate(p->updates);
	int64_t size = pack_size(c, p->id);
	const json_t *r;
	size_t i;

	html_lit(b, "<section class=\"card\"><h2>Outcome</h2><p>");
	view_state(b, push_state_name(p->state));
	if (size >= 0) {
		html_lit(b, " <span class=\"dim\">with a pack of ");
		html_bytes(b, (uint64_t)size);
		html_lit(b, "</span>");
	}
	html_lit(b, "</p>");
	if (message[0] != '\0') {
		html_lit(b, "<pre class=\"said\">");
		html_texts(b, message);
		html_lit(b, "</pre>");
	}
	html_lit(b, "<ul class=\"asks\">");
	json_array_foreach(json_object_get(p->outcome, "refs"), i, r)
	{
		bool ok = strcmp(json_get(r, "status"), "ok") == 0;

		html_lit(b, "<li><code>");
		html_texts(b, json_get(r, "ref"));
		html_lit(b, "</code> ");
		if (keeps)
			html_texts(b,
			    ok ? "is kept at the gate" : "was not kept");
		else
			html_texts(b,
			    ok ? "is upstream" : "was refused upstream");
		said(b, json_get(r, "message"));
		html_lit(b, "</li>");
	}
	html_lit(b, "</ul></section>");
}

static void
push_head(struct buf *b, const struct stored_push *p, const char *hold)
{
	html_lit(b, "<div class=\"ask\"><h1>");
	html_texts(b, p->repository);
	html_lit(b, " ");
	view_state(b, push_state_name(p->state));
	html_lit(b, "</h1>");
	html_lit(b, "<p class=\"meta\">");
	if (hold[0] != '\0') {
		html_lit(b, "<a href=\"/-/holds/");
		html_urls(b, hold);
		html_lit(b, "\">Its hold and reviews</a> \xc2\xb7 ");
	}
	html_lit(b, "<a href=\"/-/audit?push=");
	html_urls(b, p->id);
	html_lit(b, "\">Its entries of the audit log</a></p></div>");
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
	view_updates(&b, "What", p.repository, p.updates);
	html_lit(&b, "</div><div class=\"side\">");
	outcome(c, &b, &p);
	time_line(c, &b, &p);
	view_facts(&b, &p, o);
	view_receipts(c, &b);
	html_lit(&b, "</div><div>");
	change_load(c, p.id, p.updates, NULL, &ch);
	change_join(c, &p, &ch);
	view_commits(&b, &ch);
	view_brought(&b, ch.provenance);
	html_lit(&b, "</div></div>");
	view_change(&b, &ch);
	json_decref(o);
	page_reply(c, 200, &b);
}
