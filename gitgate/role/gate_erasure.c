#include "role/gate_erasure.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "http/addr.h"
#include "role/erasure_match.h"
#include "role/gate_push.h"
#include "store/erasure.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Entries looked at in one query; in one entry "redaction"; in one transaction
 * over the database's copies. */
#define LOOK_ENTRIES 500
#define BATCH_RANGES 1000
#define COPY_ENTRIES 100
#define SHOWN_RANGES 100
#define PAUSE_MS     250
/* After an error: twice as long each time, up to the second. */
#define AGAIN_MS      1000
#define AGAIN_MOST_MS 60000
#ifdef GG_FAILPOINTS /* tests see several */
#	define BATCH_ENTRIES 4
#else
#	define BATCH_ENTRIES 2000
#endif
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

/* One request, as it stands. */
struct job {
	struct gate *gate;
	char id[ULID_SIZE];
	json_t *data;
	/* what was found for the next batch */
	json_t *ranges;
	private_set places;
	uint64_t n_entries, n_values;
	/* the push of the last entry that was looked at */
	char push[ULID_SIZE];
	const char *why_not; /* a counter's name; NULL: it may be erased */
};

static void
job_release(struct job *j)
{
	json_decref(j->data);
	json_decref(j->ranges);
}
GG_DEFINE_AUTO_RELEASE(job);

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

static uint64_t
number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

static json_t *
result_of(struct job *j)
{
	json_t *r = json_object_get(j->data, "result");

	if (r == NULL) {
		r = json_pack("{s:i, s:i, s:[], s:[], s:[]}", "values", 0,
		    "entries", 0, "redactions", "ranges", "places");
		(void)json_object_set_new(j->data, "result", r);
	}
	return r;
}

static void
count(struct job *j, const char *what, uint64_t n)
{
	json_t *r = result_of(j);

	n += number(r, what);
	(void)json_object_set_new(r, what, json_integer((json_int_t)n));
}

/* -- what is to go -- */

/* Why nothing of this push may be erased now, or NULL. */
static const char *
why_not(struct gate *g, const char *id, bool force)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct gg_error err = { 0 };
	bool kept = true;
	int rc = store_push_get(g->store, id, &p, &err);

	if (rc == GG_E_NOTFOUND)
		return NULL;
	if (rc != 0 || p.state == PUSH_RECEIVING || p.state == PUSH_HELD ||
	    p.state == PUSH_FORWARDING || !gate_take_live(g, id))
		return "open"; /* what comes yet says the same again */
	gate_drop_live(g, id);
	if (force)
		return NULL;
	return store_push_is_kept(g->store, &p, &kept, &err) != 0 || kept ?
	    "kept" :
	    NULL;
}

/* The first that stays is where retention begins the next time. */
static void
note_left(struct job *j, const json_t *e)
{
	if (json_object_get(j->data, "left") == NULL)
		(void)json_object_set(j->data, "left",
		    json_object_get(e, "seq"));
}

static bool
may_erase(struct job *j, const json_t *e)
{
	const char *id = json_string_value(json_object_get(e, "push"));

	if (id == NULL)
		return true;
	if (strcmp(id, j->push) != 0) {
		(void)snprintf(j->push, sizeof(j->push), "%s", id);
		j->why_not = why_not(j->gate, id,
		    json_is_true(json_object_get(j->data, "force")));
	}
	if (j->why_not != NULL) {
		count(j, j->why_not, 1);
		note_left(j, e);
	}
	return j->why_not == NULL;
}

/* Which of the wanted places the entry still has openings of. */
static int
still_there(struct job *j, uint64_t index, private_set wanted,
    private_set *there, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) opening = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	GG_AUTO_RELEASE(buf) entry = BUF_INIT(AUDIT_ENTRY_MAX_BYTES);
	GG_AUTO_RELEASE(buf) rest = BUF_INIT(PRIVATE_OPENING_MAX_BYTES);
	json_auto_t *e = NULL;
	int rc = auditlog_read_opening(j->gate->log, index, &opening, err);

	if (rc == 0)
		rc = private_erase(buf_view(&opening), wanted, &rest, there,
		    err);
	if (rc != 0 || *there != 0)
		return rc;
	if ((rc = auditlog_read(j->gate->log, index, &entry, err)) != 0)
		return rc;
	e = json_loadb(entry.p, entry.n, JSON_ALLOW_NUL, NULL);
	if ((private_clear(e) & wanted) != 0)
		count(j, "clear", 1);
	return 0;
}

