/* What of an erasure is to go: entries are looked at, a batch at a time. */
#include "role/erasure_job.h"

#include "role/erasure_match.h"
#include "role/gate_push.h"
#include "store/erasure.h"

#include <string.h>

/* Entries looked at in one query; in one entry "redaction". */
#define LOOK_ENTRIES 500
#define BATCH_RANGES 1000
#define SHOWN_RANGES 100
#ifdef GG_FAILPOINTS /* tests see several */
#	define BATCH_ENTRIES 4
#else
#	define BATCH_ENTRIES 2000
#endif

void
erasure_job_release(struct erasure_job *j)
{
	json_decref(j->data);
	json_decref(j->ranges);
}

uint64_t
erasure_number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

json_t *
erasure_result(struct erasure_job *j)
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
count(struct erasure_job *j, const char *what, uint64_t n)
{
	json_t *r = erasure_result(j);

	n += erasure_number(r, what);
	(void)json_object_set_new(r, what, json_integer((json_int_t)n));
}

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
note_left(struct erasure_job *j, const json_t *e)
{
	if (json_object_get(j->data, "left") == NULL)
		(void)json_object_set(j->data, "left",
		    json_object_get(e, "seq"));
}

static bool
may_erase(struct erasure_job *j, const json_t *e)
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
still_there(struct erasure_job *j, uint64_t index, private_set wanted,
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
	struct erasure_job *job;
	uint64_t at; /* behind the last entry that was looked at */
	struct gg_error *err;
};

static bool
is_full(const struct erasure_job *j)
{
	return j->n_entries >= BATCH_ENTRIES ||
	    json_array_size(j->ranges) >= BATCH_RANGES;
}

/* Is it what retention began, and not somebody? */
bool
erasure_is_retained(const struct erasure_job *j)
{
	return json_is_true(json_object_get(j->data, "retained"));
}

static int
look_at(void *ctx, uint64_t index, const char *text)
{
	struct look *l = ctx;
	struct erasure_job *j = l->job;
	json_auto_t *e = NULL;
	private_set wanted, there = 0;
	int rc;

	if (is_full(j) || index >= erasure_number(j->data, "upto"))
		return 1;
	e = json_loads(text, JSON_ALLOW_NUL, NULL);
	if (erasure_is_retained(j) && !erasure_is_before(j->data, e)) {
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
redaction(struct erasure_job *j)
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
report(struct erasure_job *j)
{
	json_t *r = erasure_result(j), *ranges = json_object_get(r, "ranges"),
	       *x;
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
int
erasure_look(struct erasure_job *j, struct gg_error *err)
{
	struct look l = {
		.job = j, .at = erasure_number(j->data, "at"), .err = err
	};
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
		l.at = erasure_number(j->data, "upto");
	}
	(void)json_object_set_new(j->data, "at",
	    json_integer((json_int_t)l.at));
	if (j->n_entries > 0)
		report(j);
	if (j->n_entries > 0 && !json_is_true(json_object_get(j->data, "dry")))
		(void)json_object_set_new(j->data, "batch", redaction(j));
	return store_erasure_put(j->gate->store, j->id, j->data, false, err);
}
