/*
 * PostgreSQL. Read committed with row locks (SELECT ... FOR UPDATE) and named
 * advisory locks where a decision depends on rows that are not there yet.
 */
#include "base/text.h"
#include "store/store_priv.h"

#include <libpq-fe.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct db {
	PGconn *h;
};

static void
clearp(PGresult **r)
{
	PQclear(*r);
}
#define AUTO_RESULT __attribute__((cleanup(clearp))) PGresult *

static bool
pg_lost(const struct db *c)
{
	return PQstatus(c->h) != CONNECTION_OK;
}

/* SQLSTATE to what a caller can do about it. */
static enum gg_code
classify(const char *state)
{
	static const struct {
		const char *prefix;
		enum gg_code code;
	} table[] = {
		{ "23505", GG_E_EXISTS },      /* unique_violation */
		{ "23", GG_E_REFUSED },        /* other constraints */
		{ "08", GG_E_UNAVAILABLE },    /* connection */
		{ "25006", GG_E_UNAVAILABLE }, /* a standby, read-only */
		{ "28", GG_E_UNAVAILABLE },    /* authorization */
		{ "3D", GG_E_UNAVAILABLE },    /* no such database */
		{ "40", GG_E_UNAVAILABLE },    /* deadlock, serialization */
		{ "53", GG_E_UNAVAILABLE },    /* disk, memory, connections */
		{ "55P03", GG_E_UNAVAILABLE }, /* lock_not_available */
		{ "57", GG_E_UNAVAILABLE },    /* shutdown, cancelled */
		{ "58", GG_E_UNAVAILABLE },    /* the server's system */
	};

	for (size_t i = 0; i < GG_COUNT(table); i++)
		if (view_has_prefix(view_str(state), table[i].prefix))
			return table[i].code;
	return GG_E_CORRUPT;
}

/* The primary message only: details may quote rows. */
static int
failed(const struct db *c, const PGresult *r, struct gg_error *err)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (pg_lost(c) || state == NULL)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "database: the connection was lost");
	return gg_fail(err, classify(state), "database: %s (%s)",
	    text ? text : "no message", state);
}

static int
pg_script(struct db *c, const char *sql, struct gg_error *err)
{
	AUTO_RESULT r = PQexec(c->h, sql);
	ExecStatusType st = PQresultStatus(r);

	if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK)
		return 0;
	return failed(c, r, err);
}

static void
pg_close(struct db *c)
{
	PQfinish(c->h);
	free(c);
}

/* "already exists, skipping" is no news. */
static void
ignore_notice(void *ctx, const PGresult *r)
{
	(void)ctx;
	(void)r;
}

static int
pg_open(const char *where, struct db **out, struct gg_error *err)
{
	/* what stands before dbname the URL may change, the rest not */
	static const char *const keys[] = { "connect_timeout",
		"tcp_user_timeout", "application_name", "dbname",
		"client_encoding", NULL };
	const char *const values[] = { "10", "30000", "gitgate", where, "UTF8",
		NULL };
	struct db *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return gg_fail(err, GG_E_NOMEM, "database");
	c->h = PQconnectdbParams(keys, values, 1);
	if (PQstatus(c->h) != CONNECTION_OK) {
		rc = gg_fail(err, GG_E_UNAVAILABLE, "database: %s",
		    c->h ? PQerrorMessage(c->h) : "no memory");
		pg_close(c);
		return rc;
	}
	PQsetNoticeReceiver(c->h, ignore_notice, NULL);
	/* a server that hangs must not hang the gate */
	rc = pg_script(c,
	    "SET statement_timeout = '30s';"
	    " SET lock_timeout = '10s';"
	    " SET idle_in_transaction_session_timeout = '60s';"
	    /* compiling takes longer than any statement of ours */
	    " SET jit = off",
	    err);
	if (rc != 0) {
		pg_close(c);
		return rc;
	}
	*out = c;
	return 0;
}

static int
pg_begin(struct db *c, enum db_mode mode, struct gg_error *err)
{
	if (mode == DB_READ)
		return pg_script(c,
		    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
	if (mode == DB_WRITE)
		return pg_script(c, "BEGIN; SET LOCAL synchronous_commit = off",
		    err);
	return pg_script(c, "BEGIN", err);
}

/* COMMIT of a failed transaction "succeeds" with the tag ROLLBACK. */
static int
pg_commit(struct db *c, struct gg_error *err)
{
	AUTO_RESULT r = PQexec(c->h, "COMMIT");

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		return failed(c, r, err);
	if (strcmp(PQcmdStatus(r), "COMMIT") != 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "database: the transaction was rolled back");
	return 0;
}

static void
pg_rollback(struct db *c)
{
	if (PQtransactionStatus(c->h) != PQTRANS_IDLE)
		(void)pg_script(c, "ROLLBACK", NULL);
}

static int
read_rows(const PGresult *r, struct rows *out, struct gg_error *err)
{
	int n_rows = PQntuples(r), n_cols = PQnfields(r), rc;
	const char *s;

	out->n_cols = (size_t)n_cols;
	for (int i = 0; i < n_rows; i++) {
		for (int j = 0; j < n_cols; j++) {
			s = PQgetisnull(r, i, j) ? NULL : PQgetvalue(r, i, j);
			rc = rows_add(out, s, (size_t)PQgetlength(r, i, j),
			    err);
			if (rc != 0)
				return rc;
		}
		out->n_rows++;
	}
	return 0;
}

static uint64_t
affected(PGresult *r)
{
	uint64_t n = 0;

	for (const char *p = PQcmdTuples(r); *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

static int
pg_query(struct db *c, const char *sql, const struct db_arg *args, size_t n,
    struct rows *out, struct gg_error *err)
{
	const char *values[SQL_MAX_ARGS];
	char ints[SQL_MAX_ARGS][24];
	AUTO_RESULT r = NULL;
	ExecStatusType st;

	if (n > SQL_MAX_ARGS)
		gg_die("a statement with %zu parameters", n);
	for (size_t i = 0; i < n; i++) {
		values[i] = args[i].s;
		if (!args[i].is_int)
			continue;
		snprintf(ints[i], sizeof(ints[i]), "%lld",
		    (long long)args[i].i);
		values[i] = ints[i];
	}
	r = PQexecParams(c->h, sql, (int)n, NULL, values, NULL, NULL, 0);
	st = PQresultStatus(r);
	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK)
		return failed(c, r, err);
	out->affected = affected(r);
	return read_rows(r, out, err);
}

/* Held until the transaction ends. Two names with one hash only wait more. */
static int
pg_lock(struct db *c, const char *name, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	const struct db_arg a = arg_s(name);

	return pg_query(c,
	    "SELECT pg_advisory_xact_lock(hashtextextended($1, 4711))", &a, 1,
	    &r, err);
}

const struct db_driver pgsql_driver = {
	.name = "postgresql",
	.single_writer = false,
	.for_update = " FOR UPDATE",
	.of_few = " = ANY (ARRAY(",
	.of_few_end = "))",
	.each_text = "(SELECT json_array_elements_text(CAST(",
	.each_text_end = " AS json)))",
	.open = pg_open,
	.close = pg_close,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.query = pg_query,
	.script = pg_script,
	.lock = pg_lock,
	.lost = pg_lost,
};
