/* Who pushed what, and why it was judged so. */
#include "base/fd.h"
#include "model/report.h"
#include "web/diff_view.h"
#include "web/provenance.h"

#include <stdlib.h>

#define REPORT_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define COMMITS_SHOWN    200
#define PATHS_SHOWN      100
#define PATHS_AT_ONCE    10
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
cut_view(struct buf *b, struct view v, size_t most)
{
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
cut_text(struct buf *b, const char *s, size_t most)
{
	cut_view(b, view_str(s), most);
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

/* The value of a fact that may be any JSON. */
static void
json_fact(struct buf *b, const char *name, const json_t *value)
{
	GG_AUTO_MEM char *text = json_is_string(value) ?
	    NULL :
	    json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	fact(b, name, text != NULL ? text : json_string_value(value));
}

static void
claims(struct buf *b, const struct stored_push *p, const json_t *record)
{
	/* jansson's iterators want a pointer to what they do not change */
	json_t *o = json_deep_copy(json_object_get(record, "claimed")), *value;
	const char *key;

	if (json_object_size(o) > 0) {
		html_lit(b,
		    "<div class=\"claims\"><p><span class=\"badge claimed\">"
		    "claimed</span> by the pusher; proves nothing</p><dl>");
		json_object_foreach(o, key, value) json_fact(b, key, value);
		if (identity_proves(p->identity, json_get(o, "agent.session")))
			html_lit(b,
			    "<dt>the session</dt><dd><span class=\"badge "
			    "verified\">verified</span> the credential names "
			    "it, too</dd>");
		html_lit(b, "</dl></div>");
	}
	json_decref(o);
}

static void
all_facts(struct buf *b, json_t *o)
{
	const char *key;
	json_t *value;

	json_object_foreach(o, key, value) json_fact(b, key, value);
}

/* What a credential proved beside the name. */
static void
further_facts(struct buf *b, const json_t *verified)
{
	/* jansson's iterators want a pointer to what they do not change */
	json_t *o = json_deep_copy(verified), *proven;

	(void)json_object_del(o, "principal");
	(void)json_object_del(o, "auth");
	(void)json_object_del(o, "session"); /* said beside the claim */
	proven = json_incref(json_object_get(o, "claims"));
	(void)json_object_del(o, "claims");
	all_facts(b, o);
	all_facts(b, proven);
	json_decref(proven);
	json_decref(o);
}

void
view_facts(struct buf *b, const struct stored_push *p, const json_t *record)
{
	html_lit(b,
	    "<section class=\"card\"><h2>Who <span class=\"badge verified\">"
	    "verified</span></h2><dl><dt>principal</dt><dd><strong>");
	html_texts(b, p->principal);
	html_lit(b, "</strong></dd>");
	fact(b, "signed in by", p->auth_method);
	further_facts(b, json_object_get(record, "verified"));
	if (p->groups.n > 0) {
		html_lit(b, "<dt>groups</dt><dd>");
		for (size_t i = 0; i < p->groups.n; i++) {
			html_texts(b, i > 0 ? ", " : "");
			html_texts(b, p->groups.v[i]);
		}
		html_lit(b, "</dd>");
	}
	fact(b, "from", p->client_addr);
	html_lit(b, "</dl>");
	if (p->client_agent != NULL && p->client_agent[0] != '\0') {
		html_lit(b, "<p class=\"meta\">with ");
		cut_text(b, p->client_agent, VALUE_SHOWN);
		html_lit(b, "</p>");
	}
	claims(b, p, record);
	html_lit(b, "</section>");
}

static void
reason_path(struct buf *b, const json_t *p)
{
	const char *commit = json_get(p, "commit");

	html_lit(b, "<li>");
	if (json_get(p, "path")[0] != '\0') {
		html_lit(b, "<code>");
		html_texts(b, json_get(p, "path"));
		html_lit(b, "</code> ");
	}
	html_texts(b, json_get(p, "change"));
	if (commit[0] != '\0') {
		html_lit(b, " <span class=\"dim\">in <code>");
		html_text(b, view_of(commit, strnlen(commit, 12)));
		html_lit(b, "</code></span>");
	}
	html_lit(b, "</li>");
}

/* A few are read at once; all of them if one asks. */
static void
reason_paths(struct buf *b, const json_t *paths)
{
	size_t i, n = json_array_size(paths);
	const json_t *p;

	html_lit(b, "<ul class=\"paths\">");
	json_array_foreach(paths, i, p)
	{
		if (i == PATHS_AT_ONCE) {
			html_lit(b, "</ul><details><summary class=\"small\">");
			html_u64(b, n - i);
			html_lit(b, " more</summary><ul class=\"paths\">");
		}
		if (i == PATHS_SHOWN)
			break;
		reason_path(b, p);
	}
	html_lit(b, "</ul>");
	if (n > PATHS_AT_ONCE) {
		if (n > PATHS_SHOWN)
			not_shown(b, n - PATHS_SHOWN, "paths");
		html_lit(b, "</details>");
	}
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
	html_lit(b, "</strong>");
	if (json_get(r, "message")[0] != '\0') {
		html_lit(b, "<p class=\"reason\">");
		html_texts(b, json_get(r, "message"));
		html_lit(b, "</p>");
	}
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

static void
show_update(struct buf *b, const char *repository, const json_t *u)
{
	const json_t *r;
	size_t k;

	html_lit(b, "<div class=\"ref\"><h3><code>");
	html_texts(b, json_get(u, "ref"));
	html_lit(b,
	    "</code> <a class=\"small\" href=\"/-/audit/timeline?repository=");
	html_urls(b, repository);
	html_lit(b, "&amp;ref=");
	html_urls(b, json_get(u, "ref"));
	html_lit(b, "\">timeline</a> <span class=\"badge\">");
	html_texts(b, json_get(u, "kind"));
	html_lit(b, "</span>");
	if (json_is_true(json_object_get(u, "keep")))
		html_lit(b,
		    " <span class=\"badge\">kept at the gate, not sent "
		    "upstream</span>");
	html_lit(b, "</h3><p class=\"small\">");
	oid_text(b, json_get(u, "old"));
	html_lit(b, " → ");
	oid_text(b, json_get(u, "new"));
	html_lit(b, "</p>");
	if (json_array_size(json_object_get(u, "reasons")) > 0) {
		html_lit(b, "<ul class=\"reasons\">");
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		    reason(b, r);
		html_lit(b, "</ul>");
	}
	html_lit(b, "</div>");
}

void
view_updates(struct buf *b, const char *heading, const char *repository,
    const json_t *updates)
{
	size_t i, start = b->n;
	const json_t *u;

	html_lit(b, "<section class=\"card\"><h2>");
	html_texts(b, heading);
	html_lit(b, "</h2>");
	json_array_foreach(updates, i, u)
	{
		if (b->n - start > PART_BYTES) {
			not_shown(b, json_array_size(updates) - i, "refs");
			break;
		}
		show_update(b, repository, u);
	}
	html_lit(b, "</section>");
}

static void
commit_paths(struct buf *b, const struct path_changes *paths)
{
	size_t i, start = b->n;

	html_lit(b, "<details><summary class=\"small dim\">");
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
commit_row(struct buf *b, const struct commit_info *ci, struct view subject,
    const struct diff_wish *w)
{
	char hex[OID_HEX + 1];

	oid_format(&ci->oid, hex);
	html_lit(b, "<div class=\"row\"><span>");
	html_text(b, subject);
	html_lit(b, "</span><a class=\"small\" href=\"");
	diff_commit_link(b, w, hex);
	html_lit(b, "\"><span class=\"vh\">only the changes of </span><code>");
	html_text(b, view_of(hex, 12));
	html_lit(b, "</code></a></div><div class=\"small dim\">");
	html_texts(b, ci->author_name);
	html_lit(b, " &lt;");
	html_texts(b, ci->author_email);
	html_lit(b, "&gt; ");
	if (strcmp(ci->author_email, ci->committer_email) != 0) {
		html_lit(b, "· committed by ");
		html_texts(b, ci->committer_name);
		html_lit(b, " &lt;");
		html_texts(b, ci->committer_email);
		html_lit(b, "&gt; ");
	}
	html_lit(b, "<span class=\"badge claimed\">claimed</span></div>");
}

static void
commit_item(struct buf *b, const struct commit_info *ci,
    const struct change *ch)
{
	struct view message = view_str(ci->message), subject;

	if (!view_cut(&message, '\n', &subject)) {
		subject = message;
		message = view_of(NULL, 0);
	}
	html_lit(b, "<li>");
	commit_row(b, ci, subject, &ch->wish);
	view_commit_provenance(b, ch->provenance,
	    provenance_of_commit(ch->provenance, &ci->oid));
	while (message.n > 0 && message.p[0] == '\n')
		view_skip(&message, 1);
	while (message.n > 0 && message.p[message.n - 1] == '\n')
		message.n--;
	if (message.n > 0) {
		html_lit(b, "<pre>");
		cut_view(b, message, MESSAGE_SHOWN);
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
view_commits(struct buf *b, const struct change *ch)
{
	const struct change_report *r = ch->report;
	size_t i, start = b->n;

	html_lit(b, "<section class=\"card\"><h2>");
	if (r != NULL && r->n_commits > 0) {
		html_u64(b, r->n_commits);
		html_lit(b, " ");
	}
	html_texts(b, r != NULL && r->n_commits == 1 ? "commit" : "commits");
	html_lit(b, "</h2>");
	if (r == NULL) {
		html_lit(b,
		    "<p class=\"cut\">The list of commits is not "
		    "available.</p></section>");
		return;
	}
	too_large_notes(b, r);
	if (r->n_commits == 0)
		html_lit(b, "<p class=\"empty\">No new commits.</p>");
	else
		html_lit(b, "<ol class=\"commits\">");
	for (i = 0;
	     i < r->n_commits && i < COMMITS_SHOWN && b->n - start < PART_BYTES;
	     i++)
		commit_item(b, &r->commits[i], ch);
	if (r->n_commits > 0)
		html_lit(b, "</ol>");
	if (i < r->n_commits)
		not_shown(b, r->n_commits - i, "commits");
	html_lit(b, "</section>");
}

void
change_release(struct change *ch)
{
	change_report_free(ch->report);
	diff_index_release(&ch->x);
	buf_release(&ch->raw);
	line_claims_release(&ch->lines);
	json_decref(ch->provenance);
}

void
change_load_report(const struct web_call *c, const char *push,
    struct change *out)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/report",
	    c->cfg->state_dir, push);
	GG_AUTO_RELEASE(buf) raw = BUF_INIT(REPORT_MAX_BYTES);

	if (file_read(path, &raw, NULL) != 0 ||
	    change_report_decode(buf_view(&raw), &out->report, NULL) != 0)
		out->report = NULL;
}

void
change_load(const struct web_call *c, const char *push, const json_t *updates,
    const char *hold, struct change *out)
{
	GG_AUTO_MEM char *path = path_f("%s/pushes/%s/diff", c->cfg->state_dir,
	    push);

	diff_wish_read(c, &out->wish);
	out->wish.hold = hold;
	change_load_report(c, push, out);
	out->raw = BUF_INIT((size_t)c->cfg->limits.diff_bytes * 2 + 1048576);
	out->has_diff = file_read(path, &out->raw, NULL) == 0;
	if (out->has_diff)
		diff_index_read(&out->x, buf_view(&out->raw), updates);
}

void
change_join(const struct web_call *c, const struct stored_push *p,
    struct change *ch)
{
	ch->provenance = json_of_provenance(c, p, ch->report);
	line_claims_read(&ch->lines, ch->provenance, ch->report, &ch->x);
	ch->wish.claims = &ch->lines;
}

/* From the end on its quarantine may be gone at any moment. */
bool
hold_has_objects(const struct stored_hold *h)
{
	return h->state == HOLD_PENDING || h->state == HOLD_APPROVED;
}

void
view_change(struct buf *b, const struct change *ch)
{
	if (ch->has_diff)
		view_diff(b, &ch->x, &ch->wish);
	else
		html_lit(b,
		    "<p class=\"cut\" id=\"diff\">There is no diff for this "
		    "push.</p>");
}
