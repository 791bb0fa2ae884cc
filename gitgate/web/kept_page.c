/* Refs that policy keeps at the gate, of one repository. */
#include "base/num.h"
#include "web/web_priv.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MOST    200

struct listing {
	const struct repository *conf;
	json_t *rows;
	char *last; /* name of the last ref that was looked at */
	size_t n, limit;
	bool more;
};

static int
add_ref(void *ctx, const struct kept_ref *k)
{
	struct listing *l = ctx;
	char hex[OID_HEX + 1];

	l->more = l->n++ == l->limit;
	if (l->more)
		return 0;
	free(l->last);
	if ((l->last = strdup(k->ref)) == NULL)
		return GG_E_NOMEM;
	/* as in every list of refs */
	if (l->conf->hide_refs.n > 0 &&
	    glob_list_match(&l->conf->hide_refs, view_str(k->ref)))
		return 0;
	oid_format(&k->oid, hex);
	(void)json_array_append_new(l->rows,
	    json_pack("{s:o, s:s, s:o, s:o, s:o}", "ref", json_text(k->ref),
		"oid", hex, "principal", json_text(k->principal), "push",
		json_text(k->push), "time", json_time(k->time_ms)));
	return 0;
}

static int
read_limit(const struct web_call *c, size_t *out, struct gg_error *err)
{
	const char *text = http_query(c->rq, "limit");
	uint64_t n = LIMIT_DEFAULT;

	if (text != NULL && *text != '\0' &&
	    num_parse(view_str(text), LIMIT_MOST, &n, NULL) != 0)
		return gg_fail(err, GG_E_PEER, "limit is a number up to %d",
		    LIMIT_MOST);
	*out = n == 0 ? LIMIT_DEFAULT : (size_t)n;
	return 0;
}

/* *out: {"kept": [...], "next": cursor or null}, new. */
static int
load(struct web_call *c, json_t **out, struct gg_error *err)
{
	const char *repository = http_query(c->rq, "repository");
	const char *after = http_query(c->rq, "cursor");
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	struct listing l = { 0 };
	int rc = read_limit(c, &l.limit, err);

	if (rc == 0 && (repository == NULL || repository[0] == '\0'))
		rc = gg_fail(err, GG_E_PEER, "refs are of one repository");
	if (rc == 0 &&
	    (!access_may_see(c, repository, NULL) ||
		config_find_repository(c->cfg, view_str(repository), &repo,
		    NULL) != 0))
		rc = gg_fail(err, GG_E_NOTFOUND, "no such repository");
	if (rc != 0)
		return rc;
	l.conf = repo.conf;
	l.rows = json_array();
	rc = store_kept_list(c->ops->store, repo.name, after ? after : "",
	    l.limit + 1, add_ref, &l, err);
	if (rc == 0)
		*out = json_pack("{s:O, s:o}", "kept", l.rows, "next",
		    l.more ? json_text(l.last) : json_null());
	json_decref(l.rows);
	free(l.last);
	return rc;
}

void
api_kept(struct web_call *c)
{
	struct gg_error err = { 0 };
	json_t *o = NULL;
	int rc = load(c, &o, &err);

	if (rc != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 200, o);
}

/* ---- the page ---- */

static void
ref_row(struct buf *b, const char *repository, const json_t *r)
{
	html_lit(b,
	    "<tr><td><a class=\"name\" href=\"/-/audit/timeline"
	    "?repository=");
	html_urls(b, repository);
	html_lit(b, "&amp;ref=");
	html_urls(b, json_get(r, "ref"));
	html_lit(b, "\">");
	html_texts(b, json_get(r, "ref"));
	html_lit(b, "</a></td><td data-name=\"Value\"><code class=\"oid\">");
	html_texts(b, json_get(r, "oid"));
	html_lit(b, "</code></td><td data-name=\"Pushed by\">");
	html_texts(b, json_get(r, "principal"));
	html_lit(b, "</td><td data-name=\"Push\"><a href=\"/-/pushes/");
	html_urls(b, json_get(r, "push"));
	html_lit(b, "\">");
	html_when(b, json_get(r, "time"));
	html_lit(b, "</a></td></tr>");
}

void
kept_page(struct web_call *c)
{
	const char *repository = http_query(c->rq, "repository");
	GG_AUTO_RELEASE(buf) b = BUF_INIT(PAGE_MAX_BYTES);
	struct gg_error err = { 0 };
	json_t *o = NULL, *r;
	size_t i;
	int rc = load(c, &o, &err);

	if (rc != 0) {
		page_failure(c, rc, &err);
		return;
	}
	page_begin(c, &b, "Kept refs", "Repositories");
	html_lit(&b, "<h1>");
	html_texts(&b, repository);
	html_lit(&b,
	    "</h1><p class=\"meta\">Refs that policy keeps at the gate: "
	    "upstream does not have them.</p><div class=\"scroll\"><table>"
	    "<thead><tr><th>Ref</th><th>Value</th><th>Pushed by</th>"
	    "<th>Push</th></tr></thead><tbody>");
	json_array_foreach(json_object_get(o, "kept"), i, r)
	    ref_row(&b, repository, r);
	html_lit(&b, "</tbody></table></div>");
	if (json_array_size(json_object_get(o, "kept")) == 0)
		html_lit(&b, "<p class=\"empty\">None.</p>");
	if (json_get(o, "next")[0] != '\0') {
		html_lit(&b, "<p><a href=\"/-/repositories/kept?repository=");
		html_urls(&b, repository);
		html_lit(&b, "&amp;cursor=");
		html_urls(&b, json_get(o, "next"));
		html_lit(&b, "\">More</a></p>");
	}
	json_decref(o);
	page_reply(c, 200, &b);
}
