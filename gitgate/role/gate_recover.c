/*
 * Closing what a crash left open (docs/architecture.md, crash table). Runs
 * at start, and again every few seconds for what upstream could not answer
 * for yet.
 */
#include "role/gate_grants.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct unfinished {
	struct strv receiving, forwarding; /* ids */
};

static int
remember(void *ctx, const struct stored_push *p)
{
	struct unfinished *u = ctx;

	strv_add(p->state == PUSH_FORWARDING ? &u->forwarding : &u->receiving,
	    p->id);
	return 0;
}

/* No decision was made: the client was told nothing, nothing went out. */
static bool
abort_push(struct gate *g, struct stored_push *p, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s",
	    snap->config->state_dir, p->id);
	json_t *e = audit_of_push("push.refused", p);

	(void)json_object_set_new(e, "reason",
	    json_string("the gate stopped before it had decided"));
	if (audit_write(g, &e, 1, err) != 0)
		return false;
	p->state = PUSH_ABORTED;
	p->done_ms = clock_wall_ms();
	p->outcome = json_pack("{s:s, s:s}", "state", "aborted", "message",
	    "the gate stopped before it had decided");
	(void)dir_remove(quarantine, err);
	return store_push_update(g->store, p, PUSH_RECEIVING, err) == 0;
}

static int
log_outcome(struct gate *g, const char *type, const struct stored_push *p,
    const struct ref_updates *u, const struct ref_statuses *s,
    struct gg_error *err)
{
	json_t **e = calloc(u->n, sizeof(*e));
	char a[OID_HEX + 1], b[OID_HEX + 1];
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	for (size_t i = 0; i < u->n; i++) {
		oid_format(&u->v[i].old_oid, a);
		oid_format(&u->v[i].new_oid, b);
		e[i] = audit_of_push(type, p);
		(void)json_object_set_new(e[i], "ref",
		    audit_text(u->v[i].refname));
		(void)json_object_set_new(e[i], "old", json_string(a));
		(void)json_object_set_new(e[i], "new", json_string(b));
		(void)json_object_set_new(e[i], "recovered", json_true());
		(void)json_object_set_new(e[i], "result",
		    json_string(s->v[i].ok ? "ok" : "failed"));
		(void)json_object_set_new(e[i],
		    kept_in_json(p->updates) ? "reason" : "upstream",
		    audit_words(s->v[i].ok ? "" : s->v[i].reason));
	}
	rc = audit_write(g, e, u->n, err);
	free(e);
	return rc;
}

/*
 * A relay that was cut off may still be applied: for as long as an exchange
 * with upstream may be silent nothing but its being there is believed.
 */
static bool
is_in_doubt(const struct snapshot *snap, const struct stored_push *p)
{
	json_t *since = json_object_get(p->outcome, "since_ms");

	return since == NULL ||
	    clock_wall_ms() < json_integer_value(since) +
		(int64_t)snap->config->limits.upstream_idle_ms;
}

/* It is looked at again; a first time is remembered. */
static bool
leave_in_doubt(struct gate *g, struct stored_push *p,
    const struct ref_statuses *s, const struct gg_error *why,
    struct gg_error *err)
{
	if (json_object_get(p->outcome, "since_ms") != NULL)
		return true;
	json_decref(p->outcome);
	p->outcome = forward_outcome_json(FORWARD_UNKNOWN, s, why->msg);
	return store_push_update(g->store, p, PUSH_FORWARDING, err) == 0;
}

/* Intent is in the log, the outcome is not: the store knows. */
static bool
close_keep(struct gate *g, struct stored_push *p, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(ref_updates) u = { 0 };
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct keep k = { g, snap, p->repository, p->id, p->principal, &u, -1,
		UINT64_MAX };
	struct gg_error why = { 0 };
	enum forward_state st;

	if (updates_from_json(p->updates, &u, err) != 0)
		return false;
	ref_statuses_init(&s, &u);
	st = keep_compare(&k, &s, &why);
	if (st == FORWARD_UNKNOWN ||
	    log_outcome(g, "keep.result", p, &u, &s, err) != 0)
		return false;
	p->state = st == FORWARD_DONE ? PUSH_KEPT : PUSH_FAILED;
	p->done_ms = clock_wall_ms();
	json_decref(p->outcome);
	p->outcome = keep_outcome_json(st, &s,
	    st == FORWARD_DONE ? "" : why.msg);
	if (store_push_update(g->store, p, PUSH_FORWARDING, err) != 0)
		return false;
	if (st != FORWARD_DONE)
		kept_remove_pack(snap->config, p->repository, p->id);
	keep_settled(&k);
	return true;
}

