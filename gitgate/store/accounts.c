/* Tokens, local accounts, their web sessions, failed sign-ins. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define USED_GRAIN_MS    60000 /* tokens: to the minute */
#define SESSION_GRAIN_MS 1000
#define SESSION_KEPT_MS  (30 * 86400000LL) /* longer than any lifetime */
#define FAILURE_KEPT_MS  86400000LL

/* -- tokens -- */

void
stored_token_release(struct stored_token *t)
{
	free(t->id);
	free(t->principal);
	strv_release(&t->groups);
	*t = (struct stored_token){ 0 };
}

int
store_token_add(struct store *s, const struct stored_token *t,
    const char *hash_hex, struct gg_error *err)
{
	GG_AUTO_MEM char *groups = NULL;
	int rc;

	if ((rc = col_dump_strv(&t->groups, &groups, err)) != 0)
		return rc;
	return store_do(s, DB_DURABLE, NULL, err,
	    "INSERT INTO token (id, hash, principal, group_names, created_ms,"
	    " expires_ms, revoked_ms, used_ms)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	    arg_s(t->id), arg_s(hash_hex), arg_s(t->principal), arg_s(groups),
	    arg_i(t->created_ms), arg_i(t->expires_ms), arg_i(t->revoked_ms),
	    arg_i(t->used_ms));
}

#define TOKEN_COLUMNS                                                \
	"SELECT id, principal, group_names, created_ms, expires_ms," \
	" revoked_ms, used_ms FROM token"

static int
token_read(const struct rows *r, size_t i, struct stored_token *t,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, i, 0, &t->id, err)) != 0 ||
	    (rc = col_text(r, i, 1, &t->principal, err)) != 0 ||
	    (rc = col_strv(r, i, 2, &t->groups, err)) != 0)
		return rc;
	t->created_ms = rows_i(r, i, 3);
	t->expires_ms = rows_i(r, i, 4);
	t->revoked_ms = rows_i(r, i, 5);
	t->used_ms = rows_i(r, i, 6);
	return 0;
}

int
store_token_find(struct store *s, const char *hash_hex,
    struct stored_token *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_token) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, TOKEN_COLUMNS " WHERE hash = $1",
	    arg_s(hash_hex));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such token");
	if ((rc = token_read(&r, 0, &t, err)) != 0)
		return rc;
	*out = t;
	t = (struct stored_token){ 0 };
	return 0;
}

int
store_token_used(struct store *s, const char *id, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	/* a read first: most uses write nothing and wait for no writer */
	rc = store_run(s, &r, err, "SELECT used_ms FROM token WHERE id = $1",
	    arg_s(id));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such token");
	if (now_ms - rows_i(&r, 0, 0) < USED_GRAIN_MS)
		return 0;
	return store_do(s, DB_WRITE, NULL, err,
	    "UPDATE token SET used_ms = $1 WHERE id = $2 AND used_ms < $1",
	    arg_i(now_ms), arg_s(id));
}

int
store_token_revoke(struct store *s, const char *id_or_name, int64_t now_ms,
    uint64_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	bool by_id;
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "SELECT id FROM token WHERE id = $1 OR principal = $1",
		 arg_s(id_or_name))) != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no token %s", id_or_name);
	by_id = false;
	for (size_t i = 0; i < r.n_rows; i++)
		by_id = by_id || strcmp(rows_s(&r, i, 0), id_or_name) == 0;
	rc = tx_run(&t, &r, err,
	    by_id ? "UPDATE token SET revoked_ms = $1 WHERE id = $2"
		    " AND revoked_ms = 0" :
		    "UPDATE token SET revoked_ms = $1 WHERE principal = $2"
		    " AND revoked_ms = 0",
	    arg_i(now_ms), arg_s(id_or_name));
	if (rc != 0 || (rc = tx_commit(&t, err)) != 0)
		return rc;
	*n = r.affected;
	return 0;
}

int
store_token_list(struct store *s, store_token_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_read(s, TOKEN_COLUMNS " ORDER BY id", NULL, 0, &r, err);
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(stored_token) t = { 0 };

		if ((rc = token_read(&r, i, &t, err)) == 0)
			rc = cb(ctx, &t);
	}
	return rc;
}

/* -- local accounts -- */

void
stored_user_release(struct stored_user *u)
{
	free(u->name);
	free(u->password_hash);
	strv_release(&u->groups);
	*u = (struct stored_user){ 0 };
}

int
store_user_add(struct store *s, const struct stored_user *u,
    struct gg_error *err)
{
	GG_AUTO_MEM char *groups = NULL;
	int rc;

	if ((rc = col_dump_strv(&u->groups, &groups, err)) != 0)
		return rc;
	rc = store_do(s, DB_DURABLE, NULL, err,
	    "INSERT INTO account (name, password_hash, group_names,"
	    " created_ms, disabled_ms) VALUES ($1, $2, $3, $4, $5)",
	    arg_s(u->name), arg_s(u->password_hash), arg_s(groups),
	    arg_i(u->created_ms), arg_i(u->disabled_ms));
	if (rc == GG_E_EXISTS)
		return gg_fail(err, GG_E_EXISTS, "there is a user %s already",
		    u->name);
	return rc;
}

