/* "Who moved this ref, with whose approval, from which prompt, and can I trust
 * the log?" on one page. */
#include "audit/receipt.h"
#include "web/diff_view.h"
#include "web/explain.h"
#include "web/provenance.h"

#define COMMITS_SHOWN 50
#define PART_BYTES    ((size_t)1024 * 1024)

static void
value(struct buf *b, const char *id)
{
	if (id[0] == '\0' || strspn(id, "0") == strlen(id)) {
		html_lit(b, "nothing");
		return;
	}
	html_lit(b, "<code class=\"oid\">");
	html_texts(b, id);
	html_lit(b, "</code>");
}

static void
head(struct buf *b, const json_t *o)
{
	const json_t *step = json_object_get(o, "step");
	bool ours = strcmp(json_get(step, "how"), "out-of-band") != 0;

	html_lit(b, "<div class=\"ask\"><h1><code>");
	html_texts(b, json_get(o, "ref"));
	html_lit(b, "</code> ");
	html_texts(b, json_get(o, "repository"));
	html_lit(b, "</h1><p class=\"lead\"><strong>");
	html_texts(b,
	    ours ? json_get(step, "principal") : "Somebody, without the gate,");
	html_lit(b, "</strong> moved it from ");
	value(b, json_get(step, "old"));
	html_lit(b, " to ");
	value(b, json_get(step, "new"));
	html_lit(b, "</p><p class=\"meta\">");
	html_when(b, json_get(step, "time"));
	html_lit(b, " \xc2\xb7 <a href=\"/-/audit/timeline?repository=");
	html_urls(b, json_get(o, "repository"));
	html_lit(b, "&amp;ref=");
	html_urls(b, json_get(o, "ref"));
	html_lit(b, "\">every value that it had</a>");
	if (json_get(step, "push")[0] != '\0') {
		html_lit(b, " \xc2\xb7 <a href=\"/-/pushes/");
		html_urls(b, json_get(step, "push"));
		html_lit(b, "\">the recorded push</a>");
	}
	if (json_get(step, "hold")[0] != '\0') {
		html_lit(b, " \xc2\xb7 <a href=\"/-/holds/");
		html_urls(b, json_get(step, "hold"));
		html_lit(b, "\">its hold and reviews</a>");
	}
	html_lit(b, "</p>");
	if (json_is_true(json_object_get(step, "gap")))
		html_lit(b,
		    "<p class=\"cut\">How it came to the old value is not in "
		    "the log.</p>");
	html_lit(b, "</div>");
}

/* ---- what was decided ---- */

/* The log is written first: what the store then refused did not come to be. */
static bool
came_to_be(const json_t *e, const struct stored_hold *h)
{
	if (json_is_true(json_object_get(e, "void")))
		return false;
	return strncmp(json_get(e, "type"), "hold.", 5) != 0 ||
	    (h->id != NULL && hold_entry_is_true(e, h));
}

static void
decisions(const struct web_call *c, struct buf *b, const json_t *o)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	const json_t *e;
	size_t i;

	if (c->id[0] != '\0')
		(void)!store_hold_of_push(c->ops->store, c->id, &h, NULL);

	html_lit(b,
	    "<section class=\"card\"><h2>What was decided, and by whom</h2>"
	    "<ol class=\"line\">");
	json_array_foreach(json_object_get(o, "entries"), i, e)
	{
		if (!came_to_be(e, &h))
			continue;
		html_lit(b, "<li><span class=\"dim small\">");
		html_when(b, json_get(e, "time"));
		html_lit(b, "</span> ");
		view_event(b, e);
		html_lit(b, " <a class=\"small\" href=\"/-/api/v1/audit/");
		html_u64(b,
		    (uint64_t)json_integer_value(json_object_get(e, "seq")));
		html_lit(b, "/receipt\">receipt of entry ");
		html_u64(b,
		    (uint64_t)json_integer_value(json_object_get(e, "seq")));
		html_lit(b, "</a></li>");
	}
	html_lit(b, "</ol></section>");
}

/* ---- can the log be trusted ---- */

static int
check_receipt(const json_t *r, const struct note_vkey *key,
    struct checkpoint *newest, struct gg_error *err)
{
	const json_t *text = json_object_get(r, "receipt");
	GG_AUTO_RELEASE(receipt) x = { 0 };
	struct checkpoint c = { .size = 0 };
	int rc = receipt_parse(view_of(json_string_value(text),
				   json_string_length(text)),
	    &x, err);

