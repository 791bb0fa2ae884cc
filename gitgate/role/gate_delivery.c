#include "role/gate_delivery.h"

#include "role/delivery_records.h"
#include "role/gate_messenger.h"
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_MS          300
#define RETRY_AFTER_MAX_S 3600

/* What is known of one target besides its row; never removed. */
struct target {
	struct target *next;
	char *name;
	bool busy; /* a thread has it in hand, and these: */
	/* A batch that failed is tried again as it was, so that its id stays.
	 * to 0: none did. */
	uint64_t from, to;
	uint64_t most; /* entries that it takes at once; 0: no such word */
	/* Where the store did not take what became of a batch, the pause is
	 * kept here: so many times, and (monotonic) until then. */
	uint32_t unsaved;
	int64_t not_before_ms;
	/* with the mutex */
	uint64_t delivered, failed;
};

struct deliveries {
	pthread_t thread;
	pthread_mutex_t mutex; /* all targets */
	pthread_cond_t idle;
	struct target *targets;
	unsigned n_busy;
};

/* The pause after so many tries. */
static const int64_t pauses_s[] = { 1, 2, 5, 10, 30, 60, 120, 300 };
#define PAUSE_MOST_S (pauses_s[GG_COUNT(pauses_s) - 1])

/* One thread's work: a target from where its row says. */
struct lane {
	struct gate *gate;
	struct target *target;
	uint64_t next;
	int64_t generation;
	uint32_t attempts;
	bool failing;
};

/* -- what became of a batch -- */

/* A tenth more or less, so that those who failed together do not come back
 * together. */
static int64_t
pause_ms(uint32_t attempts, bool refused, uint64_t retry_after_s)
{
	size_t last = GG_COUNT(pauses_s) - 1;
	int64_t ms = 1000 *
	    pauses_s[refused || attempts > last ? last : attempts];
	int64_t least;
	uint16_t r;

	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	least = (int64_t)retry_after_s * 1000;
	random_bytes(&r, sizeof(r));
	ms += ms / 10 * ((int64_t)r - 32768) / 32768;
	return ms > least ? ms : least;
}

static void
note_failure(struct lane *l, bool refused, uint64_t retry_after,
    const struct gg_error *why)
{
	uint32_t unsaved = l->target->unsaved;
	int64_t now = clock_wall_ms();
	int64_t pause = pause_ms(l->attempts + unsaved, refused, retry_after);
	struct gg_error err = { 0 };
	int rc;

	log_event(refused ? EV_delivery_refused : EV_delivery_failed,
	    kv_str("target", l->target->name), kv_u64("seq", l->next),
	    kv_u64("again_in_s", (uint64_t)(pause + 999) / 1000), kv_err(why));
	pthread_mutex_lock(&l->gate->deliveries->mutex);
	l->target->failed++;
	pthread_mutex_unlock(&l->gate->deliveries->mutex);
	rc = store_delivery_failed(l->gate->store, l->target->name,
	    l->generation, refused, now + pause, why->msg, now, &err);
	l->target->unsaved = 0;
	if (rc == 0 || rc == GG_E_STALE)
		return;
	log_event(EV_store_failed, kv_err(&err));
	l->target->unsaved = unsaved + 1;
	l->target->not_before_ms = clock_mono_ms() + pause;
}

/* The cursor moves now, and only now. */
static int
note_arrival(struct lane *l, const struct delivery_records *r,
    struct gg_error *err)
{
	int rc = store_delivery_arrived(l->gate->store, l->target->name,
	    l->generation, r->from, r->to, clock_wall_ms(), err);

	if (rc != 0)
		return rc;
	if (l->failing)
		log_event(EV_delivery_resumed,
		    kv_str("target", l->target->name), kv_u64("seq", r->from));
	l->attempts = 0;
	l->failing = false;
	l->target->to = 0;
	l->target->unsaved = 0;
	pthread_mutex_lock(&l->gate->deliveries->mutex);
	l->target->delivered += r->n;
	pthread_mutex_unlock(&l->gate->deliveries->mutex);
	return 0;
}

/* -- giving one -- */

/* Where the batch ended that began here and failed; else the log's end. */
static uint64_t
end_of_batch(const struct lane *l)
{
	const struct target *t = l->target;
	uint64_t end = auditlog_size(l->gate->log);

	return t->to != 0 && t->from == l->next && t->to < end ? t->to : end;
}

/* Does it say that it never will take this? */
static bool
is_final(unsigned status)
{
	return status >= 300 && status < 500 && status != 408 &&
	    status != 425 && status != 429;
}

static int
send_batch(struct lane *l, const struct delivery_records *r,
    struct errand_answer *a, struct gg_error *err)
{
	const struct errand e = { .kind = ERRAND_DELIVERY,
		.name = l->target->name,
		.url = "",
		.body = buf_view(&r->batch),
		.id = r->id,
		.subject = "" };
	int rc = messenger_run(l->gate, &e, a, err);

