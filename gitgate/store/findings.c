/* Findings that were allowed by a reviewer, and who pushed findings. */
#include "store/store_priv.h"

#include <stdlib.h>

void
stored_allowance_release(struct stored_allowance *a)
{
	free(a->id);
	free(a->fingerprint);
	free(a->repository);
	free(a->reviewer);
	free(a->comment);
	free(a->revoker);
	*a = (struct stored_allowance){ 0 };
}

int
store_allowance_add(struct store *s, const struct stored_allowance *a,
    struct gg_error *err)
{
	return store_do(s, DB_DURABLE, NULL, err,
	    "INSERT INTO finding_allowance (id, fingerprint, repository,"
	    " reviewer, comment, created_ms, expires_ms, revoked_ms, revoker)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	    arg_s(a->id), arg_s(a->fingerprint), arg_s(a->repository),
	    arg_s(a->reviewer), arg_s(a->comment), arg_i(a->created_ms),
	    arg_i(a->expires_ms), arg_i(a->revoked_ms), arg_s(a->revoker));
}

#define ALLOWANCE_COLUMNS                                        \
	"SELECT id, fingerprint, repository, reviewer, comment," \
	" created_ms, expires_ms, revoked_ms, revoker"           \
	" FROM finding_allowance"

static int
allowance_read(const struct rows *r, size_t i, struct stored_allowance *a,
    struct gg_error *err)
{
	int rc;

	if ((rc = col_text(r, i, 0, &a->id, err)) != 0 ||
	    (rc = col_text(r, i, 1, &a->fingerprint, err)) != 0 ||
	    (rc = col_text(r, i, 2, &a->repository, err)) != 0 ||
	    (rc = col_text(r, i, 3, &a->reviewer, err)) != 0 ||
	    (rc = col_text(r, i, 4, &a->comment, err)) != 0 ||
	    (rc = col_text(r, i, 8, &a->revoker, err)) != 0)
		return rc;
	a->created_ms = rows_i(r, i, 5);
	a->expires_ms = rows_i(r, i, 6);
	a->revoked_ms = rows_i(r, i, 7);
	return 0;
}

int
store_allowance_get(struct store *s, const char *id,
    struct stored_allowance *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_allowance) a = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, ALLOWANCE_COLUMNS " WHERE id = $1",
	    arg_s(id));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such allowance");
	if ((rc = allowance_read(&r, 0, &a, err)) != 0)
		return rc;
	*out = a;
	a = (struct stored_allowance){ 0 };
	return 0;
}

int
store_allowance_revoke(struct store *s, const char *id, const char *revoker,
    int64_t now_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "SELECT id FROM finding_allowance WHERE id = $1",
		 arg_s(id))) != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such allowance");
	rc = tx_run(&t, &r, err,
	    "UPDATE finding_allowance SET revoked_ms = $1, revoker = $2"
	    " WHERE id = $3 AND revoked_ms = 0",
	    arg_i(now_ms), arg_s(revoker), arg_s(id));
	if (rc != 0)
		return rc;
	if (r.affected == 0)
		return gg_fail(err, GG_E_REFUSED, "it is revoked already");
	return tx_commit(&t, err);
}

int
store_allowance_list(struct store *s, const char *repository,
    const char *cursor, size_t limit, store_allowance_cb cb, void *ctx,
    char next[ULID_SIZE], struct gg_error *err)
{
	size_t most = store_list_limit(limit);
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	next[0] = '\0';
	/* ids are ULIDs, which begin with 7 at most */
	rc = store_run(s, &r, err,
	    ALLOWANCE_COLUMNS " WHERE ($1 = '' OR repository = $1)"
			      " AND id < $2 ORDER BY id DESC LIMIT $3",
	    arg_s(repository), arg_s(cursor != NULL ? cursor : "8"),
	    arg_i((int64_t)most + 1));
	for (size_t i = 0; rc == 0 && i < r.n_rows && i < most; i++) {
		GG_AUTO_RELEASE(stored_allowance) a = { 0 };

		if ((rc = allowance_read(&r, i, &a, err)) == 0)
			rc = cb(ctx, &a);
		if (rc == 0 && i + 1 == most && r.n_rows > most)
			(void)snprintf(next, ULID_SIZE, "%s", a.id);
	}
	return rc;
}

static void
add_texts(const struct rows *r, struct strv *out)
{
	for (size_t i = 0; i < r->n_rows; i++)
		strv_add(out, rows_s(r, i, 0));
}

int
store_allowance_in_force(struct store *s, const char *repository, int64_t at_ms,
    struct strv *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT DISTINCT fingerprint FROM finding_allowance"
	    " WHERE repository = $1 AND created_ms <= $2 AND expires_ms > $2"
	    " AND (revoked_ms = 0 OR revoked_ms > $2) ORDER BY fingerprint",
	    arg_s(repository), arg_i(at_ms));

	if (rc == 0)
		add_texts(&r, out);
	return rc;
}

int
store_finding_pushed(struct store *s, const char *repository,
    const char *principal, const char *push_id, const struct strv *fingerprints,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc = tx_begin(s, DB_DURABLE, &t, err);

	for (size_t i = 0; rc == 0 && i < fingerprints->n; i++)
		rc = tx_run(&t, NULL, err,
		    "INSERT INTO finding_pusher (repository, fingerprint,"
		    " principal, push_id) VALUES ($1, $2, $3, $4)"
		    " ON CONFLICT DO NOTHING",
		    arg_s(repository), arg_s(fingerprints->v[i]),
		    arg_s(principal), arg_s(push_id));
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_finding_pushers(struct store *s, const char *repository,
    const char *fingerprint, struct strv *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT principal FROM finding_pusher"
	    " WHERE repository = $1 AND fingerprint = $2 ORDER BY principal",
	    arg_s(repository), arg_s(fingerprint));

	if (rc == 0)
		add_texts(&r, out);
	return rc;
}