/* Intent is in the log, the outcome is not: upstream knows. */
static bool
close_forward(struct gate *g, struct stored_push *p, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	GG_AUTO_RELEASE(ref_updates) u = { 0 };
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	struct strv none = STRV_INIT;
	struct gg_error why = { 0 };
	enum forward_state st;

	if (updates_from_json(p->updates, &u, err) != 0 ||
	    config_find_repository(snap->config, view_str(p->repository), &repo,
		err) != 0)
		return false;
	struct forward f = { g, snap, &repo, p->id, &u, &none, false, false,
		NULL, NULL, is_in_doubt(snap, p) };

	ref_statuses_init(&s, &u);
	st = forward_compare(&f, true, &s, &why);
	if (st == FORWARD_UNKNOWN)
		return leave_in_doubt(g, p, &s, &why, err);
	if (log_outcome(g, "forward.result", p, &u, &s, err) != 0)
		return false;
	p->state = st == FORWARD_DONE ? PUSH_FORWARDED : PUSH_FAILED;
	p->done_ms = clock_wall_ms();
	json_decref(p->outcome);
	p->outcome = forward_outcome_json(st, &s,
	    st == FORWARD_DONE ? "" : "interrupted; upstream was compared");
	if (store_push_update(g->store, p, PUSH_FORWARDING, err) != 0)
		return false;
	if (st == FORWARD_DONE) {
		forward_settled(g, snap, p->repository, p->id, &u);
	} else {
		GG_AUTO_MEM char *quarantine = path_f("%s/quarantine/%s",
		    snap->config->state_dir, p->id);

		(void)dir_remove(quarantine, err);
	}
	return true;
}

/* The id is in hand; it is given back. */
static bool
close_one(struct gate *g, const char *id)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct gg_error err = { 0 };
	bool ok = store_push_get(g->store, id, &p, &err) == 0;

	if (ok && p.state == PUSH_FORWARDING)
		ok = kept_in_json(p.updates) ? close_keep(g, &p, &err) :
					       close_forward(g, &p, &err);
	else if (ok && p.state == PUSH_RECEIVING)
		ok = abort_push(g, &p, &err);
	gate_drop_live(g, id);
	if (!ok)
		log_event(EV_upstream_failed, kv_str("push", id), kv_err(&err));
	else if (p.done_ms != 0)
		log_event(EV_recovered, kv_str("push", id),
		    kv_str("state", push_state_name(p.state)));
	return ok;
}

struct close_task {
	struct gate *gate;
	char id[ULID_SIZE];
};

static void
run_close(void *arg)
{
	struct close_task *t = arg;

	(void)close_one(t->gate, t->id);
	free(t);
}

/* Upstream may take its time: holds and waiting clients must not. */
static void
close_later(struct gate *g, const char *id)
{
	struct close_task *t = calloc(1, sizeof(*t));
	struct gg_error err = { 0 };

	if (t == NULL || !gate_take_live(g, id)) {
		free(t);
		return; /* a thread has it in hand */
	}
	t->gate = g;
	(void)snprintf(t->id, sizeof(t->id), "%s", id);
	if (http_server_run(g->http, run_close, t, &err) != 0) {
		gate_drop_live(g, id); /* the next round */
		free(t);
	}
}

/* What no hold and no push in hand needs. */
static void
sweep_quarantine(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_MEM char *dir = path_f("%s/quarantine",
	    snap->config->state_dir);
	struct gg_error err = { 0 };
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		GG_AUTO_MEM char *path = path_f("%s/%s", dir, e->d_name);
		GG_AUTO_RELEASE(stored_push) p = { 0 };

		if (!ulid_is_valid(view_str(e->d_name)))
			continue;
		int rc = store_push_get(g->store, e->d_name, &p, &err);

		if (rc != 0 && rc != GG_E_NOTFOUND)
			continue; /* keep what cannot be judged */
		if (rc == 0 &&
		    (p.state == PUSH_HELD || p.state == PUSH_FORWARDING ||
			p.state == PUSH_RECEIVING))
			continue;
		(void)dir_remove(path, &err);
	}
	if (d != NULL)
		(void)closedir(d);
	recorded_sweep_refs(snap->config);
}

void
recover(struct gate *g, bool at_start)
{
	struct unfinished u = { STRV_INIT, STRV_INIT };
	struct gg_error err = { 0 };

	if (store_push_unfinished(g->store, remember, &u, &err) != 0)
		log_event(EV_store_failed, kv_err(&err));
	/* What is being received now is in the hands of its thread. */
	for (size_t i = 0; at_start && i < u.receiving.n; i++)
		if (gate_take_live(g, u.receiving.v[i]))
			(void)close_one(g, u.receiving.v[i]);
	for (size_t i = 0; i < u.forwarding.n; i++)
		close_later(g, u.forwarding.v[i]);
	strv_release(&u.receiving);
	strv_release(&u.forwarding);
	if (at_start) {
		sweep_quarantine(g);
		holds_void_unstored(g);
		grants_void_unstored(g);
	}
}
