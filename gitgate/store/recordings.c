/* Which recordings are there, which must stay, which are gone. */
#include "store/store_priv.h"

#include <string.h>

#define LIST_MAX 1000
/* What is being removed, and who decides what must stay, one after the other. */
#define CUT_KEY  "retention.batch"
#define CUT_LOCK "recordings"

int
store_recorded(struct store *s, const char *after, size_t limit,
    store_push_cb cb, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT id, repository, state, created_ms, done_ms, request,"
	    " report_digest, erase_ms FROM push WHERE purged_ms = 0 AND id > $1"
	    " ORDER BY id LIMIT $2",
	    arg_s(after), arg_i((int64_t)limit));

	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(stored_push) p = { 0 };

		if ((rc = col_text(&r, i, 0, &p.id, err)) != 0 ||
		    (rc = col_text(&r, i, 1, &p.repository, err)) != 0 ||
		    (rc = col_json(&r, i, 5, &p.request, err)) != 0 ||
		    (rc = col_text(&r, i, 6, &p.report_digest, err)) != 0)
			return rc;
		if (!push_state_parse(view_str(rows_s(&r, i, 2)), &p.state))
			return gg_fail(err, GG_E_CORRUPT,
			    "push %s has an unknown state", p.id);
		p.created_ms = rows_i(&r, i, 3);
		p.done_ms = rows_i(&r, i, 4);
		p.erase_ms = rows_i(&r, i, 7);
		rc = cb(ctx, &p);
	}
	return rc;
}

int
store_recording_gone(struct store *s, const struct strv *ids, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0)
		return rc;
	for (size_t i = 0; i < ids->n && rc == 0; i++) {
		rc = tx_run(&t, NULL, err,
		    "UPDATE push SET purged_ms = $1 WHERE id = $2",
		    arg_i(now_ms), arg_s(ids->v[i]));
		if (rc == 0) /* what was read out of it */
			rc = tx_run(&t, NULL, err,
			    "DELETE FROM provenance WHERE push_id = $1",
			    arg_s(ids->v[i]));
	}
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_recording_state(struct store *s, const char *id, int64_t *purged_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT purged_ms FROM push WHERE id = $1", arg_s(id));

	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no push %s", id);
	*purged_ms = rows_i(&r, 0, 0);
	return 0;
}

int
store_policy_is_used(struct store *s, const char *digest, bool *used,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT id FROM push WHERE policy_digest = $1 AND purged_ms = 0"
	    " LIMIT 1",
	    arg_s(digest));

	*used = rc != 0 || r.n_rows > 0;
	return rc;
}

int
store_recorded_before(struct store *s, const char *repository, int64_t time_ms,
    bool *any, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT id FROM push WHERE repository = $1 AND created_ms < $2"
	    " AND purged_ms = 0 LIMIT 1",
	    arg_s(repository), arg_i(time_ms));

	*any = rc != 0 || r.n_rows > 0;
	return rc;
}

/* -- what must stay -- */

int
store_repository_is_kept(struct store *s, const char *repository, bool *kept,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT id FROM push_keep WHERE released_ms = 0 AND"
	    " (repository = $1 OR push_id IN (SELECT id FROM push WHERE"
	    " repository = $1)) LIMIT 1",
	    arg_s(repository));

	*kept = rc != 0 || r.n_rows > 0;
	return rc;
}

void
stored_keep_release(struct stored_keep *k)
{
	free(k->id);
	free(k->push_id);
	free(k->repository);
	free(k->reason);
	*k = (struct stored_keep){ 0 };
}

/* Is there something in the middle of being removed? */
static int
is_cutting(struct tx *t, bool *is, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err, "SELECT value FROM meta WHERE key = $1",
	    arg_s(CUT_KEY));

	*is = rc == 0 && r.n_rows == 1 && rows_s(&r, 0, 0)[0] != '\0';
	return rc;
}

int
store_keep_add(struct store *s, const struct stored_keep *k,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	bool cutting;
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, CUT_LOCK, err)) != 0 ||
	    (rc = is_cutting(&t, &cutting, err)) != 0)
		return rc;
	if (cutting)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "recordings are being removed at this moment");
	rc = tx_run(&t, NULL, err,
	    "INSERT INTO push_keep (id, push_id, repository, since_ms,"
	    " until_ms, reason, created_ms, released_ms)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
	    arg_s(k->id), arg_s(k->push_id), arg_s(k->repository),
	    arg_i(k->since_ms), arg_i(k->until_ms), arg_s(k->reason),
	    arg_i(k->created_ms));
	return rc != 0 ? rc : tx_commit(&t, err);
}

/* -- what is being removed -- */

