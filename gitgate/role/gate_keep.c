/*
 * Pushes of refs that policy keeps at the gate: as a forward, with the store
 * in upstream's place. Intent into the log, the pack to where it stays, the
 * refs in one transaction of the store, the outcome into the log, then the
 * client is told. Nothing of it reaches the courier.
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* An answer of the store's that never came. */
#define KEEP_IN_DOUBT (-1)

/* So many of a push are named to the client. */
#define NAMED_MAX 5

/* -- moving them -- */

static enum forward_state
refused(int rc, const char *limit, struct ref_statuses *s,
    const struct gg_error *why)
{
	if (rc == GG_E_STALE) {
		ref_statuses_refuse(s, "stale: %s", why->msg);
		return FORWARD_STALE;
	}
	if (rc == GG_E_LIMIT && *limit != '\0') {
		ref_statuses_refuse(s, "limit %s: %s", limit, why->msg);
		return FORWARD_REFUSED;
	}
	if (rc == GG_E_NOTFOUND) {
		ref_statuses_refuse(s, "gate unavailable: %s", why->msg);
		return FORWARD_REFUSED;
	}
	if (rc == GG_E_EXISTS) {
		ref_statuses_refuse(s, "invalid push: %s", why->msg);
		return FORWARD_REFUSED;
	}
	ref_statuses_refuse(s, "gate unavailable: %s", why->msg);
	return FORWARD_UNAVAILABLE;
}

/* What failed without a reason of its own may have been made all the same. */
static int
change(const struct keep *k, uint64_t bytes, const char **limit,
    struct gg_error *message)
{
	const struct config *c = k->snap->config;
	struct kept_change change = { .repository = k->repository,
		.push = k->push_id,
		.principal = k->principal,
		.updates = k->updates,
		.seen = k->seen,
		.bytes = bytes,
		.now_ms = clock_wall_ms(),
		.max_refs = c->limits.kept_refs,
		.max_bytes = c->limits.kept_bytes };
	struct gg_error ignored = { 0 };
	int rc = store_kept_change(k->gate->store, &change, limit, message);
	bool done;

	if (rc == 0 &&
	    (FAILPOINT_FAILS("gate.keep-cut") ||
		FAILPOINT_FAILS("gate.keep-lost")))
		rc = gg_fail(message, GG_E_UNAVAILABLE, "no answer");
	if (rc == 0 || rc == GG_E_STALE || rc == GG_E_LIMIT ||
	    rc == GG_E_EXISTS)
		return rc;
	if (FAILPOINT_FAILS("gate.keep-lost") ||
	    store_kept_was_done(k->gate->store, k->repository, k->push_id,
		&done, &ignored) != 0)
		return KEEP_IN_DOUBT;
	return done ? 0 : rc;
}

enum forward_state
keep_run(const struct keep *k, struct ref_statuses *statuses,
    struct gg_error *message)
{
	const struct config *c = k->snap->config;
	const char *limit = "";
	uint64_t bytes;
	int rc = kept_store_pack(c, k->repository, k->push_id, &bytes, message);

	FAILPOINT("gate.keep-stored");
	if (rc == 0)
		rc = change(k, bytes, &limit, message);
	if (rc == 0) {
		for (size_t i = 0; i < statuses->n; i++)
			statuses->v[i].ok = true;
		return FORWARD_DONE;
	}
	log_event(EV_push_failed, kv_str("push", k->push_id), kv_err(message));
	if (rc == KEEP_IN_DOUBT) {
		ref_statuses_refuse(statuses,
		    "gate unavailable: it is not known yet whether it was kept "
		    "(push %s)",
		    k->push_id);
		return FORWARD_UNKNOWN;
	}
	kept_remove_pack(c, k->repository, k->push_id);
	return refused(rc, limit, statuses, message);
}

enum forward_state
keep_compare(const struct keep *k, struct ref_statuses *statuses,
    struct gg_error *message)
{
	bool done;

	if (store_kept_was_done(k->gate->store, k->repository, k->push_id,
		&done, message) != 0)
		return FORWARD_UNKNOWN;
	for (size_t i = 0; i < statuses->n; i++)
		statuses->v[i].ok = done;
	if (done)
		return FORWARD_DONE;
	(void)gg_fail(message, GG_E_UNAVAILABLE,
	    "the gate stopped before it was kept");
	ref_statuses_refuse(statuses, "gate unavailable: %s", message->msg);
	return FORWARD_UNAVAILABLE;
}

/*
 * As exclusive as a refresh. What fails here is healed by the next one. The
 * mirror is clean only once the refs are known to be there still. What this
 * push stands on may have gone from it since it was inspected, where that was
 * of a ref that is no more: then everything is fed.
 */
static void
feed_mirror(const struct keep *k)
{
	struct repo_state *st = gate_repo(k->gate, k->repository);
	struct gg_error err = { 0 };
	bool was_clean, is_clean, repacked;
	int rc;

	pthread_mutex_lock(&st->mutex);
	while (st->running)
		pthread_cond_wait(&st->cond, &st->mutex);
	st->running = true;
	was_clean = st->clean;
	st->clean = false;
	st->n_fed++;
	repacked = st->n_repacks != k->n_repacks;
	pthread_mutex_unlock(&st->mutex);
	rc = kept_feed_push(k->gate, k->snap->config, k->repository,
	    repacked ? NULL : k->push_id, k->updates, &is_clean, &err);
	if (rc != 0)
		log_event(EV_mirror_failed, kv_str("repository", k->repository),
		    kv_str("act", "adopt"), kv_err(&err));
	pthread_mutex_lock(&st->mutex);
	st->clean = was_clean && is_clean;
	st->running = false;
	pthread_cond_broadcast(&st->cond);
	pthread_mutex_unlock(&st->mutex);
}

