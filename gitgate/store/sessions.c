/* Web sessions, sign-ins under way, failed sign-ins. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define SESSION_GRAIN_MS 1000
#define SESSION_KEPT_MS  (30 * 86400000LL) /* longer than any lifetime */
#define FAILURE_KEPT_MS  86400000LL

/* -- web sessions -- */

void
stored_session_release(struct stored_session *x)
{
	free(x->id);
	free(x->person);
	free(x->provider);
	free(x->issuer);
	free(x->subject);
	strv_release(&x->groups);
	strv_release(&x->aliases);
	free(x->csrf);
	free(x->client_addr);
	*x = (struct stored_session){ 0 };
}

int
store_session_add(struct store *s, const char *hash_hex,
    const struct stored_session *x, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_MEM char *groups = NULL;
	GG_AUTO_MEM char *aliases = NULL;
	int rc;

	if ((rc = col_dump_strv(&x->groups, &groups, err)) != 0 ||
	    (rc = col_dump_strv(&x->aliases, &aliases, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM web_session WHERE used_ms < $1",
		 arg_i(x->created_ms - SESSION_KEPT_MS))) != 0)
		return rc;
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO web_session (hash, id, person, provider, issuer,"
	    " subject, group_names, aliases, csrf, created_ms, used_ms,"
	    " signed_in_ms, client_addr) VALUES ($1, $2, $3, $4, $5, $6, $7,"
	    " $8, $9, $10, $11, $12, $13)",
	    arg_s(hash_hex), arg_s(x->id), arg_s(x->person), arg_s(x->provider),
	    arg_s(x->issuer), arg_s(x->subject), arg_s(groups), arg_s(aliases),
	    arg_s(x->csrf), arg_i(x->created_ms), arg_i(x->used_ms),
	    arg_i(x->signed_in_ms), arg_s(x->client_addr));
	return rc != 0 ? rc : tx_commit(&t, err);
}

#define SESSION_COLUMNS                                                  \
	"SELECT id, person, provider, issuer, subject, group_names,"     \
	" aliases, csrf, created_ms, used_ms, signed_in_ms, client_addr" \
	" FROM web_session"

static int
session_read(const struct rows *r, size_t i, struct stored_session *x,
    struct gg_error *err)
{
	const struct {
		size_t col;
		char **to;
	} texts[] = { { 0, &x->id }, { 1, &x->person }, { 2, &x->provider },
		{ 3, &x->issuer }, { 4, &x->subject }, { 7, &x->csrf },
		{ 11, &x->client_addr } };
	int rc;

	for (size_t k = 0; k < GG_COUNT(texts); k++)
		if ((rc = col_text(r, i, texts[k].col, texts[k].to, err)) != 0)
			return rc;
	if ((rc = col_strv(r, i, 5, &x->groups, err)) != 0 ||
	    (rc = col_strv(r, i, 6, &x->aliases, err)) != 0)
		return rc;
	x->created_ms = rows_i(r, i, 8);
	x->used_ms = rows_i(r, i, 9);
	x->signed_in_ms = rows_i(r, i, 10);
	return 0;
}

int
store_session_find(struct store *s, const char *hash_hex,
    struct stored_session *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_session) x = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, SESSION_COLUMNS " WHERE hash = $1",
	    arg_s(hash_hex));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such session");
	if ((rc = session_read(&r, 0, &x, err)) != 0)
		return rc;
	*out = x;
	x = (struct stored_session){ 0 };
	return 0;
}

int
store_session_list(struct store *s, const char *person, store_session_cb cb,
    void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    SESSION_COLUMNS " WHERE person = $1 ORDER BY id DESC LIMIT 200",
	    arg_s(person));
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(stored_session) x = { 0 };

		if ((rc = session_read(&r, i, &x, err)) == 0)
			rc = cb(ctx, &x);
	}
	return rc;
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

int
store_session_end(struct store *s, const char *person, const char *id,
    uint64_t *n, struct gg_error *err)
{
	if (id == NULL)
		return store_do(s, DB_DURABLE, n, err,
		    "DELETE FROM web_session WHERE person = $1", arg_s(person));
	return store_do(s, DB_DURABLE, n, err,
	    "DELETE FROM web_session WHERE person = $1 AND id = $2",
	    arg_s(person), arg_s(id));
}

/* -- sign-ins under way -- */

