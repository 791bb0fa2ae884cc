/*
 * The index over the audit log, for queries. It may lag and be rebuilt: the
 * log's own files are the truth.
 */
#include "base/clock.h"
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define INDEXED_KEY "audit-indexed"
/* A path that so many pushes touched is looked for entry by entry. */
#define MANY_PUSHES 2000

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

/* What an entry may have several of. */
static int
add_word(struct tx *t, const char *kind, const char *word, uint64_t index,
    struct gg_error *err)
{
	if (word == NULL || word[0] == '\0')
		return 0;
	return tx_run(t, NULL, err,
	    "INSERT INTO audit_word (kind, word, number) VALUES ($1, $2, $3)"
	    " ON CONFLICT DO NOTHING",
	    arg_s(kind), arg_s(word), arg_i((int64_t)index));
}

static int
add_words(struct tx *t, const json_t *e, uint64_t index, struct gg_error *err)
{
	const json_t *x;
	size_t i;
	int rc = add_word(t, "reviewer", field(e, "reviewer"), index, err);

	json_array_foreach(json_object_get(e, "reviewers"), i, x) if (rc == 0)
	    rc = add_word(t, "reviewer", json_string_value(x), index, err);
	json_array_foreach(json_object_get(e, "rules"), i, x) if (rc == 0)
	    rc = add_word(t, "rule", field(x, "rule"), index, err);
	return rc;
}

static int
add_entry(struct store *s, uint64_t index, const json_t *e, const char *text,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_WRITE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "INSERT INTO audit_index (number, time_ms, type, repository,"
		 " ref, principal, push, verdict, hold, entry)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
		 " ON CONFLICT DO NOTHING",
		 arg_i((int64_t)index), arg_i(entry_time(e)),
		 arg_s(field(e, "type")), arg_s(field(e, "repository")),
		 arg_s(field(e, "ref")), arg_s(field(e, "principal")),
		 arg_s(field(e, "push")), arg_s(field(e, "verdict")),
		 arg_s(field(e, "hold")), arg_s(text))) != 0 ||
	    (rc = add_words(&t, e, index, err)) != 0)
		return rc;
	return tx_commit(&t, err);
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
	rc = add_entry(s, index, e, text, err);
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
add_tables(struct sql *q, const struct audit_query *aq)
{
	sql_init(q, "SELECT a.number, a.entry FROM audit_index a");
	if (aq->rule != NULL)
		sql_add(q, " JOIN audit_word u ON u.number = a.number");
	if (aq->reviewer != NULL)
		sql_add(q, " JOIN audit_word v ON v.number = a.number");
}

static void
add_conditions(struct sql *q, const struct audit_query *aq)
{
	const struct {
		const char *text, *value;
	} equal[] = { { " AND a.repository = ", aq->repository },
		{ " AND a.ref = ", aq->ref },
		{ " AND a.principal = ", aq->principal },
		{ " AND a.type = ", aq->type }, { " AND a.push = ", aq->push },
		{ " AND a.verdict = ", aq->verdict },
		{ " AND a.hold = ", aq->hold },
		{ " AND u.kind = 'rule' AND u.word = ", aq->rule },
		{ " AND v.kind = 'reviewer' AND v.word = ", aq->reviewer } };

	sql_add(q, " WHERE 1 = 1");
	for (size_t i = 0; i < GG_COUNT(equal); i++)
		if (equal[i].value != NULL)
			sql_arg(q, equal[i].text, arg_s(equal[i].value));
	if (aq->movements)
		sql_add(q,
		    " AND a.type IN ('forward.result', 'ref.out-of-band')");
	if (aq->since_ms != 0)
		sql_arg(q, " AND a.time_ms >= ", arg_i(aq->since_ms));
	if (aq->until_ms != 0)
		sql_arg(q, " AND a.time_ms < ", arg_i(aq->until_ms));
}

/*
 * Entries of pushes that a path is known of. Few pushes are looked up; where
 * there are many, most entries fit, and each is asked.
 */
static int
add_path(struct store *s, struct sql *q, const struct audit_query *aq,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if (aq->path == NULL)
		return 0;
	rc = store_run(s, &r, err,
	    "SELECT push FROM audit_path WHERE path = $1 LIMIT $2",
	    arg_s(aq->path), arg_i(MANY_PUSHES));
	if (rc != 0)
		return rc;
	if (r.n_rows < MANY_PUSHES) {
		sql_arg(q,
		    " AND a.push IN (SELECT push FROM audit_path"
		    " WHERE path = ",
		    arg_s(aq->path));
		sql_add(q, ")");
	} else {
		sql_arg(q,
		    " AND EXISTS (SELECT 1 FROM audit_path p"
		    " WHERE p.push = a.push AND p.path = ",
		    arg_s(aq->path));
		sql_add(q, ")");
	}
	return 0;
}

/* In the order of the table that leads to the others. */
static void
add_order(struct sql *q, const struct audit_query *aq, size_t limit)
{
	const char *by = aq->rule != NULL ? "u.number" :
	    aq->reviewer != NULL          ? "v.number" :
					    "a.number";
	int64_t cursor = aq->cursor > INT64_MAX ? INT64_MAX :
						  (int64_t)aq->cursor;

	if (cursor != 0) {
		sql_add(q, " AND ");
		sql_add(q, by);
		sql_arg(q, aq->oldest_first ? " >= " : " < ", arg_i(cursor));
	}
	sql_add(q, " ORDER BY ");
	sql_add(q, by);
	if (!aq->oldest_first)
		sql_add(q, " DESC");
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

	add_tables(&sql, q);
	add_conditions(&sql, q);
	if ((rc = add_path(s, &sql, q, err)) != 0)
		return rc;
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
