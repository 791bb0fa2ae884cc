/*
 * Closing what a crash left open (docs/architecture.md, crash table). Runs
 * at start, and again every few seconds for what upstream could not answer
 * for yet.
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct unfinished {
	struct gate *gate;
	struct stored_push *v;
	size_t n, alloc;
};

static int
remember(void *ctx, const struct stored_push *p)
{
	struct unfinished *u = ctx;
	struct stored_push *grown;
	struct stored_push *to;

	if (u->n == u->alloc) {
		size_t want = u->alloc ? u->alloc * 2 : 16;

		grown = reallocarray(u->v, want, sizeof(*grown));
		if (grown == NULL)
			return GG_E_NOMEM;
		u->v = grown;
		u->alloc = want;
	}
	to = &u->v[u->n++];
	*to = (struct stored_push){ .state = p->state,
		.created_ms = p->created_ms,
		.decided_ms = p->decided_ms };
	to->id = path_f("%s", p->id);
	to->repository = path_f("%s", p->repository);
	to->principal = path_f("%s", p->principal);
	strv_copy(&to->groups, &p->groups);
	to->auth_method = path_f("%s", p->auth_method);
	to->credential_id = path_f("%s", p->credential_id);
	to->client_addr = path_f("%s", p->client_addr);
	to->client_agent = path_f("%s", p->client_agent);
	to->policy_digest = path_f("%s", p->policy_digest);
	to->report_digest = path_f("%s", p->report_digest);
	to->request = json_incref(p->request);
	to->updates = json_incref(p->updates);
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
log_outcome(struct gate *g, const struct stored_push *p,
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
		e[i] = audit_of_push("forward.result", p);
		(void)json_object_set_new(e[i], "ref",
		    audit_text(u->v[i].refname));
		(void)json_object_set_new(e[i], "old", json_string(a));
		(void)json_object_set_new(e[i], "new", json_string(b));
		(void)json_object_set_new(e[i], "recovered", json_true());
		(void)json_object_set_new(e[i], "result",
		    json_string(s->v[i].ok ? "ok" : "failed"));
		(void)json_object_set_new(e[i], "upstream",
		    audit_words(s->v[i].ok ? "" : s->v[i].reason));
	}
	rc = audit_write(g, e, u->n, err);
	free(e);
	return rc;
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
		NULL, NULL };

	ref_statuses_init(&s, &u);
	st = forward_compare(&f, true, &s, &why);
	if (st == FORWARD_UNKNOWN) {
		*err = why;
		return false;
	}
	if (log_outcome(g, p, &u, &s, err) != 0)
		return false;
	p->state = st == FORWARD_DONE ? PUSH_FORWARDED : PUSH_FAILED;
	p->done_ms = clock_wall_ms();
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

static bool
close_one(struct gate *g, struct stored_push *p, bool at_start)
{
	struct gg_error err = { 0 };
	bool ok = true;

	if (!gate_take_live(g, p->id))
		return true; /* a thread has it in hand */
	if (p->state == PUSH_FORWARDING)
		ok = close_forward(g, p, &err);
	else if (at_start)
		ok = abort_push(g, p, &err);
	gate_drop_live(g, p->id);
	if (ok && p->done_ms != 0)
		log_event(EV_recovered, kv_str("push", p->id),
		    kv_str("state", push_state_name(p->state)));
	else if (!ok)
		log_event(EV_upstream_failed, kv_str("push", p->id),
		    kv_err(&err));
	return ok;
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
}

bool
recover(struct gate *g, bool at_start)
{
	struct unfinished u = { .gate = g };
	struct gg_error err = { 0 };
	bool all = true;

	if (store_push_unfinished(g->store, remember, &u, &err) != 0) {
		log_event(EV_store_failed, kv_err(&err));
		all = false;
	}
	for (size_t i = 0; i < u.n; i++) {
		all = close_one(g, &u.v[i], at_start) && all;
		stored_push_release(&u.v[i]);
	}
	free(u.v);
	if (at_start)
		sweep_quarantine(g);
	return all;
}