static int
any_is_kept(struct tx *t, const json_t *cut, bool *kept, struct gg_error *err)
{
	const json_t *p;
	size_t i;
	int rc = 0;

	*kept = false;
	json_array_foreach(json_object_get(cut, "pushes"), i, p)
	{
		GG_AUTO_RELEASE(rows) r = { 0 };
		const char *id = json_string_value(json_object_get(p, "push"));

		rc = tx_run(t, &r, err,
		    "SELECT k.id FROM push_keep k JOIN push p ON p.id = $1"
		    " WHERE k.released_ms = 0 AND (k.push_id = p.id OR"
		    " (k.push_id = '' AND k.repository = p.repository"
		    " AND k.since_ms <= p.created_ms"
		    " AND (k.until_ms = 0 OR k.until_ms > p.created_ms)))"
		    " LIMIT 1",
		    arg_s(id != NULL ? id : ""));
		*kept = *kept || rc != 0 || r.n_rows > 0;
		if (*kept)
			break;
	}
	return rc;
}

static int
set_cut(struct tx *t, const char *text, struct gg_error *err)
{
	return tx_run(t, NULL, err,
	    "INSERT INTO meta (key, value) VALUES ($1, $2)"
	    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	    arg_s(CUT_KEY), arg_s(text));
}

int
store_cut_begin(struct store *s, const json_t *cut, bool *kept,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_MEM char *text = NULL;
	int rc;

	if ((rc = col_dump(cut, &text, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, CUT_LOCK, err)) != 0 ||
	    (rc = any_is_kept(&t, cut, kept, err)) != 0 || *kept)
		return rc;
	if ((rc = set_cut(&t, text, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_cut_get(struct store *s, json_t **cut, struct gg_error *err)
{
	GG_AUTO_MEM char *text = NULL;
	int rc = store_meta_get(s, CUT_KEY, &text, err);

	if (rc == 0 && text[0] == '\0')
		rc = gg_fail(err, GG_E_NOTFOUND, "nothing is being removed");
	if (rc != 0)
		return rc;
	*cut = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	return *cut != NULL ?
	    0 :
	    gg_fail(err, GG_E_CORRUPT, "a batch of retention is damaged");
}

int
store_cut_end(struct store *s, struct gg_error *err)
{
	return store_meta_set(s, CUT_KEY, "", err);
}

int
store_keep_end(struct store *s, const char *id, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 "UPDATE push_keep SET released_ms = $1 WHERE id = $2"
		 " AND released_ms = 0",
		 arg_i(now_ms), arg_s(id))) != 0)
		return rc;
	if (r.affected == 1)
		return tx_commit(&t, err);
	rc = tx_run(&t, &r, err, "SELECT id FROM push_keep WHERE id = $1",
	    arg_s(id));
	if (rc != 0)
		return rc;
	return r.n_rows == 0 ?
	    gg_fail(err, GG_E_NOTFOUND, "nothing is kept by %s", id) :
	    gg_fail(err, GG_E_REFUSED, "%s was released already", id);
}

/* $1 a push's id, $2 its repository, $3 when it came */
#define COVERS                                                \
	" (push_id = $1 OR (push_id = '' AND repository = $2" \
	" AND since_ms <= $3 AND (until_ms = 0 OR until_ms > $3)))"

int
store_keep_list(struct store *s, const struct stored_push *push,
    store_keep_cb cb, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err,
	    "SELECT id, push_id, repository, since_ms, until_ms, reason,"
	    " created_ms, released_ms FROM push_keep WHERE ($1 = '' OR" COVERS
	    ") ORDER BY id DESC LIMIT $4",
	    arg_s(push != NULL ? push->id : ""),
	    arg_s(push != NULL ? push->repository : ""),
	    arg_i(push != NULL ? push->created_ms : 0), arg_i(LIST_MAX));
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		GG_AUTO_RELEASE(stored_keep) k = { 0 };

		if ((rc = col_text(&r, i, 0, &k.id, err)) != 0 ||
		    (rc = col_text(&r, i, 1, &k.push_id, err)) != 0 ||
		    (rc = col_text(&r, i, 2, &k.repository, err)) != 0 ||
		    (rc = col_text(&r, i, 5, &k.reason, err)) != 0)
			return rc;
		k.since_ms = rows_i(&r, i, 3);
		k.until_ms = rows_i(&r, i, 4);
		k.created_ms = rows_i(&r, i, 6);
		k.released_ms = rows_i(&r, i, 7);
		rc = cb(ctx, &k);
	}
	return rc;
}

int
store_push_is_kept(struct store *s, const struct stored_push *p, bool *kept,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT id FROM push_keep WHERE released_ms = 0 AND" COVERS
	    " LIMIT 1",
	    arg_s(p->id), arg_s(p->repository), arg_i(p->created_ms));

	*kept = rc != 0 || r.n_rows > 0; /* what cannot be told is kept */
	return rc;
}
