/*
 * Between store.h and a back end: connections, statements, transactions.
 * Everything is text or a 64-bit integer, a result is always read whole (our
 * lists are bounded), and parameters are $1, $2, ... in both dialects.
 */
#ifndef GITGATE_STORE_STORE_PRIV_H
#define GITGATE_STORE_STORE_PRIV_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "store/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db; /* one connection; a driver's own struct */

/* One parameter. A NULL string is SQL's NULL. */
struct db_arg {
	bool is_int;
	int64_t i;
	const char *s; /* borrowed for the call; valid UTF-8 */
};
static inline struct db_arg
arg_s(const char *s)
{
	return (struct db_arg){ .s = s ? s : "" };
}
static inline struct db_arg
arg_null_or(const char *s)
{
	return (struct db_arg){ .s = s };
}
static inline struct db_arg
arg_i(int64_t i)
{
	return (struct db_arg){ .is_int = true, .i = i };
}

/* A whole result. cells: n_rows * n_cols owned strings, NULL for NULL. */
struct rows {
	char **cells;
	size_t n_cells, alloc;
	size_t n_rows, n_cols;
	uint64_t affected; /* rows written */
};
void rows_release(struct rows *r);
GG_DEFINE_AUTO_RELEASE(rows);
/* For drivers: append one cell (copied; NULL for NULL). */
GG_MUST_USE int
rows_add(struct rows *r, const char *s, size_t n, struct gg_error *err);
/* Borrowed; "" where it is NULL. */
const char *rows_s(const struct rows *r, size_t row, size_t col);
bool rows_is_null(const struct rows *r, size_t row, size_t col);
/* 0 where it is no number (our own columns always are). */
int64_t rows_i(const struct rows *r, size_t row, size_t col);

enum db_mode {
	DB_ONE,     /* one reading statement, no transaction */
	DB_READ,    /* several reads that see one state */
	DB_WRITE,   /* a crash of the machine may lose it (not a kill) */
	DB_DURABLE, /* on disk when commit returns */
};

struct db_driver {
	const char *name;
	bool single_writer; /* writers queue in the process, not in it */
	const char *for_update;
	/* Around a parameter, a JSON list of texts: a query of them. */
	const char *each_text, *each_text_end;
	/* Around a query, behind a column: one of its few rows. PostgreSQL is
	 * told that they are few: it guesses that one set of many fits most of
	 * a table, and reads that. */
	const char *of_few, *of_few_end;
	int (*open)(const char *where, struct db **out, struct gg_error *err);
	void (*close)(struct db *c);
	/* Never called with DB_ONE. */
	int (*begin)(struct db *c, enum db_mode mode, struct gg_error *err);
	int (*commit)(struct db *c, struct gg_error *err);
	void (*rollback)(struct db *c);
	int (*query)(struct db *c, const char *sql, const struct db_arg *args,
	    size_t n, struct rows *out, struct gg_error *err);
	/* Several statements without parameters (migrations). */
	int (*script)(struct db *c, const char *sql, struct gg_error *err);
	/* Serialise transactions that name the same thing, until its end. */
	int (*lock)(struct db *c, const char *name, struct gg_error *err);
	/* Is the connection gone (so that another one may work)? */
	bool (*lost)(const struct db *c);
};
extern const struct db_driver sqlite_driver, pgsql_driver;

#define STORE_CONNECTIONS 8

struct store {
	const struct db_driver *driver;
	char *where; /* a path (sqlite) or a URL */
	pthread_mutex_t lock;
	pthread_cond_t freed;
	pthread_mutex_t writer;
	struct db *idle[STORE_CONNECTIONS];
	size_t n_idle, n_open;
	char *next_act; /* store_admin_act_next(); NULL: none */
};

/* Bring the schema up to date (store_open). */
GG_MUST_USE int store_migrate(struct store *s, struct gg_error *err);

/* A transaction: rolled back at the end of its scope unless committed. */
struct tx {
	struct store *s;
	struct db *db;
	enum db_mode mode;
	bool open, writes;
};
GG_MUST_USE int tx_begin(struct store *s, enum db_mode mode, struct tx *t,
    struct gg_error *err);
/* out may be NULL. What it held is released first. */
GG_MUST_USE int
tx_query(struct tx *t, const char *sql, const struct db_arg *args, size_t n,
    struct rows *out, struct gg_error *err);
