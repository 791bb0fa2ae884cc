/* Who pushed what, and why it was judged so. */
#include "base/fd.h"
#include "model/report.h"
#include "web/web_priv.h"

#include <stdlib.h>

#define REPORT_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define COMMITS_SHOWN    200
#define PATHS_SHOWN      100
#define MESSAGE_SHOWN    ((size_t)4000)
#define VALUE_SHOWN      ((size_t)2000)
/* Of one part of the page, so that no push can make it unusable. */
#define PART_BYTES ((size_t)2 * 1024 * 1024)

static void
not_shown(struct buf *b, uint64_t n, const char *what)
{
	html_lit(b, "<p class=\"cut\" role=\"note\">not shown: ");
	html_u64(b, n);
	html_lit(b, " ");
	html_texts(b, what);
	html_lit(b, "</p>");
}

static void
cut_text(struct buf *b, const char *s, size_t most)
{
	struct view v = view_str(s);

	if (v.n <= most) {
		html_text(b, v);
		return;
	}
	html_text(b, view_of(v.p, most));
	html_lit(b, "<span class=\"cut\">not shown: ");
	html_u64(b, v.n - most);
	html_lit(b, " bytes</span>");
}

static void
fact(struct buf *b, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	html_lit(b, "<dt>");
	html_texts(b, name);
	html_lit(b, "</dt><dd>");
	cut_text(b, value, VALUE_SHOWN);
	html_lit(b, "</dd>");
}

static void
claims(struct buf *b, const json_t *claimed)
{
	const char *key;
	json_t *value;
	/* jansson's iterators want a pointer to what they do not change */
	json_t *o = json_deep_copy(claimed);

	json_object_foreach(o, key, value)
	{
		GG_AUTO_MEM char *text = json_is_string(value) ?
		    NULL :
		    json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		html_lit(b, "<dt>");
		html_texts(b, key);
		html_lit(b,
		    " <span class=\"badge claimed\">claimed</span>"
		    "</dt><dd>");
		cut_text(b,
		    json_is_string(value) ? json_string_value(value) : text,
		    VALUE_SHOWN);
		html_lit(b, "</dd>");
	}
	json_decref(o);
}

void
view_facts(struct buf *b, const struct stored_push *p)
{
	html_lit(b,
	    "<section class=\"card\"><h2>Who</h2><dl><dt>principal "
	    "<span class=\"badge verified\">verified</span></dt><dd><strong>");
	html_texts(b, p->principal);
	html_lit(b, "</strong></dd>");
	fact(b, "signed in by", p->auth_method);
	if (p->groups.n > 0) {
		html_lit(b, "<dt>groups</dt><dd>");
		for (size_t i = 0; i < p->groups.n; i++) {
			html_lit(b, " ");
			html_texts(b, p->groups.v[i]);
		}
		html_lit(b, "</dd>");
	}
	fact(b, "from", p->client_addr);
	fact(b, "client", p->client_agent);
	claims(b, json_object_get(p->request, "claimed"));
	html_lit(b, "</dl></section>");
}

static void
reason_paths(struct buf *b, const json_t *paths)
{
	const json_t *p;
	size_t i;

	html_lit(b, "<ul class=\"paths\">");
	json_array_foreach(paths, i, p)
	{
		html_lit(b, "<li><code>");
		html_texts(b, json_get(p, "path"));
		html_lit(b, "</code> ");
		html_texts(b, json_get(p, "change"));
		html_lit(b, " <span class=\"dim oid\">");
		html_text(b,
		    view_of(json_get(p, "commit"),
			strnlen(json_get(p, "commit"), 12)));
		html_lit(b, "</span></li>");
	}
	html_lit(b, "</ul>");
}

static void
reason(struct buf *b, const json_t *r)
{
	html_lit(b, "<li><span class=\"badge ");
	html_attrs(b, json_get(r, "verdict"));
	html_lit(b, "\">");
	html_texts(b, json_get(r, "verdict"));
	html_lit(b, "</span> by rule <strong>");
	html_texts(b, json_get(r, "rule"));
	html_lit(b, "</strong> ");
	html_texts(b, json_get(r, "message"));
	if (json_array_size(json_object_get(r, "paths")) > 0)
		reason_paths(b, json_object_get(r, "paths"));
	html_lit(b, "</li>");
}

static bool
is_zero_oid(const char *hex)
{
	return hex[0] == '\0' || strspn(hex, "0") == strlen(hex);
}

static void
oid_text(struct buf *b, const char *hex)
{
	if (is_zero_oid(hex)) {
		html_lit(b, "(none)");
		return;
	}
	html_lit(b, "<code class=\"oid\">");
	html_texts(b, hex);
	html_lit(b, "</code>");
}