	if (rc == 0)
		rc = receipt_verify(&x, buf_view(&x.entry), key, &c, err);
	if (rc == 0 && c.size > newest->size)
		*newest = c;
	return rc;
}

static void
how_to_check(struct buf *b, const json_t *o)
{
	html_lit(b,
	    "<p class=\"dim\">That is this gate's own word. With the public "
	    "key that you keep (docs/audit.md) you need not take it:</p><pre>"
	    "gitgate audit explain-ref --key gate.vkey ");
	html_texts(b, json_get(o, "repository"));
	html_lit(b, " ");
	html_texts(b, json_get(o, "ref"));
	html_lit(b, " ");
	html_texts(b, json_get(json_object_get(o, "step"), "new"));
	html_lit(b, "</pre>");
}

static void
log_state(struct buf *b, const json_t *o)
{
	const json_t *receipts = json_object_get(o, "receipts"), *r;
	struct checkpoint newest = { .size = 0 };
	char root[CHECKPOINT_ROOT_SIZE];
	struct gg_error err = { 0 };
	struct note_vkey key;
	int rc = note_vkey_parse(view_str(json_get(o, "vkey")), &key, &err);
	size_t i;

	html_lit(b, "<section class=\"card\"><h2>In the audit log</h2><p>");
	json_array_foreach(receipts, i, r)
	{
		if (rc != 0)
			break;
		rc = check_receipt(r, &key, &newest, &err);
	}
	if (rc != 0 || json_array_size(receipts) == 0) {
		html_lit(b,
		    "<strong class=\"bad\">Not verified.</strong> "
		    "Ask the operator to run <code>gitgate audit verify</code>."
		    "</p></section>");
		return;
	}
	checkpoint_root_base64(&newest.root, root);
	html_lit(b, "<span class=\"badge verified\">verified</span> ");
	html_u64(b, json_array_size(receipts));
	html_lit(b, " entries are in the tree of size ");
	html_u64(b, newest.size);
	html_lit(b, ", root <code>");
	html_texts(b, root);
	html_lit(b, "</code>, signed by <strong>");
	html_texts(b, key.name);
	html_lit(b, "</strong>.</p>");
	how_to_check(b, o);
	html_lit(b, "</section>");
}

/* ---- from which prompt ---- */

static void
provenance(struct buf *b, const json_t *o)
{
	const json_t *all = json_object_get(json_object_get(o, "push"),
	    "provenance");
	const json_t *commits = json_object_get(all, "commits"), *x;
	size_t i, start = b->n;

	html_lit(b,
	    "<section class=\"card\" id=\"provenance\"><h2>Provenance</h2>");
	if (json_array_size(commits) == 0)
		html_lit(b,
		    "<p class=\"empty\">Nothing is said of how its commits "
		    "were made.</p>");
	html_lit(b, "<ol class=\"commits\">");
	json_array_foreach(commits, i, x)
	{
		const char *hex = json_get(x, "commit");

		if (i == COMMITS_SHOWN || b->n - start > PART_BYTES)
			break;
		html_lit(b, "<li>Commit <code>");
		html_texts(b, hex);
		html_lit(b, "</code>");
		view_commit_provenance(b, all, x);
		html_lit(b, "</li>");
	}
	html_lit(b, "</ol>");
	if (i < json_array_size(commits)) {
		html_lit(b, "<p class=\"cut\">\xe2\x80\xa6 ");
		html_u64(b, json_array_size(commits) - i);
		html_lit(b, " more commits</p>");
	}
	html_lit(b, "</section>");
}

void
explain_page(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	json_t *o = NULL;
	int rc = explain_load(c, &p, &o, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "A step explained", "Audit");
	head(&b, o);
	html_lit(&b, "<div class=\"grid\"><div>");
	decisions(c, &b, o);
	log_state(&b, o);
	html_lit(&b, "</div><div class=\"side\">");
	if (p.id != NULL)
		view_facts(&b, &p, json_object_get(o, "push"));
	html_lit(&b, "</div><div>");
	if (p.id != NULL)
		provenance(&b, o);
	html_lit(&b, "</div></div>");
	json_decref(o);
	page_reply(c, 200, &b);
}