void
stored_sign_in_release(struct stored_sign_in *x)
{
	free(x->provider);
	free(x->browser);
	free(x->next);
	free(x->data);
	free(x->client_addr);
	*x = (struct stored_sign_in){ 0 };
}

/* GG_E_LIMIT, the limit's key as its words, where there are too many. */
static int
check_room(struct tx *t, const struct stored_sign_in *x, uint64_t max,
    uint64_t max_addr, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = tx_query(t, "SELECT COUNT(*) FROM sign_in", NULL, 0, &r, err);
	if (rc != 0)
		return rc;
	if ((uint64_t)rows_i(&r, 0, 0) >= max)
		return gg_fail(err, GG_E_LIMIT, "sign-ins-pending");
	rc = tx_run(t, &r, err,
	    "SELECT COUNT(*) FROM sign_in WHERE client_addr = $1",
	    arg_s(x->client_addr));
	if (rc != 0)
		return rc;
	if ((uint64_t)rows_i(&r, 0, 0) >= max_addr)
		return gg_fail(err, GG_E_LIMIT, "sign-ins-pending-per-address");
	return 0;
}

int
store_sign_in_add(struct store *s, const char *hash_hex,
    const struct stored_sign_in *x, int64_t oldest_ms, uint64_t max,
    uint64_t max_addr, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_WRITE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, "sign_in", err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM sign_in WHERE created_ms < $1",
		 arg_i(oldest_ms))) != 0 ||
	    (rc = check_room(&t, x, max, max_addr, err)) != 0)
		return rc;
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO sign_in (hash, provider, browser, next, data,"
	    " client_addr, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
	    arg_s(hash_hex), arg_s(x->provider), arg_s(x->browser),
	    arg_s(x->next), arg_s(x->data), arg_s(x->client_addr),
	    arg_i(x->created_ms));
	return rc != 0 ? rc : tx_commit(&t, err);
}

static int
sign_in_read(const struct rows *r, struct stored_sign_in *x,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, 0, 0, &x->provider, err)) != 0 ||
	    (rc = col_text(r, 0, 1, &x->browser, err)) != 0 ||
	    (rc = col_text(r, 0, 2, &x->next, err)) != 0 ||
	    (rc = col_text(r, 0, 3, &x->data, err)) != 0 ||
	    (rc = col_text(r, 0, 4, &x->client_addr, err)) != 0)
		return rc;
	x->created_ms = rows_i(r, 0, 5);
	return 0;
}

int
store_sign_in_take(struct store *s, const char *hash_hex, const char *provider,
    const char *browser, int64_t oldest_ms, struct stored_sign_in *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_sign_in) x = { 0 };
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(rows) gone = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0)
		return rc;
	rc = tx_run(&t, &r, err,
	    "SELECT provider, browser, next, data, client_addr, created_ms"
	    " FROM sign_in"
	    " WHERE hash = $1 AND provider = $2 AND created_ms >= $3",
	    arg_s(hash_hex), arg_s(provider), arg_i(oldest_ms));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0 ||
	    (browser != NULL && strcmp(rows_s(&r, 0, 1), browser) != 0))
		return gg_fail(err, GG_E_NOTFOUND, "no such sign-in");
	if ((rc = sign_in_read(&r, &x, err)) != 0 ||
	    (rc = tx_run(&t, &gone, err, "DELETE FROM sign_in WHERE hash = $1",
		 arg_s(hash_hex))) != 0)
		return rc;
	if (gone.affected != 1) /* another request was first */
		return gg_fail(err, GG_E_NOTFOUND, "no such sign-in");
	if ((rc = tx_commit(&t, err)) != 0)
		return rc;
	*out = x;
	x = (struct stored_sign_in){ 0 };
	return 0;
}

/* -- SAML assertions that were used -- */

int
store_assertion_use(struct store *s, const char *issuer, const char *id,
    int64_t end_ms, int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM saml_assertion WHERE end_ms <= $1",
		 arg_i(now_ms))) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "INSERT INTO saml_assertion (issuer, id, end_ms)"
		 " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		 arg_s(issuer), arg_s(id), arg_i(end_ms))) != 0)
		return rc;
	if (r.affected != 1)
		return gg_fail(err, GG_E_EXISTS, "an assertion was used again");
	return tx_commit(&t, err);
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
