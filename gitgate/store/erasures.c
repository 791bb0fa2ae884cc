#include "store/erasure.h"

#include "base/clock.h"
#include "base/fd.h"
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_MS ((int64_t)24 * 3600 * 1000)

int
store_erasure_add(struct store *s, const char *id, const json_t *data,
    struct gg_error *err)
{
	GG_AUTO_MEM char *text = NULL;
	int rc = col_dump(data, &text, err);

	if (rc != 0)
		return rc;
	return store_do(s, DB_DURABLE, NULL, err,
	    "INSERT INTO erasure (id, done_ms, data) VALUES ($1, 0, $2)",
	    arg_s(id), arg_s(text));
}

int
store_erasure_next(struct store *s, char id[ULID_SIZE], json_t **data,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_read(s,
	    "SELECT id, data FROM erasure WHERE done_ms = 0"
	    " ORDER BY id LIMIT 1",
	    NULL, 0, &r, err);

	if (rc == 0 && r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "nothing is to be erased");
	if (rc != 0)
		return rc;
	(void)snprintf(id, ULID_SIZE, "%s", rows_s(&r, 0, 0));
	return col_json(&r, 0, 1, data, err);
}

int
store_erasure_get(struct store *s, const char *id, bool *done, json_t **data,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = store_run(s, &r, err,
	    "SELECT done_ms, data FROM erasure WHERE id = $1", arg_s(id));

	if (rc == 0 && r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no erasure %s", id);
	if (rc != 0)
		return rc;
	*done = rows_i(&r, 0, 0) != 0;
	return col_json(&r, 0, 1, data, err);
}

int
store_erasure_put(struct store *s, const char *id, const json_t *data,
    bool done, struct gg_error *err)
{
	GG_AUTO_MEM char *text = NULL;
	GG_AUTO_RELEASE(tx) t = { 0 };
	int64_t now = clock_wall_ms();
	int rc;

	if ((rc = col_dump(data, &text, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "UPDATE erasure SET data = $1, done_ms = $2 WHERE id = $3",
		 arg_s(text), arg_i(done ? now : 0), arg_s(id))) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM erasure WHERE done_ms > 0 AND done_ms < $1",
		 arg_i(now - KEEP_MS))) != 0)
		return rc;
	return tx_commit(&t, err);
}

/* -- copies -- */

static const char *
text_of(const json_t *e, const char *name)
{
	const char *s = json_string_value(json_object_get(e, name));

	return s != NULL ? s : "";
}

static bool
is_erased(const json_t *e, const char *place)
{
	const json_t *x;
	size_t i;

	json_array_foreach(json_object_get(e, PRIVATE_ERASED_KEY), i,
	    x) if (json_is_string(x) &&
	    strcmp(json_string_value(x), place) == 0) return true;
	return false;
}

/* Change a row's JSON column. fn says whether it changed anything. */
static int
edit_json(struct tx *t, const char *select, const char *update, const char *id,
    bool (*fn)(json_t *o), struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_MEM char *text = NULL;
	json_auto_t *o = NULL;
	int rc = tx_run(t, &r, err, select, arg_s(id));

	if (rc != 0 || r.n_rows == 0 || rows_is_null(&r, 0, 0))
		return rc;
	if ((rc = col_json(&r, 0, 0, &o, err)) != 0 || !fn(o) ||
	    (rc = col_dump(o, &text, err)) != 0)
		return rc;
	return tx_run(t, NULL, err, update, arg_s(text), arg_s(id));
}

static bool
drop_members(json_t *o, const char *const *names)
{
	bool any = false;

	for (; *names != NULL; names++)
		any = json_object_del(o, *names) == 0 || any;
	return any;
}

/* Options and capabilities say again what is claimed. */
static bool
drop_claims(json_t *request)
{
	static const char *const names[] = { "claimed", "commit_claims",
		"earlier_records", "options", "upstream_options", "caps",
		NULL };

	return drop_members(request, names);
}

static bool
drop_verified(json_t *identity)
{
	static const char *const names[] = { "verified", NULL };

	return drop_members(identity, names);
}

static bool
drop_subject(json_t *identity)
{
	static const char *const names[] = { "subject", "aliases", NULL };

	return drop_members(identity, names);
}

static bool
drop_message(json_t *outcome)
{
	if (!json_is_string(json_object_get(outcome, "message")))
		return false;
	return json_object_set_new(outcome, "message",
		   json_string(PRIVATE_ERASED)) == 0;
}

#define PUSH_JSON(column)                            \
	"SELECT " column " FROM push WHERE id = $1", \
	    "UPDATE push SET " column " = $1 WHERE id = $2"
