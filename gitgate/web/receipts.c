/* Receipts: that an entry is in the audit log, to be kept and checked
 * elsewhere (audit/receipt.h). Who may read the entry may have its receipt. */
#include "audit/receipt.h"
#include "base/num.h"
#include "web/web_priv.h"

/* The entry c->index, if the caller may read it. */
static int
check_entry(const struct web_call *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_ENTRY_MAX_BYTES);
	json_t *entry;
	bool may;
	int rc = auditlog_read(c->ops->log, c->index, &text, err);

	if (rc != 0)
		return rc;
	entry = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
	if (entry == NULL)
		return gg_fail(err, GG_E_CORRUPT, "audit entry %llu",
		    (unsigned long long)c->index);
	may = access_may_read_entry(c, entry);
	json_decref(entry);
	return may ? 0 :
		     gg_fail(err, GG_E_NOTFOUND, "there is no entry %llu",
			 (unsigned long long)c->index);
}

void
api_receipt(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RECEIPT_MAX_BYTES);
	GG_AUTO_RELEASE(buf) name = BUF_INIT(100);
	const struct http_headers headers[] = { { "Cache-Control",
						    "private, no-store" },
		{ "Content-Disposition", "" }, { NULL, NULL } };
	struct http_headers sent[GG_COUNT(headers)];
	struct gg_error err = { 0 };
	int rc = check_entry(c, &err);

	if (rc == 0)
		rc = auditlog_receipt(c->ops->log, c->index, &text, &err);
	if (rc != 0) {
		api_failure(c, rc, &err);
		return;
	}
	memcpy(sent, headers, sizeof(sent));
	buf_addf(&name, "attachment; filename=\"entry-%llu.tlog-proof\"",
	    (unsigned long long)c->index);
	sent[1].value = buf_str(&name);
	http_reply(c->rq, 200, "text/plain; charset=utf-8", buf_view(&text),
	    sent);
}

/* Salts and values of what the entry has only hashes of: with it whoever has
 * the receipt knows that the values are what was logged. */
void
api_opening(struct web_call *c)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	const struct http_headers sent[] = {
		{ "Cache-Control", "private, no-store" }, { NULL, NULL }
	};
	struct gg_error err = { 0 };
	int rc = check_entry(c, &err);

	if (rc == 0)
		rc = auditlog_read_opening(c->ops->log, c->index, &text, &err);
	if (rc == 0 && text.n == 0) {
		buf_adds(&text, "{}");
		rc = buf_check(&text, &err);
	}
	if (rc != 0) {
		api_failure(c, rc, &err);
		return;
	}
	http_reply(c->rq, 200, "application/json", buf_view(&text), sent);
}

int
receipt_add(const struct web_call *c, const json_t *entry, json_t *all,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RECEIPT_MAX_BYTES);
	json_int_t seq = json_integer_value(json_object_get(entry, "seq"));
	json_t *o;
	int rc;

	rc = auditlog_receipt(c->ops->log, (uint64_t)seq, &text, err);
	if (rc != 0)
		return rc;
	o = json_pack("{s:I, s:s, s:s, s:s%}", "index", seq, "type",
	    json_get(entry, "type"), "ref", json_get(entry, "ref"), "receipt",
	    text.p, text.n);
	return json_array_append_new(all, o) == 0 ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "no memory for receipts");
}

void
api_push_receipts(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	json_t *entries = json_array(), *all = json_array(), *e;
	struct gg_error err = { 0 };
	char hold[ULID_SIZE] = "";
	uint64_t next = 0;
	int rc = load_push(c, &p, hold, &err);
	size_t i;

	if (rc == 0)
		rc = list_push_entries(c, entries, &next, &err);
	for (i = 0; rc == 0 && i < json_array_size(entries); i++) {
		e = json_array_get(entries, i);
		rc = receipt_add(c, e, all, &err);
	}
	json_decref(entries);
	if (rc == 0) {
		api_reply_list(c, "receipts", all,
		    next != 0 ? json_sprintf("%llu", (unsigned long long)next) :
				json_null());
		return;
	}
	json_decref(all);
	api_failure(c, rc, &err);
}

void
view_receipts(struct web_call *c, struct buf *b)
{
	json_t *entries = json_array(), *e;
	uint64_t next = 0;
	size_t i;

	if (c->ops->log == NULL ||
	    list_push_entries(c, entries, &next, NULL) != 0 ||
	    json_array_size(entries) == 0) {
		json_decref(entries);
		return;
	}
	html_lit(b,
	    "<section class=\"card\"><h2>In the audit log</h2>"
	    "<p class=\"dim\">Each receipt proves that its entry was logged; "
	    "see docs/audit.md.</p><ul>");
	json_array_foreach(entries, i, e)
	{
		html_lit(b, "<li><a href=\"/-/api/v1/audit/");
		html_u64(b,
		    (uint64_t)json_integer_value(json_object_get(e, "seq")));
		html_lit(b, "/receipt\">");
		html_texts(b, json_get(e, "type"));
		html_lit(b, "</a> ");
		html_texts(b, json_get(e, "ref"));
		html_lit(b, "</li>");
	}
	html_lit(b, "</ul>");
	if (next != 0)
		html_lit(b, "<p class=\"dim\">There are more.</p>");
	html_lit(b, "</section>");
	json_decref(entries);
}