	if (rc == 0 && (a->status < 200 || a->status >= 300))
		rc = gg_fail(err, GG_E_PEER, "it answered %u", a->status);
	return rc;
}

/* 1: go on; 0: enough for now. */
static int
give(struct lane *l, const struct delivery_records *r)
{
	GG_AUTO_RELEASE(errand_answer) a = { 0 };
	struct gg_error err = { 0 };
	int rc = send_batch(l, r, &a, &err);

	if (atomic_load(&l->gate->stopping) && rc != 0)
		return 0;
	FAILPOINT("delivery.acked");
	if (rc == 0 && (rc = note_arrival(l, r, &err)) == 0) {
		l->next = r->to;
		return 1;
	}
	if (rc == GG_E_STALE)
		return 0;
	if (a.status == 413 && r->n > 1) {
		l->target->most = r->n / 2;
		return 1;
	}
	l->target->from = r->from;
	l->target->to = r->to;
	note_failure(l,
	    rc == GG_E_REFUSED || (rc == GG_E_PEER && is_final(a.status)),
	    a.retry_after_s, &err);
	return 0;
}

/* What it does not want is no reason to wake anybody. */
static int
pass(struct lane *l, const struct delivery_records *r)
{
	struct gg_error err = { 0 };
	int rc = store_delivery_passed(l->gate->store, l->target->name,
	    l->generation, r->from, r->to, &err);

	if (rc == 0) {
		l->next = r->to;
		return 1;
	}
	if (rc != GG_E_STALE)
		log_event(EV_store_failed, kv_err(&err));
	return 0;
}

/* One batch, or nothing. 1: go on. */
static int
step(struct lane *l)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(l->gate);
	GG_AUTO_RELEASE(delivery_records) r = { 0 };
	const struct delivery_target *t = config_find_delivery(snap->config,
	    l->target->name);
	uint64_t end = end_of_batch(l), most = l->target->most;
	struct gg_error err = { 0 };

	if (t == NULL || l->next >= end)
		return 0;
	if (most == 0 || most > snap->config->limits.delivery_entries)
		most = snap->config->limits.delivery_entries;
	if (delivery_records_read(l->gate->log, t, &snap->config->limits, most,
		l->next, end, &r, &err) != 0) {
		note_failure(l, false, 0, &err);
		return 0;
	}
	return r.n == 0 ? pass(l, &r) : give(l, &r);
}

static void *
run_lane(void *arg)
{
	struct lane *l = arg;
	struct deliveries *d = l->gate->deliveries;

	while (!atomic_load(&l->gate->stopping) && step(l) == 1)
		;
	pthread_mutex_lock(&d->mutex);
	l->target->busy = false;
	d->n_busy--;
	pthread_cond_broadcast(&d->idle);
	pthread_mutex_unlock(&d->mutex);
	free(l);
	return NULL;
}

/* -- who is due -- */

/* Its state, made where there is none; with the mutex held. */
static struct target *
target_of(struct deliveries *d, const char *name)
{
	struct target *t = d->targets;

	while (t != NULL && strcmp(t->name, name) != 0)
		t = t->next;
	if (t != NULL)
		return t;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		gg_die("no memory for a delivery");
	t->name = path_f("%s", name);
	t->next = d->targets;
	d->targets = t;
	return t;
}

static bool
take_target(struct deliveries *d, const char *name, struct target **out)
{
	struct target *t;
	bool ok;

	pthread_mutex_lock(&d->mutex);
	t = target_of(d, name);
	ok = !t->busy &&
	    (t->unsaved == 0 || t->not_before_ms <= clock_mono_ms());
	if (ok) {
		t->busy = true;
		d->n_busy++;
	}
	pthread_mutex_unlock(&d->mutex);
	*out = t;
	return ok;
}

static void
start_lane(struct gate *g, const struct stored_delivery *row)
{
	struct deliveries *d = g->deliveries;
	struct target *t;
	struct lane *l;
	pthread_t id;

	if (!take_target(d, row->name, &t))
		return;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		gg_die("no memory for a delivery");
	*l = (struct lane){ g, t, row->next, row->generation, row->attempts,
		row->failing_ms != 0 };
	if (pthread_create(&id, NULL, run_lane, l) == 0) {
		(void)pthread_detach(id);
		return;
	}
	pthread_mutex_lock(&d->mutex);
	t->busy = false;
	d->n_busy--;
	pthread_mutex_unlock(&d->mutex);
	free(l);
}

struct round {
	struct gate *gate;
	const struct config *config;
	struct strv known; /* targets that have a row */
	int64_t now;
};

/* A clock that was put back must not make a pause of years. */
static bool
is_due(const struct round *r, const struct stored_delivery *row)
{
	return row->retry_ms <= r->now ||
	    row->retry_ms > r->now + 2000 * (int64_t)RETRY_AFTER_MAX_S;
}

static int
look_at(void *ctx, const struct stored_delivery *row)
{
	struct round *r = ctx;

	strv_add(&r->known, row->name);
	if (config_find_delivery(r->config, row->name) != NULL &&
	    row->next < auditlog_size(r->gate->log) && is_due(r, row))
		start_lane(r->gate, row);
	return 0;
}

