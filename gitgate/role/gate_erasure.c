#include "role/gate_erasure.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "http/addr.h"
#include "role/erasure_job.h"
#include "role/gate_issuers.h"
#include "role/gate_push.h"
#include "store/erasure.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* In one transaction over the database's copies. */
#define COPY_ENTRIES 100
#define PAUSE_MS     250
/* After an error: twice as long each time, up to the second. */
#define AGAIN_MS      1000
#define AGAIN_MOST_MS 60000
/* How often retention looks, and where it goes on: what is before is done. */
#define RETAIN_MS  ((int64_t)3600 * 1000)
#define RETAIN_KEY "erasure.retained"

/* Only the thread touches it, but for the figure. */
static struct {
	pthread_t thread;
	char logged[ULID_SIZE]; /* the last batch that this process logged */
	uint64_t logged_at;
	int64_t retain_ms; /* monotonic: when retention looks next */
	int64_t again_ms;  /* monotonic: after an error nothing before that */
	int64_t pause_ms;  /* how long that was; 0: the last step was good */
	atomic_ullong values;
} done;

void
erasure_metrics(struct buf *out)
{
	buf_addf(out,
	    "# HELP gitgate_erased_values_total Personal values erased from "
	    "the audit log.\n"
	    "# TYPE gitgate_erased_values_total counter\n"
	    "gitgate_erased_values_total %llu\n",
	    atomic_load(&done.values));
}

/* -- doing it: log, openings, copies -- */

struct newest {
	char batch[ULID_SIZE];
	uint64_t index;
};

static int
newest_batch(void *ctx, uint64_t index, const char *text)
{
	json_auto_t *e = json_loads(text, JSON_ALLOW_NUL, NULL);
	const char *batch = json_string_value(json_object_get(e, "batch"));
	struct newest *n = ctx;

	(void)snprintf(n->batch, sizeof(n->batch), "%s",
	    batch != NULL ? batch : "");
	n->index = index;
	return 0;
}

/* A crash may lie between the log and the openings: it is logged once. */
static int
log_once(struct erasure_job *j, const json_t *batch, uint64_t *index,
    struct gg_error *err)
{
	const char *id = json_string_value(json_object_get(batch, "batch"));
	struct audit_query q = { .type = "redaction", .limit = 1 };
	struct newest newest = { 0 };
	json_auto_t *e = NULL;
	uint64_t next;
	int rc;

	*index = done.logged_at;
	if (id == NULL)
		return gg_fail(err, GG_E_CORRUPT, "an erasure is damaged");
	if (strcmp(done.logged, id) == 0)
		return 0;
	rc = store_audit_query(j->gate->store, &q, newest_batch, &newest, &next,
	    err);
	*index = newest.index;
	if (rc != 0 || strcmp(newest.batch, id) == 0)
		return rc;
	e = json_deep_copy(batch);
	if ((rc = auditlog_append(j->gate->log, &e, 1, index, err)) != 0) {
		log_event(EV_audit_failed, kv_err(err));
		return rc;
	}
	(void)snprintf(done.logged, sizeof(done.logged), "%s", id);
	done.logged_at = *index;
	return 0;
}

static private_set
places_of(const json_t *batch)
{
	private_set set = 0;
	const json_t *x;
	size_t i;

	json_array_foreach(json_object_get(batch, "places"), i, x)
	    set |= private_place_find(json_string_value(x));
	return set;
}

static int
erase_openings(struct erasure_job *j, const json_t *batch, struct gg_error *err)
{
	const json_t *ranges = json_object_get(batch, "entries"), *x;
	size_t n = json_array_size(ranges), i;
	GG_AUTO_MEM struct audit_range *r = calloc(n + 1, sizeof(*r));
	uint64_t values = 0;
	int rc;

	if (r == NULL)
		return gg_fail(err, GG_E_NOMEM, "erasure");
	json_array_foreach(ranges, i, x) r[i] = (struct audit_range){
		(uint64_t)json_integer_value(json_array_get(x, 0)),
		(uint64_t)json_integer_value(json_array_get(x, 1))
	};
	rc = auditlog_erase(j->gate->log, r, n, places_of(batch), &values, err);
	(void)atomic_fetch_add(&done.values, values);
	return rc;
}