GG_MUST_USE int tx_lock(struct tx *t, const char *name, struct gg_error *err);
GG_MUST_USE int tx_commit(struct tx *t, struct gg_error *err);
void tx_release(struct tx *t);
GG_DEFINE_AUTO_RELEASE(tx);

#define tx_run(t, out, err, sql, ...)                                \
	tx_query((t), (sql), (const struct db_arg[]){ __VA_ARGS__ }, \
	    sizeof((const struct db_arg[]){ __VA_ARGS__ }) /         \
		sizeof(struct db_arg),                               \
	    (out), (err))

/* Part of a transaction: the row that store_admin_act_add() writes. */
GG_MUST_USE int
tx_add_act(struct tx *t, const char *text, struct gg_error *err);

/* One reading statement. */
GG_MUST_USE int
store_read(struct store *s, const char *sql, const struct db_arg *args,
    size_t n, struct rows *out, struct gg_error *err);
#define store_run(s, out, err, sql, ...)                               \
	store_read((s), (sql), (const struct db_arg[]){ __VA_ARGS__ }, \
	    sizeof((const struct db_arg[]){ __VA_ARGS__ }) /           \
		sizeof(struct db_arg),                                 \
	    (out), (err))
/* One writing statement in a transaction of its own. */
GG_MUST_USE int store_write(struct store *s, enum db_mode mode, const char *sql,
    const struct db_arg *args, size_t n, uint64_t *affected,
    struct gg_error *err);
#define store_do(s, mode, affected, err, sql, ...)           \
	store_write((s), (mode), (sql),                      \
	    (const struct db_arg[]){ __VA_ARGS__ },          \
	    sizeof((const struct db_arg[]){ __VA_ARGS__ }) / \
		sizeof(struct db_arg),                       \
	    (affected), (err))

/* A statement put together from conditions; parameters are numbered. */
#define SQL_MAX_ARGS 256
struct sql {
	struct buf text;
	struct db_arg args[SQL_MAX_ARGS];
	size_t n;
	struct strv kept; /* parameters that were made here */
};
void sql_init(struct sql *q, const char *text);
void sql_release(struct sql *q);
GG_DEFINE_AUTO_RELEASE(sql);
void sql_add(struct sql *q, const char *text);
/* text, then the parameter. More than SQL_MAX_ARGS is our own fault. */
void sql_arg(struct sql *q, const char *text, struct db_arg a);
/* text, then LIKE and the pattern of what holds needle between before and
 * after, whatever the case of ASCII letters. */
void sql_like(struct sql *q, const char *text, const char *before,
    const char *needle, const char *after);
GG_MUST_USE int
sql_run(struct tx *t, struct sql *q, struct rows *out, struct gg_error *err);

/* JSON columns. dump: malloc'ed compact text, NULL for NULL. */
GG_MUST_USE int col_dump(const json_t *j, char **out, struct gg_error *err);
GG_MUST_USE int col_json(const struct rows *r, size_t row, size_t col,
    json_t **out, struct gg_error *err);
GG_MUST_USE int
col_dump_strv(const struct strv *v, char **out, struct gg_error *err);
GG_MUST_USE int col_strv(const struct rows *r, size_t row, size_t col,
    struct strv *out, struct gg_error *err);
/* A copy of a text cell. */
GG_MUST_USE int col_text(const struct rows *r, size_t row, size_t col,
    char **out, struct gg_error *err);

/* Conditions by which the indexes hold_open and hold_done are found. COALESCE
 * keeps SQLite from the index by state, after which it would sort. */
#define HOLD_IS_OPEN "COALESCE(state, '') IN ('pending', 'approved')"
#define HOLD_IS_DONE "COALESCE(state, '') NOT IN ('pending', 'approved')"

/* Conditions of a store_query on a table with id, repository, principal,
 * state and created_ms; push_col names its push's id. With order and limit
 * (one more than is shown). */
void sql_add_query(struct sql *q, const struct store_query *sq,
    const char *push_col);
/* How many rows a list has where so many were asked for, 0: not said. */
size_t store_list_limit(size_t asked);

void stored_review_release(struct stored_review *r);

/* What the audit log is searched by besides its entries: the paths that rules
 * named in a push's updates, and those of p->paths. */
GG_MUST_USE int
tx_paths_add(struct tx *t, const struct stored_push *p, struct gg_error *err);

/* UPDATE of a push's decided columns where its state is from. */
GG_MUST_USE int tx_push_update(struct tx *t, const struct stored_push *p,
    enum push_state from, enum push_state to, struct gg_error *err);

#endif