#define HOLD_JSON(column)                            \
	"SELECT " column " FROM hold WHERE id = $1", \
	    "UPDATE hold SET " column " = $1 WHERE id = $2"

/* A text of a record says no more than that there was one. */
static void
blur(json_t *o)
{
	static const char *const stays[] = { "source", "key", "push" };
	const char *name;
	json_t *v;

	json_object_foreach(o, name, v)
	{
		bool kept = !json_is_string(v);

		for (size_t i = 0; i < GG_COUNT(stays); i++)
			kept = kept || strcmp(name, stays[i]) == 0;
		if (!kept)
			(void)json_object_set_new(o, name,
			    json_string(PRIVATE_ERASED));
	}
}

static bool
blur_earlier(json_t *request)
{
	json_t *all = json_object_get(request, "earlier_records"), *r, *s;
	size_t i, k;

	json_array_foreach(all, i, r)
	{
		blur(r);
		json_array_foreach(json_object_get(r, "sessions"), k, s)
		    blur(s);
	}
	return json_array_size(all) > 0;
}

/* Later pushes of the same principal that were judged by its checkpoints. */
static int
erase_quotes(struct tx *t, const char *id, struct gg_error *err)
{
	GG_AUTO_MEM char *named = path_f("%%\"push\":%%%s%%", id);
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err,
	    "SELECT b.id FROM push a JOIN push b ON b.principal = a.principal"
	    " AND b.id > a.id AND b.repository = a.repository"
	    " WHERE a.id = $1 AND b.request LIKE $2 AND EXISTS (SELECT 1 FROM"
	    " provenance WHERE push_id = a.id AND source = 'entire')",
	    arg_s(id), arg_s(named));

	for (size_t i = 0; rc == 0 && i < r.n_rows; i++)
		rc = edit_json(t, PUSH_JSON("request"), rows_s(&r, i, 0),
		    blur_earlier, err);
	return rc;
}

static int
erase_claims(struct tx *t, const char *id, struct gg_error *err)
{
	int rc = edit_json(t, PUSH_JSON("request"), id, drop_claims, err);

	if (rc == 0)
		rc = erase_quotes(t, id, err);
	if (rc != 0)
		return rc;
	return tx_run(t, NULL, err, "DELETE FROM provenance WHERE push_id = $1",
	    arg_s(id));
}

static int
erase_push(struct tx *t, const json_t *e, bool recordings, struct gg_error *err)
{
	const char *id = text_of(e, "push");
	int rc = 0;

	if (is_erased(e, "client.addr"))
		rc = tx_run(t, NULL, err,
		    "UPDATE push SET client_addr = $1 WHERE id = $2",
		    arg_s(PRIVATE_ERASED), arg_s(id));
	if (rc == 0 && is_erased(e, "client.agent"))
		rc = tx_run(t, NULL, err,
		    "UPDATE push SET client_agent = $1 WHERE id = $2",
		    arg_s(PRIVATE_ERASED), arg_s(id));
	if (rc == 0 && is_erased(e, "claimed"))
		rc = erase_claims(t, id, err);
	if (rc == 0 && is_erased(e, "auth.verified"))
		rc = edit_json(t, PUSH_JSON("identity"), id, drop_verified,
		    err);
	if (rc == 0 && is_erased(e, "auth.subject"))
		rc = edit_json(t, PUSH_JSON("identity"), id, drop_subject, err);
	if (rc == 0 && recordings)
		rc = tx_run(t, NULL, err,
		    "UPDATE push SET erase_ms = $1 WHERE id = $2"
		    " AND erase_ms = 0",
		    arg_i(clock_wall_ms()), arg_s(id));
	return rc;
}

/* What reviewers of a hold said, and how it ended with that. */
static int
erase_hold(struct tx *t, const json_t *e, struct gg_error *err)
{
	const char *id = text_of(e, "hold");
	int rc = 0;

	if (is_erased(e, "comment"))
		rc = tx_run(t, NULL, err,
		    "UPDATE review SET comment = $1, aliases = '[]'"
		    " WHERE hold_id = $2 AND reviewer = $3",
		    arg_s(PRIVATE_ERASED), arg_s(id),
		    arg_s(text_of(e, "reviewer")));
	if (rc != 0 || !is_erased(e, "reason"))
		return rc;
	rc = edit_json(t, HOLD_JSON("outcome"), id, drop_message, err);
	if (rc != 0)
		return rc;
	return edit_json(t, PUSH_JSON("outcome"), text_of(e, "push"),
	    drop_message, err);
}

