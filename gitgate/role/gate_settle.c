/*
 * An allowed push, to its end, whether it goes upstream or is kept here:
 * intent into the log, then it is done, the outcome into log and store, and
 * only then the client is told. What breaks off between is closed by recovery
 * (gate_recover.c).
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>

/* push.received, and for each ref ref.update and the intent; then the push is
 * stored as forwarding. */
static int
record_intent(struct push *p, const char *intent, struct gg_error *err)
{
	size_t n = p->decision->n_refs;
	json_t **e = calloc(2 * n + 1, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	e[0] = audit_of_push("push.received", &p->rec);
	for (size_t i = 0; i < n; i++) {
		e[1 + i] = audit_of_ref("ref.update", &p->rec,
		    &p->decision->refs[i]);
		e[1 + n + i] = audit_of_ref(intent, &p->rec,
		    &p->decision->refs[i]);
	}
	rc = audit_write(p->gate, e, 2 * n + 1, err);
	free(e);
	if (rc != 0)
		return rc;
	p->rec.state = PUSH_FORWARDING;
	p->rec.decided_ms = clock_wall_ms();
	rc = store_push_update(p->gate->store, &p->rec, PUSH_RECEIVING, err);
	if (rc != 0)
		p->rec.state = PUSH_RECEIVING;
	return rc;
}

static int
log_results(struct push *p, const struct settling *way,
    const struct ref_statuses *s, enum forward_state state,
    struct gg_error *err)
{
	json_t **e = calloc(s->n, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	for (size_t i = 0; i < s->n; i++) {
		e[i] = audit_of_ref(way->result, &p->rec,
		    &p->decision->refs[i]);
		way->add_result(e[i], state, &s->v[i]);
	}
	rc = audit_write(p->gate, e, s->n, err);
	free(e);
	return rc;
}

/* Log, store, then tell; in doubt, recovery asks again and closes it. */
static int
record_result(struct push *p, const struct settling *way,
    enum forward_state state, const struct ref_statuses *s,
    const struct gg_error *message)
{
	struct gg_error err = { 0 };
	int rc;

	if (state != FORWARD_UNKNOWN) {
		if ((rc = log_results(p, way, s, state, &err)) != 0)
			return rc;
		p->rec.state = state == FORWARD_DONE ? way->done : PUSH_FAILED;
		p->rec.done_ms = clock_wall_ms();
	}
	json_decref(p->rec.outcome);
	p->rec.outcome = way->outcome(state, s,
	    state == FORWARD_DONE ? "" : message->msg);
	rc = store_push_update(p->gate->store, &p->rec, PUSH_FORWARDING, &err);
	if (rc != 0)
		log_event(EV_store_failed, kv_str("push", p->rec.id),
		    kv_err(&err));
	return rc;
}

static void
refuse_unrecorded(const struct push *p, struct ref_statuses *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i].ok = false;
	ref_statuses_refuse(s,
	    "gate unavailable: the outcome could not be recorded (push %s)",
	    p->rec.id);
}

/* Before the client hears of it: who was told finds it counted and said. */
static void
note_end(struct push *p, const struct settling *way, enum forward_state state,
    const struct gg_error *why)
{
	gate_count(p->gate,
	    state == FORWARD_DONE ? way->metric : METRIC_FAILED);
	if (state == FORWARD_DONE)
		log_event(way->event, kv_str("push", p->rec.id),
		    kv_str("repository", p->rec.repository));
	else
		log_event(EV_push_failed, kv_str("push", p->rec.id),
		    kv_err(why));
}

void
push_settle(struct push *p, const struct settling *way, void *ctx)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };
	enum forward_state state;

	FAILPOINT(way->at_decided);
	push_mark(p, "intended");
	if (record_intent(p, way->intent, &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	FAILPOINT(way->at_intended);
	ref_statuses_init(&s, &p->updates);
	state = way->run(ctx, &s, &err);
	push_mark(p, "answered");
	FAILPOINT(way->at_run);
	if (record_result(p, way, state, &s, &err) != 0) {
		refuse_unrecorded(p, &s);
		state = FORWARD_UNKNOWN;
	}
	FAILPOINT(way->at_recorded);
	if (state == FORWARD_DONE && way->say != NULL)
		way->say(p);
	note_end(p, way, state, &err);
	push_leave(p);
	client_end(&p->client, &s);
	if (state == FORWARD_DONE)
		way->settled(ctx);
	else if (state != FORWARD_UNKNOWN)
		(void)dir_remove(p->quarantine, &err);
}
