/*
 * An approved hold goes upstream, whoever has gone meanwhile. It stays
 * `approved` until upstream has answered; a try that reached nobody is made
 * again, later and later.
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Tries 5 s, 10 s, 20 s ... 5 min apart; after so many the hold fails. */
#define TRIES_MAX      40
#define TRY_FIRST_MS   5000
#define TRY_LONGEST_MS 300000

struct hold_run {
	struct gate *gate;
	struct snapshot *snap;
	struct stored_hold hold;
	struct stored_push push;
	struct repo_ref repo;
	struct ref_updates updates;
	struct strv options;
	bool atomic, has_pack;
	bool keep;                        /* it stays at the gate */
	int64_t intended_ms, answered_ms; /* 0: nothing was sent */
};

static void
hold_run_release(struct hold_run *r)
{
	stored_hold_release(&r->hold);
	stored_push_release(&r->push);
	repo_ref_release(&r->repo);
	ref_updates_release(&r->updates);
	strv_release(&r->options);
	snapshot_unref(r->snap);
}
GG_DEFINE_AUTO_RELEASE(hold_run);

static int
load(struct hold_run *r, const char *id, struct gg_error *err)
{
	int rc;

	if ((rc = store_hold_get(r->gate->store, id, &r->hold, err)) != 0)
		return rc;
	if (r->hold.state != HOLD_APPROVED)
		return gg_fail(err, GG_E_REFUSED, "not approved");
	if ((rc = store_push_get(r->gate->store, r->hold.push_id, &r->push,
		 err)) != 0 ||
	    (rc = config_find_repository(r->snap->config,
		 view_str(r->hold.repository), &r->repo, err)) != 0 ||
	    (rc = updates_from_json(r->hold.updates, &r->updates, err)) != 0)
		return rc;
	r->keep = kept_in_json(r->hold.updates);
	r->atomic = json_is_true(json_object_get(r->push.request, "atomic"));
	r->has_pack = json_is_true(json_object_get(r->push.request,
	    "has_pack"));
	strv_from_json(json_object_get(r->push.request, "upstream_options"),
	    &r->options);
	return strv_check(&r->options, err);
}

static json_t *
entry(const struct hold_run *r, const char *type, size_t i)
{
	json_t *e = audit_of_update(type, &r->push,
	    json_array_get(r->hold.updates, i));

	(void)json_object_set_new(e, "hold", audit_text(r->hold.id));
	audit_add_reviewers(e, &r->hold);
	return e;
}

