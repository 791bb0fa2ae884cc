#include "store/store_priv.h"

#include "base/num.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our longest statement: an IN list of SQL_MAX_ARGS. */
#define SQL_MAX_BYTES 16384

/* -- results -- */

void
rows_release(struct rows *r)
{
	for (size_t i = 0; i < r->n_cells; i++)
		free(r->cells[i]);
	free(r->cells);
	*r = (struct rows){ 0 };
}

int
rows_add(struct rows *r, const char *s, size_t n, struct gg_error *err)
{
	size_t want = r->alloc ? r->alloc * 2 : 32;
	char **cells, *copy = NULL;

	if (r->n_cells == r->alloc) {
		cells = reallocarray(r->cells, want, sizeof(*cells));
		if (cells == NULL)
			return gg_fail(err, GG_E_NOMEM, "a database result");
		r->cells = cells;
		r->alloc = want;
	}
	if (s != NULL && (copy = view_dup(view_of(s, n))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "a database result");
	r->cells[r->n_cells++] = copy;
	return 0;
}

const char *
rows_s(const struct rows *r, size_t row, size_t col)
{
	const char *s = r->cells[row * r->n_cols + col];

	return s ? s : "";
}

bool
rows_is_null(const struct rows *r, size_t row, size_t col)
{
	return r->cells[row * r->n_cols + col] == NULL;
}

int64_t
rows_i(const struct rows *r, size_t row, size_t col)
{
	const char *s = rows_s(r, row, col);
	bool minus = s[0] == '-';
	uint64_t u;

	if (num_parse(view_str(s + minus), INT64_MAX, &u, NULL) != 0)
		return 0;
	return minus ? -(int64_t)u : (int64_t)u;
}

/* -- connections -- */

static int
pool_take(struct store *s, struct db **out, struct gg_error *err)
{
	struct db *c = NULL;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (s->n_idle == 0 && s->n_open == STORE_CONNECTIONS)
		pthread_cond_wait(&s->freed, &s->lock);
	if (s->n_idle > 0)
		c = s->idle[--s->n_idle];
	else
		s->n_open++;
	pthread_mutex_unlock(&s->lock);
	if (c == NULL && (rc = s->driver->open(s->where, &c, err)) != 0) {
		pthread_mutex_lock(&s->lock);
		s->n_open--;
		pthread_cond_signal(&s->freed);
		pthread_mutex_unlock(&s->lock);
		return rc;
	}
	*out = c;
	return 0;
}

static void
pool_give(struct store *s, struct db *c)
{
	bool dead = s->driver->lost(c);

	if (dead)
		s->driver->close(c);
	pthread_mutex_lock(&s->lock);
	if (dead)
		s->n_open--;
	else
		s->idle[s->n_idle++] = c;
	pthread_cond_signal(&s->freed);
	pthread_mutex_unlock(&s->lock);
}

/* The server may have gone since the connection was last used: once more
 * with a new one. Only where nothing was done on it yet. */
static int
tx_reconnect(struct tx *t, struct gg_error *err)
{
	struct db *fresh = NULL;
	int rc;

	if ((rc = t->s->driver->open(t->s->where, &fresh, err)) != 0)
		return rc;
	t->s->driver->close(t->db);
	t->db = fresh;
	return 0;
}

/* -- transactions -- */

int
tx_begin(struct store *s, enum db_mode mode, struct tx *t, struct gg_error *err)
{
	int rc;

	*t = (struct tx){ .s = s, .mode = mode };
	t->writes = mode >= DB_WRITE && s->driver->single_writer;
	if (t->writes)
		pthread_mutex_lock(&s->writer);
	if ((rc = pool_take(s, &t->db, err)) != 0)
		return rc;
	if (mode == DB_ONE)
		return 0;
	t->open = true; /* even a failed begin may have begun */
	rc = s->driver->begin(t->db, mode, err);
	if (rc != 0 && s->driver->lost(t->db) &&
	    (rc = tx_reconnect(t, err)) == 0)
		rc = s->driver->begin(t->db, mode, err);
	return rc;
}

/* Parameters that are not UTF-8 (a client's agent string) would make one
 * back end refuse what the other takes: their odd bytes become '?'. */
static char *
as_utf8(const char *s)
{
	char *copy = strdup(s);
	size_t len;

	for (char *p = copy; p != NULL && *p != '\0'; p += len) {
		len = utf8_len(view_str(p));
		if (len == 0) {
			*p = '?';
			len = 1;
		}
	}
	return copy;
}

static int
query(struct tx *t, const char *sql, const struct db_arg *args, size_t n,
    struct rows *out, struct gg_error *err)
{
	int rc = t->s->driver->query(t->db, sql, args, n, out, err);

	if (rc == 0 || t->mode != DB_ONE || !t->s->driver->lost(t->db))
		return rc;
	if ((rc = tx_reconnect(t, err)) != 0)
		return rc;
	rows_release(out);
	return t->s->driver->query(t->db, sql, args, n, out, err);
}

int
tx_query(struct tx *t, const char *sql, const struct db_arg *args, size_t n,
    struct rows *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) none = { 0 };
	GG_AUTO_RELEASE(strv) copies = STRV_INIT;
	struct db_arg clean[SQL_MAX_ARGS];
	char *copy;

	if (n > SQL_MAX_ARGS)
		gg_die("a statement with %zu parameters", n);
	for (size_t i = 0; i < n; i++) {
		clean[i] = args[i];
		if (args[i].s == NULL || utf8_is_valid(view_str(args[i].s)))
			continue;
		if ((copy = as_utf8(args[i].s)) == NULL)
			return gg_fail(err, GG_E_NOMEM, "a parameter");
		strv_add(&copies, copy);
		free(copy);
		if (strv_check(&copies, err) != 0)
			return GG_E_NOMEM;
		clean[i].s = copies.v[copies.n - 1];
	}
	if (out != NULL)
		rows_release(out);
	return query(t, sql, clean, n, out ? out : &none, err);
}

