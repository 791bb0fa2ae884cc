#include "role/gate_retention.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "role/gate_push.h"
#include "role/gate_retention_orphans.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rows looked at in one step, and recordings removed in it. */
#define STEP_ROWS 500
#define CUT_MAX   50

/* Only the ticker touches it, but for the figures. */
static struct {
	char at[ULID_SIZE]; /* the last row looked at in this pass */
	uint64_t bytes;     /* of this pass so far */
	int64_t oldest_ms;
	uint64_t excess; /* over recordings-size, to be removed in this pass */
	char logged[ULID_SIZE]; /* the last batch that this process logged */
	atomic_ullong seen_bytes;
	atomic_llong seen_oldest_ms;
} pass;

void
retention_metrics(struct buf *out)
{
	long long oldest = atomic_load(&pass.seen_oldest_ms);
	long long age = oldest == 0 ? 0 : clock_wall_ms() - oldest;

	buf_addf(out,
	    "# HELP gitgate_recordings_bytes Recorded pushes on disk.\n"
	    "# TYPE gitgate_recordings_bytes gauge\n"
	    "gitgate_recordings_bytes %llu\n"
	    "# HELP gitgate_recordings_oldest_seconds Age of the oldest "
	    "recorded push that is still on disk.\n"
	    "# TYPE gitgate_recordings_oldest_seconds gauge\n"
	    "gitgate_recordings_oldest_seconds %lld\n",
	    atomic_load(&pass.seen_bytes), age > 0 ? age / 1000 : 0);
}

/* -- what goes -- */

static bool
kind_of(enum push_state s, enum retain_kind *out)
{
	switch (s) {
	case PUSH_FORWARDED:
	case PUSH_KEPT:
		*out = RETAIN_FORWARDED;
		return true;
	case PUSH_FAILED:
		*out = RETAIN_FAILED;
		return true;
	case PUSH_DENIED:
		*out = RETAIN_DENIED;
		return true;
	case PUSH_INVALID:
	case PUSH_ABORTED:
		*out = RETAIN_REFUSED;
		return true;
	case PUSH_RECEIVING:
	case PUSH_HELD:
	case PUSH_FORWARDING:
	case PUSH_STATE_COUNT:
		return false;
	}
	return false;
}

static uint64_t
recording_bytes(const struct config *c, const char *id)
{
	static const char *const names[] = { "pack", "report", "diff", "trace",
		"upstream" };
	uint64_t n = 0;
	struct stat st;

	for (size_t i = 0; i < GG_COUNT(names); i++) {
		GG_AUTO_MEM char *path = path_f("%s/pushes/%s/%s", c->state_dir,
		    id, names[i]);

		/* What is shared is not this one's. */
		if (lstat(path, &st) == 0 && st.st_nlink <= 2)
			n += (uint64_t)st.st_size;
	}
	return n;
}

struct look {
	struct gate *gate;
	const struct config *config;
	int64_t now_ms;
	json_t *cut; /* what goes: entries of "pushes" */
	size_t rows;
};

/* In hand still: its end is stored, and its client is being told. */
static bool
is_live(struct gate *g, const char *id)
{
	if (!gate_take_live(g, id))
		return true;
	gate_drop_live(g, id);
	return false;
}

/* Why the recording goes, or NULL. */
static const char *
why_cut(const struct look *l, const struct stored_push *p, uint64_t bytes)
{
	int64_t end = p->done_ms != 0 ? p->done_ms : p->created_ms, keep;
	struct gg_error err = { 0 };
	const char *why = NULL;
	enum retain_kind kind;
	bool kept = true;

	if (!kind_of(p->state, &kind))
		return NULL;
	keep = config_retention_ms(l->config, p->repository, kind);
	if (p->erase_ms != 0)
		why = "erasure";
	else if (keep > 0 && l->now_ms - end >= keep)
		why = "age";
	else if (pass.excess > 0 && bytes > 0)
		why = "size";
	if (why == NULL || is_live(l->gate, p->id) ||
	    store_push_is_kept(l->gate->store, p, &kept, &err) != 0 || kept)
		return NULL;
	return why;
}

static int
look_at(void *ctx, const struct stored_push *p)
{
	struct look *l = ctx;
	uint64_t bytes = recording_bytes(l->config, p->id);
	const char *why = why_cut(l, p, bytes);
	json_t *o;

	if (why != NULL && json_array_size(l->cut) == CUT_MAX)
		return 1; /* the next step begins with it */
	l->rows++;
	(void)snprintf(pass.at, sizeof(pass.at), "%s", p->id);
	if (why == NULL) {
		pass.bytes += bytes;
		if (bytes > 0 &&
		    (pass.oldest_ms == 0 || p->created_ms < pass.oldest_ms))
			pass.oldest_ms = p->created_ms;
		return 0;
	}
	pass.excess -= bytes < pass.excess ? bytes : pass.excess;
	o = json_pack("{s:s, s:o, s:s, s:s, s:I, s:s}", "push", p->id,
	    "repository", audit_text(p->repository), "state",
	    push_state_name(p->state), "reason", why, "bytes",
	    (json_int_t)bytes, "report", p->report_digest);
	(void)json_object_set(o, "pack_sha256",
	    json_object_get(p->request, "pack_sha256"));
	(void)json_array_append_new(l->cut, o);
	return 0;
}