static int
log_intent(const struct hold_run *r, struct gg_error *err)
{
	json_t **e = calloc(r->updates.n, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	for (size_t i = 0; i < r->updates.n; i++)
		e[i] = entry(r, r->keep ? "keep.intended" : "forward.intended",
		    i);
	rc = audit_write(r->gate, e, r->updates.n, err);
	free(e);
	return rc;
}

static int
log_result(const struct hold_run *r, const struct ref_statuses *s,
    enum hold_state to, const char *message, struct gg_error *err)
{
	json_t **e = calloc(s->n + 1, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	for (size_t i = 0; i < s->n; i++) {
		e[i] = entry(r, r->keep ? "keep.result" : "forward.result", i);
		(void)json_object_set_new(e[i], "result",
		    json_string(s->v[i].ok ? "ok" : "failed"));
		(void)json_object_set_new(e[i], r->keep ? "reason" : "upstream",
		    audit_words(s->v[i].ok ? "" : s->v[i].reason));
	}
	e[s->n] = audit_of_hold("hold.closed", &r->hold);
	audit_add_reviewers(e[s->n], &r->hold);
	(void)json_object_set_new(e[s->n], "state",
	    json_string(hold_state_name(to)));
	(void)json_object_set_new(e[s->n], "reason", audit_words(message));
	rc = audit_write(r->gate, e, s->n + 1, err);
	free(e);
	return rc;
}

static void
text_to_waiters(void *ctx, struct view text)
{
	struct hold_run *r = ctx;

	waiters_say(r->gate, r->hold.id, text);
}

static enum hold_state
ending(const struct hold_run *r, enum forward_state st)
{
	if (st == FORWARD_DONE)
		return r->keep ? HOLD_KEPT : HOLD_FORWARDED;
	return st == FORWARD_STALE ? HOLD_STALE : HOLD_FAILED;
}

static struct keep
keep_of(const struct hold_run *r)
{
	return (struct keep){ r->gate, r->snap, r->hold.repository,
		r->hold.push_id, r->hold.principal, &r->updates, -1,
		UINT64_MAX };
}

static void
settled(struct hold_run *r)
{
	struct keep k = keep_of(r);

	if (r->keep)
		keep_settled(&k);
	else
		forward_settled(r->gate, r->snap, r->hold.repository,
		    r->hold.push_id, &r->updates);
}

static json_t *
outcome_of(const struct hold_run *r, enum forward_state st,
    const struct ref_statuses *s, const char *message)
{
	json_t *o = r->keep ? keep_outcome_json(st, s, message) :
			      forward_outcome_json(st, s, message);

	if (r->intended_ms != 0)
		(void)json_object_set_new(o, "timings",
		    json_pack("{s:I, s:I}", "intended",
			(json_int_t)r->intended_ms, "answered",
			(json_int_t)r->answered_ms));
	return o;
}

/* Log, store, then tell. */
static void
close_run(struct hold_run *r, enum forward_state st, struct ref_statuses *s,
    const char *message)
{
	enum hold_state to = ending(r, st);
	enum push_state ok = r->keep ? PUSH_KEPT : PUSH_FORWARDED;
	json_t *outcome = outcome_of(r, st, s, message);
	struct gg_error err = { 0 };

	if (log_result(r, s, to, message, &err) != 0 ||
	    store_hold_move(r->gate->store, r->hold.id, HOLD_APPROVED, to,
		outcome, st == FORWARD_DONE ? ok : PUSH_FAILED, clock_wall_ms(),
		&err) != 0) {
		/* It stays approved; the next try compares and closes it. */
		log_event(EV_store_failed, kv_str("hold", r->hold.id),
		    kv_err(&err));
		json_decref(outcome);
		return;
	}
	json_decref(outcome);
	gate_count(r->gate,
	    st != FORWARD_DONE ? METRIC_FAILED :
		r->keep        ? METRIC_KEPT :
				 METRIC_FORWARDED);
	log_event(EV_hold_changed, kv_str("hold", r->hold.id),
	    kv_str("state", hold_state_name(to)));
	waiters_end(r->gate, r->hold.id, s);
	if (st == FORWARD_DONE) {
		settled(r);
	} else {
		GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s",
		    r->snap->config->state_dir, r->hold.push_id);

		(void)dir_remove(quarantine, &err);
	}
}

static bool
is_open(enum forward_state st)
{
	return st == FORWARD_UNAVAILABLE || st == FORWARD_UNKNOWN;
}

/* Upstream refused this try: perhaps because an earlier one, cut off from us,
 * came in first. */
static enum forward_state
look_again(const struct forward *f, enum forward_state refused,
    struct ref_statuses *statuses)
{
	GG_AUTO_RELEASE(ref_statuses) now = { 0 };
	struct gg_error ignored = { 0 };

	ref_statuses_init(&now, f->updates);
	if (forward_compare(f, true, &now, &ignored) != FORWARD_DONE)
		return refused;
	for (size_t i = 0; i < statuses->n; i++)
		statuses->v[i].ok = true;
	return FORWARD_DONE;
}

/* Upstream may have got such a ref since it was held: then nobody shall find
 * another one here. */
static enum forward_state
look_upstream(const struct hold_run *r, struct ref_statuses *s,
    struct gg_error *err)
{
	GG_AUTO(advert) now = NULL;

	if (courier_list(r->gate, r->repo.name, false, false, &now, err) != 0)
		return FORWARD_UNAVAILABLE;
	for (size_t i = 0; i < r->updates.n; i++) {
		const char *ref = r->updates.v[i].refname;

		if (advert_find(now, view_str(ref)) == NULL &&
		    !advert_in_the_way(now, ref))
			continue;
		(void)gg_fail(err, GG_E_STALE,
		    "upstream has %s itself now, or one that it cannot stand "
		    "beside",
		    ref);
		ref_statuses_refuse(s, "stale: %s", err->msg);
		return FORWARD_STALE;
	}
	return FORWARD_DONE;
}

static enum forward_state
keep_now(struct hold_run *r, struct ref_statuses *s, struct gg_error *err)
{
	struct keep k = keep_of(r);
	enum forward_state st = keep_compare(&k, s, err);

	if (st != FORWARD_UNAVAILABLE) /* an earlier try may have done it */
		return st;
	if ((st = look_upstream(r, s, err)) != FORWARD_DONE)
		return st;
	if (log_intent(r, err) != 0)
		return FORWARD_UNKNOWN;
	FAILPOINT("gate.hold-before-keep");
	r->intended_ms = clock_wall_ms();
	st = keep_run(&k, s, err);
	r->answered_ms = clock_wall_ms();
	FAILPOINT("gate.hold-after-keep");
	return st;
}

/* Keep it, and close the hold if that could be told. */
static void
try_keep(struct hold_run *r)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };
	enum forward_state st;

	ref_statuses_init(&s, &r->updates);
	if (store_hold_attempted(r->gate->store, r->hold.id, &err) != 0)
		return;
	st = keep_now(r, &s, &err);
	if (is_open(st) && r->hold.attempts + 1 < TRIES_MAX)
		return; /* again later */
	close_run(r, st, &s, st == FORWARD_DONE ? "" : err.msg);
}

