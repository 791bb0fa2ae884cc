/*
 * What a reviewer asks to see beside the recorded diff: whole files, pictures,
 * and what the recorded diff has left out. An inspector reads it from the
 * objects of the push while it is held; nothing but what the push changes can
 * be asked for.
 */
#include "base/fd.h"
#include "base/num.h"
#include "web/diff_lines.h"
#include "web/diff_view.h"

#include <stdlib.h>

#define FILE_LINES_SHOWN 20000
#define FILE_PAGE_BYTES  ((size_t)8 * 1024 * 1024)

/* ---- pictures: by name where they are linked, by their bytes where they
 * are served ---- */

static const struct picture {
	const char *type, *suffix, *magic;
	size_t n, at; /* bytes of magic, and where they stand */
} pictures[] = {
	{ "image/png", ".png", "\x89PNG\r\n\x1a\n", 8, 0 },
	{ "image/jpeg", ".jpg", "\xff\xd8\xff", 3, 0 },
	{ "image/jpeg", ".jpeg", "\xff\xd8\xff", 3, 0 },
	{ "image/gif", ".gif", "GIF8", 4, 0 },
	{ "image/webp", ".webp", "WEBP", 4, 8 },
};

static bool
is_picture_name(struct view path)
{
	for (size_t i = 0; i < GG_COUNT(pictures); i++)
		if (view_has_suffix(path, pictures[i].suffix))
			return true;
	return false;
}

static const char *
picture_type(struct view bytes)
{
	for (size_t i = 0; i < GG_COUNT(pictures); i++) {
		const struct picture *p = &pictures[i];

		if (bytes.n >= p->at + p->n &&
		    memcmp(bytes.p + p->at, p->magic, p->n) == 0)
			return p->type;
	}
	return NULL;
}

static void
object_url(struct buf *b, const struct diff_wish *w, const char *what,
    struct view oid)
{
	html_lit(b, "/-/holds/");
	html_urls(b, w->hold);
	html_lit(b, "/");
	html_attrs(b, what);
	html_lit(b, "?oid=");
	html_url(b, oid);
}

static void
picture(struct buf *b, const struct diff_wish *w, const char *side,
    struct view oid, struct view path)
{
	if (oid.n == 0)
		return;
	html_lit(b, "<figure><figcaption>");
	html_texts(b, side);
	html_lit(b, "</figcaption><img loading=\"lazy\" src=\"");
	object_url(b, w, "image", oid);
	html_lit(b, "\" alt=\"");
	html_attrs(b, side);
	html_lit(b, " picture of ");
	html_attr(b, path);
	html_lit(b, "\"></figure>");
}

static void
whole_link(struct buf *b, const struct diff_wish *w, const char *text,
    struct view oid)
{
	if (oid.n == 0)
		return;
	html_lit(b, " <a href=\"");
	object_url(b, w, "file", oid);
	html_lit(b, "\">");
	html_texts(b, text);
	html_lit(b, "</a>");
}

void
view_file_more(struct buf *b, const struct diff_wish *w,
    const struct diff_entry *e)
{
	bool both = e->f.old_oid.n > 0 && e->f.new_oid.n > 0 &&
	    !view_eq(e->f.old_oid, e->f.new_oid);
	const struct view none = view_of(NULL, 0);

	if (w->hold == NULL || (e->f.flags & DIFF_FLAG_SUBMODULE))
		return;
	if ((e->f.flags & DIFF_FLAG_BINARY) &&
	    is_picture_name(diff_entry_path(e))) {
		html_lit(b, "<div class=\"images\">");
		picture(b, w, "old", e->f.old_oid, diff_entry_path(e));
		picture(b, w, "new", e->f.new_oid, diff_entry_path(e));
		html_lit(b, "</div>");
		return;
	}
	if (e->f.flags & DIFF_FLAG_BINARY)
		return;
	html_lit(b, "<p class=\"whole small\">Whole file:");
	whole_link(b, w, both ? "old" : "as it was",
	    both || e->f.new_oid.n == 0 ? e->f.old_oid : none);
	whole_link(b, w, both ? "new" : "show", e->f.new_oid);
	html_lit(b, "</p>");
}