/* Entries as they are opened now, for the database. */
struct copies {
	struct erased_entry v[COPY_ENTRIES];
	size_t n;
};

static void
copies_release(struct copies *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free((char *)(uintptr_t)c->v[i].text);
		json_decref((json_t *)(uintptr_t)c->v[i].opened);
	}
	c->n = 0;
}
GG_DEFINE_AUTO_RELEASE(copies);

static int
flush_copies(struct erasure_job *j, struct copies *c, struct gg_error *err)
{
	int rc = store_erase_copies(j->gate->store, c->v, c->n,
	    json_is_true(json_object_get(j->data, "recordings")), err);

	copies_release(c);
	return rc;
}

static int
add_copy(struct erasure_job *j, struct copies *c, uint64_t index,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	int rc = auditlog_read_opened(j->gate->log, index, &text, err);
	struct erased_entry *x = &c->v[c->n];

	if (rc != 0)
		return rc;
	x->index = index;
	x->opened = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
	x->text = buf_take(&text);
	c->n++;
	if (x->opened == NULL || x->text == NULL)
		return gg_fail(err, GG_E_NOMEM, "erasure");
	return c->n == COPY_ENTRIES ? flush_copies(j, c, err) : 0;
}

static int
erase_copies(struct erasure_job *j, const json_t *batch, struct gg_error *err)
{
	GG_AUTO_RELEASE(copies) c = { .n = 0 };
	const json_t *x;
	int rc = 0;
	size_t i;

	json_array_foreach(json_object_get(batch, "entries"), i, x)
	{
		json_int_t at = json_integer_value(json_array_get(x, 0));
		json_int_t last = json_integer_value(json_array_get(x, 1));

		for (; at <= last && rc == 0; at++)
			rc = add_copy(j, &c, (uint64_t)at, err);
	}
	return rc == 0 && c.n > 0 ? flush_copies(j, &c, err) : rc;
}

static int
finish_batch(struct erasure_job *j, const json_t *batch, struct gg_error *err)
{
	uint64_t index = 0;
	int rc;

	FAILPOINT("gate.erasure-begun");
	if ((rc = log_once(j, batch, &index, err)) != 0)
		return rc;
	FAILPOINT("gate.erasure-logged");
	/* Whoever verifies finds what accounts for the missing ones. */
	if ((rc = auditlog_wait_published(j->gate->log, index, err)) != 0 ||
	    (rc = erase_openings(j, batch, err)) != 0)
		return rc;
	FAILPOINT("gate.erasure-erased");
	if ((rc = erase_copies(j, batch, err)) != 0)
		return rc;
	FAILPOINT("gate.erasure-copied");
	(void)json_array_append_new(json_object_get(erasure_result(j),
					"redactions"),
	    json_integer((json_int_t)index));
	(void)json_object_del(j->data, "batch");
	return store_erasure_put(j->gate->store, j->id, j->data, false, err);
}

/* Where the next look begins: what could not go now is looked at again. */
static int
mark_retained(struct erasure_job *j, struct gg_error *err)
{
	const char *key = json_object_get(j->data, "left") != NULL ? "left" :
								     "end";
	GG_AUTO_MEM char *text = path_f("%llu",
	    (unsigned long long)erasure_number(j->data, key));

	return erasure_is_retained(j) ?
	    store_meta_set(j->gate->store, RETAIN_KEY, text, err) :
	    0;
}

static bool
took_an_address(struct erasure_job *j)
{
	const json_t *x;
	size_t i;

	json_array_foreach(json_object_get(erasure_result(j), "places"), i,
	    x) if (strcmp(json_string_value(x), "client.addr") ==
	    0) return true;
	return false;
}

