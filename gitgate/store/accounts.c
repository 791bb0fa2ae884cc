/* Tokens and local accounts. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define USED_GRAIN_MS 60000 /* tokens: to the minute */

/* -- tokens -- */

void
stored_token_release(struct stored_token *t)
{
	free(t->id);
	free(t->principal);
	free(t->owner);
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
	    " expires_ms, revoked_ms, used_ms, owner)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	    arg_s(t->id), arg_s(hash_hex), arg_s(t->principal), arg_s(groups),
	    arg_i(t->created_ms), arg_i(t->expires_ms), arg_i(t->revoked_ms),
	    arg_i(t->used_ms), arg_s(t->owner));
}

#define TOKEN_COLUMNS                                                \
	"SELECT id, principal, group_names, created_ms, expires_ms," \
	" revoked_ms, used_ms, owner FROM token"

static int
token_read(const struct rows *r, size_t i, struct stored_token *t,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, i, 0, &t->id, err)) != 0 ||
	    (rc = col_text(r, i, 1, &t->principal, err)) != 0 ||
	    (rc = col_strv(r, i, 2, &t->groups, err)) != 0 ||
	    (rc = col_text(r, i, 7, &t->owner, err)) != 0)
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
	strv_release(&u->aliases);
	free(u->totp_secret);
	*u = (struct stored_user){ 0 };
}

/* Is it the name of somebody whom a provider vouches for? */
static int
check_nobody(struct tx *t, const char *name, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err,
	    "SELECT 1 FROM person_link"
	    " WHERE person_key = LOWER(CAST($1 AS TEXT)) AND by_admin = 0",
	    arg_s(name));

	if (rc == 0 && r.n_rows > 0)
		return gg_fail(err, GG_E_EXISTS,
		    "%s is somebody who signs in by a provider", name);
	return rc;
}

int
store_user_add(struct store *s, const struct stored_user *u,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_MEM char *groups = NULL;
	GG_AUTO_MEM char *aliases = NULL;
	int rc;

	if ((rc = col_dump_strv(&u->groups, &groups, err)) != 0 ||
	    (rc = col_dump_strv(&u->aliases, &aliases, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, "person", err)) != 0 ||
	    (rc = check_nobody(&t, u->name, err)) != 0)
		return rc;
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO account (name, password_hash, group_names,"
	    " created_ms, disabled_ms, aliases)"
	    " VALUES ($1, $2, $3, $4, $5, $6)",
	    arg_s(u->name), arg_s(u->password_hash), arg_s(groups),
	    arg_i(u->created_ms), arg_i(u->disabled_ms), arg_s(aliases));
	if (rc == GG_E_EXISTS)
		return gg_fail(err, GG_E_EXISTS, "there is a user %s already",
		    u->name);
	return rc != 0 ? rc : tx_commit(&t, err);
}

#define USER_COLUMNS                                           \
	"SELECT name, password_hash, group_names, created_ms," \
	" disabled_ms, aliases, totp_secret, totp_step FROM account"

static int
user_read(const struct rows *r, size_t i, struct stored_user *u,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, i, 0, &u->name, err)) != 0 ||
	    (rc = col_text(r, i, 1, &u->password_hash, err)) != 0 ||
	    (rc = col_strv(r, i, 2, &u->groups, err)) != 0 ||
	    (rc = col_strv(r, i, 5, &u->aliases, err)) != 0 ||
	    (rc = col_text(r, i, 6, &u->totp_secret, err)) != 0)
		return rc;
	u->created_ms = rows_i(r, i, 3);
	u->disabled_ms = rows_i(r, i, 4);
	u->totp_step = rows_i(r, i, 7);
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
	rc = tx_run(&t, NULL, err, "DELETE FROM web_session WHERE person = $1",
	    arg_s(name));
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_user_set_aliases(struct store *s, const char *name,
    const struct strv *aliases, struct gg_error *err)
{
	GG_AUTO_MEM char *text = NULL;
	uint64_t n = 0;
	int rc;

	if ((rc = col_dump_strv(aliases, &text, err)) != 0)
		return rc;
	rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE account SET aliases = $1 WHERE name = $2", arg_s(text),
	    arg_s(name));
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	return rc;
}

int
store_user_set_totp(struct store *s, const char *name, const char *secret,
    int64_t step, bool only_first, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0)
		return rc;
	rc = tx_run(&t, &r, err,
	    only_first ? "UPDATE account SET totp_secret = $1, totp_step = $2"
			 " WHERE name = $3 AND totp_secret = ''" :
			 "UPDATE account SET totp_secret = $1, totp_step = $2"
			 " WHERE name = $3",
	    arg_s(secret), arg_i(step), arg_s(name));
	if (rc != 0)
		return rc;
	if (r.affected == 0)
		return only_first ?
		    gg_fail(err, GG_E_EXISTS,
			"no user %s without one-time codes", name) :
		    gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	rc = tx_run(&t, NULL, err, "DELETE FROM web_session WHERE person = $1",
	    arg_s(name));
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_user_use_totp(struct store *s, const char *name, const char *secret,
    int64_t step, struct gg_error *err)
{
	uint64_t n = 0;
	int rc;

	rc = store_do(s, DB_DURABLE, &n, err,
	    "UPDATE account SET totp_step = $1 WHERE name = $2"
	    " AND totp_secret = $3 AND totp_step < $1",
	    arg_i(step), arg_s(name), arg_s(secret));
	if (rc == 0 && n == 0)
		return gg_fail(err, GG_E_REFUSED, "this code was used");
	return rc;
}

int
store_user_remove(struct store *s, const char *name, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err, "DELETE FROM account WHERE name = $1",
		 arg_s(name))) != 0)
		return rc;
	if (r.affected == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no user %s", name);
	if ((rc = tx_run(&t, NULL, err,
		 "DELETE FROM web_session WHERE person = $1", arg_s(name))) !=
		0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM person_link WHERE person = $1 AND by_admin = 1",
		 arg_s(name))) != 0)
		return rc;
	return tx_commit(&t, err);
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
