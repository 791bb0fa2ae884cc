/* The gate's audit log: opened, fitted to the database, its index kept up. */
#include "role/gate_log.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "role/gate_push.h"
#include "store/audit_age.h"

#include <poll.h>

#define LOG_WAIT_MS  10000 /* for who has the log to end */
#define LOG_RETRY_MS 20

/*
 * In the log's order and without a gap: who follows goes on behind the last
 * entry that it was given. So from the first entry that the store could not
 * take on, all are left to gate_log_heal().
 */
static void
index_entry(void *ctx, uint64_t index, const char *json, size_t n)
{
	struct gate *g = ctx;
	struct gg_error err = { 0 };

	pthread_mutex_lock(&g->index_mutex);
	if (!g->index_behind &&
	    store_audit_add(g->store, index, json, n, &err) != 0) {
		g->index_behind = true;
		log_event(EV_store_failed, kv_err(&err));
	}
	pthread_mutex_unlock(&g->index_mutex);
}

static int
catch_up_index(struct gate *g, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) entry = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	uint64_t n = 0;
	int rc = store_audit_indexed(g->store, &n, err);

	/* Entries are durable before the index hears of them: so the log was
	 * cut or an older copy was put back. Writing on would hide it. */
	if (rc == 0 && n > auditlog_size(g->log))
		return gg_fail(err, GG_E_CORRUPT,
		    "the audit log has %llu entries, but the database has "
		    "seen %llu: the log is an older copy, or its end was "
		    "lost; put back the log of the same moment "
		    "(docs/operations.md, \"The log does not fit\")",
		    (unsigned long long)auditlog_size(g->log),
		    (unsigned long long)n);
	for (; rc == 0 && n < auditlog_size(g->log); n++) {
		buf_clear(&entry);
		if ((rc = auditlog_read_opened(g->log, n, &entry, err)) == 0)
			rc = store_audit_add(g->store, n, entry.p, entry.n,
			    err);
	}
	return rc;
}

static int
read_entry(void *ctx, uint64_t index, struct buf *out, struct gg_error *err)
{
	return auditlog_read_opened(ctx, index, out, err);
}

/*
 * With an older database what was revoked since would be in force again, and
 * what was decided would be asked again, without anybody knowing.
 */
static int
check_database(struct gate *g, struct gg_error *err)
{
	GG_AUTO_RELEASE(audit_age) age = { 0 };
	uint64_t size = auditlog_size(g->log);
	int rc = store_audit_age(g->store, size, read_entry, g->log, &age, err);

	if (rc != 0)
		return rc;
	g->log_accepted = age.accepted;
	if (!age.is_older || age.accepted == size)
		return 0;
	/* who accepts it reads the files */
	if ((rc = auditlog_wait_published(g->log, size - 1, err)) != 0)
		return rc;
	return gg_fail(err, GG_E_CORRUPT,
	    "the database is older than the audit log: it lacks the entries "
	    "from %llu on, of %llu. What was revoked or decided since would "
	    "come back. Put back the newer database or, if there is none, say "
	    "`gitgate audit accept-database` (docs/operations.md, \"The log "
	    "does not fit\")",
	    (unsigned long long)age.first, (unsigned long long)size);
}

/* Beside the log, for whoever verifies it: the public key. */
static int
publish_vkey(struct gate *g, const char *dir, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/vkey", dir);
	GG_AUTO_MEM char *line = path_f("%s\n", auditlog_vkey(g->log));

	return file_write(path, view_str(line), 0644, false, err);
}

int
gate_log_open(struct gate *g, const struct config *c, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/log", c->state_dir);
	struct pollfd supervisor = { .fd = g->supervisor, .events = POLLRDHUP };
	int64_t deadline = clock_mono_ms() + LOG_WAIT_MS;
	bool told = false;
	int rc;

	for (;;) {
		rc = auditlog_open(dir, c->log_key, c->log_origin, &g->log,
		    err);
		if (rc != GG_E_EXISTS || clock_mono_ms() >= deadline)
			return rc;
		if (!told)
			log_event(EV_log_busy, kv_err(err));
		told = true;
		if (poll(&supervisor, 1, LOG_RETRY_MS) > 0)
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "the supervisor has gone");
	}
}

int
gate_log_fit(struct gate *g, const struct config *c, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/log", c->state_dir);
	int rc = check_database(g, err);

	if (rc != 0 || (rc = catch_up_index(g, err)) != 0)
		return rc;
	auditlog_on_append(g->log, index_entry, g);
	return publish_vkey(g, dir, err);
}

void
gate_log_note(struct gate *g, const char *type)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);

	audit_note(g,
	    json_pack("{s:s, s:s, s:s}", "type", type, "version", GG_VERSION,
		"policy", ruleset_digest(snap->ruleset)));
}

static bool
is_index_behind(struct gate *g)
{
	bool is;

	pthread_mutex_lock(&g->index_mutex);
	is = g->index_behind;
	pthread_mutex_unlock(&g->index_mutex);
	return is;
}

void
gate_log_heal(struct gate *g)
{
	struct gg_error err = { 0 };

	if (!is_index_behind(g) || catch_up_index(g, &err) != 0)
		return;
	pthread_mutex_lock(&g->index_mutex);
	if (catch_up_index(g, &err) == 0)
		g->index_behind = false;
	pthread_mutex_unlock(&g->index_mutex);
}