/*
 * No row says whose token it was, and fetches are in no entry: but for an
 * address, whose network is known, all go. All that is lost is the notice that
 * a token, which lives for an hour, was used from elsewhere than at first. What
 * retention erases is older than any that has not expired.
 */
static int
erase_token_uses(struct erasure_job *j, const char *addr, struct gg_error *err)
{
	bool named = json_object_get(j->data, "name") != NULL;
	char network[TOKEN_NETWORK_SIZE] = "";
	const char *which = NULL;
	int rc;

	if (addr != NULL)
		token_network(addr, network);
	if (addr != NULL || named ||
	    (!erasure_is_retained(j) && took_an_address(j)))
		which = network;
	rc = store_erase_token_uses(j->gate->store, which, err);
	if (rc == 0)
		token_uses_forget();
	return rc;
}

/* Nothing is left to look at. What was asked is forgotten but for its result:
 * it names what was to be erased. */
static int
wind_up(struct erasure_job *j, struct gg_error *err)
{
	static const char *const same[] = { "dry", "retained" };
	const char *name = json_string_value(json_object_get(j->data, "name"));
	const char *addr = json_string_value(json_object_get(j->data, "addr"));
	bool dry = json_is_true(json_object_get(j->data, "dry"));
	json_auto_t *left = json_pack("{s:b, s:O}", "over", true, "result",
	    erasure_result(j));
	char group[ADDR_SIZE] = "";
	int rc = 0;

	for (size_t i = 0; i < GG_COUNT(same); i++)
		(void)json_object_set(left, same[i],
		    json_object_get(j->data, same[i]));
	if (addr != NULL)
		addr_group(addr, group);
	if (!dry && (name != NULL || addr != NULL))
		rc = store_erase_sessions(j->gate->store,
		    name != NULL ? name : "", addr != NULL ? addr : "", group,
		    err);
	if (rc == 0 && !dry)
		rc = erase_token_uses(j, addr, err);
	if (rc == 0)
		rc = mark_retained(j, err);
	return rc != 0 ?
	    rc :
	    store_erasure_put(j->gate->store, j->id, left, false, err);
}

/* Nobody is told before no file of the database has it any more, and the
 * request neither. */
static int
finish(struct erasure_job *j, struct gg_error *err)
{
	bool dry = json_is_true(json_object_get(j->data, "dry"));
	json_auto_t *left = json_pack("{s:O}", "result", erasure_result(j));
	int rc = 0;

	FAILPOINT("gate.erasure-over");
	if (!dry && (rc = store_scrub(j->gate->store, err)) != 0)
		return rc;
	rc = store_erasure_put(j->gate->store, j->id, left, true, err);
	if (rc == 0 && !dry &&
	    (!erasure_is_retained(j) ||
		erasure_number(erasure_result(j), "values") > 0))
		log_event(EV_erasure,
		    kv_u64("values",
			erasure_number(erasure_result(j), "values")),
		    kv_u64("entries",
			erasure_number(erasure_result(j), "entries")));
	return rc;
}

/* -- what retention says -- */

static int
begin_retained(struct gate *g, int64_t keep_ms, struct gg_error *err)
{
	GG_AUTO_MEM char *from = NULL;
	json_auto_t *x = NULL;
	char id[ULID_SIZE];
	uint64_t at = 0;
	int rc = store_meta_get(g->store, RETAIN_KEY, &from, err);

	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	if (rc == 0 && num_parse(view_str(from), INT64_MAX, &at, NULL) != 0)
		at = 0;
	x = json_pack("{s:b, s:s, s:I, s:I}", "retained", true, "reason",
	    "retention: personal-data", "before",
	    (json_int_t)(clock_wall_ms() - keep_ms), "at", (json_int_t)at);
	ulid_new(id);
	return store_erasure_add(g->store, id, x, err);
}