void
view_updates(struct buf *b, const json_t *updates)
{
	const json_t *u, *r;
	size_t i, k, start = b->n;

	html_lit(b, "<section class=\"card\"><h2>What</h2>");
	json_array_foreach(updates, i, u)
	{
		if (b->n - start > PART_BYTES) {
			not_shown(b, json_array_size(updates) - i, "refs");
			break;
		}
		html_lit(b, "<h3><code>");
		html_texts(b, json_get(u, "ref"));
		html_lit(b, "</code> <span class=\"dim\">");
		html_texts(b, json_get(u, "kind"));
		html_lit(b, "</span></h3><p>");
		oid_text(b, json_get(u, "old"));
		html_lit(b, " → ");
		oid_text(b, json_get(u, "new"));
		html_lit(b, "</p><ul>");
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		    reason(b, r);
		html_lit(b, "</ul>");
	}
	html_lit(b, "</section>");
}

static void
commit_paths(struct buf *b, const struct path_changes *paths)
{
	size_t i, start = b->n;

	html_lit(b, "<details><summary>");
	html_u64(b, paths->n);
	html_texts(b, paths->n == 1 ? " changed path" : " changed paths");
	html_lit(b, "</summary><ul class=\"paths\">");
	for (i = 0;
	     i < paths->n && i < PATHS_SHOWN && b->n - start < PART_BYTES / 16;
	     i++) {
		html_lit(b, "<li><code>");
		html_texts(b, paths->v[i].path);
		html_lit(b, "</code> ");
		html_texts(b, change_name(paths->v[i].kinds));
		html_lit(b, "</li>");
	}
	html_lit(b, "</ul>");
	if (i < paths->n)
		not_shown(b, paths->n - i, "paths");
	html_lit(b, "</details>");
}

static void
commit_item(struct buf *b, const struct commit_info *ci)
{
	struct view message = view_str(ci->message), subject;
	char hex[OID_HEX + 1];

	oid_format(&ci->oid, hex);
	if (!view_cut(&message, '\n', &subject)) {
		subject = message;
		message = view_of(NULL, 0);
	}
	html_lit(b, "<li><strong>");
	html_text(b, subject);
	html_lit(b, "</strong> <code class=\"oid\">");
	html_text(b, view_of(hex, 12));
	html_lit(b, "</code><div class=\"dim\">author ");
	html_texts(b, ci->author_name);
	html_lit(b, " &lt;");
	html_texts(b, ci->author_email);
	html_lit(b, "&gt; <span class=\"badge claimed\">claimed</span></div>");
	while (message.n > 0 && message.p[0] == '\n')
		view_skip(&message, 1);
	if (message.n > 0) {
		html_lit(b, "<pre>");
		cut_text(b, message.p, MESSAGE_SHOWN);
		html_lit(b, "</pre>");
	}
	commit_paths(b, &ci->paths);
	html_lit(b, "</li>");
}

static void
too_large_notes(struct buf *b, const struct change_report *r)
{
	for (size_t i = 0; i < r->n_updates; i++) {
		if (!r->updates[i].too_large)
			continue;
		html_lit(b,
		    "<p class=\"cut\" role=\"note\">Not everything was looked "
		    "at: the limit ");
		html_texts(b, r->updates[i].too_large_why);
		html_lit(b, " was reached. This list is not complete.</p>");
	}
}

void
view_commits(const struct web_call *c, struct buf *b, const char *push)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/report",
	    c->cfg->state_dir, push);
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(REPORT_MAX_BYTES);
	GG_AUTO(change_report) r = NULL;
	size_t i, start = b->n;

	html_lit(b, "<section class=\"card\"><h2>Commits</h2>");
	if (file_read(path, &raw, NULL) != 0 ||
	    change_report_decode(buf_view(&raw), &r, NULL) != 0) {
		html_lit(b,
		    "<p class=\"cut\">The list of commits is not "
		    "available.</p></section>");
		return;
	}
	too_large_notes(b, r);
	html_lit(b, "<ol class=\"commits\">");
	for (i = 0;
	     i < r->n_commits && i < COMMITS_SHOWN && b->n - start < PART_BYTES;
	     i++)
		commit_item(b, &r->commits[i]);
	html_lit(b, "</ol>");
	if (r->n_commits == 0)
		html_lit(b, "<p class=\"empty\">No new commits.</p>");
	if (i < r->n_commits)
		not_shown(b, r->n_commits - i, "commits");
	html_lit(b, "</section>");
}