static void
try_forward(struct hold_run *r)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };
	struct forward f = { r->gate, r->snap, &r->repo, r->push.id,
		&r->updates, &r->options, r->atomic, r->has_pack,
		text_to_waiters, r, false };
	enum forward_state st;

	ref_statuses_init(&s, &r->updates);
	if (store_hold_attempted(r->gate->store, r->hold.id, &err) != 0)
		return;
	/* An earlier try may have landed: then there is nothing to send. */
	st = forward_compare(&f, true, &s, &err);
	if (st == FORWARD_UNAVAILABLE) { /* upstream is at the old oids */
		if (log_intent(r, &err) != 0)
			return;
		FAILPOINT("gate.hold-before-forward");
		r->intended_ms = clock_wall_ms();
		st = forward_run(&f, &s, &err);
		r->answered_ms = clock_wall_ms();
		FAILPOINT("gate.hold-after-forward");
		if (!is_open(st) && st != FORWARD_DONE)
			st = look_again(&f, st, &s);
	}
	if (is_open(st) && r->hold.attempts + 1 < TRIES_MAX)
		return; /* again later */
	close_run(r, st, &s, st == FORWARD_DONE ? "" : err.msg);
}

struct forward_task {
	struct gate *gate;
	char id[ULID_SIZE];
};

/* Not before its turn: the pause grows with the tries so far. */
static bool
is_due(const struct stored_hold *h)
{
	int64_t pause = 0, since = h->created_ms;

	for (size_t i = 0; i < h->n_reviews; i++)
		if (h->reviews[i].time_ms > since)
			since = h->reviews[i].time_ms;
	for (uint32_t i = 0; i < h->attempts; i++) {
		int64_t step = (int64_t)TRY_FIRST_MS << (i < 6 ? i : 6);

		pause += step < TRY_LONGEST_MS ? step : TRY_LONGEST_MS;
	}
	return clock_wall_ms() >= since + pause;
}

static void
run_task(void *arg)
{
	struct forward_task *t = arg;
	GG_AUTO_RELEASE(hold_run) r = { .gate = t->gate };
	struct gg_error err = { 0 };

	r.snap = gate_snapshot(t->gate);
	if (load(&r, t->id, &err) == 0) {
		if (is_due(&r.hold) && r.keep)
			try_keep(&r);
		else if (is_due(&r.hold))
			try_forward(&r);
	} else if (err.code != GG_E_REFUSED &&
	    (r.hold.id == NULL || is_due(&r.hold))) {
		/* Its repository may have left the configuration: that is a
		 * try like another, and said as seldom. */
		log_event(EV_push_failed, kv_str("hold", t->id), kv_err(&err));
		if (r.hold.id != NULL)
			(void)!store_hold_attempted(t->gate->store, t->id,
			    &err);
	}
	gate_drop_live(t->gate, t->id);
	free(t);
}

void
hold_forward_later(struct gate *g, const char *hold_id)
{
	struct forward_task *t = calloc(1, sizeof(*t));
	struct gg_error err = { 0 };

	if (t == NULL || !gate_take_live(g, hold_id)) {
		free(t);
		return; /* the next tick */
	}
	t->gate = g;
	(void)snprintf(t->id, sizeof(t->id), "%s", hold_id);
	if (http_server_run(g->http, run_task, t, &err) != 0) {
		gate_drop_live(g, hold_id);
		free(t);
	}
}