static void
retain(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	int64_t keep = snap->config->retention.personal_ms;
	int64_t now = clock_mono_ms();
	struct gg_error err = { 0 };

	if (keep == 0 || now < done.retain_ms)
		return;
	done.retain_ms = now + RETAIN_MS;
	if (begin_retained(g, keep, &err) != 0)
		log_event(EV_erasure, kv_err(&err));
}

/* -- the thread -- */

/* The index must know all that is to be looked at. */
static bool
is_behind(struct gate *g)
{
	bool behind;

	(void)pthread_mutex_lock(&g->index_mutex);
	behind = g->index_behind;
	(void)pthread_mutex_unlock(&g->index_mutex);
	return behind;
}

/* Entries are in the log a moment before the index, which is looked at, has
 * them: until it has all that were there when somebody asked. */
static int
wait_for_index(struct erasure_job *j, struct gg_error *err)
{
	const struct timespec pause = { 0, (long)PAUSE_MS * 1000000 };
	uint64_t n = 0;
	int rc;

	while ((rc = store_audit_indexed(j->gate->store, &n, err)) == 0 &&
	    n < erasure_number(j->data, "upto")) {
		if (atomic_load(&j->gate->stopping) || is_behind(j->gate))
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "the index lacks entries of the log");
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

static int
begin(struct erasure_job *j, struct gg_error *err)
{
	(void)json_object_set_new(j->data, "upto",
	    json_integer((json_int_t)auditlog_size(j->gate->log)));
	return wait_for_index(j, err);
}

static int
step(struct erasure_job *j, struct gg_error *err)
{
	const json_t *batch = json_object_get(j->data, "batch");
	int rc;

	if (json_object_get(j->data, "over") != NULL)
		return finish(j, err);
	if (json_object_get(j->data, "upto") == NULL &&
	    (rc = begin(j, err)) != 0)
		return rc;
	if (batch != NULL)
		return finish_batch(j, batch, err);
	if (erasure_number(j->data, "at") < erasure_number(j->data, "upto"))
		return erasure_look(j, err);
	return wind_up(j, err);
}

/* What cannot be done now is said, and not four times a second. */
static void
note_failure(const struct gg_error *why)
{
	done.pause_ms = done.pause_ms == 0 ? AGAIN_MS : 2 * done.pause_ms;
	if (done.pause_ms > AGAIN_MOST_MS)
		done.pause_ms = AGAIN_MOST_MS;
	done.again_ms = clock_mono_ms() + done.pause_ms;
	log_event(EV_erasure, kv_err(why));
}

/* One step of the oldest request. False: there is nothing to do for now. */
static bool
turn(struct gate *g)
{
	GG_AUTO_RELEASE(erasure_job) j = { .gate = g };
	struct gg_error err = { 0 };
	int rc;

	if (!atomic_load(&g->recovered) || !auditlog_is_writable(g->log) ||
	    is_behind(g) || clock_mono_ms() < done.again_ms)
		return false;
	rc = store_erasure_next(g->store, j.id, &j.data, &err);
	if (rc == GG_E_NOTFOUND) {
		done.pause_ms = 0;
		retain(g);
		return false;
	}
	if (rc != 0 || (rc = step(&j, &err)) != 0)
		note_failure(&err);
	else
		done.pause_ms = 0;
	return rc == 0;
}

static void *
run(void *arg)
{
	const struct timespec pause = { 0, (long)PAUSE_MS * 1000000 };
	struct gate *g = arg;

	while (!atomic_load(&g->stopping))
		if (!turn(g))
			(void)nanosleep(&pause, NULL);
	return NULL;
}

int
erasure_start(struct gate *g, struct gg_error *err)
{
	errno = pthread_create(&done.thread, NULL, run, g);
	if (errno != 0)
		return gg_fail(err, GG_E_SYS, "erasure: thread");
	return 0;
}

void
erasure_stop(void)
{
	(void)pthread_join(done.thread, NULL);
}
