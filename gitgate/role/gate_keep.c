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

static enum forward_state
run(void *ctx, struct ref_statuses *s, struct gg_error *message)
{
	return keep_run(ctx, s, message);
}

static void
settled(void *ctx)
{
	keep_settled(ctx);
}

static void
add_result(json_t *entry, enum forward_state state, const struct ref_status *s)
{
	(void)json_object_set_new(entry, "result",
	    json_string(keep_result_word(state)));
	if (!s->ok)
		(void)json_object_set_new(entry, "reason",
		    audit_words(s->reason));
}

static const struct settling way = {
	.intent = "keep.intended",
	.result = "keep.result",
	.done = PUSH_KEPT,
	.event = EV_push_kept,
	.metric = METRIC_KEPT,
	.run = run,
	.settled = settled,
	.outcome = keep_outcome_json,
	.add_result = add_result,
	.say = say_kept,
	.at_decided = "gate.keep-decided",
	.at_intended = "gate.keep-intended",
	.at_run = "gate.keep-changed",
	.at_recorded = "gate.keep-recorded",
};

void
push_keep(struct push *p)
{
	struct keep k = { p->gate, p->who.snap, p->rec.repository, p->rec.id,
		p->rec.principal, &p->updates, p->kept_version, p->n_repacks };

	push_settle(p, &way, &k);
}
