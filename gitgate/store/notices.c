/* Notices on their way: the outbox. */
#include "store/store_priv.h"

#include <stdlib.h>

#define ERROR_BYTES 300

void
stored_notice_release(struct stored_notice *n)
{
	free(n->id);
	free(n->target);
	free(n->event);
	free(n->hold_id);
	free(n->subject);
	free(n->body);
	free(n->last_error);
	*n = (struct stored_notice){ 0 };
}

static const char *const state_names[] = { "due", "delivered", "failed" };

const char *
notice_state_name(enum notice_state s)
{
	return state_names[s];
}

bool
notice_state_parse(struct view v, enum notice_state *out)
{
	for (size_t i = 0; i < GG_COUNT(state_names); i++) {
		if (view_eq_str(v, state_names[i])) {
			*out = (enum notice_state)i;
			return true;
		}
	}
	return false;
}

static int
tx_notice_add(struct tx *t, const struct stored_notice *n, struct gg_error *err)
{
	return tx_run(t, NULL, err,
	    "INSERT INTO notice (id, entry, target, event, hold_id, subject,"
	    " body, created_ms, next_ms, attempts, state, done_ms, last_error)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0, 'due', 0, '')"
	    " ON CONFLICT DO NOTHING",
	    arg_s(n->id), arg_i(n->entry), arg_s(n->target), arg_s(n->event),
	    arg_s(n->hold_id), arg_s(n->subject), arg_s(n->body),
	    arg_i(n->created_ms));
}

int
store_notice_add(struct store *s, const struct stored_notice *v, size_t n,
    const char *cursor_key, const char *cursor, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = tx_notice_add(&t, &v[i], err);
	if (rc == 0 && cursor_key != NULL)
		rc = tx_run(&t, NULL, err,
		    "INSERT INTO meta (key, value) VALUES ($1, $2)"
		    " ON CONFLICT (key) DO UPDATE SET value = $2",
		    arg_s(cursor_key), arg_s(cursor));
	return rc != 0 ? rc : tx_commit(&t, err);
}

#define NOTICE_COLUMNS                                             \
	"SELECT id, entry, target, event, hold_id, subject, body," \
	" created_ms, next_ms, attempts, state, done_ms, last_error FROM notice"

static int
notice_read(const struct rows *r, size_t i, struct stored_notice *n,
    struct gg_error *err)
{
	const struct {
		size_t col;
		char **to;
	} texts[] = { { 0, &n->id }, { 2, &n->target }, { 3, &n->event },
		{ 4, &n->hold_id }, { 5, &n->subject }, { 6, &n->body },
		{ 12, &n->last_error } };
	int rc = 0;

	for (size_t k = 0; k < GG_COUNT(texts) && rc == 0; k++)
		rc = col_text(r, i, texts[k].col, texts[k].to, err);
	if (rc != 0)
		return rc;
	n->entry = rows_i(r, i, 1);
	n->created_ms = rows_i(r, i, 7);
	n->next_ms = rows_i(r, i, 8);
	n->attempts = (uint32_t)rows_i(r, i, 9);
	n->done_ms = rows_i(r, i, 11);
	if (!notice_state_parse(view_str(rows_s(r, i, 10)), &n->state))
		return gg_fail(err, GG_E_CORRUPT, "notice %s: its state",
		    n->id);
	return 0;
}

/* The rows, at most `most`, to the callback. */
static int
each(const struct rows *r, size_t most, store_notice_cb cb, void *ctx,
    struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->n_rows && i < most && rc == 0; i++) {
		GG_AUTO_RELEASE(stored_notice) n = { 0 };

		if ((rc = notice_read(r, i, &n, err)) == 0)
			rc = cb(ctx, &n);
	}
	return rc;
}

int
store_notice_due(struct store *s, int64_t now_ms, size_t limit,
    store_notice_cb cb, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    NOTICE_COLUMNS
	    " WHERE state = 'due' AND next_ms <= $1 AND (target, entry) IN"
	    " (SELECT target, MIN(entry) FROM notice"
	    " WHERE state = 'due' AND next_ms <= $1 GROUP BY target)"
	    " ORDER BY next_ms, id LIMIT $2",
	    arg_i(now_ms), arg_i((int64_t)limit));

	return rc != 0 ? rc : each(&r, limit, cb, ctx, err);
}

int
store_notice_tried(struct store *s, const char *id, enum notice_state state,
    int64_t next_ms, const char *error, int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) words = BUF_INIT(ERROR_BYTES + 8);

	utf8_replace(&words, view_str(error), ERROR_BYTES);
	return store_do(s, DB_WRITE, NULL, err,
	    "UPDATE notice SET state = $1, next_ms = $2, last_error = $3,"
	    " attempts = attempts + 1, done_ms = $4 WHERE id = $5",
	    arg_s(notice_state_name(state)), arg_i(next_ms),
	    arg_s(buf_str(&words)), arg_i(state == NOTICE_DUE ? 0 : now_ms),
	    arg_s(id));
}

int
store_notice_replay(struct store *s, const char *id, int64_t now_ms,
    struct gg_error *err)
{
	uint64_t n = 0;
	int rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE notice SET state = 'due', next_ms = $1, attempts = 0,"
	    " done_ms = 0 WHERE id = $2",
	    arg_i(now_ms), arg_s(id));

	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such notice");
	return rc;
}

int
store_notice_list(struct store *s, const char *state, const char *cursor,
    size_t limit, store_notice_cb cb, void *ctx, char next[ULID_SIZE],
    struct gg_error *err)
{
	size_t most = store_list_limit(limit);
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	next[0] = '\0';
	/* ids are ULIDs, which begin with 7 at most */
	rc = store_run(s, &r, err,
	    NOTICE_COLUMNS " WHERE ($1 = '' OR state = $1) AND id < $2"
			   " ORDER BY id DESC LIMIT $3",
	    arg_s(state), arg_s(cursor != NULL ? cursor : "8"),
	    arg_i((int64_t)most + 1));
	if (rc == 0 && r.n_rows > most)
		(void)snprintf(next, ULID_SIZE, "%s", rows_s(&r, most - 1, 0));
	return rc != 0 ? rc : each(&r, most, cb, ctx, err);
}

int
store_notice_purge(struct store *s, int64_t delivered_before_ms,
    int64_t failed_before_ms, struct gg_error *err)
{
	return store_do(s, DB_WRITE, NULL, err,
	    "DELETE FROM notice WHERE (state = 'delivered' AND done_ms < $1)"
	    " OR (state = 'failed' AND done_ms < $2)",
	    arg_i(delivered_before_ms), arg_i(failed_before_ms));
}

int
store_notice_count(struct store *s, enum notice_state state, uint64_t *n,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT COUNT(*) FROM notice WHERE state = $1",
	    arg_s(notice_state_name(state)));

	if (rc == 0)
		*n = (uint64_t)rows_i(&r, 0, 0);
	return rc;
}
