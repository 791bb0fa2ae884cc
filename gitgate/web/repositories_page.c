/* Repositories: what the gate knows of their mirrors, what is open on them. */
#include "base/fd.h"
#include "web/web_priv.h"

#include <stdlib.h>
#include <string.h>

/* So many are shown. Nobody reads more on one page. */
#define REPOSITORIES_MOST 1000

struct overview {
	const struct web_call *c;
	json_t *items;
	struct strv names; /* of the items */
	json_t *moved; /* by name: when upstream last moved without the gate */
	json_t *kept;  /* by name: what the gate keeps of it */
};

/* Of the newest so many movements: one query for all repositories. */
#define MOVEMENTS_MOST 1000

static int
add_movement(void *ctx, uint64_t index, const char *text)
{
	json_t *moved = ctx, *e = json_loads(text, JSON_ALLOW_NUL, NULL);
	const char *name = json_get(e, "repository");

	(void)index;
	if (json_object_get(moved, name) == NULL)
		(void)json_object_set(moved, name, json_object_get(e, "time"));
	json_decref(e);
	return 0;
}

static int
read_movements(struct overview *o, struct gg_error *err)
{
	struct audit_query q = { .type = "ref.out-of-band",
		.limit = MOVEMENTS_MOST };
	uint64_t next;

	return store_audit_query(o->c->ops->store, &q, add_movement, o->moved,
	    &next, err);
}

/* Where upstream is, and what it said, is for auditors. (Credentials are not
 * in its URL: the configuration refuses that.) */
static json_t *
mirror_json(const struct web_call *c, const char *name)
{
	const struct web_ops *ops = c->ops;
	struct mirror_state m = { 0 };
	const char *state;
	json_t *o;

	ops->mirror_state(ops->ctx, c->cfg, name, &m);
	state = m.is_reading    ? "reading" :
	    m.failed_ms != 0    ? "failed" :
	    m.refreshed_ms != 0 ? "current" :
				  "unread";
	o = json_pack("{s:s, s:o, s:o}", "state", state, "refreshed",
	    json_time(m.refreshed_ms), "failed", json_time(m.failed_ms));
	if (m.failed_ms != 0)
		(void)json_object_set_new(o, "why",
		    access_is_auditor(&c->who) ?
			json_text(m.why.msg) :
			json_string("upstream could not be read; auditors "
				    "see what it said"));
	return o;
}

static int
add_kept(void *ctx, const char *repository, const struct kept_state *st)
{
	struct overview *o = ctx;
	struct mirror_state m = { 0 };

	o->c->ops->mirror_state(o->c->ops->ctx, o->c->cfg, repository, &m);
	return json_object_set_new(o->kept, repository,
		   json_pack("{s:I, s:I, s:I}", "refs", (json_int_t)st->refs,
		       "bytes", (json_int_t)st->bytes, "shadowed",
		       (json_int_t)m.kept_shadowed)) == 0 ?
	    0 :
	    GG_E_NOMEM;
}

/* One that the configuration (still) has and the caller may fetch. */
static void
add(struct overview *o, const char *name, const struct stored_repository *s)
{
	GG_AUTO_RELEASE(repo_ref) ref = { 0 };
	const struct web_call *c = o->c;
	json_t *item;

	if (strv_has(&o->names, name) || !access_may_see(c, name, NULL) ||
	    config_find_repository(c->cfg, view_str(name), &ref, NULL) != 0)
		return;
	strv_add(&o->names, name);
	item = json_object();
	(void)json_object_set_new(item, "name", json_text(name));
	(void)json_object_set_new(item, "pattern",
	    strchr(ref.conf->path, '*') != NULL ? json_text(ref.conf->path) :
						  json_null());
	(void)json_object_set_new(item, "mirror", mirror_json(c, name));
	(void)json_object_set_new(item, "open_holds",
	    json_integer(s != NULL ? (json_int_t)s->open_holds : 0));
	(void)json_object_set_new(item, "last_push",
	    s != NULL ? json_text(s->last_push) : json_null());
	(void)json_object_set(item, "out_of_band",
	    json_object_get(o->moved, name) != NULL ?
		json_object_get(o->moved, name) :
		json_null());
	(void)json_object_set(item, "kept",
	    json_object_get(o->kept, name) != NULL ?
		json_object_get(o->kept, name) :
		json_null());
	if (access_is_auditor(&c->who))
		(void)json_object_set_new(item, "upstream",
		    json_text(ref.upstream));
	(void)json_array_append_new(o->items, item);
}