void
keep_settled(const struct keep *k)
{
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s",
	    k->snap->config->state_dir, k->push_id);
	struct gg_error err = { 0 };

	feed_mirror(k);
	if (dir_remove(quarantine, &err) != 0)
		log_event(EV_push_kept, kv_str("push", k->push_id),
		    kv_err(&err));
	holds_mark_stale(k->gate, k->repository, k->updates);
	mirror_refresh_later(k->gate, k->repository);
}

/* -- a push that is to be kept, to its end -- */

static int
log_results(struct push *p, const struct ref_statuses *s,
    enum forward_state state, struct gg_error *err)
{
	json_t **e = calloc(s->n, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	for (size_t i = 0; i < s->n; i++) {
		e[i] = audit_of_ref("keep.result", &p->rec,
		    &p->decision->refs[i]);
		(void)json_object_set_new(e[i], "result",
		    json_string(keep_result_word(state)));
		if (!s->v[i].ok)
			(void)json_object_set_new(e[i], "reason",
			    audit_words(s->v[i].reason));
	}
	rc = audit_write(p->gate, e, s->n, err);
	free(e);
	return rc;
}

const char *
keep_result_word(enum forward_state state)
{
	return state == FORWARD_DONE     ? "ok" :
	    state == FORWARD_STALE       ? "stale" :
	    state == FORWARD_UNAVAILABLE ? "unavailable" :
					   "failed";
}

json_t *
keep_outcome_json(enum forward_state state, const struct ref_statuses *s,
    const char *message)
{
	json_t *o = forward_outcome_json(state, s, message);

	if (state == FORWARD_DONE)
		(void)json_object_set_new(o, "state", json_string("kept"));
	return o;
}

/* In doubt, recovery asks the store again and closes it. */
static int
record_result(struct push *p, enum forward_state state,
    const struct ref_statuses *s, const struct gg_error *message)
{
	struct gg_error err = { 0 };
	int rc;

	if (state != FORWARD_UNKNOWN) {
		if ((rc = log_results(p, s, state, &err)) != 0)
			return rc;
		p->rec.state = state == FORWARD_DONE ? PUSH_KEPT : PUSH_FAILED;
		p->rec.done_ms = clock_wall_ms();
	}
	json_decref(p->rec.outcome);
	p->rec.outcome = keep_outcome_json(state, s,
	    state == FORWARD_DONE ? "" : message->msg);
	rc = store_push_update(p->gate->store, &p->rec, PUSH_FORWARDING, &err);
	if (rc != 0)
		log_event(EV_store_failed, kv_str("push", p->rec.id),
		    kv_err(&err));
	return rc;
}

static void
say_kept(struct push *p)
{
	const struct ref_updates *u = &p->updates;

	for (size_t i = 0; i < u->n && i < NAMED_MAX; i++)
		client_say(&p->client,
		    oid_is_zero(&u->v[i].new_oid) ?
			"gitgate: %s is removed from the gate, which kept it" :
			"gitgate: %s is kept at the gate, not sent upstream",
		    u->v[i].refname);
	if (u->n > NAMED_MAX)
		client_say(&p->client,
		    "gitgate: and so are %zu more refs of this push",
		    u->n - NAMED_MAX);
}

static void
finish(struct push *p, const struct keep *k, enum forward_state state,
    const struct gg_error *why)
{
	struct gg_error err = { 0 };

	gate_count(p->gate,
	    state == FORWARD_DONE ? METRIC_KEPT : METRIC_FAILED);
	if (state == FORWARD_DONE) {
		log_event(EV_push_kept, kv_str("push", p->rec.id),
		    kv_str("repository", p->rec.repository));
		keep_settled(k);
		return;
	}
	log_event(EV_push_failed, kv_str("push", p->rec.id), kv_err(why));
	if (state != FORWARD_UNKNOWN)
		(void)dir_remove(p->quarantine, &err);
}

void
push_keep(struct push *p)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };
	struct keep k = { p->gate, p->who.snap, p->rec.repository, p->rec.id,
		p->rec.principal, &p->updates, p->kept_version, p->n_repacks };
	enum forward_state state;

	FAILPOINT("gate.keep-decided");
	push_mark(p, "intended");
	if (push_record_intent(p, "keep.intended", &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	FAILPOINT("gate.keep-intended");
	ref_statuses_init(&s, &p->updates);
	state = keep_run(&k, &s, &err);
	push_mark(p, "answered");
	FAILPOINT("gate.keep-changed");
	if (record_result(p, state, &s, &err) != 0) {
		for (size_t i = 0; i < s.n; i++)
			s.v[i].ok = false;
		ref_statuses_refuse(&s,
		    "gate unavailable: the outcome could not be recorded "
		    "(push %s)",
		    p->rec.id);
		state = FORWARD_UNKNOWN;
	}
	FAILPOINT("gate.keep-recorded");
	if (state == FORWARD_DONE)
		say_kept(p);
	push_leave(p);
	client_end(&p->client, &s);
	finish(p, &k, state, &err);
}
