/* Refs that the gate keeps: what they are, and moving them. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

/* Kept packs are counted by push, so that a push is counted once. */
#define COUNT_AGAIN                                                      \
	"INSERT INTO kept_repository (repository, version, refs, bytes)" \
	" VALUES ($1, 1,"                                                \
	" (SELECT COUNT(*) FROM kept_ref WHERE repository = $1), $2)"    \
	" ON CONFLICT (repository) DO UPDATE SET"                        \
	" version = kept_repository.version + 1,"                        \
	" refs = (SELECT COUNT(*) FROM kept_ref WHERE repository = $1)," \
	" bytes = kept_repository.bytes + $2"

static int
lock_repository(struct tx *t, const char *repository, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) name = BUF_INIT(4096);

	buf_addf(&name, "gitgate kept %s", repository);
	return buf_check(&name, err) != 0 ? err->code :
					    tx_lock(t, buf_str(&name), err);
}

static int
check_old(struct tx *t, const char *repository, const struct ref_update *u,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	char old[OID_HEX + 1];
	bool same;
	int rc = tx_run(t, &r, err,
	    "SELECT oid FROM kept_ref WHERE repository = $1 AND ref = $2",
	    arg_s(repository), arg_s(u->refname));

	if (rc != 0)
		return rc;
	oid_format(&u->old_oid, old);
	same = r.n_rows == 0 ? oid_is_zero(&u->old_oid) :
			       strcmp(rows_s(&r, 0, 0), old) == 0;
	return same ?
	    0 :
	    gg_fail(err, GG_E_STALE, "%s moved at the gate", u->refname);
}