/* ---- may it be asked for? ---- */

/* What a request of this kind needs. */
struct asked {
	struct stored_hold h;
	struct stored_push p;
	struct change ch;
	struct buf out;
};

static void
asked_release(struct asked *a)
{
	stored_hold_release(&a->h);
	stored_push_release(&a->p);
	change_release(&a->ch);
	buf_release(&a->out);
}
GG_DEFINE_AUTO_RELEASE(asked);

static int
ask_load(const struct web_call *c, struct asked *a, struct gg_error *err)
{
	int rc = load_hold(c, &a->h, &a->p, err);

	if (rc != 0)
		return rc;
	if (a->p.id == NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    "the push of this hold is not recorded any more");
	if (!hold_has_objects(&a->h))
		return gg_fail(err, GG_E_NOTFOUND,
		    "this hold has ended: only what was recorded can be "
		    "shown");
	change_load(c, a->h.push_id, a->h.updates, c->id, &a->ch);
	return 0;
}

static int
query_oid(const struct web_call *c, const char *name, struct oid *oid,
    struct gg_error *err)
{
	const char *s = http_query(c->rq, name);

	if (s == NULL || !oid_parse(view_str(s), oid))
		return gg_fail(err, GG_E_PEER, "%s must be an object id", name);
	return 0;
}

static bool
list_has(const struct path_changes *l, const struct oid *oid, char **path)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct path_change *p = &l->v[i];

		if ((p->new_mode != 0 && oid_eq(&p->new_oid, oid)) ||
		    (p->old_mode != 0 && oid_eq(&p->old_oid, oid))) {
			*path = view_dup(view_str(p->path));
			return true;
		}
	}
	return false;
}

/* The path under which the change has this object; false: it has not. */
static bool
change_has(const struct change *ch, const struct oid *oid, char **path)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	for (size_t i = 0; i < ch->x.n_files; i++) {
		const struct diff_entry *e = &ch->x.files[i];

		if (view_eq_str(e->f.new_oid, hex) ||
		    view_eq_str(e->f.old_oid, hex)) {
			*path = view_dup(diff_entry_path(e));
			return true;
		}
	}
	for (size_t i = 0; ch->report != NULL && i < ch->report->n_commits; i++)
		if (list_has(&ch->report->commits[i].paths, oid, path))
			return true;
	for (size_t i = 0; ch->report != NULL && i < ch->report->n_updates; i++)
		if (list_has(&ch->report->updates[i].net, oid, path))
			return true;
	return false;
}

/* One blob of the change; *path is malloc'ed. */
static int
ask_blob(struct web_call *c, struct asked *a, char **path, struct gg_error *err)
{
	struct view_ask ask = { .kind = VIEW_BLOB, .ref = "" };
	int rc;

	if ((rc = query_oid(c, "oid", &ask.to, err)) != 0 ||
	    (rc = ask_load(c, a, err)) != 0)
		return rc;
	if (!change_has(&a->ch, &ask.to, path) || *path == NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    "this is no file of the change");
	ask.path = *path;
	a->out = BUF_INIT((size_t)c->cfg->limits.view_bytes * 2);
	return c->ops->view(c->ops->ctx, &a->p, &ask, &a->out, err);
}

/* ---- a whole file ---- */

static void
file_lines(struct buf *b, struct file_claims *claims, struct view text)
{
	size_t start = b->n;
	uint64_t n = 0;
	struct view line;

	html_lit(b, "<div class=\"file\"><table class=\"diff ");
	if (claims->n > 0)
		html_lit(b, "marked ");
	html_lit(b,
	    "unified\"><thead "
	    "class=\"vh\"><tr><th>line</th><th>text</th></tr></thead><tbody>");
	while (text.n > 0 && n < FILE_LINES_SHOWN &&
	    b->n - start < FILE_PAGE_BYTES) {
		if (!view_cut(&text, '\n', &line)) {
			line = text;
			text.n = 0;
		}
		buf_addf(b, "<tr id=\"L%llu\"><td class=\"n one\">",
		    (unsigned long long)n + 1);
		view_line_mark(b, claims, n + 1);
		html_u64(b, n + 1);
		html_lit(b, "</td><td class=\"line\">");
		diff_line_text(b, line, true);
		html_lit(b, "</td></tr>\n");
		n++;
	}
	html_lit(b, "</tbody></table></div>");
	if (text.n == 0)
		return;
	html_lit(b, "<p class=\"cut\" role=\"note\">not shown: ");
	html_u64(b, text.n);
	html_lit(b, " bytes behind this</p>");
}