static void
add_range(json_t *ranges, uint64_t index)
{
	json_t *last = json_array_get(ranges, json_array_size(ranges) - 1);

	if (last != NULL &&
	    (uint64_t)json_integer_value(json_array_get(last, 1)) + 1 == index)
		(void)json_array_set_new(last, 1,
		    json_integer((json_int_t)index));
	else
		(void)json_array_append_new(ranges,
		    json_pack("[I, I]", (json_int_t)index, (json_int_t)index));
}

struct look {
	struct job *job;
	uint64_t at; /* behind the last entry that was looked at */
	struct gg_error *err;
};

static bool
is_full(const struct job *j)
{
	return j->n_entries >= BATCH_ENTRIES ||
	    json_array_size(j->ranges) >= BATCH_RANGES;
}

/* Is it what retention began, and not somebody? */
static bool
is_retained(const struct job *j)
{
	return json_is_true(json_object_get(j->data, "retained"));
}

static int
look_at(void *ctx, uint64_t index, const char *text)
{
	struct look *l = ctx;
	struct job *j = l->job;
	json_auto_t *e = NULL;
	private_set wanted, there = 0;
	int rc;

	if (is_full(j) || index >= number(j->data, "upto"))
		return 1;
	e = json_loads(text, JSON_ALLOW_NUL, NULL);
	if (is_retained(j) && !erasure_is_before(j->data, e)) {
		if (!erasure_is_ahead(e))
			return 1; /* those that follow are younger still */
		note_left(j, e);
		l->at = index + 1;
		return 0;
	}
	wanted = erasure_match(j->data, e, j->gate->store);
	if (wanted != 0 && may_erase(j, e)) {
		rc = still_there(j, index, wanted, &there, l->err);
		if (rc != 0)
			return rc;
	}
	l->at = index + 1;
	if (there == 0)
		return 0;
	add_range(j->ranges, index);
	j->places |= there;
	j->n_entries++;
	j->n_values += (uint64_t)__builtin_popcount(there);
	return 0;
}

static json_t *
names_of(private_set places)
{
	json_t *names = json_array();

	for (size_t i = 0; private_place(i) != NULL; i++)
		if ((places & 1U << i) != 0)
			(void)json_array_append_new(names,
			    json_string(private_place(i)));
	return names;
}

/* The entry that says what goes, and why. */
static json_t *
redaction(struct job *j)
{
	static const char *const same[] = { "principal", "reason", "push" };
	json_t *e = json_pack("{s:s, s:O, s:o}", "type", "redaction", "entries",
	    j->ranges, "places", names_of(j->places));
	const json_t *name = json_object_get(j->data, "name");
	char id[ULID_SIZE];

	ulid_new(id);
	(void)json_object_set_new(e, "batch", json_string(id));
	for (size_t i = 0; i < GG_COUNT(same); i++)
		(void)json_object_set(e, same[i],
		    json_object_get(j->data, same[i]));
	if (name != NULL)
		(void)json_object_set(e, "subject", (json_t *)(uintptr_t)name);
	if (json_is_true(json_object_get(j->data, "force")))
		(void)json_object_set_new(e, "forced", json_true());
	return e;
}

/* Add what was found to the result. */
static void
report(struct job *j)
{
	json_t *r = result_of(j), *ranges = json_object_get(r, "ranges"), *x;
	json_t *places = json_object_get(r, "places");
	private_set all = j->places;
	size_t i;

	count(j, "entries", j->n_entries);
	count(j, "values", j->n_values);
	json_array_foreach(j->ranges, i, x) if (json_array_size(ranges) <
	    SHOWN_RANGES)(void) json_array_append(ranges, x);
	json_array_foreach(places, i, x)
	    all |= private_place_find(json_string_value(x));
	(void)json_object_set_new(r, "places", names_of(all));
}

/* Look on; what was found becomes the batch, which is written before anything
 * else happens. */