#define USER_COLUMNS                                           \
	"SELECT name, password_hash, group_names, created_ms," \
	" disabled_ms FROM account"

static int
user_read(const struct rows *r, size_t i, struct stored_user *u,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, i, 0, &u->name, err)) != 0 ||
	    (rc = col_text(r, i, 1, &u->password_hash, err)) != 0 ||
	    (rc = col_strv(r, i, 2, &u->groups, err)) != 0)
		return rc;
	u->created_ms = rows_i(r, i, 3);
	u->disabled_ms = rows_i(r, i, 4);
	return 0;
}

int
store_user_find(struct store *s, const char *name, struct stored_user *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_user) u = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, USER_COLUMNS " WHERE name = $1",
	    arg_s(name));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	if ((rc = user_read(&r, 0, &u, err)) != 0)
		return rc;
	*out = u;
	u = (struct stored_user){ 0 };
	return 0;
}

int
store_user_set_password(struct store *s, const char *name,
    const char *password_hash, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "UPDATE account SET password_hash = $1"
		 " WHERE name = $2",
		 arg_s(password_hash), arg_s(name))) != 0)
		return rc;
	if (r.affected == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	rc = tx_run(&t, NULL, err, "DELETE FROM web_session WHERE account = $1",
	    arg_s(name));
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_user_remove(struct store *s, const char *name, struct gg_error *err)
{
	uint64_t n = 0;
	int rc;

	/* its sessions go with it (ON DELETE CASCADE) */
	rc = store_do(s, DB_DURABLE, &n, err,
	    "DELETE FROM account WHERE name = $1", arg_s(name));
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	return rc;
}

int
store_user_list(struct store *s, store_user_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_read(s, USER_COLUMNS " ORDER BY name", NULL, 0, &r, err);
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(stored_user) u = { 0 };

		if ((rc = user_read(&r, i, &u, err)) == 0)
			rc = cb(ctx, &u);
	}
	return rc;
}

/* -- web sessions -- */

void
stored_session_release(struct stored_session *x)
{
	free(x->user);
	free(x->csrf);
	*x = (struct stored_session){ 0 };
}

int
store_session_add(struct store *s, const char *hash_hex,
    const struct stored_session *x, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM web_session WHERE used_ms < $1",
		 arg_i(x->created_ms - SESSION_KEPT_MS))) != 0)
		return rc;
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO web_session (hash, account, csrf, created_ms,"
	    " used_ms) VALUES ($1, $2, $3, $4, $5)",
	    arg_s(hash_hex), arg_s(x->user), arg_s(x->csrf),
	    arg_i(x->created_ms), arg_i(x->used_ms));
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_session_find(struct store *s, const char *hash_hex,
    struct stored_session *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_session) x = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    "SELECT account, csrf, created_ms, used_ms"
	    " FROM web_session WHERE hash = $1",
	    arg_s(hash_hex));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such session");
	if ((rc = col_text(&r, 0, 0, &x.user, err)) != 0 ||
	    (rc = col_text(&r, 0, 1, &x.csrf, err)) != 0)
		return rc;
	x.created_ms = rows_i(&r, 0, 2);
	x.used_ms = rows_i(&r, 0, 3);
	*out = x;
	x = (struct stored_session){ 0 };
	return 0;
}

int
store_session_used(struct store *s, const char *hash_hex, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    "SELECT used_ms FROM web_session WHERE hash = $1", arg_s(hash_hex));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such session");
	if (now_ms - rows_i(&r, 0, 0) < SESSION_GRAIN_MS)
		return 0;
	return store_do(s, DB_WRITE, NULL, err,
	    "UPDATE web_session SET used_ms = $1"
	    " WHERE hash = $2 AND used_ms < $1",
	    arg_i(now_ms), arg_s(hash_hex));
}

int
store_session_remove(struct store *s, const char *hash_hex,
    struct gg_error *err)
{
	uint64_t n = 0;
	int rc;

	rc = store_do(s, DB_DURABLE, &n, err,
	    "DELETE FROM web_session WHERE hash = $1", arg_s(hash_hex));
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such session");
	return rc;
}

/* -- failed sign-ins -- */

int
store_signin_failed(struct store *s, const char *key, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	char id[ULID_SIZE];
	int rc;

	ulid_new(id);
	if ((rc = tx_begin(s, DB_WRITE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM signin_failure WHERE time_ms < $1",
		 arg_i(now_ms - FAILURE_KEPT_MS))) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "INSERT INTO signin_failure"
		 " (id, key, time_ms) VALUES ($1, $2, $3)",
		 arg_s(id), arg_s(key), arg_i(now_ms))) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_signin_count(struct store *s, const char *key, int64_t since_ms,
    uint64_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    "SELECT COUNT(*) FROM signin_failure"
	    " WHERE key = $1 AND time_ms >= $2",
	    arg_s(key), arg_i(since_ms));
	if (rc == 0)
		*n = (uint64_t)rows_i(&r, 0, 0);
	return rc;
}