static void
whole_file(struct buf *b, const struct asked *a, const char *path,
    const char *oid)
{
	struct file_claims claims = line_claims_of(&a->ch.lines, view_str(path),
	    view_str(oid));

	if (claims.n > 0)
		view_marks_legend(b, &a->ch.lines);
	view_file_claims(b, &claims);
	file_lines(b, &claims, buf_view(&a->out));
}

static void
back_link(struct buf *b, const struct web_call *c)
{
	html_lit(b, "<p class=\"meta\"><a href=\"/-/holds/");
	html_urls(b, c->id);
	html_lit(b, "\">To the hold</a></p>");
}

void
hold_file(struct web_call *c)
{
	GG_AUTO_RELEASE(asked) a = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	GG_AUTO_MEM char *path = NULL;
	struct gg_error err = { 0 };
	int rc = ask_blob(c, &a, &path, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	change_join(c, &a.p, &a.ch);
	page_begin(c, &b, "File", "Holds");
	html_lit(&b, "<div class=\"ask\"><h1><code>");
	html_texts(&b, path);
	html_lit(&b, "</code></h1><p class=\"meta\">");
	html_bytes(&b, a.out.n);
	html_lit(&b, " in object <code>");
	html_texts(&b, http_query(c->rq, "oid"));
	html_lit(&b, "</code></p>");
	back_link(&b, c);
	html_lit(&b, "</div>");
	if (a.out.n > 0 && memchr(a.out.p, '\0', a.out.n) != NULL)
		html_lit(&b,
		    "<p class=\"cut\">Binary: its bytes are not shown as "
		    "text.</p>");
	else
		whole_file(&b, &a, path, http_query(c->rq, "oid"));
	page_reply(c, 200, &b);
}

/* Only what its own bytes prove to be a picture, and never as anything else:
 * a browser that opens it by itself runs nothing. */
void
hold_image(struct web_call *c)
{
	static const struct http_headers h[] = {
		{ "Content-Security-Policy",
		    "default-src 'none'; sandbox; frame-ancestors 'none'" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ NULL, NULL },
	};
	GG_AUTO_RELEASE(asked) a = { 0 };
	GG_AUTO_MEM char *path = NULL;
	struct gg_error err = { 0 };
	const char *type;
	int rc = ask_blob(c, &a, &path, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	if ((type = picture_type(buf_view(&a.out))) == NULL)
		page_error(c, 415, "Not a picture",
		    "Only PNG, JPEG, GIF and WebP are shown.");
	else
		http_reply(c->rq, 200, type, buf_view(&a.out), h);
}

/* Its bytes, whatever they are, as a file: no browser shows it. */
void
api_hold_file(struct web_call *c)
{
	static const struct http_headers h[] = {
		{ "Content-Disposition", "attachment" },
		{ "Content-Security-Policy",
		    "default-src 'none'; sandbox; frame-ancestors 'none'" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ NULL, NULL },
	};
	GG_AUTO_RELEASE(asked) a = { 0 };
	GG_AUTO_MEM char *path = NULL;
	struct gg_error err = { 0 };
	int rc = ask_blob(c, &a, &path, &err);

	if (rc != 0)
		api_failure(c, rc, &err);
	else
		http_reply(c->rq, 200, "application/octet-stream",
		    buf_view(&a.out), h);
}

/* ---- what the recorded diff has left out ---- */

static bool
report_has_commit(const struct change_report *r, const struct oid *oid)
{
	for (size_t i = 0; r != NULL && i < r->n_commits; i++)
		if (oid_eq(&r->commits[i].oid, oid))
			return true;
	return false;
}

/* The net diff is that of an update that the recorded diff begins. */
static const struct diff_section *
section_of_ref(const struct diff_index *x, const char *ref)
{
	for (size_t i = 0; i < x->n_sections; i++)
		if (x->sections[i].commit.n == 0 &&
		    view_eq_str(x->sections[i].ref, ref))
			return &x->sections[i];
	return NULL;
}

static int
fill_ask(const struct web_call *c, const struct change *ch,
    struct view_ask *ask, struct gg_error *err)
{
	const char *ref = http_query(c->rq, "ref");
	const struct diff_section *s;
	int rc;

	ask->path = "";
	ask->ref = ref != NULL ? ref : "";
	if (http_query(c->rq, "commit") != NULL) {
		ask->kind = VIEW_COMMIT;
		if ((rc = query_oid(c, "commit", &ask->to, err)) != 0)
			return rc;
		return report_has_commit(ch->report, &ask->to) ?
		    0 :
		    gg_fail(err, GG_E_NOTFOUND,
			"this is no commit of the "
			"push");
	}
	ask->kind = VIEW_NET;
	if ((s = section_of_ref(&ch->x, ask->ref)) == NULL ||
	    !oid_parse(s->to, &ask->to) ||
	    (s->from.n > 0 && !oid_parse(s->from, &ask->from)))
		return gg_fail(err, GG_E_NOTFOUND, "no such ref in the push");
	return 0;
}

static int
ask_diff(struct web_call *c, struct asked *a, struct view_ask *ask,
    struct gg_error *err)
{
	const char *skip = http_query(c->rq, "skip");
	int rc;

	if (skip != NULL &&
	    num_parse(view_str(skip), UINT32_MAX, &ask->skip, NULL) != 0)
		return gg_fail(err, GG_E_PEER, "skip must be a number");
	if ((rc = ask_load(c, a, err)) != 0 ||
	    (rc = fill_ask(c, &a->ch, ask, err)) != 0)
		return rc;
	a->out = BUF_INIT((size_t)c->cfg->limits.diff_bytes * 2 + 1048576);
	return c->ops->view(c->ops->ctx, &a->p, ask, &a->out, err);
}

void
hold_diff(struct web_call *c)
{
	GG_AUTO_RELEASE(asked) a = { 0 };
	GG_AUTO_RELEASE(diff_index) x = { 0 };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct view_ask ask = { 0 };
	struct gg_error err = { 0 };
	int rc = ask_diff(c, &a, &ask, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	change_join(c, &a.p, &a.ch);
	diff_index_read(&x, buf_view(&a.out), a.h.updates);
	a.ch.wish.ref = ask.kind == VIEW_NET ? ask.ref : NULL;
	a.ch.wish.skip = ask.skip;
	a.ch.wish.on_demand = true;
	page_begin(c, &b, "Diff", "Holds");
	html_lit(&b, "<div class=\"ask\"><h1>");
	html_texts(&b, a.h.repository);
	html_lit(&b, "</h1>");
	if (ask.skip > 0) {
		html_lit(&b, "<p>Without the first ");
		html_u64(&b, ask.skip);
		html_texts(&b, ask.skip == 1 ? " file" : " files");
		html_lit(&b, ".</p>");
	}
	back_link(&b, c);
	html_lit(&b, "</div>");
	view_diff(&b, &x, &a.ch.wish);
	page_reply(c, 200, &b);
}

void
api_hold_diff(struct web_call *c)
{
	GG_AUTO_RELEASE(asked) a = { 0 };
	GG_AUTO_RELEASE(diff_index) x = { 0 };
	struct view_ask ask = { 0 };
	struct gg_error err = { 0 };
	int rc = ask_diff(c, &a, &ask, &err);

	if (rc != 0) {
		api_failure(c, rc, &err);
		return;
	}
	diff_index_read(&x, buf_view(&a.out), a.h.updates);
	api_reply(c, 200, json_pack("{s:o}", "diff", json_of_diff(&x)));
}
