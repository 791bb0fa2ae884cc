/*
 * Holds: every move is one transaction that names the state it comes from.
 * Rows are locked in the order hold, push, so that no two moves deadlock.
 */
#include "base/clock.h"
#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between an entry of the log and what it says in the store. */
#define ENTRY_SETTLES_MS 10000

/* -- opening -- */

static int
find_pending(struct tx *t, const char *key, char existing[ULID_SIZE],
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = tx_run(t, &r, err,
	    "SELECT id FROM hold WHERE key = $1 AND state = 'pending'",
	    arg_s(key));
	if (rc != 0 || r.n_rows == 0)
		return rc;
	snprintf(existing, ULID_SIZE, "%s", rows_s(&r, 0, 0));
	return gg_fail(err, GG_E_EXISTS, "hold %s is open for the same push",
	    existing);
}

static int
move_push(struct tx *t, const char *hold_id, enum push_state to,
    const char *outcome, int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = tx_run(t, &r, err,
	    "UPDATE push SET state = $1,"
	    " outcome = COALESCE($2, outcome), done_ms = $3"
	    " WHERE id = (SELECT push_id FROM hold WHERE id = $4)"
	    " AND state IN ('held', 'forwarding')",
	    arg_s(push_state_name(to)), arg_null_or(outcome),
	    arg_i(to == PUSH_FORWARDING ? 0 : now_ms), arg_s(hold_id));
	if (rc == 0 && r.affected != 1)
		return gg_fail(err, GG_E_REFUSED,
		    "the push of hold %s is over already", hold_id);
	return rc;
}

/* Older pending holds of the same pusher on one of these refs. */
static int
supersede(struct tx *t, const struct stored_hold *h, struct strv *ids,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(rows) done = { 0 };
	GG_AUTO_MEM char *outcome = NULL;
	int rc;

	rc = tx_run(t, &r, err,
	    "SELECT DISTINCT hold.id FROM hold"
	    " JOIN push_update a ON a.push_id = hold.push_id"
	    " JOIN push_update b ON b.ref = a.ref AND b.push_id = $1"
	    " WHERE hold.state = 'pending' AND hold.principal = $2"
	    " AND hold.repository = $3 ORDER BY hold.id",
	    arg_s(h->push_id), arg_s(h->principal), arg_s(h->repository));
	if (rc != 0)
		return rc;
	if (asprintf(&outcome,
		"{\"state\":\"superseded\",\"message\":"
		"\"a newer push to the same ref: hold %s\"}",
		h->id) < 0)
		return gg_fail(err, GG_E_NOMEM, "hold");
	for (size_t i = 0; i < r.n_rows; i++) {
		rc = tx_run(t, &done, err,
		    "UPDATE hold SET"
		    " state = 'superseded', closed_ms = $1, outcome = $2"
		    " WHERE id = $3 AND state = 'pending'",
		    arg_i(h->created_ms), arg_s(outcome),
		    arg_s(rows_s(&r, i, 0)));
		if (rc != 0)
			return rc;
		if (done.affected != 1)
			continue; /* decided while we waited for its row */
		strv_add(ids, rows_s(&r, i, 0));
		rc = move_push(t, rows_s(&r, i, 0), PUSH_ABORTED, outcome,
		    h->created_ms, err);
		if (rc != 0)
			return rc;
	}
	return strv_check(ids, err);
}

static int
insert_hold(struct tx *t, const struct stored_hold *h, struct gg_error *err)
{
	GG_AUTO_MEM char *updates = NULL;
	GG_AUTO_MEM char *needs = NULL;
	GG_AUTO_MEM char *outcome = NULL;
	int rc;

	if ((rc = col_dump(h->updates, &updates, err)) != 0 ||
	    (rc = col_dump(h->needs, &needs, err)) != 0 ||
	    (rc = col_dump(h->outcome, &outcome, err)) != 0)
		return rc;
	return tx_run(t, NULL, err,
	    "INSERT INTO hold (id, push_id, repository,"
	    " principal, state, created_ms, expires_ms, closed_ms, updates,"
	    " needs, outcome, key, report_digest, policy_digest, attempts)"
	    " VALUES ($1, $2, $3, $4, 'pending', $5, $6, 0, $7, $8, $9, $10,"
	    " $11, $12, 0)",
	    arg_s(h->id), arg_s(h->push_id), arg_s(h->repository),
	    arg_s(h->principal), arg_i(h->created_ms), arg_i(h->expires_ms),
	    arg_null_or(updates), arg_null_or(needs), arg_null_or(outcome),
	    arg_s(h->key), arg_s(h->report_digest), arg_s(h->policy_digest));
}