static int
remove_ref(struct tx *t, const char *repository, const char *ref,
    struct gg_error *err)
{
	return tx_run(t, NULL, err,
	    "DELETE FROM kept_ref WHERE repository = $1 AND ref = $2",
	    arg_s(repository), arg_s(ref));
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names are in the order of their bytes, whatever the database's order is. */
static bool
is_below(const char *const *names, size_t n, const char *ref)
{
	size_t low = 0, high = n, len = strlen(ref);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strncmp(names[mid], ref, len);

		if (c == 0)
			c = (unsigned char)names[mid][len] - '/';
		if (c == 0)
			return true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool
is_above(const char *const *names, size_t n, const char *ref)
{
	GG_AUTO_MEM char *above = strdup(ref);
	char *slash;

	if (above == NULL)
		gg_die("no memory for a name");
	while ((slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		if (bsearch(&above, names, n, sizeof(*names), by_name) != NULL)
			return true;
	}
	return false;
}

/* Only asked where another push came between; all names are read once, so
 * that a thousand new ones are not compared with each. */
static int
check_beside(struct tx *t, const struct kept_change *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_MEM const char **names = NULL;
	int rc = tx_run(t, &r, err,
	    "SELECT ref FROM kept_ref WHERE repository = $1",
	    arg_s(c->repository));

	if (rc != 0 || r.n_rows == 0)
		return rc;
	if ((names = calloc(r.n_rows, sizeof(*names))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "kept refs");
	for (size_t i = 0; i < r.n_rows; i++)
		names[i] = rows_s(&r, i, 0);
	qsort(names, r.n_rows, sizeof(*names), by_name);
	for (size_t i = 0; i < c->updates->n; i++) {
		const struct ref_update *u = &c->updates->v[i];

		if (oid_is_zero(&u->old_oid) && !oid_is_zero(&u->new_oid) &&
		    (is_above(names, r.n_rows, u->refname) ||
			is_below(names, r.n_rows, u->refname)))
			return gg_fail(err, GG_E_EXISTS,
			    "%s cannot stand beside another ref", u->refname);
	}
	return 0;
}

static int
put_ref(struct tx *t, const struct kept_change *c, const struct ref_update *u,
    struct gg_error *err)
{
	char hex[OID_HEX + 1];

	if (oid_is_zero(&u->new_oid))
		return 0;
	oid_format(&u->new_oid, hex);
	return tx_run(t, NULL, err,
	    "INSERT INTO kept_ref (repository, ref, oid, push, principal,"
	    " time_ms) VALUES ($1, $2, $3, $4, $5, $6)"
	    " ON CONFLICT (repository, ref) DO UPDATE SET"
	    " oid = excluded.oid, push = excluded.push,"
	    " principal = excluded.principal, time_ms = excluded.time_ms",
	    arg_s(c->repository), arg_s(u->refname), arg_s(hex), arg_s(c->push),
	    arg_s(c->principal), arg_i(c->now_ms));
}

static int
was_done(struct tx *t, const char *push, bool *done, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err,
	    "SELECT push FROM kept_push WHERE push = $1", arg_s(push));

	*done = rc == 0 && r.n_rows > 0;
	return rc;
}

static int
read_state(struct tx *t, const char *repository, struct kept_state *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err,
	    "SELECT version, refs, bytes FROM kept_repository"
	    " WHERE repository = $1",
	    arg_s(repository));

	*out = (struct kept_state){ 0 };
	if (rc != 0 || r.n_rows == 0)
		return rc;
	out->version = rows_i(&r, 0, 0);
	out->refs = (uint64_t)rows_i(&r, 0, 1);
	out->bytes = (uint64_t)rows_i(&r, 0, 2);
	return 0;
}

/* Deleting is never too much. */
static int
check_limits(struct tx *t, const struct kept_change *c,
    const struct kept_state *was, const char **limit, struct gg_error *err)
{
	struct kept_state is;
	int rc = read_state(t, c->repository, &is, err);

	if (rc != 0)
		return rc;
	*limit = "kept-refs";
	if (is.refs > c->max_refs && is.refs > was->refs)
		return gg_fail(err, GG_E_LIMIT,
		    "the gate keeps no more than %llu refs of a repository",
		    (unsigned long long)c->max_refs);
	*limit = "kept-size";
	if (is.bytes > c->max_bytes && is.bytes > was->bytes)
		return gg_fail(err, GG_E_LIMIT,
		    "the gate keeps no more than %llu bytes of a repository",
		    (unsigned long long)c->max_bytes);
	*limit = "";
	return 0;
}

/* Those that go first: "a" may give way to "a/b". */
static int
move_refs(struct tx *t, const struct kept_change *c, bool check,
    struct gg_error *err)
{
	const struct ref_updates *u = c->updates;
	int rc = 0;

	for (size_t i = 0; i < u->n && rc == 0; i++) {
		rc = check_old(t, c->repository, &u->v[i], err);
		if (rc == 0 && oid_is_zero(&u->v[i].new_oid))
			rc = remove_ref(t, c->repository, u->v[i].refname, err);
	}
	for (size_t i = 0; i < u->n && rc == 0; i++)
		rc = put_ref(t, c, &u->v[i], err);
	return rc != 0 || !check ? rc : check_beside(t, c, err);
}

int
store_kept_change(struct store *s, const struct kept_change *c,
    const char **limit, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	struct kept_state was;
	bool done;
	int rc;

	*limit = "";
	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = lock_repository(&t, c->repository, err)) != 0 ||
	    (rc = was_done(&t, c->push, &done, err)) != 0 || done ||
	    (rc = read_state(&t, c->repository, &was, err)) != 0 ||
	    (rc = move_refs(&t, c, was.version != c->seen, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "INSERT INTO kept_push (push, repository, bytes)"
		 " VALUES ($1, $2, $3)",
		 arg_s(c->push), arg_s(c->repository),
		 arg_i((int64_t)c->bytes))) != 0 ||
	    (rc = tx_run(&t, NULL, err, COUNT_AGAIN, arg_s(c->repository),
		 arg_i((int64_t)c->bytes))) != 0 ||
	    (rc = check_limits(&t, c, &was, limit, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

/* Behind a commit of it that was cut off from us and may still be at work. */
int
store_kept_was_done(struct store *s, const char *repository, const char *push,
    bool *done, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	*done = false;
	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = lock_repository(&t, repository, err)) != 0 ||
	    (rc = was_done(&t, push, done, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_kept_state(struct store *s, const char *repository,
    struct kept_state *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	*out = (struct kept_state){ 0 };
	if ((rc = tx_begin(s, DB_READ, &t, err)) != 0 ||
	    (rc = read_state(&t, repository, out, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_kept_list(struct store *s, const char *repository, const char *after,
    size_t limit, store_kept_cb cb, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT repository, ref, oid, push, principal, time_ms"
	    " FROM kept_ref WHERE ($1 = '' OR repository = $1) AND ref > $2"
	    " ORDER BY repository, ref LIMIT $3",
	    arg_s(repository), arg_s(after), arg_i((int64_t)limit));

	for (size_t i = 0; i < r.n_rows && rc == 0; i++) {
		struct kept_ref k = { .repository = rows_s(&r, i, 0),
			.ref = rows_s(&r, i, 1),
			.push = rows_s(&r, i, 3),
			.principal = rows_s(&r, i, 4),
			.time_ms = rows_i(&r, i, 5) };

		if (!oid_parse(view_str(rows_s(&r, i, 2)), &k.oid))
			return gg_fail(err, GG_E_CORRUPT,
			    "the kept ref %s has no value", k.ref);
		rc = cb(ctx, &k);
	}
	return rc;
}

int
store_kept_drop(struct store *s, const char *repository, const char *ref,
    const struct oid *was, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	char old[OID_HEX + 1];
	int rc;

	oid_format(was, old);
	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = lock_repository(&t, repository, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "DELETE FROM kept_ref WHERE repository = $1 AND ref = $2"
		 " AND oid = $3",
		 arg_s(repository), arg_s(ref), arg_s(old))) != 0)
		return rc;
	if (r.affected == 0)
		return gg_fail(err, GG_E_NOTFOUND, "the gate keeps no %s of %s",
		    ref, repository);
	if ((rc = tx_run(&t, NULL, err, COUNT_AGAIN, arg_s(repository),
		 arg_i(0))) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_kept_value(struct store *s, const char *repository, const char *ref,
    struct oid *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT oid FROM kept_ref WHERE repository = $1 AND ref = $2",
	    arg_s(repository), arg_s(ref));

	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "the gate keeps no %s of %s",
		    ref, repository);
	return oid_parse(view_str(rows_s(&r, 0, 0)), out) ?
	    0 :
	    gg_fail(err, GG_E_CORRUPT, "the kept ref %s has no value", ref);
}

int
store_kept_repositories(struct store *s, store_kept_repository_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_read(s,
	    "SELECT repository, version, refs, bytes FROM kept_repository"
	    " WHERE refs > 0 ORDER BY repository",
	    NULL, 0, &r, err);

	for (size_t i = 0; i < r.n_rows && rc == 0; i++) {
		struct kept_state st = { rows_i(&r, i, 1),
			(uint64_t)rows_i(&r, i, 2),
			(uint64_t)rows_i(&r, i, 3) };

		rc = cb(ctx, rows_s(&r, i, 0), &st);
	}
	return rc;
}

int
store_kept_pushes(struct store *s, store_kept_push_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_read(s,
	    "SELECT repository, push FROM kept_push WHERE bytes > 0"
	    " ORDER BY push",
	    NULL, 0, &r, err);

	for (size_t i = 0; i < r.n_rows && rc == 0; i++)
		rc = cb(ctx, rows_s(&r, i, 0), rows_s(&r, i, 1));
	return rc;
}

/* The rows stay: a push that was kept was kept. */
int
store_kept_pruned(struct store *s, const char *repository,
    const struct strv *pushes, const char *id, uint64_t bytes,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = lock_repository(&t, repository, err)) != 0)
		return rc;
	for (size_t i = 0; i < pushes->n && rc == 0; i++)
		rc = tx_run(&t, NULL, err,
		    "UPDATE kept_push SET bytes = 0 WHERE push = $1"
		    " AND repository = $2",
		    arg_s(pushes->v[i]), arg_s(repository));
	if (rc == 0)
		rc = tx_run(&t, NULL, err,
		    "INSERT INTO kept_push (push, repository, bytes)"
		    " VALUES ($1, $2, $3)",
		    arg_s(id), arg_s(repository), arg_i((int64_t)bytes));
	if (rc == 0)
		rc = tx_run(&t, NULL, err,
		    "UPDATE kept_repository SET bytes = (SELECT"
		    " COALESCE(SUM(bytes), 0) FROM kept_push"
		    " WHERE repository = $1) WHERE repository = $1",
		    arg_s(repository));
	return rc != 0 ? rc : tx_commit(&t, err);
}
