/* Where the audit log is delivered to, and how far: for auditors. */
#include "web/web_priv.h"

struct looking {
	const struct config *config;
	json_t *found;
};

static int
take(void *ctx, const struct stored_delivery *d)
{
	struct looking *l = ctx;

	json_array_append_new(l->found,
	    stored_delivery_json(d, config_find_delivery(l->config, d->name)));
	return 0;
}

void
api_deliveries(struct web_call *c)
{
	struct looking l = { c->cfg, NULL };
	struct gg_error err = { 0 };
	int rc;

	if (!access_is_auditor(&c->who)) {
		api_problem(c, 403, "deliveries are for auditors");
		return;
	}
	l.found = json_array();
	rc = store_delivery_each(c->ops->store, take, &l, &err);
	if (rc != 0) {
		json_decref(l.found);
		api_failure(c, rc, &err);
		return;
	}
	api_reply(c, 200, json_pack("{s:o}", "deliveries", l.found));
}

static void
row(struct buf *b, const json_t *d)
{
	html_lit(b, "<tr><td><strong>");
	html_texts(b, json_get(d, "name"));
	html_lit(b, "</strong> ");
	html_texts(b, json_get(d, "kind"));
	html_lit(b, "</td><td>");
	html_texts(b, json_get(d, "state"));
	html_lit(b, "</td><td>");
	html_u64(b, (uint64_t)json_integer_value(json_object_get(d, "cursor")));
	html_lit(b, "</td><td>");
	html_u64(b, (uint64_t)json_integer_value(json_object_get(d, "behind")));
	if (json_get(d, "oldest")[0] != '\0') {
		html_lit(b, ", oldest ");
		html_when(b, json_get(d, "oldest"));
	}
	html_lit(b, "</td><td>");
	html_texts(b, json_get(d, "error"));
	html_lit(b, "</td></tr>");
}

void
view_deliveries(struct web_call *c, struct buf *b)
{
	struct looking l = { c->cfg, json_array() };
	struct gg_error err = { 0 };
	const json_t *d;
	size_t i;

	if (store_delivery_each(c->ops->store, take, &l, &err) == 0 &&
	    json_array_size(l.found) > 0) {
		html_lit(b,
		    "<h2>Delivery</h2><div class=\"scroll card\"><table><thead>"
		    "<tr><th>Target</th><th>State</th><th>Next entry</th>"
		    "<th>Behind</th><th>Last error</th></tr></thead><tbody>");
		json_array_foreach(l.found, i, d) row(b, d);
		html_lit(b, "</tbody></table></div>");
	}
	json_decref(l.found);
}
