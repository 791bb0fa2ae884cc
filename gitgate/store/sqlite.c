/*
 * SQLite: WAL, one file, mode 0600. A connection is used by one thread at a
 * time, so its own mutexes are off.
 */
#include "base/fd.h"
#include "store/store_priv.h"

#include <sqlite3.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define BUSY_TIMEOUT_MS 5000
#define BUSY_AGAIN_MS   250

struct db {
	sqlite3 *h;
	bool full; /* synchronous=FULL is set */
};

static enum gg_code
classify(int rc)
{
	switch (rc) {
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_UNIQUE:
		return GG_E_EXISTS;
	default:
		break;
	}
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return GG_E_UNAVAILABLE;
	case SQLITE_NOMEM:
		return GG_E_NOMEM;
	case SQLITE_CONSTRAINT:
		return GG_E_REFUSED;
	default:
		return GG_E_CORRUPT;
	}
}

static int
failed(struct db *c, struct gg_error *err)
{
	int rc = c->h ? sqlite3_extended_errcode(c->h) : SQLITE_NOMEM;

	return gg_fail(err, classify(rc), "database: %s",
	    c->h ? sqlite3_errmsg(c->h) : "no memory");
}

static int
lite_script(struct db *c, const char *sql, struct gg_error *err)
{
	return sqlite3_exec(c->h, sql, NULL, NULL, NULL) == SQLITE_OK ?
	    0 :
	    failed(c, err);
}

static void
lite_close(struct db *c)
{
	sqlite3_close(c->h);
	free(c);
}

/*
 * The file is made by us first: its mode is what the WAL beside it gets. It
 * must never be opened and closed by us once it is in use: closing any
 * descriptor of a file drops all POSIX locks that the process has on it, and
 * another process would then take itself for the last user and remove the
 * WAL under our feet. So it appears whole, by link().
 */
static int
make_file(const char *path, struct gg_error *err)
{
	GG_AUTO_MEM char *temp = NULL;
	int fd, rc = 0;

	if (access(path, F_OK) == 0)
		return 0;
	temp = path_f("%s.XXXXXX", path);
	if ((fd = mkostemp(temp, O_CLOEXEC)) < 0)
		return gg_fail(err, GG_E_SYS, "%s", temp);
	fd_close(fd); /* its mode is 0600 */
	if (link(temp, path) != 0 && errno != EEXIST)
		rc = gg_fail(err, GG_E_SYS, "%s", path);
	(void)unlink(temp);
	return rc;
}

static int
lite_open(const char *where, struct db **out, struct gg_error *err)
{
	struct db *c;
	int rc;

	if ((rc = make_file(where, err)) != 0)
		return rc;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "database");
	if (sqlite3_open_v2(where, &c->h,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK) {
		rc = failed(c, err);
		lite_close(c);
		return rc;
	}
	sqlite3_busy_timeout(c->h, BUSY_TIMEOUT_MS);
	rc = lite_script(c,
	    "PRAGMA journal_mode = WAL;"
	    "PRAGMA foreign_keys = ON;"
	    "PRAGMA trusted_schema = OFF;"
	    /* What is erased is not to be found in free pages either. */
	    "PRAGMA secure_delete = ON;"
	    /* Large sorts and undo journals of statements: the gate may write
	     * nowhere but below state-dir. */
	    "PRAGMA temp_store = MEMORY;"
	    "PRAGMA synchronous = FULL",
	    err);
	if (rc != 0) {
		lite_close(c);
		return rc;
	}
	c->full = true;
	*out = c;
	return 0;
}

/*
 * Whoever holds the database for as long as we wait is not about to let go:
 * the next ones wait less, or each step of a push would wait as long again.
 */
static int
begin_immediate(struct db *c, struct gg_error *err)
{
	int rc = lite_script(c, "BEGIN IMMEDIATE", err);

	sqlite3_busy_timeout(c->h, rc == 0 ? BUSY_TIMEOUT_MS : BUSY_AGAIN_MS);
	return rc;
}

static int
lite_begin(struct db *c, enum db_mode mode, struct gg_error *err)
{
	bool full = mode == DB_DURABLE;
	int rc;

	if (mode == DB_READ)
		return lite_script(c, "BEGIN", err);
	if (full != c->full) {
		if ((rc = lite_script(c,
			 full ? "PRAGMA synchronous = FULL" :
				"PRAGMA synchronous = NORMAL",
			 err)) != 0)
			return rc;
		c->full = full;
	}
	return begin_immediate(c, err);
}

static int
lite_commit(struct db *c, struct gg_error *err)
{
	return lite_script(c, "COMMIT", err);
}

static void
lite_rollback(struct db *c)
{
	/* an error may have rolled it back already */
	if (!sqlite3_get_autocommit(c->h))
		(void)lite_script(c, "ROLLBACK", NULL);
}

static int
bind(sqlite3_stmt *st, const struct db_arg *args, size_t n)
{
	char name[24];
	int at, rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
		snprintf(name, sizeof(name), "$%zu", i + 1);
		at = sqlite3_bind_parameter_index(st, name);
		if (args[i].is_int)
			rc = sqlite3_bind_int64(st, at, args[i].i);
		else if (args[i].s == NULL)
			rc = sqlite3_bind_null(st, at);
		else
			rc = sqlite3_bind_text(st, at, args[i].s, -1,
			    SQLITE_STATIC);
	}
	return rc;
}

static int
read_row(sqlite3_stmt *st, struct rows *out, struct gg_error *err)
{
	const char *s;
	int rc;

	for (int i = 0; i < (int)out->n_cols; i++) {
		s = (const char *)sqlite3_column_text(st, i);
		rc = rows_add(out, s, (size_t)sqlite3_column_bytes(st, i), err);
		if (rc != 0)
			return rc;
	}
	out->n_rows++;
	return 0;
}

static void
finalizep(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
}

static int
lite_query(struct db *c, const char *sql, const struct db_arg *args, size_t n,
    struct rows *out, struct gg_error *err)
{
	__attribute__((cleanup(finalizep))) sqlite3_stmt *st = NULL;
	int step, rc;

	if (sqlite3_prepare_v2(c->h, sql, -1, &st, NULL) != SQLITE_OK ||
	    bind(st, args, n) != SQLITE_OK)
		return failed(c, err);
	out->n_cols = (size_t)sqlite3_column_count(st);
	while ((step = sqlite3_step(st)) == SQLITE_ROW)
		if ((rc = read_row(st, out, err)) != 0)
			return rc;
	if (step != SQLITE_DONE)
		return failed(c, err);
	if (!sqlite3_stmt_readonly(st))
		out->affected = (uint64_t)sqlite3_changes64(c->h);
	return 0;
}

static int
lite_lock(struct db *c, const char *name, struct gg_error *err)
{
	/* BEGIN IMMEDIATE: we are the only writer already */
	(void)c;
	(void)name;
	(void)err;
	return 0;
}

static bool
lite_lost(const struct db *c)
{
	(void)c;
	return false;
}

const struct db_driver sqlite_driver = {
	.name = "sqlite",
	.single_writer = true,
	.for_update = "",
	.of_few = " IN (",
	.of_few_end = ")",
	.each_text = "(SELECT value FROM json_each(",
	.each_text_end = "))",
	.open = lite_open,
	.close = lite_close,
	.begin = lite_begin,
	.commit = lite_commit,
	.rollback = lite_rollback,
	.query = lite_query,
	.script = lite_script,
	.lock = lite_lock,
	.lost = lite_lost,
};
