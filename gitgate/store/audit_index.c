/*
 * The index over the audit log, for queries. It may lag and be rebuilt: the
 * log's own files are the truth.
 */
#include "base/clock.h"
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define INDEXED_KEY "audit-indexed"

static const char *
field(const json_t *e, const char *name)
{
	const char *s = json_string_value(json_object_get(e, name));

	return s ? s : "";
}

/* "time" as the log writes it (RFC 3339); what is not readable sorts first. */
static int64_t
entry_time(const json_t *e)
{
	int64_t ms = 0;

	if (clock_parse(view_str(field(e, "time")), &ms, NULL) != 0)
		return 0;
	return ms;
}

int
store_audit_add(struct store *s, uint64_t index, const char *json, size_t n,
    struct gg_error *err)
{
	GG_AUTO_MEM char *text = view_dup(view_of(json, n));
	json_error_t je;
	json_t *e;
	int rc;

	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "audit entry");
	if ((e = json_loadb(json, n, JSON_ALLOW_NUL, &je)) == NULL)
		return gg_fail(err, GG_E_INPUT, "audit entry %llu: %s",
		    (unsigned long long)index, je.text);
	rc = store_do(s, DB_WRITE, NULL, err,
	    "INSERT INTO audit_index (number, time_ms, type, repository, ref,"
	    " principal, push, entry) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	    " ON CONFLICT DO NOTHING",
	    arg_i((int64_t)index), arg_i(entry_time(e)),
	    arg_s(field(e, "type")), arg_s(field(e, "repository")),
	    arg_s(field(e, "ref")), arg_s(field(e, "principal")),
	    arg_s(field(e, "push")), arg_s(text));
	json_decref(e);
	return rc;
}

/*
 * Numbers below the mark are known to be there without a gap; the first gap
 * at or after it is what we look for, and the new mark.
 */
int
store_audit_indexed(struct store *s, uint64_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	char text[24];
	int64_t from = 0;
	int rc;

	rc = store_run(s, &r, err, "SELECT value FROM meta WHERE key = $1",
	    arg_s(INDEXED_KEY));
	if (rc != 0)
		return rc;
	if (r.n_rows == 1)
		from = rows_i(&r, 0, 0);
	rc = store_run(s, &r, err,
	    "SELECT number FROM audit_index"
	    " WHERE number = $1",
	    arg_i(from));
	if (rc != 0)
		return rc;
	if (r.n_rows == 1) {
		rc = store_run(s, &r, err,
		    "SELECT a.number + 1"
		    " FROM audit_index a WHERE a.number >= $1 AND NOT EXISTS"
		    " (SELECT 1 FROM audit_index b"
		    " WHERE b.number = a.number + 1)"
		    " ORDER BY a.number LIMIT 1",
		    arg_i(from));
		if (rc != 0)
			return rc;
		if (r.n_rows == 1)
			from = rows_i(&r, 0, 0);
		snprintf(text, sizeof(text), "%lld", (long long)from);
		if ((rc = store_meta_set(s, INDEXED_KEY, text, err)) != 0)
			return rc;
	}
	*n = (uint64_t)from;
	return 0;
}

static void
add_conditions(struct sql *q, const struct audit_query *aq)
{
	const struct {
		const char *text, *value;
	} equal[] = { { " AND repository = ", aq->repository },
		{ " AND ref = ", aq->ref },
		{ " AND principal = ", aq->principal },
		{ " AND type = ", aq->type }, { " AND push = ", aq->push } };

	sql_add(q, " WHERE 1 = 1");
	for (size_t i = 0; i < GG_COUNT(equal); i++)
		if (equal[i].value != NULL)
			sql_arg(q, equal[i].text, arg_s(equal[i].value));
	if (aq->since_ms != 0)
		sql_arg(q, " AND time_ms >= ", arg_i(aq->since_ms));
	if (aq->until_ms != 0)
		sql_arg(q, " AND time_ms < ", arg_i(aq->until_ms));
}

static void
add_order(struct sql *q, const struct audit_query *aq, size_t limit)
{
	int64_t cursor = aq->cursor > INT64_MAX ? INT64_MAX :
						  (int64_t)aq->cursor;

	if (cursor != 0)
		sql_arg(q,
		    aq->oldest_first ? " AND number >= " : " AND number < ",
		    arg_i(cursor));
	sql_add(q,
	    aq->oldest_first ? " ORDER BY number" : " ORDER BY number DESC");
	sql_arg(q, " LIMIT ", arg_i((int64_t)limit + 1));
}

/* next: the cursor to go on with, 0 at the end. */
int
store_audit_query(struct store *s, const struct audit_query *q,
    store_audit_cb cb, void *ctx, uint64_t *next, struct gg_error *err)
{
	size_t limit = q->limit == 0 ? 100 : q->limit > 1000 ? 1000 : q->limit;
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) sql;
	size_t n;
	int rc;

	sql_init(&sql, "SELECT number, entry FROM audit_index");
	add_conditions(&sql, q);
	add_order(&sql, q, limit);
	if ((rc = buf_check(&sql.text, err)) != 0 ||
	    (rc = store_read(s, buf_str(&sql.text), sql.args, sql.n, &r,
		 err)) != 0)
		return rc;
	n = r.n_rows > limit ? limit : r.n_rows;
	*next = 0;
	if (r.n_rows > limit)
		*next = (uint64_t)rows_i(&r, n - 1, 0) + q->oldest_first;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = cb(ctx, (uint64_t)rows_i(&r, i, 0), rows_s(&r, i, 1));
	return rc;
}