static int
erase_grant(struct tx *t, const json_t *e, struct gg_error *err)
{
	const char *id = text_of(e, "grant");
	int rc = 0;

	if (is_erased(e, "reason"))
		rc = tx_run(t, NULL, err,
		    "UPDATE access_grant SET reason = $1 WHERE id = $2",
		    arg_s(PRIVATE_ERASED), arg_s(id));
	if (rc == 0 && is_erased(e, "comment"))
		rc = tx_run(t, NULL, err,
		    "UPDATE grant_review SET comment = $1, aliases = '[]'"
		    " WHERE grant_id = $2 AND reviewer = $3",
		    arg_s(PRIVATE_ERASED), arg_s(id),
		    arg_s(text_of(e, "reviewer")));
	return rc;
}

static int
erase_others(struct tx *t, const json_t *e, struct gg_error *err)
{
	const char *session = text_of(json_object_get(e, "auth"), "credential");
	int rc = 0;

	if (is_erased(e, "comment") && text_of(e, "allowance")[0] != '\0')
		rc = tx_run(t, NULL, err,
		    "UPDATE finding_allowance SET comment = $1 WHERE id = $2",
		    arg_s(PRIVATE_ERASED), arg_s(text_of(e, "allowance")));
	if (rc == 0 && is_erased(e, "reason") && text_of(e, "keep")[0] != '\0')
		rc = tx_run(t, NULL, err,
		    "UPDATE push_keep SET reason = $1 WHERE id = $2",
		    arg_s(PRIVATE_ERASED), arg_s(text_of(e, "keep")));
	if (rc == 0 && is_erased(e, "client.addr") && session[0] != '\0')
		rc = tx_run(t, NULL, err,
		    "UPDATE web_session SET client_addr = '' WHERE id = $1",
		    arg_s(session));
	return rc;
}

static int
erase_one(struct tx *t, const struct erased_entry *x, bool recordings,
    struct gg_error *err)
{
	const json_t *e = x->opened;
	int rc;

	if ((rc = tx_run(t, NULL, err,
		 "UPDATE audit_index SET entry = $1 WHERE number = $2",
		 arg_s(x->text), arg_i((int64_t)x->index))) != 0 ||
	    (rc = tx_run(t, NULL, err, "DELETE FROM notice WHERE entry = $1",
		 arg_i((int64_t)x->index))) != 0)
		return rc;
	if (text_of(e, "push")[0] != '\0' && text_of(e, "keep")[0] == '\0' &&
	    (rc = erase_push(t, e, recordings, err)) != 0)
		return rc;
	if (text_of(e, "hold")[0] != '\0' && text_of(e, "grant")[0] == '\0' &&
	    (rc = erase_hold(t, e, err)) != 0)
		return rc;
	if (text_of(e, "grant")[0] != '\0' &&
	    (rc = erase_grant(t, e, err)) != 0)
		return rc;
	return erase_others(t, e, err);
}

int
store_erase_copies(struct store *s, const struct erased_entry *v, size_t n,
    bool recordings, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc = tx_begin(s, DB_DURABLE, &t, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = erase_one(&t, &v[i], recordings, err);
	return rc != 0 ? rc : tx_commit(&t, err);
}

int
store_erase_sessions(struct store *s, const char *name, const char *addr,
    const char *group, struct gg_error *err)
{
	GG_AUTO_MEM char *user = path_f("user:%s", name);
	GG_AUTO_MEM char *from = path_f("addr:%s", group);
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "UPDATE web_session SET client_addr = ''"
		 " WHERE person = $1 OR client_addr = $2",
		 arg_s(name), arg_s(addr))) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "UPDATE sign_in SET client_addr = ''"
		 " WHERE client_addr = $1",
		 arg_s(addr))) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM signin_failure WHERE key = $1 OR key = $2",
		 arg_s(user), arg_s(from))) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_erase_token_uses(struct store *s, const char *network,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "DELETE FROM token_use WHERE expires_ms < $1",
		 arg_i(clock_wall_ms()))) != 0 ||
	    (network != NULL &&
		(rc = tx_run(&t, NULL, err,
		     "UPDATE token_use SET client = ''"
		     " WHERE client = $1 OR $1 = ''",
		     arg_s(network))) != 0))
		return rc;
	return tx_commit(&t, err);
}

int
store_scrub(struct store *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if (!s->driver->single_writer)
		return 0;
	rc = store_read(s, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0, &r, err);
	if (rc == 0 && r.n_rows == 1 && rows_i(&r, 0, 0) != 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "the database is in use: its WAL could not be emptied");
	return rc;
}