int
store_hold_open(struct store *s, const struct stored_hold *h,
    const struct stored_push *p, struct strv *superseded,
    char existing[ULID_SIZE], struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	GG_AUTO_MEM char *name = NULL;
	int rc;

	/* one pusher's holds on a repository are opened one by one, or two
	 * that replace each other would not see each other */
	if (asprintf(&name, "hold %s %s", h->principal, h->repository) < 0)
		return gg_fail(err, GG_E_NOMEM, "hold");
	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, name, err)) != 0 ||
	    (rc = find_pending(&t, h->key, existing, err)) != 0 ||
	    (rc = supersede(&t, h, &ids, err)) != 0 ||
	    (rc = tx_push_update(&t, p, PUSH_RECEIVING, PUSH_HELD, err)) != 0 ||
	    (rc = insert_hold(&t, h, err)) != 0 ||
	    (rc = tx_commit(&t, err)) != 0)
		return rc;
	for (size_t i = 0; i < ids.n; i++)
		strv_add(superseded, ids.v[i]);
	return 0;
}

/* -- moving -- */

static int
refused_move(struct tx *t, const char *id, enum hold_state from,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = tx_run(t, &r, err, "SELECT state FROM hold WHERE id = $1",
	    arg_s(id));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no hold %s", id);
	return gg_fail(err, GG_E_REFUSED, "hold %s is %s, not %s", id,
	    rows_s(&r, 0, 0), hold_state_name(from));
}

/* outcome NULL: the stored one stays. */
static int
move_hold(struct tx *t, const char *id, enum hold_state from,
    enum hold_state to, const char *outcome, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if (!hold_move_is_allowed(from, to))
		return gg_fail(err, GG_E_REFUSED,
		    "a hold does not go from %s to %s", hold_state_name(from),
		    hold_state_name(to));
	rc = tx_run(t, &r, err,
	    "UPDATE hold SET state = $1, closed_ms = $2,"
	    " outcome = COALESCE($3, outcome) WHERE id = $4 AND state = $5",
	    arg_s(hold_state_name(to)), arg_i(hold_is_over(to) ? now_ms : 0),
	    arg_null_or(outcome), arg_s(id), arg_s(hold_state_name(from)));
	if (rc != 0)
		return rc;
	return r.affected == 1 ? 0 : refused_move(t, id, from, err);
}

/* What a rejection leaves as the hold's outcome. */
static int
rejection(const struct stored_review *r, char **out, struct gg_error *err)
{
	json_t *o;
	int rc;

	o = json_pack("{s:s, s:o}", "state", "rejected", "message",
	    json_sprintf("rejected by %s%s%s", r->reviewer,
		r->comment && r->comment[0] ? ": " : "",
		r->comment ? r->comment : ""));
	if (o == NULL) /* a comment that is not UTF-8 */
		return gg_fail(err, GG_E_INPUT, "the comment is not UTF-8");
	rc = col_dump(o, out, err);
	json_decref(o);
	return rc;
}

/* Lock the hold's row, and let nothing but the expected state pass. */
static int
check_reviewable(struct tx *t, const char *id, const char *reviewer,
    size_t expected, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) q;
	int rc;

	sql_init(&q, "SELECT state FROM hold WHERE id = ");
	sql_arg(&q, "", arg_s(id));
	sql_add(&q, t->s->driver->for_update);
	if ((rc = sql_run(t, &q, &r, err)) != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no hold %s", id);
	if (strcmp(rows_s(&r, 0, 0), hold_state_name(HOLD_PENDING)) != 0)
		return gg_fail(err, GG_E_REFUSED, "hold %s is %s", id,
		    rows_s(&r, 0, 0));
	rc = tx_run(t, &r, err,
	    "SELECT reviewer FROM review WHERE hold_id = $1", arg_s(id));
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++)
		if (strcmp(rows_s(&r, i, 0), reviewer) == 0)
			return gg_fail(err, GG_E_EXISTS,
			    "%s has reviewed this hold already", reviewer);
	if (rc == 0 && r.n_rows != expected)
		return gg_fail(err, GG_E_REFUSED,
		    "hold %s was reviewed meanwhile", id);
	return rc;
}

