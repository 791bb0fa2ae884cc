/* Opening, and what belongs to no table in particular. */
#include "store/store.h"

#include "base/fd.h"
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

static bool
is_postgresql(const char *where)
{
	struct view v = view_str(where);

	return view_has_prefix(v, "postgresql://") ||
	    view_has_prefix(v, "postgres://");
}

static struct store *
store_new(const struct db_driver *driver, char *where)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL || where == NULL) {
		free(s);
		free(where);
		return NULL;
	}
	s->driver = driver;
	s->where = where;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->writer, NULL);
	pthread_cond_init(&s->freed, NULL);
	return s;
}

int
store_open(const char *where, const char *state_dir, struct store **out,
    struct gg_error *err)
{
	GG_AUTO(store) s = NULL;
	int rc;

	if (is_postgresql(where)) {
		s = store_new(&pgsql_driver, strdup(where));
	} else if (strcmp(where, "sqlite") == 0) {
		if ((rc = dir_make(state_dir, 0700, err)) != 0)
			return rc;
		s = store_new(&sqlite_driver,
		    path_f("%s/gitgate.db", state_dir));
	} else {
		return gg_fail(err, GG_E_INPUT,
		    "store: neither \"sqlite\" nor a postgresql:// URL");
	}
	if (s == NULL)
		return gg_fail(err, GG_E_NOMEM, "store");
	if ((rc = store_migrate(s, err)) != 0)
		return gg_wrap(err, rc, "store");
	*out = gg_take(s);
	return 0;
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	if (s->n_idle != s->n_open)
		gg_die("the store is closed while it is in use");
	for (size_t i = 0; i < s->n_idle; i++)
		s->driver->close(s->idle[i]);
	pthread_cond_destroy(&s->freed);
	pthread_mutex_destroy(&s->writer);
	pthread_mutex_destroy(&s->lock);
	free(s->next_act);
	free(s->where);
	free(s);
}

int
store_ping(struct store *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };

	return store_read(s, "SELECT version FROM schema_version", NULL, 0, &r,
	    err);
}

int
store_meta_set(struct store *s, const char *key, const char *value,
    struct gg_error *err)
{
	return store_do(s, DB_DURABLE, NULL, err,
	    "INSERT INTO meta (key, value) VALUES ($1, $2)"
	    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	    arg_s(key), arg_s(value));
}

int
store_meta_get(struct store *s, const char *key, char **value,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(s, &r, err, "SELECT value FROM meta WHERE key = $1",
	    arg_s(key));
	if (rc != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no fact named %s", key);
	return col_text(&r, 0, 0, value, err);
}

/* -- admin acts on their way to the audit log -- */

int
tx_add_act(struct tx *t, const char *text, struct gg_error *err)
{
	char id[ULID_SIZE];

	ulid_new(id);
	return tx_run(t, NULL, err,
	    "INSERT INTO admin_act (id, entry) VALUES ($1, $2)", arg_s(id),
	    arg_s(text));
}

int
store_admin_act_add(struct store *s, const json_t *entry, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_MEM char *text = NULL;
	int rc;

	if ((rc = col_dump(entry, &text, err)) != 0 ||
	    (rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_add_act(&t, text, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_admin_act_next(struct store *s, const json_t *entry, struct gg_error *err)
{
	free(s->next_act);
	return col_dump(entry, &s->next_act, err);
}

int
store_admin_act_take(struct store *s, store_act_cb cb, void *ctx,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	json_t *entry = NULL;
	int rc;

	rc = store_read(s,
	    "SELECT id, entry FROM admin_act ORDER BY id"
	    " LIMIT 100",
	    NULL, 0, &r, err);
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++) {
		if ((rc = col_json(&r, i, 1, &entry, err)) != 0)
			break;
		rc = cb(ctx, entry);
		json_decref(entry);
		if (rc != 0)
			return gg_fail(err, (enum gg_code)rc,
			    "an administrator's act was not logged");
		rc = store_do(s, DB_DURABLE, NULL, err,
		    "DELETE FROM admin_act WHERE id = $1",
		    arg_s(rows_s(&r, i, 0)));
	}
	return rc;
}
