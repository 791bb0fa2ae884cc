#include "store/provenance.h"

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 200

static const char *
text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static int
put_one(struct tx *t, const char *repository, const char *push, size_t number,
    const json_t *record, struct gg_error *err)
{
	const char *key = text_of(record, "key");
	GG_AUTO_MEM char *text = NULL;
	int rc;

	if (strlen(key) > PROVENANCE_KEY_MAX)
		key = ""; /* it is about nothing that could be found */
	if ((rc = col_dump(record, &text, err)) != 0)
		return rc;
	return tx_run(t, NULL, err,
	    "INSERT INTO provenance (push_id, number, repository, key, source,"
	    " record) VALUES ($1, $2, $3, $4, $5, $6)",
	    arg_s(push), arg_i((int64_t)number), arg_s(repository), arg_s(key),
	    arg_s(text_of(record, "source")), arg_s(text));
}

int
store_provenance_put(struct store *s, const char *repository, const char *push,
    const json_t *records, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	const json_t *r;
	size_t i;
	int rc;

	if ((rc = tx_begin(s, DB_WRITE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM provenance WHERE push_id = $1", arg_s(push))) !=
		0)
		return rc;
	json_array_foreach(records, i, r)
	{
		if ((rc = put_one(&t, repository, push, i, r, err)) != 0)
			return rc;
	}
	return tx_commit(&t, err);
}

/* Columns, in this order: key, push_id, number, principal, state, created_ms,
 * identity, record, of_key. */
static int
give(const struct rows *r, size_t i, store_record_cb cb, void *ctx,
    struct gg_error *err)
{
	struct stored_record x = { .key = rows_s(r, i, 0),
		.push = rows_s(r, i, 1),
		.number = (uint64_t)rows_i(r, i, 2),
		.principal = rows_s(r, i, 3),
		.created_ms = rows_i(r, i, 5),
		.of_key = (uint64_t)rows_i(r, i, 8) };
	json_t *identity = NULL, *record = NULL;
	int rc;

	if (!push_state_parse(view_str(rows_s(r, i, 4)), &x.state))
		return gg_fail(err, GG_E_CORRUPT,
		    "push %s has an unknown state", x.push);
	if ((rc = col_json(r, i, 6, &identity, err)) == 0 &&
	    (rc = col_json(r, i, 7, &record, err)) == 0) {
		x.identity = identity;
		x.record = record;
		rc = cb(ctx, &x);
	}
	json_decref(identity);
	json_decref(record);
	return rc;
}

static int
give_all(const struct rows *r, store_record_cb cb, void *ctx,
    struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n_rows; i++)
		rc = give(r, i, cb, ctx, err);
	return rc;
}

/*
 * The order within a key keeps one from crowding out others: anybody who may
 * push to the repository may claim for a key, as often as it pushes. First what
 * the push itself and its principal say, then the newest of each other
 * principal, then the second of each.
 */
static void
write_find(struct sql *q, const struct provenance_query *in)
{
	sql_arg(q,
	    "SELECT t.key, t.push_id, t.number, p.principal, p.state,"
	    " p.created_ms, p.identity, r.record, t.of_key FROM"
	    " (SELECT s.key, s.push_id, s.number, COUNT(*) OVER"
	    " (PARTITION BY s.key) AS of_key, ROW_NUMBER() OVER"
	    " (PARTITION BY s.key ORDER BY s.who, CASE WHEN s.who < 2 THEN 0"
	    " ELSE s.nth END, s.push_id DESC, s.number) AS place FROM"
	    " (SELECT a.key, a.push_id, a.number, CASE WHEN a.push_id = ",
	    arg_s(in->push));
	sql_arg(q, " THEN 0 WHEN b.principal = ", arg_s(in->principal));
	sql_arg(q,
	    " THEN 1 ELSE 2 END AS who, ROW_NUMBER() OVER (PARTITION BY a.key,"
	    " b.principal ORDER BY a.push_id DESC, a.number) AS nth"
	    " FROM provenance a JOIN push b ON b.id = a.push_id"
	    " WHERE b.state NOT IN ('receiving', 'invalid', 'aborted')"
	    " AND a.repository = ",
	    arg_s(in->repository));
	if (in->own)
		sql_arg(q,
		    " AND b.state IN ('forwarded', 'kept') AND b.principal = ",
		    arg_s(in->principal));
	sql_add(q,
	    in->trailers ? " AND a.source = 'trailer'" :
			   " AND a.source <> 'trailer'");
	for (size_t i = 0; i < in->keys->n && i < KEYS_MAX; i++)
		sql_arg(q, i == 0 ? " AND a.key IN (" : ", ",
		    arg_s(in->keys->v[i]));
	sql_arg(q,
	    ")) s) t JOIN provenance r ON r.push_id = t.push_id AND r.number ="
	    " t.number JOIN push p ON p.id = t.push_id WHERE t.place <= ",
	    arg_i((int64_t)in->each));
	sql_arg(q, " ORDER BY t.place, t.push_id DESC, t.number LIMIT ",
	    arg_i((int64_t)in->most));
}

int
store_provenance_find(struct store *s, const struct provenance_query *q,
    store_record_cb cb, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(sql) sql = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if (q->keys->n == 0)
		return 0;
	sql_init(&sql, "");
	write_find(&sql, q);
	if ((rc = tx_begin(s, DB_ONE, &t, err)) != 0 ||
	    (rc = sql_run(&t, &sql, &r, err)) != 0)
		return rc;
	return give_all(&r, cb, ctx, err);
}

int
store_provenance_of_push(struct store *s, const char *push, size_t most,
    store_record_cb cb, void *ctx, uint64_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT r.key, r.push_id, r.number, p.principal, p.state,"
	    " p.created_ms, p.identity, r.record, (SELECT COUNT(*) FROM"
	    " provenance c WHERE c.push_id = $1 AND c.source <> 'trailer')"
	    " FROM provenance r JOIN push p ON p.id = r.push_id"
	    " WHERE r.push_id = $1 AND r.source <> 'trailer' ORDER BY r.number LIMIT $2",
	    arg_s(push), arg_i((int64_t)most));

	if (rc != 0)
		return rc;
	*n = r.n_rows > 0 ? (uint64_t)rows_i(&r, 0, 8) : 0;
	return give_all(&r, cb, ctx, err);
}
