/* How far the audit log was delivered to each target. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/store_priv.h"

#include <stdlib.h>

#define ERROR_BYTES 300

void
stored_delivery_release(struct stored_delivery *d)
{
	free(d->name);
	free(d->last_error);
	*d = (struct stored_delivery){ 0 };
}

static json_t *
json_time(int64_t ms)
{
	char text[CLOCK_RFC3339_SIZE];

	if (ms == 0)
		return json_null();
	clock_format(ms, text);
	return json_string(text);
}

static const char *
state_of(const struct stored_delivery *d, const struct delivery_target *t)
{
	if (t == NULL)
		return "not configured";
	if (d->failing_ms == 0)
		return "delivering";
	return d->refused ? "refused" : "retrying";
}

json_t *
stored_delivery_json(const struct stored_delivery *d,
    const struct delivery_target *t)
{
	static const char *const kinds[] = { "webhook", "file", "syslog",
		"journald" };

	return json_pack(
	    "{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:s}", "name",
	    d->name, "kind", t != NULL ? kinds[t->kind] : "", "state",
	    state_of(d, t), "cursor", (json_int_t)d->next, "behind",
	    (json_int_t)d->behind, "oldest",
	    json_time(d->behind > 0 ? d->oldest_ms : 0), "delivered",
	    json_time(d->delivered_ms), "failing_since",
	    json_time(d->failing_ms), "next_try", json_time(d->retry_ms),
	    "attempts", (json_int_t)d->attempts, "error", d->last_error);
}

static int
read_row(const struct rows *r, size_t i, struct stored_delivery *d,
    struct gg_error *err)
{
	int64_t size = rows_i(r, i, 9);
	int rc;

	if ((rc = col_text(r, i, 0, &d->name, err)) != 0 ||
	    (rc = col_text(r, i, 8, &d->last_error, err)) != 0)
		return rc;
	d->next = (uint64_t)rows_i(r, i, 1);
	d->generation = rows_i(r, i, 2);
	d->attempts = (uint32_t)rows_i(r, i, 3);
	d->retry_ms = rows_i(r, i, 4);
	d->delivered_ms = rows_i(r, i, 5);
	d->failing_ms = rows_i(r, i, 6);
	d->refused = rows_i(r, i, 7) != 0;
	d->behind = size > rows_i(r, i, 1) ? (uint64_t)size - d->next : 0;
	d->oldest_ms = rows_i(r, i, 10);
	return 0;
}

int
store_delivery_each(struct store *s, store_delivery_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_read(s,
	    "SELECT name, next_seq, generation, attempts, retry_ms,"
	    " delivered_ms, failing_ms, refused, last_error,"
	    " (SELECT COALESCE(MAX(number), -1) + 1 FROM audit_index),"
	    " COALESCE((SELECT time_ms FROM audit_index"
	    " WHERE number = next_seq), 0)"
	    " FROM delivery ORDER BY name",
	    NULL, 0, &r, err);

	for (size_t i = 0; i < r.n_rows && rc == 0; i++) {
		GG_AUTO_RELEASE(stored_delivery) d = { 0 };

		if ((rc = read_row(&r, i, &d, err)) == 0)
			rc = cb(ctx, &d);
	}
	return rc;
}

int
store_delivery_add(struct store *s, const char *name, uint64_t next,
    struct gg_error *err)
{
	return store_do(s, DB_DURABLE, NULL, err,
	    "INSERT INTO delivery (name, next_seq, generation, attempts,"
	    " retry_ms, delivered_ms, failing_ms, refused, last_error)"
	    " VALUES ($1, $2, 0, 0, 0, 0, 0, 0, '') ON CONFLICT DO NOTHING",
	    arg_s(name), arg_i((int64_t)next));
}

static int
moved(uint64_t n, int rc, struct gg_error *err)
{
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_STALE,
		    "somebody else moved the cursor");
	return rc;
}

int
store_delivery_arrived(struct store *s, const char *name, int64_t generation,
    uint64_t from, uint64_t to, int64_t now_ms, struct gg_error *err)
{
	uint64_t n = 0;
	int rc;

	if (FAILPOINT_FAILS("delivery.store"))
		return gg_fail(err, GG_E_SYS, "the database");
	rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE delivery SET next_seq = $1, attempts = 0, retry_ms = 0,"
	    " delivered_ms = $2, failing_ms = 0, refused = 0, last_error = ''"
	    " WHERE name = $3 AND generation = $4 AND next_seq = $5",
	    arg_i((int64_t)to), arg_i(now_ms), arg_s(name), arg_i(generation),
	    arg_i((int64_t)from));

	return moved(n, rc, err);
}

int
store_delivery_passed(struct store *s, const char *name, int64_t generation,
    uint64_t from, uint64_t to, struct gg_error *err)
{
	uint64_t n = 0;
	int rc = store_do(s, DB_WRITE, &n, err,
	    "UPDATE delivery SET next_seq = $1"
	    " WHERE name = $2 AND generation = $3 AND next_seq = $4",
	    arg_i((int64_t)to), arg_s(name), arg_i(generation),
	    arg_i((int64_t)from));

	return moved(n, rc, err);
}

int
store_delivery_failed(struct store *s, const char *name, int64_t generation,
    bool refused, int64_t retry_ms, const char *error, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) words = BUF_INIT(ERROR_BYTES + 8);
	uint64_t n = 0;
	int rc;

	if (FAILPOINT_FAILS("delivery.store"))
		return gg_fail(err, GG_E_SYS, "the database");
	utf8_replace(&words, view_str(error), ERROR_BYTES);
	rc = store_do(s, DB_WRITE, &n, err,
	    "UPDATE delivery SET attempts = attempts + 1, retry_ms = $1,"
	    " failing_ms = CASE WHEN failing_ms = 0 THEN $2 ELSE failing_ms"
	    " END, refused = $3, last_error = $4"
	    " WHERE name = $5 AND generation = $6",
	    arg_i(retry_ms), arg_i(now_ms), arg_i(refused ? 1 : 0),
	    arg_s(buf_str(&words)), arg_s(name), arg_i(generation));
	return moved(n, rc, err);
}

static int
found(uint64_t n, int rc, const char *name, struct gg_error *err)
{
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_NOTFOUND,
		    "nothing is known of a delivery named %s", name);
	return rc;
}

int
store_delivery_set(struct store *s, const char *name, uint64_t next,
    struct gg_error *err)
{
	uint64_t n = 0;
	int rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE delivery SET next_seq = $1, generation = generation + 1,"
	    " attempts = 0, retry_ms = 0, refused = 0 WHERE name = $2",
	    arg_i((int64_t)next), arg_s(name));

	return found(n, rc, name, err);
}

int
store_delivery_retry(struct store *s, const char *name, struct gg_error *err)
{
	uint64_t n = 0;
	int rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE delivery SET attempts = 0, retry_ms = 0 WHERE name = $1",
	    arg_s(name));

	return found(n, rc, name, err);
}

int
store_delivery_forget(struct store *s, const char *name, struct gg_error *err)
{
	uint64_t n = 0;
	int rc = store_do(s, DB_DURABLE, &n, err,
	    "DELETE FROM delivery WHERE name = $1", arg_s(name));

	return found(n, rc, name, err);
}
