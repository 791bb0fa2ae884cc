/* Issuers' tokens, each bound to the repository that it was first used for. */
#include "store/store_priv.h"

#include "base/clock.h"

#include <stdlib.h>

void
stored_token_use_release(struct stored_token_use *u)
{
	free(u->repository);
	free(u->client);
	*u = (struct stored_token_use){ 0 };
}

static int
find(struct store *s, const char *hash, struct stored_token_use *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT repository, client FROM token_use WHERE hash = $1",
	    arg_s(hash));

	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such token");
	stored_token_use_release(out);
	if ((rc = col_text(&r, 0, 0, &out->repository, err)) != 0)
		return rc;
	return col_text(&r, 0, 1, &out->client, err);
}

/* Whoever is first wins; the rows of tokens that expired go. */
static int
add(struct store *s, const char *hash, const struct token_use *u,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_WRITE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM token_use WHERE expires_ms < $1",
		 arg_i(clock_wall_ms()))) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "INSERT INTO token_use"
		 " (hash, issuer, repository, client, expires_ms)"
		 " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hash) DO NOTHING",
		 arg_s(hash), arg_s(u->issuer), arg_s(u->repository),
		 arg_s(u->client), arg_i(u->expires_ms))) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_token_use(struct store *s, const char *hash, const struct token_use *u,
    struct stored_token_use *out, struct gg_error *err)
{
	int rc = find(s, hash, out, err);

	if (rc == GG_E_NOTFOUND && (rc = add(s, hash, u, err)) == 0)
		rc = find(s, hash, out, err);
	return rc;
}