static int
add_stored(void *ctx, const struct stored_repository *s)
{
	add(ctx, s->name, s);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(json_get(*(json_t *const *)a, "name"),
	    json_get(*(json_t *const *)b, "name"));
}

/* A new array in the order of names. */
static json_t *
in_order(json_t *items)
{
	size_t n = json_array_size(items);
	json_t **v = calloc(n + 1, sizeof(json_t *)), *out = json_array();

	if (v == NULL)
		gg_die("no memory for a list");
	for (size_t i = 0; i < n; i++)
		v[i] = json_array_get(items, i);
	qsort(v, n, sizeof(json_t *), by_name);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append(out, v[i]);
	free(v);
	return out;
}

/* *out: a new array. */
static int
list_repositories(const struct web_call *c, json_t **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) seen = STRV_INIT;
	struct overview o = { .c = c,
		.items = json_array(),
		.moved = json_object(),
		.kept = json_object() };
	int rc = read_movements(&o, err);

	if (rc == 0)
		rc = store_kept_repositories(c->ops->store, add_kept, &o, err);
	if (rc == 0)
		rc = store_repository_list(c->ops->store, REPOSITORIES_MOST,
		    add_stored, &o, err);
	for (size_t i = 0; rc == 0 && i < c->cfg->n_repositories; i++)
		if (strchr(c->cfg->repositories[i].path, '*') == NULL)
			add(&o, c->cfg->repositories[i].path, NULL);
	c->ops->mirror_names(c->ops->ctx, c->cfg, REPOSITORIES_MOST, &seen);
	for (size_t i = 0; rc == 0 && i < seen.n; i++)
		add(&o, seen.v[i], NULL);
	if (rc == 0)
		rc = strv_check(&o.names, err);
	if (rc == 0)
		*out = in_order(o.items);
	json_decref(o.items);
	json_decref(o.moved);
	json_decref(o.kept);
	strv_release(&o.names);
	return rc;
}

void
api_repositories(struct web_call *c)
{
	struct gg_error err = { 0 };
	json_t *items = NULL;
	int rc = list_repositories(c, &items, &err);

	if (rc != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 200, json_pack("{s:o}", "repositories", items));
}

/* ---- the page ---- */

static void
mirror_cell(struct buf *b, const json_t *m)
{
	static const char *const words[][2] = { { "reading", "being read" },
		{ "failed", "failed" }, { "current", "up to date" },
		{ "unread", "not read yet" } };
	const char *state = json_get(m, "state"), *says = state;

	for (size_t i = 0; i < GG_COUNT(words); i++)
		if (strcmp(state, words[i][0]) == 0)
			says = words[i][1];
	html_lit(b, "<span class=\"badge ");
	html_attrs(b, state);
	html_lit(b, "\">");
	html_texts(b, says);
	html_lit(b, "</span>");
	if (json_get(m, "failed")[0] != '\0') {
		html_lit(b, " ");
		view_age(b, json_get(m, "failed"));
		html_lit(b, "<div class=\"small\">");
		html_texts(b, json_get(m, "why"));
		html_lit(b, "</div>");
	}
	html_lit(b, "</td><td data-name=\"Last refresh\">");
	if (json_get(m, "refreshed")[0] != '\0')
		view_age(b, json_get(m, "refreshed"));
	else
		html_lit(b,
		    "<span class=\"dim\">not since the gate started</span>");
}

static void
links_cell(struct buf *b, const json_t *r)
{
	json_int_t open = json_integer_value(json_object_get(r, "open_holds"));
	const char *last = json_get(r, "last_push");

	html_lit(b, "</td><td data-name=\"Open holds\">");
	if (open > 0) {
		html_lit(b, "<a href=\"/-/holds?view=open&amp;repository=");
		html_urls(b, json_get(r, "name"));
		html_lit(b, "\">");
		html_u64(b, (uint64_t)open);
		html_lit(b, " open</a>");
	} else {
		html_lit(b, "<span class=\"dim\">none</span>");
	}
	html_lit(b, "</td><td data-name=\"Last push\">");
	if (last[0] != '\0') {
		html_lit(b, "<a href=\"/-/pushes/");
		html_urls(b, last);
		html_lit(b, "\">");
		html_time(b, ulid_time(last));
		html_lit(b, "</a>");
	} else {
		html_lit(b, "<span class=\"dim\">none</span>");
	}
	html_lit(b, "</td>");
}