int
tx_lock(struct tx *t, const char *name, struct gg_error *err)
{
	return t->s->driver->lock(t->db, name, err);
}

int
tx_commit(struct tx *t, struct gg_error *err)
{
	bool act = t->mode == DB_DURABLE && t->s->next_act != NULL;
	int rc;

	if (act && (rc = tx_add_act(t, t->s->next_act, err)) != 0)
		return rc;
	if ((rc = t->s->driver->commit(t->db, err)) != 0)
		return rc;
	t->open = false;
	if (act) {
		free(t->s->next_act);
		t->s->next_act = NULL;
	}
	return 0;
}

void
tx_release(struct tx *t)
{
	if (t->s == NULL)
		return;
	if (t->db != NULL) {
		if (t->open)
			t->s->driver->rollback(t->db);
		pool_give(t->s, t->db);
	}
	if (t->writes)
		pthread_mutex_unlock(&t->s->writer);
	*t = (struct tx){ 0 };
}

int
store_read(struct store *s, const char *sql, const struct db_arg *args,
    size_t n, struct rows *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_ONE, &t, err)) != 0)
		return rc;
	return tx_query(&t, sql, args, n, out, err);
}

int
store_write(struct store *s, enum db_mode mode, const char *sql,
    const struct db_arg *args, size_t n, uint64_t *affected,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, mode, &t, err)) != 0 ||
	    (rc = tx_query(&t, sql, args, n, &r, err)) != 0 ||
	    (rc = tx_commit(&t, err)) != 0)
		return rc;
	if (affected != NULL)
		*affected = r.affected;
	return 0;
}

/* -- statements from parts -- */

void
sql_init(struct sql *q, const char *text)
{
	q->n = 0;
	q->kept = (struct strv){ 0 };
	buf_init(&q->text, SQL_MAX_BYTES);
	buf_adds(&q->text, text);
}

void
sql_release(struct sql *q)
{
	buf_release(&q->text);
	strv_release(&q->kept);
}

void
sql_add(struct sql *q, const char *text)
{
	buf_adds(&q->text, text);
}

void
sql_arg(struct sql *q, const char *text, struct db_arg a)
{
	if (q->n == SQL_MAX_ARGS)
		gg_die("a statement with more than %d parameters",
		    SQL_MAX_ARGS);
	q->args[q->n++] = a;
	buf_addf(&q->text, "%s$%zu", text, q->n);
}

void
sql_like(struct sql *q, const char *text, const char *before,
    const char *needle, const char *after)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(SQL_MAX_BYTES);

	buf_addf(&b, "%%%s", before);
	for (const char *p = needle; *p != '\0'; p++) {
		if (*p == '%' || *p == '_' || *p == '\\')
			buf_addc(&b, '\\');
		buf_addc(&b, *p);
	}
	buf_addf(&b, "%s%%", after);
	strv_add(&q->kept, buf_str(&b));
	if (strv_check(&q->kept, NULL) != 0 || buf_check(&b, NULL) != 0) {
		q->text.failed = GG_E_NOMEM;
		return;
	}
	buf_adds(&q->text, text);
	sql_arg(q, " LIKE lower(", arg_s(q->kept.v[q->kept.n - 1]));
	buf_adds(&q->text, ") ESCAPE '\\'");
}

int
sql_run(struct tx *t, struct sql *q, struct rows *out, struct gg_error *err)
{
	int rc;

	if ((rc = buf_check(&q->text, err)) != 0)
		return rc;
	return tx_query(t, buf_str(&q->text), q->args, q->n, out, err);
}

/* -- columns -- */

int
col_text(const struct rows *r, size_t row, size_t col, char **out,
    struct gg_error *err)
{
	*out = strdup(rows_s(r, row, col));
	return *out ? 0 : gg_fail(err, GG_E_NOMEM, "a database text");
}

int
col_dump(const json_t *j, char **out, struct gg_error *err)
{
	*out = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (j != NULL && *out == NULL)
		return gg_fail(err, GG_E_NOMEM, "a JSON value");
	return 0;
}

int
col_json(const struct rows *r, size_t row, size_t col, json_t **out,
    struct gg_error *err)
{
	json_error_t e;

	*out = NULL;
	if (rows_is_null(r, row, col))
		return 0;
	*out = json_loads(rows_s(r, row, col), JSON_ALLOW_NUL, &e);
	if (*out == NULL)
		return gg_fail(err, GG_E_CORRUPT,
		    "the database holds broken JSON: %s", e.text);
	return 0;
}

int
col_dump_strv(const struct strv *v, char **out, struct gg_error *err)
{
	json_t *a = json_array();
	int rc;

	for (size_t i = 0; i < v->n; i++)
		if (json_array_append_new(a, json_string(v->v[i])) != 0) {
			json_decref(a);
			return gg_fail(err, GG_E_INPUT, "a name is not UTF-8");
		}
	rc = col_dump(a, out, err);
	json_decref(a);
	if (rc == 0 && *out == NULL)
		return gg_fail(err, GG_E_NOMEM, "a list");
	return rc;
}

int
col_strv(const struct rows *r, size_t row, size_t col, struct strv *out,
    struct gg_error *err)
{
	json_t *a = NULL, *x;
	size_t i;
	int rc;

	if ((rc = col_json(r, row, col, &a, err)) != 0)
		return rc;
	json_array_foreach(a, i, x)
	    strv_add(out, json_is_string(x) ? json_string_value(x) : "?");
	json_decref(a);
	return strv_check(out, err);
}
