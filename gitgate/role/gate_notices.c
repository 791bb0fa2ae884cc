#include "role/gate_notices.h"

#include "role/gate_messenger.h"
#include "role/gate_push.h"
#include "role/notice_text.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define CURSOR_KEY      "notices-cursor"

#define PAUSE_MS        300
#define SCAN_AT_ONCE    500
#define MARK_EVERY_MS   5000 /* where there is nothing to tell */
#define DELIVER_AT_ONCE 4
#define DUE_AT_ONCE     64
#define PURGE_MS        ((int64_t)3600 * 1000)
#define KEEP_DELIVERED  ((int64_t)7 * 24 * 3600 * 1000)
#define KEEP_FAILED     ((int64_t)30 * 24 * 3600 * 1000)

struct notices {
	pthread_t thread;
	pthread_mutex_t mutex;
	struct strv busy; /* targets that something is being delivered to */
	uint64_t cursor, marked;
	int64_t marked_mono_ms, purge_mono_ms;
};

/* Standard Webhooks' schedule: the pause after so many tries. */
static const int64_t pauses_s[] = { 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600,
	10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600 };

/* -- from the log to rows -- */

struct batch {
	struct stored_notice *v;
	size_t n, alloc;
};

static void
batch_release(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		stored_notice_release(&b->v[i]);
	free(b->v);
	*b = (struct batch){ 0 };
}
GG_DEFINE_AUTO_RELEASE(batch);

static struct stored_notice *
batch_add(struct batch *b)
{
	if (b->n == b->alloc) {
		b->alloc = b->alloc ? b->alloc * 2 : 16;
		b->v = reallocarray(b->v, b->alloc, sizeof(*b->v));
		if (b->v == NULL)
			gg_die("no memory for notices");
	}
	b->v[b->n] = (struct stored_notice){ 0 };
	return &b->v[b->n++];
}

/* h NULL: of refs. */
static void
add_for(struct batch *b, const struct notice_target *t, const char *event,
    uint64_t index, const json_t *entry, const struct stored_hold *h,
    const char *public_url)
{
	struct stored_notice *n = batch_add(b);
	char id[ULID_SIZE];

	ulid_new(id);
	n->id = path_f("%s", id);
	n->entry = (int64_t)index;
	n->target = path_f("%s", t->name);
	n->event = path_f("%s", event);
	n->hold_id = path_f("%s", h != NULL ? h->id : "");
	n->subject = h != NULL ? notice_subject(event, h) :
				 notice_refs_subject(entry);
	n->body = h != NULL ?
	    notice_body(t->kind, event, index, entry, h, public_url) :
	    notice_refs_body(t->kind, index, entry, public_url);
	n->created_ms = clock_wall_ms();
}

static void
scan_refs(const struct config *c, uint64_t index, const json_t *entry,
    struct batch *b)
{
	for (size_t i = 0; i < c->n_notices; i++)
		if (notice_is_for_refs(&c->notices[i], entry))
			add_for(b, &c->notices[i], NOTICE_OUT_OF_BAND, index,
			    entry, NULL, c->public_url);
}

enum scan { SCAN_ON, SCAN_WAIT };

/* Who is to be told of this entry? SCAN_WAIT: the store may still follow. */
static int
scan_entry(struct gate *g, const struct config *c, uint64_t index,
    const json_t *entry, struct batch *b, struct gg_error *err)
{
	const char *event = notice_event(entry);
	const char *id = json_string_value(json_object_get(entry, "hold"));
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	int rc;

	if (event != NULL && strcmp(event, NOTICE_OUT_OF_BAND) == 0)
		scan_refs(c, index, entry, b);
	if (event == NULL || id == NULL || c->n_notices == 0)
		return SCAN_ON;
	rc = store_hold_get(g->store, id, &h, err);
	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	if (rc == GG_E_NOTFOUND || !hold_entry_is_true(entry, &h))
		return hold_entry_may_follow(entry) ? SCAN_WAIT : SCAN_ON;
	for (size_t i = 0; i < c->n_notices; i++)
		if (notice_is_for(&c->notices[i], event, &h))
			add_for(b, &c->notices[i], event, index, entry, &h,
			    c->public_url);
	return SCAN_ON;
}

static int
read_entry(struct gate *g, uint64_t index, json_t **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	int rc = auditlog_read_opened(g->log, index, &text, err);

	if (rc == 0 &&
	    (*out = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL)) == NULL)
		rc = gg_fail(err, GG_E_CORRUPT, "audit entry %llu",
		    (unsigned long long)index);
	return rc;
}

/* Rows that nobody takes are not piled up for ever. */
static int
drop_surplus(struct gate *g, const struct config *c, struct batch *b,
    struct gg_error *err)
{
	uint64_t due = 0;
	int rc;