static void
end_pass(const struct config *c)
{
	uint64_t most = c->limits.recordings_bytes;

	atomic_store(&pass.seen_bytes, pass.bytes);
	atomic_store(&pass.seen_oldest_ms, pass.oldest_ms);
	pass.excess = most > 0 && pass.bytes > most ? pass.bytes - most : 0;
	pass.at[0] = '\0';
	pass.bytes = 0;
	pass.oldest_ms = 0;
}

/* -- removing: log, files, rows -- */

static int
newest_batch(void *ctx, uint64_t index, const char *json)
{
	json_t *e = json_loads(json, 0, NULL);
	const char *batch = json_string_value(json_object_get(e, "batch"));

	(void)index;
	(void)snprintf(ctx, ULID_SIZE, "%s", batch != NULL ? batch : "");
	json_decref(e);
	return 0;
}

/* A crash may lie between the log and the files: it is logged once. */
static int
log_once(struct gate *g, const char *id, const json_t *batch,
    struct gg_error *err)
{
	struct audit_query q = { .type = "retention.cut", .limit = 1 };
	char newest[ULID_SIZE] = "";
	uint64_t next;
	json_t *e;
	int rc;

	if (strcmp(pass.logged, id) == 0)
		return 0;
	rc = store_audit_query(g->store, &q, newest_batch, newest, &next, err);
	if (rc != 0 || strcmp(newest, id) == 0)
		return rc;
	e = json_deep_copy(batch);
	if ((rc = audit_write(g, &e, 1, err)) == 0)
		(void)snprintf(pass.logged, sizeof(pass.logged), "%s", id);
	return rc;
}

static int
remove_batch(struct gate *g, const struct config *c, const json_t *batch,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	const json_t *p;
	size_t i;
	int rc;

	json_array_foreach(json_object_get(batch, "pushes"), i, p)
	{
		const char *id = json_string_value(json_object_get(p, "push"));
		GG_AUTO_MEM char *dir = NULL;

		if (id == NULL || !ulid_is_valid(view_str(id)))
			return gg_fail(err, GG_E_CORRUPT,
			    "a batch of retention is damaged");
		dir = path_f("%s/pushes/%s", c->state_dir, id);
		if ((rc = dir_remove(dir, err)) != 0)
			return rc;
		strv_add(&ids, id);
	}
	FAILPOINT("gate.retention-removed");
	if ((rc = strv_check(&ids, err)) != 0 ||
	    (rc = store_recording_gone(g->store, &ids, clock_wall_ms(), err)) !=
		0)
		return rc;
	log_event(EV_retention, kv_u64("pushes", ids.n));
	return 0;
}

/* Whatever batch was begun, by this process or an earlier one. */
static int
finish_batch(struct gate *g, const struct config *c, struct gg_error *err)
{
	const char *id;
	json_t *batch = NULL;
	int rc = store_cut_get(g->store, &batch, err);

	if (rc == GG_E_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	id = json_string_value(json_object_get(batch, "batch"));
	rc = id == NULL ?
	    gg_fail(err, GG_E_CORRUPT, "a batch of retention is damaged") :
	    log_once(g, id, batch, err);
	FAILPOINT("gate.retention-logged");
	if (rc == 0)
		rc = remove_batch(g, c, batch, err);
	json_decref(batch);
	return rc == 0 ? store_cut_end(g->store, err) : rc;
}

/* Written before anything else happens. Where somebody asked meanwhile for one
 * of them to stay, the next look at them leaves it out. */
static int
begin_batch(struct gate *g, json_t *cut, struct gg_error *err)
{
	char id[ULID_SIZE];
	json_t *batch;
	bool kept;
	int rc;

	ulid_new(id);
	batch = json_pack("{s:s, s:s, s:O}", "type", "retention.cut", "batch",
	    id, "pushes", cut);
	if (batch == NULL)
		return gg_fail(err, GG_E_NOMEM, "retention");
	FAILPOINT("gate.retention-chosen");
	rc = store_cut_begin(g->store, batch, &kept, err);
	json_decref(batch);
	return rc;
}

static int
step(struct gate *g, const struct config *c, struct gg_error *err)
{
	struct look l = { .gate = g,
		.config = c,
		.now_ms = clock_wall_ms(),
		.cut = json_array() };
	int rc = store_recorded(g->store, pass.at, STEP_ROWS, look_at, &l, err);

	if (rc == 0 && l.rows < STEP_ROWS)
		end_pass(c);
	if (rc >= 0 && json_array_size(l.cut) > 0)
		rc = begin_batch(g, l.cut, err);
	json_decref(l.cut);
	return rc < 0 ? rc : finish_batch(g, c, err);
}

void
retention_tick(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct gg_error err = { 0 };

	if (!auditlog_is_writable(g->log))
		return;
	if (finish_batch(g, snap->config, &err) != 0 ||
	    step(g, snap->config, &err) != 0 ||
	    orphans_step(g, snap, &err) != 0)
		log_event(EV_retention, kv_err(&err));
}