static void
kept_line(struct buf *b, const json_t *r)
{
	const json_t *kept = json_object_get(r, "kept");

	if (!json_is_object(kept))
		return;
	html_lit(b,
	    "<div class=\"small\"><a href=\"/-/repositories/kept?repository=");
	html_urls(b, json_get(r, "name"));
	html_lit(b, "\">");
	html_u64(b,
	    (uint64_t)json_integer_value(json_object_get(kept, "refs")));
	html_lit(b, " kept at the gate</a>");
	if (json_integer_value(json_object_get(kept, "shadowed")) > 0) {
		html_lit(b, " <span class=\"badge warn\">upstream has ");
		html_u64(b,
		    (uint64_t)json_integer_value(json_object_get(kept,
			"shadowed")));
		html_lit(b, " of these names, too</span>");
	}
	html_lit(b, "</div>");
}

static void
repository_row(struct buf *b, const json_t *r)
{
	html_lit(b, "<tr data-row=\"");
	html_attrs(b, json_get(r, "name"));
	html_lit(b, "\"><td><a class=\"name\" href=\"/-/pushes?repository=");
	html_urls(b, json_get(r, "name"));
	html_lit(b, "\">");
	html_texts(b, json_get(r, "name"));
	html_lit(b, "</a>");
	if (json_get(r, "upstream")[0] != '\0') {
		html_lit(b, "<div class=\"dim small\">");
		html_texts(b, json_get(r, "upstream"));
		html_lit(b, "</div>");
	}
	if (json_get(r, "out_of_band")[0] != '\0') {
		html_lit(b,
		    "<div class=\"small\"><a href=\"/-/audit?type="
		    "ref.out-of-band&amp;repository=");
		html_urls(b, json_get(r, "name"));
		html_lit(b, "\">moved without the gate</a> ");
		view_age(b, json_get(r, "out_of_band"));
		html_lit(b, "</div>");
	}
	kept_line(b, r);
	html_lit(b, "</td><td data-name=\"Mirror\">");
	mirror_cell(b, json_object_get(r, "mirror"));
	links_cell(b, r);
	html_lit(b, "</tr>");
}

/* Those of one entry of the configuration; pattern "": those named in full.
 * A pattern without any is for auditors. */
static void
group(const struct web_call *c, struct buf *b, const char *pattern,
    const json_t *items)
{
	const json_t *r;
	size_t i, n = 0;

	json_array_foreach(items, i, r)
	    n += strcmp(json_get(r, "pattern"), pattern) == 0;
	if (n == 0 && (pattern[0] == '\0' || !access_is_auditor(&c->who)))
		return;
	html_lit(b, "<section class=\"card\"><h2>");
	if (pattern[0] == '\0') {
		html_lit(b, "Configured by name");
	} else {
		html_lit(b, "Seen below <code>");
		html_texts(b, pattern);
		html_lit(b, "</code>");
	}
	html_lit(b, "</h2>");
	if (n == 0) {
		html_lit(b,
		    "<p class=\"dim\">Nobody has fetched or pushed one yet."
		    "</p></section>");
		return;
	}
	html_lit(b,
	    "<div class=\"scroll\"><table><thead><tr><th>Repository</th>"
	    "<th>Mirror</th><th>Last refresh</th><th>Open holds</th>"
	    "<th>Last push</th></tr></thead><tbody>");
	json_array_foreach(items, i, r)
	{
		if (strcmp(json_get(r, "pattern"), pattern) == 0)
			repository_row(b, r);
	}
	html_lit(b, "</tbody></table></div></section>");
}

void
repositories_page(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	json_t *items = NULL;
	int rc = list_repositories(c, &items, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Repositories", "Repositories");
	html_lit(&b,
	    "<h1>Repositories</h1><p class=\"meta\">A mirror is brought up to "
	    "date before each fetch and push.</p>");
	group(c, &b, "", items);
	for (size_t i = 0; i < c->cfg->n_repositories; i++)
		if (strchr(c->cfg->repositories[i].path, '*') != NULL)
			group(c, &b, c->cfg->repositories[i].path, items);
	if (json_array_size(items) == 0)
		html_lit(&b,
		    "<p class=\"empty\">There is no repository that you may "
		    "fetch. Rules under <code>access:</code> say who may.</p>");
	view_list_keys(&b, "repository");
	json_decref(items);
	page_reply(c, 200, &b);
}