	if (b->n == 0)
		return 0;
	if ((rc = store_notice_count(g->store, NOTICE_DUE, &due, err)) != 0)
		return rc;
	if (due + b->n <= c->limits.queued_notices)
		return 0;
	log_event(EV_notice_failed,
	    kv_str("what", "limit queued-notices: notices were dropped"),
	    kv_u64("dropped", b->n));
	batch_release(b);
	return 0;
}

static int
mark(struct gate *g, struct notices *n, const struct batch *b, uint64_t to,
    struct gg_error *err)
{
	char text[24];
	int rc;

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)to);
	if ((rc = store_notice_add(g->store, b->v, b->n, CURSOR_KEY, text,
		 err)) == 0) {
		n->marked = to;
		n->marked_mono_ms = clock_mono_ms();
	}
	return rc;
}

/* What a target that is configured later is not told of. */
static bool
mark_is_due(const struct notices *n, uint64_t at)
{
	return at != n->marked &&
	    clock_mono_ms() - n->marked_mono_ms >= MARK_EVERY_MS;
}

/* Read on, at most SCAN_AT_ONCE entries. */
static int
scan(struct gate *g, struct notices *n, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(batch) b = { 0 };
	uint64_t at = n->cursor, end = auditlog_size(g->log);
	int rc = 0;

	for (; at < end && at < n->cursor + SCAN_AT_ONCE; at++) {
		json_t *entry = NULL;

		if ((rc = read_entry(g, at, &entry, err)) != 0)
			return rc;
		rc = scan_entry(g, snap->config, at, entry, &b, err);
		json_decref(entry);
		if (rc < 0)
			return rc;
		if (rc == SCAN_WAIT)
			break;
	}
	if ((rc = drop_surplus(g, snap->config, &b, err)) != 0)
		return rc;
	if ((b.n > 0 || mark_is_due(n, at)) &&
	    (rc = mark(g, n, &b, at, err)) != 0)
		return rc;
	n->cursor = at;
	return 0;
}

/* Where the last gate was; at the very first start nothing old is told. */
static int
find_cursor(struct gate *g, struct notices *n, struct gg_error *err)
{
	const struct batch none = { 0 };
	GG_AUTO_MEM char *text = NULL;
	int rc = store_meta_get(g->store, CURSOR_KEY, &text, err);

	if (rc == GG_E_NOTFOUND) {
		n->cursor = auditlog_size(g->log);
		return mark(g, n, &none, n->cursor, err);
	}
	if (rc == 0)
		rc = num_parse(view_str(text), INT64_MAX, &n->cursor, err);
	n->marked = n->cursor;
	return rc;
}

/* -- from rows to the world -- */

struct delivery {
	struct gate *gate;
	struct notices *notices;
	struct stored_notice n;
};

static void
delivery_free(struct delivery *d)
{
	pthread_mutex_lock(&d->notices->mutex);
	for (size_t i = 0; i < d->notices->busy.n; i++)
		if (strcmp(d->notices->busy.v[i], d->n.target) == 0) {
			strv_remove(&d->notices->busy, i);
			break;
		}
	pthread_mutex_unlock(&d->notices->mutex);
	stored_notice_release(&d->n);
	free(d);
}

static int
run_program(struct delivery *d, const char *program, struct gg_error *err)
{
	return gate_tell_hook(d->gate, program, view_str(d->n.body), err);
}

/* 0 delivered; else why not. *final: trying again is of no use. */
static int
send_out(struct delivery *d, bool *final, uint64_t *retry_after,
    struct gg_error *err)
{
	const struct errand e = { .kind = ERRAND_NOTICE,
		.name = d->n.target,
		.url = "",
		.body = view_str(d->n.body),
		.id = d->n.id,
		.subject = d->n.subject };
	GG_AUTO_RELEASE(errand_answer) a = { 0 };
	int rc = messenger_run(d->gate, &e, &a, err);

	*final = rc == GG_E_REFUSED;
	if (rc != 0)
		return rc;
	*retry_after = a.retry_after_s;
	if (a.status >= 200 && a.status < 300)
		return 0;
	*final = a.status == 410;
	return gg_fail(err, GG_E_PEER, "it answered %u", a.status);
}

static int
deliver(struct delivery *d, bool *final, uint64_t *retry_after,
    struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(d->gate);
	const struct notice_target *t = config_find_notice(snap->config,
	    d->n.target);

	if (t == NULL) {
		*final = true;
		return gg_fail(err, GG_E_NOTFOUND, "it is not configured");
	}
	if (t->kind == NOTICE_PROGRAM)
		return run_program(d, t->program, err);
	return send_out(d, final, retry_after, err);
}

/* A tenth more or less, so that those who failed together do not come back
 * together. */
