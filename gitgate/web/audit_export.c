/* The audit log in other systems' forms, page by page, for auditors. */
#include "audit/export.h"
#include "web/web_priv.h"

/* 1000 entries of 64 KiB, which may double in another form. */
#define EXPORT_MAX_BYTES ((size_t)160 << 20)

static int
format_all(const json_t *items, enum export_format f, bool head,
    struct buf *out, struct gg_error *err)
{
	const json_t *e;
	size_t i;
	int rc = 0;

	if (head)
		export_head(f, out);
	json_array_foreach(items, i, e) if (rc == 0)
	    rc = export_entry(f, e, out, err);
	return rc;
}

/* A table has its names once, not on every page. */
static bool
is_first_page(const struct web_call *c)
{
	const char *cursor = http_query(c->rq, "cursor");

	return cursor == NULL || cursor[0] == '\0';
}

void
api_audit_export(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(EXPORT_MAX_BYTES);
	const char *name = http_query(c->rq, "format");
	json_t *items;
	struct gg_error err = { 0 };
	enum export_format f;
	uint64_t next = 0;
	char cursor[24];
	int rc;

	if (!access_is_auditor(&c->who)) {
		api_problem(c, 403, "the export is for auditors");
		return;
	}
	if (!export_format_parse(view_str(name ? name : ""), &f)) {
		api_problem(c, 400,
		    "format must be jsonl, csv, ecs, ocsf or github");
		return;
	}
	items = json_array();
	if ((rc = list_audit_from(c, items, &next, &err)) == 0)
		rc = format_all(items, f, is_first_page(c), &out, &err);
	json_decref(items);
	if (rc != 0) {
		api_failure(c, rc, &err);
		return;
	}
	(void)snprintf(cursor, sizeof(cursor), "%llu",
	    (unsigned long long)next);
	http_reply(c->rq, 200, export_content_type(f), buf_view(&out),
	    (const struct http_headers[]){ { "Gitgate-Next-Cursor", cursor },
		{ "Content-Disposition", "attachment" }, { NULL, NULL } });
}
