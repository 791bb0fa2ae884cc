/* Pushes and their ref updates. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 50
#define LIST_MAX     200

void
stored_push_release(struct stored_push *p)
{
	free(p->id);
	free(p->repository);
	free(p->principal);
	strv_release(&p->groups);
	json_decref(p->identity);
	free(p->auth_method);
	free(p->credential_id);
	free(p->client_addr);
	free(p->client_agent);
	json_decref(p->request);
	json_decref(p->updates);
	json_decref(p->outcome);
	free(p->policy_digest);
	free(p->report_digest);
	strv_release(&p->paths);
	*p = (struct stored_push){ 0 };
}

/* The JSON columns of a push or hold, as text. */
struct texts {
	char *a, *b, *c;
};

static void
texts_release(struct texts *x)
{
	free(x->a);
	free(x->b);
	free(x->c);
}
GG_DEFINE_AUTO_RELEASE(texts);

static int
push_texts(const struct stored_push *p, struct texts *x, struct gg_error *err)
{
	int rc;

	if ((rc = col_dump(p->request, &x->a, err)) != 0 ||
	    (rc = col_dump(p->updates, &x->b, err)) != 0)
		return rc;
	return col_dump(p->outcome, &x->c, err);
}

/* The side table that filters by ref and finds stale holds. */
static int
add_updates(struct tx *t, const struct stored_push *p, struct gg_error *err)
{
	const char *ref, *old, *new;
	json_t *u;
	size_t i;
	int rc;

	json_array_foreach(p->updates, i, u)
	{
		ref = json_string_value(json_object_get(u, "ref"));
		old = json_string_value(json_object_get(u, "old"));
		new = json_string_value(json_object_get(u, "new"));
		if (ref == NULL || old == NULL || new == NULL)
			return gg_fail(err, GG_E_INPUT,
			    "a ref update without ref, old or new");
		rc = tx_run(t, NULL, err,
		    "INSERT INTO push_update (push_id, ref, old_oid, new_oid)"
		    " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		    arg_s(p->id), arg_s(ref), arg_s(old), arg_s(new));
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
store_push_add(struct store *s, const struct stored_push *p,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(texts) x = { 0 };
	GG_AUTO_MEM char *groups = NULL;
	GG_AUTO_MEM char *identity = NULL;
	int rc;

	if ((rc = push_texts(p, &x, err)) != 0 ||
	    (rc = col_dump(p->identity, &identity, err)) != 0 ||
	    (rc = col_dump_strv(&p->groups, &groups, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0)
		return rc;
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO push (id, repository, principal, group_names,"
	    " auth_method, credential_id, client_addr, client_agent, state,"
	    " created_ms, decided_ms, done_ms, request, updates, outcome,"
	    " policy_digest, report_digest, identity) VALUES ($1, $2, $3, $4,"
	    " $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
	    " $18)",
	    arg_s(p->id), arg_s(p->repository), arg_s(p->principal),
	    arg_s(groups), arg_s(p->auth_method), arg_s(p->credential_id),
	    arg_s(p->client_addr), arg_s(p->client_agent),
	    arg_s(push_state_name(p->state)), arg_i(p->created_ms),
	    arg_i(p->decided_ms), arg_i(p->done_ms), arg_null_or(x.a),
	    arg_null_or(x.b), arg_null_or(x.c), arg_s(p->policy_digest),
	    arg_s(p->report_digest), arg_null_or(identity));
	if (rc != 0 || (rc = add_updates(&t, p, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
tx_push_update(struct tx *t, const struct stored_push *p, enum push_state from,
    enum push_state to, struct gg_error *err)
{
	GG_AUTO_RELEASE(texts) x = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = push_texts(p, &x, err)) != 0)
		return rc;
	rc = tx_run(t, &r, err,
	    "UPDATE push SET state = $1, decided_ms = $2,"
	    " done_ms = $3, request = $4, updates = $5, outcome = $6,"
	    " policy_digest = $7, report_digest = $8"
	    " WHERE id = $9 AND state = $10",
	    arg_s(push_state_name(to)), arg_i(p->decided_ms), arg_i(p->done_ms),
	    arg_null_or(x.a), arg_null_or(x.b), arg_null_or(x.c),
	    arg_s(p->policy_digest), arg_s(p->report_digest), arg_s(p->id),
	    arg_s(push_state_name(from)));
	if (rc == 0 && r.affected == 1)
		return tx_paths_add(t, p, err);
	if (rc != 0)
		return rc;
	rc = tx_run(t, &r, err, "SELECT state FROM push WHERE id = $1",
	    arg_s(p->id));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no push %s", p->id);
	return gg_fail(err, GG_E_REFUSED, "push %s is %s, not %s", p->id,
	    rows_s(&r, 0, 0), push_state_name(from));
}

int
store_push_update(struct store *s, const struct stored_push *p,
    enum push_state from, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_push_update(&t, p, from, p->state, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

#define PUSH_COLUMNS                                                      \
	"SELECT id, repository, principal, group_names, auth_method,"     \
	" credential_id, client_addr, client_agent, state, created_ms,"   \
	" decided_ms, done_ms, request, updates, outcome, policy_digest," \
	" report_digest, identity, purged_ms FROM push"

static int
read_texts(const struct rows *r, size_t i, struct stored_push *p,
    struct gg_error *err)
{
	const struct {
		size_t col;
		char **to;
	} texts[] = { { 0, &p->id }, { 1, &p->repository },
		{ 2, &p->principal }, { 4, &p->auth_method },
		{ 5, &p->credential_id }, { 6, &p->client_addr },
		{ 7, &p->client_agent }, { 15, &p->policy_digest },
		{ 16, &p->report_digest } };
	int rc;

	for (size_t k = 0; k < GG_COUNT(texts); k++)
		if ((rc = col_text(r, i, texts[k].col, texts[k].to, err)) != 0)
			return rc;
	return col_strv(r, i, 3, &p->groups, err);
}

static int
push_read(const struct rows *r, size_t i, struct stored_push *p,
    struct gg_error *err)
{
	int rc;

	if ((rc = read_texts(r, i, p, err)) != 0 ||
	    (rc = col_json(r, i, 12, &p->request, err)) != 0 ||
	    (rc = col_json(r, i, 13, &p->updates, err)) != 0 ||
	    (rc = col_json(r, i, 14, &p->outcome, err)) != 0 ||
	    (rc = col_json(r, i, 17, &p->identity, err)) != 0)
		return rc;
	if (!push_state_parse(view_str(rows_s(r, i, 8)), &p->state))
		return gg_fail(err, GG_E_CORRUPT,
		    "push %s has an unknown state", p->id);
	p->created_ms = rows_i(r, i, 9);
	p->decided_ms = rows_i(r, i, 10);
	p->done_ms = rows_i(r, i, 11);
	p->purged_ms = rows_i(r, i, 18);
	return 0;
}

int
store_push_get(struct store *s, const char *id, struct stored_push *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, PUSH_COLUMNS " WHERE id = $1", arg_s(id));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no push %s", id);
	if ((rc = push_read(&r, 0, &p, err)) != 0)
		return rc;
	*out = p;
	p = (struct stored_push){ 0 };
	return 0;
}

/* -- lists -- */

size_t
store_list_limit(size_t asked)
{
	if (asked == 0)
		return LIST_DEFAULT;
	return asked > LIST_MAX ? LIST_MAX : asked;
}

/* More names than this: whoever reads the list looks at every hold. */
#define ASKED_MAX 100

/* What only holds have. */
static void
sql_add_asked(struct sql *q, const struct store_query *sq)
{
	if (sq->phase == STORE_OPEN)
		sql_add(q, " AND " HOLD_IS_OPEN);
	else if (sq->phase == STORE_DONE)
		sql_add(q, " AND " HOLD_IS_DONE);
	if (sq->not_of != NULL) {
		sql_arg(q, " AND principal <> ", arg_s(sq->not_of));
		sql_arg(q,
		    " AND NOT EXISTS (SELECT 1 FROM review WHERE"
		    " review.hold_id = hold.id AND review.reviewer = ",
		    arg_s(sq->not_of));
		sql_add(q, ")");
	}
	if (sq->asked == NULL || sq->asked->n > ASKED_MAX)
		return;
	sql_like(q, " AND (lower(needs)", "\"from\":[]", "", "");
	for (size_t i = 0; i < sq->asked->n; i++)
		if (strpbrk(sq->asked->v[i], "\"\\") == NULL)
			sql_like(q, " OR lower(needs)", "\"", sq->asked->v[i],
			    "\"");
	sql_add(q, ")");
}

void
sql_add_query(struct sql *q, const struct store_query *sq, const char *push_col)
{
	sql_add(q, " WHERE 1 = 1");
	if (sq->repository != NULL)
		sql_arg(q, " AND repository = ", arg_s(sq->repository));
	if (sq->principal != NULL)
		sql_arg(q, " AND principal = ", arg_s(sq->principal));
	if (sq->state != NULL)
		sql_arg(q, " AND state = ", arg_s(sq->state));
	if (sq->since_ms != 0)
		sql_arg(q, " AND created_ms >= ", arg_i(sq->since_ms));
	if (sq->until_ms != 0)
		sql_arg(q, " AND created_ms < ", arg_i(sq->until_ms));
	if (sq->cursor != NULL && sq->cursor[0] != '\0')
		sql_arg(q, " AND id < ", arg_s(sq->cursor));
	if (sq->ref != NULL) {
		sql_add(q, " AND ");
		sql_add(q, push_col);
		sql_arg(q, " IN (SELECT push_id FROM push_update WHERE ref = ",
		    arg_s(sq->ref));
		sql_add(q, ")");
	}
	if (sq->text != NULL) {
		sql_like(q, " AND (lower(repository)", "", sq->text, "");
		sql_like(q, " OR lower(principal)", "", sq->text, "");
		sql_like(q, " OR lower(updates)", "", sq->text, "");
		sql_add(q, ")");
	}
	if (sq->rule != NULL)
		sql_like(q, " AND lower(updates)", "\"rule\":\"", sq->rule,
		    "\"");
	sql_add_asked(q, sq);
	sql_arg(q, " ORDER BY id DESC LIMIT ",
	    arg_i((int64_t)store_list_limit(sq->limit) + 1));
}

static int
each_push(const struct rows *r, size_t n, store_push_cb cb, void *ctx,
    struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		GG_AUTO_RELEASE(stored_push) p = { 0 };

		if ((rc = push_read(r, i, &p, err)) == 0)
			rc = cb(ctx, &p);
	}
	return rc;
}

int
store_push_list(struct store *s, const struct store_query *q, store_push_cb cb,
    void *ctx, char next[ULID_SIZE], struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) sql;
	size_t limit = store_list_limit(q->limit), n;
	int rc;

	sql_init(&sql, PUSH_COLUMNS);
	sql_add_query(&sql, q, "id");
	if ((rc = buf_check(&sql.text, err)) != 0 ||
	    (rc = store_read(s, buf_str(&sql.text), sql.args, sql.n, &r,
		 err)) != 0)
		return rc;
	n = r.n_rows > limit ? limit : r.n_rows;
	snprintf(next, ULID_SIZE, "%s",
	    r.n_rows > limit ? rows_s(&r, n - 1, 0) : "");
	return each_push(&r, n, cb, ctx, err);
}

int
store_push_unfinished(struct store *s, store_push_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    PUSH_COLUMNS " WHERE state IN ($1, $2) ORDER BY id",
	    arg_s(push_state_name(PUSH_RECEIVING)),
	    arg_s(push_state_name(PUSH_FORWARDING)));
	return rc != 0 ? rc : each_push(&r, r.n_rows, cb, ctx, err);
}

int
store_push_open(struct store *s, const char *repository, store_push_cb cb,
    void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    PUSH_COLUMNS " WHERE state IN ($1, $2, $3) AND repository = $4"
			 " ORDER BY id",
	    arg_s(push_state_name(PUSH_RECEIVING)),
	    arg_s(push_state_name(PUSH_FORWARDING)),
	    arg_s(push_state_name(PUSH_HELD)), arg_s(repository));
	return rc != 0 ? rc : each_push(&r, r.n_rows, cb, ctx, err);
}