int
store_hold_review(struct store *s, const char *id,
    const struct stored_review *r, size_t expected_reviews,
    enum hold_state next, int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_MEM char *groups = NULL;
	GG_AUTO_MEM char *aliases = NULL;
	GG_AUTO_MEM char *outcome = NULL;
	int rc;

	if ((rc = col_dump_strv(&r->groups, &groups, err)) != 0 ||
	    (rc = col_dump_strv(&r->aliases, &aliases, err)) != 0 ||
	    (next == HOLD_REJECTED && (rc = rejection(r, &outcome, err)) != 0))
		return rc;
	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = check_reviewable(&t, id, r->reviewer, expected_reviews,
		 err)) != 0)
		return rc;
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO review (hold_id, number,"
	    " reviewer, comment, verdict, time_ms, group_names, aliases,"
	    " machine) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	    arg_s(id), arg_i((int64_t)expected_reviews), arg_s(r->reviewer),
	    arg_s(r->comment), arg_s(r->approve ? "approve" : "reject"),
	    arg_i(r->time_ms), arg_s(groups), arg_s(aliases),
	    arg_i(r->machine));
	if (rc == 0 && next != HOLD_PENDING)
		rc = move_hold(&t, id, HOLD_PENDING, next, outcome, now_ms,
		    err);
	if (rc == 0 && next == HOLD_REJECTED)
		rc = move_push(&t, id, PUSH_DENIED, outcome, now_ms, err);
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_hold_move(struct store *s, const char *id, enum hold_state from,
    enum hold_state to, json_t *outcome, enum push_state push_to,
    int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_MEM char *text = NULL;
	int rc;

	if ((rc = col_dump(outcome, &text, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = move_hold(&t, id, from, to, text, now_ms, err)) != 0)
		return rc;
	if (push_to != PUSH_STATE_COUNT &&
	    (rc = move_push(&t, id, push_to, text, now_ms, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_hold_attempted(struct store *s, const char *id, struct gg_error *err)
{
	uint64_t n = 0;
	int rc;

	rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE hold SET attempts = attempts + 1 WHERE id = $1", arg_s(id));
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no hold %s", id);
	return rc;
}

/* -- what is due -- */

static int
add_ids(const struct rows *r, struct strv *ids, struct gg_error *err)
{
	for (size_t i = 0; i < r->n_rows; i++)
		strv_add(ids, rows_s(r, i, 0));
	return strv_check(ids, err);
}

int
store_hold_due(struct store *s, int64_t now_ms, struct strv *approved,
    struct strv *expired, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) a = { 0 };
	GG_AUTO_RELEASE(rows) e = { 0 };
	int rc;

	if ((rc = store_run(s, &a, err,
		 "SELECT id FROM hold"
		 " WHERE state = $1 ORDER BY id",
		 arg_s("approved"))) != 0 ||
	    (rc = store_run(s, &e, err,
		 "SELECT id FROM hold"
		 " WHERE state = 'pending' AND expires_ms <= $1 ORDER BY id",
		 arg_i(now_ms))) != 0 ||
	    (rc = add_ids(&a, approved, err)) != 0)
		return rc;
	return add_ids(&e, expired, err);
}

int
store_hold_stale(struct store *s, const char *repository, const char *ref,
    const char *cur_hex, struct strv *ids, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    "SELECT hold.id FROM hold"
	    " JOIN push_update u ON u.push_id = hold.push_id"
	    " WHERE hold.state = 'pending' AND hold.repository = $1"
	    " AND u.ref = $2 AND u.old_oid <> $3 ORDER BY hold.id",
	    arg_s(repository), arg_s(ref), arg_s(cur_hex));
	return rc != 0 ? rc : add_ids(&r, ids, err);
}

int
store_hold_count(struct store *s, uint64_t *pending, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, "SELECT COUNT(*) FROM hold WHERE state = $1",
	    arg_s("pending"));
	if (rc == 0)
		*pending = (uint64_t)rows_i(&r, 0, 0);
	return rc;
}

static const char *
entry_text(const json_t *entry, const char *key)
{
	const char *s = json_string_value(json_object_get(entry, key));

	return s != NULL ? s : "";
}

bool
hold_entry_is_true(const json_t *entry, const struct stored_hold *h)
{
	const char *type = entry_text(entry, "type");

	if (json_is_true(json_object_get(entry, "void")))
		return false;
	if (strcmp(type, "hold.opened") == 0 || strcmp(type, "hold.seen") == 0)
		return true; /* it is there */
	if (strcmp(type, "hold.closed") == 0)
		return strcmp(hold_state_name(h->state),
			   entry_text(entry, "state")) == 0;
	for (size_t i = 0; i < h->n_reviews; i++)
		if (strcmp(h->reviews[i].reviewer,
			entry_text(entry, "reviewer")) == 0)
			return true;
	return false;
}

bool
hold_entry_may_follow(const json_t *entry)
{
	int64_t ms = 0, now = clock_wall_ms();

	return clock_parse(view_str(entry_text(entry, "time")), &ms, NULL) ==
	    0 &&
	    now - ms < ENTRY_SETTLES_MS && ms - now < ENTRY_SETTLES_MS;
}