static int
add_new(const struct round *r, struct gg_error *err)
{
	for (size_t i = 0; i < r->config->n_deliveries; i++) {
		const struct delivery_target *t = &r->config->deliveries[i];
		int rc;

		if (strv_has(&r->known, t->name))
			continue;
		rc = store_delivery_add(r->gate->store, t->name,
		    t->from_now ? auditlog_size(r->gate->log) : 0, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
turn(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct round r = {
		.gate = g, .config = snap->config, .now = clock_wall_ms()
	};
	struct gg_error err = { 0 };

	if (snap->config->n_deliveries == 0)
		return;
	if (store_delivery_each(g->store, look_at, &r, &err) != 0 ||
	    add_new(&r, &err) != 0)
		log_event(EV_store_failed, kv_err(&err));
	strv_release(&r.known);
}

static void *
work(void *arg)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	struct gate *g = arg;

	while (!atomic_load(&g->stopping)) {
		turn(g);
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

int
deliveries_start(struct gate *g, struct gg_error *err)
{
	struct deliveries *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return gg_fail(err, GG_E_NOMEM, "deliveries");
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->idle, NULL);
	g->deliveries = d;
	if (pthread_create(&d->thread, NULL, work, g) != 0)
		return gg_fail(err, GG_E_SYS, "thread");
	return 0;
}

void
deliveries_stop(struct gate *g)
{
	struct deliveries *d = g->deliveries;

	(void)pthread_join(d->thread, NULL);
	pthread_mutex_lock(&d->mutex);
	while (d->n_busy > 0)
		pthread_cond_wait(&d->idle, &d->mutex);
	pthread_mutex_unlock(&d->mutex);
}

/* -- metrics -- */

struct figures {
	struct gate *gate;
	const struct config *config;
	struct buf lag, age, delivered, failed, refused;
};

static int
add_figures(void *ctx, const struct stored_delivery *row)
{
	struct figures *f = ctx;
	int64_t age = row->behind > 0 ? clock_wall_ms() - row->oldest_ms : 0;
	uint64_t delivered, failed;
	const struct target *t;

	if (config_find_delivery(f->config, row->name) == NULL)
		return 0;
	pthread_mutex_lock(&f->gate->deliveries->mutex);
	t = target_of(f->gate->deliveries, row->name);
	delivered = t->delivered;
	failed = t->failed;
	pthread_mutex_unlock(&f->gate->deliveries->mutex);
	const struct {
		struct buf *to;
		const char *name;
		uint64_t value;
	} all[] = {
		{ &f->lag, "gitgate_delivery_lag_entries", row->behind },
		{ &f->age, "gitgate_delivery_lag_seconds",
		    age > 0 ? (uint64_t)age / 1000 : 0 },
		{ &f->delivered, "gitgate_delivered_entries_total", delivered },
		{ &f->failed, "gitgate_delivery_failures_total", failed },
		{ &f->refused, "gitgate_delivery_refused", row->refused },
	};

	for (size_t i = 0; i < GG_COUNT(all); i++)
		buf_addf(all[i].to, "%s{target=\"%s\"} %llu\n", all[i].name,
		    row->name, (unsigned long long)all[i].value);
	return 0;
}

void
deliveries_metrics(struct gate *g, struct buf *b)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct figures f = { .gate = g, .config = snap->config };
	const struct {
		struct buf *of;
		const char *head;
	} all[] = {
		{ &f.lag,
		    "# HELP gitgate_delivery_lag_entries Entries of the audit log that have not arrived at a target.\n# TYPE gitgate_delivery_lag_entries gauge\n" },
		{ &f.age,
		    "# HELP gitgate_delivery_lag_seconds Age of the oldest of them.\n# TYPE gitgate_delivery_lag_seconds gauge\n" },
		{ &f.delivered,
		    "# HELP gitgate_delivered_entries_total Entries that arrived.\n# TYPE gitgate_delivered_entries_total counter\n" },
		{ &f.failed,
		    "# HELP gitgate_delivery_failures_total Tries to deliver that failed.\n# TYPE gitgate_delivery_failures_total counter\n" },
		{ &f.refused,
		    "# HELP gitgate_delivery_refused 1 while a target refuses for good.\n# TYPE gitgate_delivery_refused gauge\n" },
	};
	struct gg_error err = { 0 };

	if (snap->config->n_deliveries == 0)
		return;
	for (size_t i = 0; i < GG_COUNT(all); i++)
		buf_init(all[i].of, (size_t)16 << 10);
	if (store_delivery_each(g->store, add_figures, &f, &err) == 0)
		for (size_t i = 0; i < GG_COUNT(all); i++) {
			buf_adds(b, all[i].head);
			buf_addv(b, buf_view(all[i].of));
		}
	for (size_t i = 0; i < GG_COUNT(all); i++)
		buf_release(all[i].of);
}