static int
look(struct job *j, struct gg_error *err)
{
	struct look l = { .job = j, .at = number(j->data, "at"), .err = err };
	struct audit_query q = { .oldest_first = true,
		.limit = LOOK_ENTRIES,
		.cursor = l.at,
		.push = json_string_value(json_object_get(j->data, "push")) };
	uint64_t next = 1;
	int rc = 0;

	json_decref(j->ranges);
	j->ranges = json_array();
	j->places = 0;
	j->n_entries = j->n_values = 0;
	while (rc == 0 && next != 0 && !atomic_load(&j->gate->stopping)) {
		q.cursor = l.at;
		rc = store_audit_query(j->gate->store, &q, look_at, &l, &next,
		    err);
	}
	if (rc < 0)
		return rc;
	if (atomic_load(&j->gate->stopping))
		return 0;             /* looked at again after the start */
	if (rc == 0 || !is_full(j)) { /* there is no more */
		(void)json_object_set_new(j->data, "end",
		    json_integer((json_int_t)l.at));
		l.at = number(j->data, "upto");
	}
	(void)json_object_set_new(j->data, "at",
	    json_integer((json_int_t)l.at));
	if (j->n_entries > 0)
		report(j);
	if (j->n_entries > 0 && !json_is_true(json_object_get(j->data, "dry")))
		(void)json_object_set_new(j->data, "batch", redaction(j));
	return store_erasure_put(j->gate->store, j->id, j->data, false, err);
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
log_once(struct job *j, const json_t *batch, uint64_t *index,
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
erase_openings(struct job *j, const json_t *batch, struct gg_error *err)
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
flush_copies(struct job *j, struct copies *c, struct gg_error *err)
{
	int rc = store_erase_copies(j->gate->store, c->v, c->n,
	    json_is_true(json_object_get(j->data, "recordings")), err);

	copies_release(c);
	return rc;
}

static int
add_copy(struct job *j, struct copies *c, uint64_t index, struct gg_error *err)
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
erase_copies(struct job *j, const json_t *batch, struct gg_error *err)
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
finish_batch(struct job *j, const json_t *batch, struct gg_error *err)
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
	(void)json_array_append_new(json_object_get(result_of(j), "redactions"),
	    json_integer((json_int_t)index));
	(void)json_object_del(j->data, "batch");
	return store_erasure_put(j->gate->store, j->id, j->data, false, err);
}

/* Where the next look begins: what could not go now is looked at again. */
static int
mark_retained(struct job *j, struct gg_error *err)
{
	const char *key = json_object_get(j->data, "left") != NULL ? "left" :
								     "end";
	GG_AUTO_MEM char *text = path_f("%llu",
	    (unsigned long long)number(j->data, key));

	return is_retained(j) ?
	    store_meta_set(j->gate->store, RETAIN_KEY, text, err) :
	    0;
}

/* Nothing is left to look at. What was asked is forgotten but for its result:
 * it names what was to be erased. */
static int
wind_up(struct job *j, struct gg_error *err)
{
	static const char *const same[] = { "dry", "retained" };
	const char *name = json_string_value(json_object_get(j->data, "name"));
	const char *addr = json_string_value(json_object_get(j->data, "addr"));
	bool dry = json_is_true(json_object_get(j->data, "dry"));
	json_auto_t *left = json_pack("{s:b, s:O}", "over", true, "result",
	    result_of(j));
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
	if (rc == 0)
		rc = mark_retained(j, err);
	return rc != 0 ?
	    rc :
	    store_erasure_put(j->gate->store, j->id, left, false, err);
}

/* Nobody is told before no file of the database has it any more, and the
 * request neither. */
static int
finish(struct job *j, struct gg_error *err)
{
	bool dry = json_is_true(json_object_get(j->data, "dry"));
	json_auto_t *left = json_pack("{s:O}", "result", result_of(j));
	int rc = 0;

	FAILPOINT("gate.erasure-over");
	if (!dry && (rc = store_scrub(j->gate->store, err)) != 0)
		return rc;
	rc = store_erasure_put(j->gate->store, j->id, left, true, err);
	if (rc == 0 && !dry &&
	    (!is_retained(j) || number(result_of(j), "values") > 0))
		log_event(EV_erasure,
		    kv_u64("values", number(result_of(j), "values")),
		    kv_u64("entries", number(result_of(j), "entries")));
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
wait_for_index(struct job *j, struct gg_error *err)
{
	const struct timespec pause = { 0, (long)PAUSE_MS * 1000000 };
	uint64_t n = 0;
	int rc;

	while ((rc = store_audit_indexed(j->gate->store, &n, err)) == 0 &&
	    n < number(j->data, "upto")) {
		if (atomic_load(&j->gate->stopping) || is_behind(j->gate))
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "the index lacks entries of the log");
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

static int
begin(struct job *j, struct gg_error *err)
{
	(void)json_object_set_new(j->data, "upto",
	    json_integer((json_int_t)auditlog_size(j->gate->log)));
	return wait_for_index(j, err);
}

static int
step(struct job *j, struct gg_error *err)
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
	if (number(j->data, "at") < number(j->data, "upto"))
		return look(j, err);
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
	GG_AUTO_RELEASE(job) j = { .gate = g };
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