static int64_t
pause_after(uint32_t attempts, uint64_t retry_after_s)
{
	int64_t ms = pauses_s[attempts] * 1000;
	uint16_t r;

	random_bytes(&r, sizeof(r));
	ms += ms / 10 * ((int64_t)r - 32768) / 32768;
	if (retry_after_s > 86400)
		retry_after_s = 86400;
	return ms > (int64_t)retry_after_s * 1000 ?
	    ms :
	    (int64_t)retry_after_s * 1000;
}

static void
note_result(struct delivery *d, int rc, bool final, uint64_t retry_after,
    const struct gg_error *why)
{
	int64_t now = clock_wall_ms(), next = 0;
	enum notice_state state = NOTICE_DELIVERED;
	struct gg_error err = { 0 };

	if (rc != 0) {
		final = final || d->n.attempts >= GG_COUNT(pauses_s);
		state = final ? NOTICE_FAILED : NOTICE_DUE;
		if (!final)
			next = now + pause_after(d->n.attempts, retry_after);
		log_event(EV_notice_failed, kv_str("target", d->n.target),
		    kv_str("notice", d->n.id),
		    kv_str("what", final ? "given up" : "tried again later"),
		    kv_err(why));
	}
	gate_count(d->gate, rc == 0 ? METRIC_NOTICES : METRIC_NOTICES_FAILED);
	/* If this is lost the notice goes out once more: at least once. */
	if (store_notice_tried(d->gate->store, d->n.id, state, next,
		rc == 0 ? "" : why->msg, now, &err) != 0)
		log_event(EV_store_failed, kv_err(&err));
}

static void
run_delivery(void *arg)
{
	struct delivery *d = arg;
	struct gg_error err = { 0 };
	uint64_t retry_after = 0;
	bool final = false;
	int rc;

	if (!atomic_load(&d->gate->stopping)) {
		rc = deliver(d, &final, &retry_after, &err);
		note_result(d, rc, final, retry_after, &err);
	}
	delivery_free(d);
}

/* One at a time to each target, a few in all: a slow one holds up nobody. */
static bool
take_target(struct notices *n, const char *target)
{
	bool ok;

	pthread_mutex_lock(&n->mutex);
	ok = n->busy.n < DELIVER_AT_ONCE && !strv_has(&n->busy, target);
	if (ok)
		strv_add(&n->busy, target);
	pthread_mutex_unlock(&n->mutex);
	return ok;
}

static int
start_delivery(void *ctx, const struct stored_notice *row)
{
	struct gate *g = ctx;
	struct gg_error err = { 0 };
	struct delivery *d;

	if (atomic_load(&g->stopping) || !take_target(g->notices, row->target))
		return 0;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		gg_die("no memory for a notice");
	d->gate = g;
	d->notices = g->notices;
	d->n.id = path_f("%s", row->id);
	d->n.target = path_f("%s", row->target);
	d->n.subject = path_f("%s", row->subject);
	d->n.body = path_f("%s", row->body);
	d->n.attempts = row->attempts;
	if (http_server_run(g->http, run_delivery, d, &err) != 0)
		delivery_free(d); /* the workers are busy: the next round */
	return 0;
}

static void
purge(struct gate *g, struct notices *n)
{
	int64_t now = clock_wall_ms();
	struct gg_error err = { 0 };

	if (clock_mono_ms() < n->purge_mono_ms)
		return;
	n->purge_mono_ms = clock_mono_ms() + PURGE_MS;
	if (store_notice_purge(g->store, now - KEEP_DELIVERED,
		now - KEEP_FAILED, &err) != 0)
		log_event(EV_store_failed, kv_err(&err));
}

/* -- the thread -- */

static void *
work(void *arg)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	struct gate *g = arg;
	struct notices *n = g->notices;
	struct gg_error err = { 0 };

	while (!atomic_load(&g->stopping)) {
		if (scan(g, n, &err) != 0 ||
		    store_notice_due(g->store, clock_wall_ms(), DUE_AT_ONCE,
			start_delivery, g, &err) != 0)
			log_event(EV_notice_failed, kv_err(&err));
		purge(g, n);
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

int
notices_start(struct gate *g, struct gg_error *err)
{
	struct notices *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return gg_fail(err, GG_E_NOMEM, "notices");
	n->busy = STRV_INIT;
	pthread_mutex_init(&n->mutex, NULL);
	if ((rc = find_cursor(g, n, err)) != 0) {
		free(n);
		return rc;
	}
	g->notices = n;
	if (pthread_create(&n->thread, NULL, work, g) != 0)
		return gg_fail(err, GG_E_SYS, "thread");
	return 0;
}

void
notices_stop(struct gate *g)
{
	struct notices *n = g->notices;
	const struct batch none = { 0 };
	struct gg_error err = { 0 };

	(void)pthread_join(n->thread, NULL);
	if (scan(g, n, &err) != 0 ||
	    (n->cursor != n->marked && mark(g, n, &none, n->cursor, &err) != 0))
		log_event(EV_store_failed, kv_err(&err));
}
