/* Holds, how they end without a forward: rejected, withdrawn, expired, stale or
 * superseded. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <string.h>

static void
tell_waiters(struct gate *g, const struct stored_hold *h, const char *reason)
{
	GG_AUTO_RELEASE(ref_updates) u = { 0 };
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct gg_error err = { 0 };

	if (updates_from_json(h->updates, &u, &err) != 0)
		return;
	ref_statuses_init(&s, &u);
	ref_statuses_refuse(&s, "%s", reason);
	waiters_end(g, h->id, &s);
}

/* What every end without a forward has in common; log and store know already. */
void
hold_ended(struct gate *g, const struct stored_hold *h, enum hold_state state,
    const char *reason)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s",
	    snap->config->state_dir, h->push_id);
	struct gg_error err = { 0 };

	(void)dir_remove(quarantine, &err);
	tell_waiters(g, h, reason);
	log_event(EV_hold_changed, kv_str("hold", h->id),
	    kv_str("state", hold_state_name(state)));
}

/* Log, store; with the mutex of reviews. */
static int
move_to_end(struct gate *g, const struct stored_hold *h, enum hold_state to,
    enum push_state push_to, const char *reason, struct gg_error *err)
{
	json_t *outcome, *e;
	int rc;

	if (h->state != HOLD_PENDING)
		return gg_fail(err, GG_E_REFUSED, "not pending");
	e = audit_of_closing(h, to, reason);
	if ((rc = audit_write(g, &e, 1, err)) != 0)
		return rc;
	FAILPOINT("gate.hold-closing");
	outcome = json_pack("{s:s, s:o}", "state", hold_state_name(to),
	    "message", audit_words(reason));
	rc = store_hold_move(g->store, h->id, HOLD_PENDING, to, outcome,
	    push_to, clock_wall_ms(), err);
	json_decref(outcome);
	if (rc != 0)
		audit_void_closing(g, h);
	return rc;
}

/* Move a pending hold to its end, if it still is pending. */
static int
close_pending(struct gate *g, const char *id, enum hold_state to,
    enum push_state push_to, const char *reason, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	int rc;

	pthread_mutex_lock(&g->review_mutex);
	if ((rc = store_hold_get(g->store, id, &h, err)) == 0)
		rc = move_to_end(g, &h, to, push_to, reason, err);
	if (rc == 0)
		hold_ended(g, &h, to, reason);
	pthread_mutex_unlock(&g->review_mutex);
	return rc == GG_E_REFUSED ?
	    gg_fail(err, GG_E_STALE, "the hold is no longer pending") :
	    rc;
}

int
gate_withdraw(void *ctx, const char *hold_id, const struct principal *who,
    const char *client_addr, const char *comment, struct gg_error *err)
{
	static const char *const admin[] = { "admin", "admins" };
	struct gate *g = ctx;
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	const char *owner;
	bool is_admin = false;
	int rc;

	(void)client_addr;
	if ((rc = store_hold_get(g->store, hold_id, &h, err)) != 0 ||
	    (rc = store_push_get(g->store, h.push_id, &p, err)) != 0)
		return rc;
	owner = json_string_value(json_object_get(p.identity, "owner"));
	for (size_t i = 0; i < GG_COUNT(admin); i++)
		is_admin = is_admin || strv_has(&who->groups, admin[i]);
	if (!is_admin && strcmp(h.principal, who->name) != 0 &&
	    (owner == NULL || strcmp(owner, who->name) != 0))
		return gg_fail(err, GG_E_REFUSED,
		    "only its pusher (or whom it acts for) or an admin may withdraw a hold");
	GG_AUTO_MEM char *reason = path_f("withdrawn by %s%s%s", who->name,
	    comment && *comment ? ": " : "", comment ? comment : "");

	return close_pending(g, hold_id, HOLD_WITHDRAWN, PUSH_ABORTED, reason,
	    err);
}

/* -- time -- */

void
holds_mark_stale(struct gate *g, const char *repository,
    const struct ref_updates *updates)
{
	for (size_t i = 0; i < updates->n; i++) {
		GG_AUTO_RELEASE(strv) ids = STRV_INIT;
		struct gg_error err = { 0 };
		char hex[OID_HEX + 1];

		oid_format(&updates->v[i].new_oid, hex);
		if (store_hold_stale(g->store, repository,
			updates->v[i].refname, hex, &ids, &err) != 0)
			continue; /* forwarding would find out as well */
		for (size_t k = 0; k < ids.n; k++)
			(void)close_pending(g, ids.v[k], HOLD_STALE,
			    PUSH_FAILED, "stale: upstream moved", &err);
	}
}

void
holds_tick(struct gate *g)
{
	GG_AUTO_RELEASE(strv) approved = STRV_INIT;
	GG_AUTO_RELEASE(strv) expired = STRV_INIT;
	struct gg_error err = { 0 };

	if (store_hold_due(g->store, clock_wall_ms(), &approved, &expired,
		&err) != 0) {
		log_event(EV_store_failed, kv_err(&err));
		return;
	}
	for (size_t i = 0; i < expired.n; i++)
		(void)close_pending(g, expired.v[i], HOLD_EXPIRED, PUSH_DENIED,
		    "expired: nobody decided in time", &err);
	for (size_t i = 0; i < approved.n; i++)
		hold_forward_later(g, approved.v[i]);
}
