/* Holds: opened by a push, moved by reviewers, forwarded by the gate. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "hold/quorum.h"
#include "role/gate_people.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRES_DEFAULT_MS ((int64_t)72 * 3600 * 1000)

/* -- opening -- */

static char *
hold_url(const struct config *c, const char *id)
{
	return path_f("%s/-/holds/%s", c->public_url, id);
}

static int64_t
shortest_expiry(const struct decision *d)
{
	int64_t ms = 0;

	for (size_t i = 0; i < d->n_needs; i++)
		if (d->needs[i].expires_ms > 0 &&
		    (ms == 0 || d->needs[i].expires_ms < ms))
			ms = d->needs[i].expires_ms;
	return ms > 0 ? ms : EXPIRES_DEFAULT_MS;
}

static int64_t
wait_time(const struct push *p)
{
	int64_t max = (int64_t)p->who.snap->config->limits.max_wait_ms, ms = 0;

	for (size_t i = 0; i < p->decision->n_needs; i++)
		if (p->decision->needs[i].wait_ms > ms)
			ms = p->decision->needs[i].wait_ms;
	if (p->wait_ms >= 0)
		ms = p->wait_ms;
	return ms < max ? ms : max;
}

static void
fill_hold(const struct push *p, struct stored_hold *h)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT((size_t)16 << 20);
	char key[DIGEST_SHA256_HEX_SIZE], id[ULID_SIZE];

	hold_key_text(p->rec.principal, p->rec.repository, &p->updates, &text);
	if (text.failed != 0)
		gg_die("no memory for a hold");
	digest_sha256_hex(buf_view(&text), key);
	ulid_new(id);
	h->id = path_f("%s", id);
	h->push_id = path_f("%s", p->rec.id);
	h->repository = path_f("%s", p->rec.repository);
	h->principal = path_f("%s", p->rec.principal);
	h->state = HOLD_PENDING;
	h->created_ms = clock_wall_ms();
	h->expires_ms = h->created_ms + shortest_expiry(p->decision);
	h->updates = json_incref(p->rec.updates);
	h->needs = decision_needs_json(p->decision);
	h->key = path_f("%s", key);
	h->report_digest = path_f("%s", p->rec.report_digest);
	h->policy_digest = path_f("%s", p->rec.policy_digest);
}

/* A hold's end is in the log before it is in the store. */
static json_t *
closing_entry(const struct stored_hold *h, enum hold_state state,
    const char *reason)
{
	json_t *e = audit_of_hold("hold.closed", h);

	audit_add_reviewers(e, h);
	(void)json_object_set_new(e, "state",
	    json_string(hold_state_name(state)));
	(void)json_object_set_new(e, "reason", audit_words(reason));
	return e;
}

/* Holds that a new one ends. */
struct older {
	struct stored_hold *v;
	size_t n;
};

static void
older_release(struct older *o)
{
	for (size_t i = 0; i < o->n; i++)
		stored_hold_release(&o->v[i]);
	free(o->v);
	*o = (struct older){ 0 };
}
GG_DEFINE_AUTO_RELEASE(older);

static int
take_older(void *ctx, const struct stored_hold *h)
{
	struct strv *ids = ctx;

	if (!strv_has(ids, h->id))
		strv_add(ids, h->id);
	return 0;
}

/* As the store will find them: of this pusher, on one of these refs. */
static int
find_older(const struct push *p, struct older *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;
	char next[ULID_SIZE];
	int rc;

	for (size_t i = 0; i < p->updates.n; i++) {
		struct store_query q = { .repository = p->rec.repository,
			.principal = p->rec.principal,
			.ref = p->updates.v[i].refname,
			.state = hold_state_name(HOLD_PENDING),
			.limit = 200 };

		if ((rc = store_hold_list(p->gate->store, &q, take_older, &ids,
			 next, err)) != 0)
			return rc;
	}
	if ((rc = strv_check(&ids, err)) != 0)
		return rc;
	if ((out->v = calloc(ids.n + 1, sizeof(*out->v))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "holds");
	for (; out->n < ids.n; out->n++)
		if ((rc = store_hold_get(p->gate->store, ids.v[out->n],
			 &out->v[out->n], err)) != 0)
			return rc;
	return 0;
}

#define SUPERSEDED "superseded by a newer push"

static int
log_opening(struct push *p, const struct stored_hold *h,
    const struct older *older, struct gg_error *err)
{
	size_t n = p->decision->n_refs;
	json_t **e = calloc(n + 2 + older->n, sizeof(*e));
	int rc;

	if (e == NULL)
		return gg_fail(err, GG_E_NOMEM, "log entries");
	e[0] = audit_of_push("push.received", &p->rec);
	for (size_t i = 0; i < n; i++) {
		e[1 + i] = audit_of_ref("ref.update", &p->rec,
		    &p->decision->refs[i]);
		(void)json_object_set_new(e[1 + i], "hold", audit_text(h->id));
	}
	e[n + 1] = audit_of_hold("hold.opened", h);
	audit_add_needs(e[n + 1], h);
	for (size_t i = 0; i < older->n; i++)
		e[n + 2 + i] = closing_entry(&older->v[i], HOLD_SUPERSEDED,
		    SUPERSEDED);
	rc = audit_write(p->gate, e, n + 2 + older->n, err);
	free(e);
	return rc;
}

static void
say_matches(struct client *c, const struct reason *r)
{
	for (size_t i = 0; i < r->n_matches && i < 10; i++) {
		GG_AUTO_RELEASE(buf) words = BUF_INIT(8192);

		push_match_words(&r->matches[i], &words);
		client_say(c, "  %s     (rule %s)", buf_str(&words), r->rule);
	}
	if (r->n_matches_all > 10)
		client_say(c, "  and %zu more     (rule %s)",
		    r->n_matches_all - 10, r->rule);
}

static void
say_need(struct client *c, const char *refname, const struct need *n)
{
	GG_AUTO_RELEASE(buf) from = BUF_INIT(1000);

	for (size_t i = 0; i < n->from.n; i++)
		buf_addf(&from, "%s%s", i == 0 ? " from " : " or ",
		    n->from.v[i]);
	for (size_t i = 0; i < n->people.n; i++)
		buf_addf(&from, "%s%s", from.n == 0 ? " from " : " or ",
		    n->people.v[i]);
	client_say(c, "  %s   needs %u approval%s%s   (rule %s)", refname,
	    (unsigned)n->required, n->required == 1 ? "" : "s", buf_str(&from),
	    n->rule);
}

static void
say_held(struct push *p, const char *url, bool joined)
{
	struct client *c = &p->client;

	client_say(c, "gitgate: held for approval%s",
	    joined ? " (the same push is held already)" : "");
	for (size_t i = 0; i < p->decision->n_refs; i++) {
		const struct ref_decision *r = &p->decision->refs[i];

		for (size_t k = 0; k < r->n_reasons; k++) {
			if (r->reasons[k].verdict != VERDICT_HOLD)
				continue;
			for (size_t n = 0; n < p->decision->n_needs; n++)
				if (strcmp(p->decision->needs[n].rule,
					r->reasons[k].rule) == 0)
					say_need(c, r->refname,
					    &p->decision->needs[n]);
			say_matches(c, &r->reasons[k]);
			if (*r->reasons[k].message != '\0')
				client_say(c, "  %s", r->reasons[k].message);
		}
	}
	if (decision_keeps(p->decision))
		client_say(c,
		    "gitgate: when approved it is kept at the gate, not sent "
		    "upstream");
	push_say_findings(p);
	client_say(c, "review: %s", url);
}

/* Tell; then let the client wait or go. */
static void
answer_held(struct push *p, const char *hold_id, bool joined)
{
	GG_AUTO_MEM char *url = hold_url(p->who.snap->config, hold_id);
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };
	int64_t wait = wait_time(p);

	say_held(p, url, joined);
	if (wait > 0 && p->client.side_band) {
		client_say(&p->client,
		    "gitgate: waiting up to %lld s for a decision",
		    (long long)(wait / 1000));
		if (waiters_add(p->gate, hold_id, url, &p->client, &p->updates,
			clock_mono_ms() + wait))
			return;
	}
	ref_statuses_init(&s, &p->updates);
	for (size_t i = 0; i < s.n; i++)
		ref_status_set(&s.v[i], "held for approval: %s", url);
	push_leave(p);
	client_end(&p->client, &s);
}

/* This very push is held already: its hold stands for both. */
static void
join_hold(struct push *p, const char *hold_id)
{
	struct gg_error err = { 0 };
	json_t *e = audit_of_push("push.received", &p->rec);

	(void)json_object_set_new(e, "joined", audit_text(hold_id));
	audit_note(p->gate, e);
	p->rec.state = PUSH_ABORTED;
	p->rec.done_ms = clock_wall_ms();
	p->rec.outcome = json_pack("{s:s, s:s, s:s}", "state", "joined",
	    "message", "the same push is held already", "hold", hold_id);
	if (store_push_update(p->gate->store, &p->rec, PUSH_RECEIVING, &err) !=
	    0)
		log_event(EV_store_failed, kv_err(&err));
	(void)dir_remove(p->quarantine, &err);
	answer_held(p, hold_id, true);
}

static void
end_superseded(struct push *p, const struct strv *ids)
{
	for (size_t i = 0; i < ids->n; i++) {
		GG_AUTO_RELEASE(stored_hold) h = { 0 };
		struct gg_error err = { 0 };

		if (store_hold_get(p->gate->store, ids->v[i], &h, &err) == 0)
			hold_ended(p->gate, &h, HOLD_SUPERSEDED, SUPERSEDED);
	}
}

static int
open_hold(struct push *p, struct stored_hold *h, char existing[ULID_SIZE],
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) superseded = STRV_INIT;
	GG_AUTO_RELEASE(stored_hold) same = { 0 };
	GG_AUTO_RELEASE(older) older = { 0 };
	int rc;

	if (store_hold_find_key(p->gate->store, h->key, &same, err) == 0) {
		(void)snprintf(existing, ULID_SIZE, "%s", same.id);
		return GG_E_EXISTS;
	}
	if ((rc = find_older(p, &older, err)) != 0 ||
	    (rc = log_opening(p, h, &older, err)) != 0)
		return rc;
	FAILPOINT("gate.hold-opening");
	p->rec.state = PUSH_HELD;
	p->rec.decided_ms = clock_wall_ms();
	rc = store_hold_open(p->gate->store, h, &p->rec, &superseded, existing,
	    err);
	if (rc == 0) {
		end_superseded(p, &superseded);
		return 0;
	}
	p->rec.state = PUSH_RECEIVING;
	for (size_t i = 0; i < older.n; i++)
		audit_void_closing(p->gate, &older.v[i]);
	return rc;
}

void
push_hold(struct push *p)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	struct gg_error err = { 0 };
	char existing[ULID_SIZE] = "";
	int rc;

	fill_hold(p, &h);
	if (push_write_diff(p, &err) != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	pthread_mutex_lock(&p->gate->review_mutex);
	rc = open_hold(p, &h, existing, &err);
	pthread_mutex_unlock(&p->gate->review_mutex);
	FAILPOINT("gate.held");
	if (rc == GG_E_EXISTS) {
		join_hold(p, existing);
		return;
	}
	if (rc != 0) {
		push_refuse(p, PUSH_INVALID, "", &err);
		return;
	}
	gate_count(p->gate, METRIC_HELD);
	log_event(EV_hold_opened, kv_str("hold", h.id),
	    kv_str("repository", h.repository),
	    kv_str("principal", h.principal));
	answer_held(p, h.id, false);
}

/* -- ending -- */

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
	e = closing_entry(h, to, reason);
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

/* -- reviewing -- */

struct review {
	struct gate *gate;
	struct stored_hold hold;
	struct need *needs;
	size_t n_needs;
	struct strv people;
	struct principal pusher; /* owner and aliases */
	const struct principal *who;
	struct strv known_as; /* who's aliases and owner */
	const char *addr, *comment;
	bool approve;
};

static void
review_release(struct review *r)
{
	stored_hold_release(&r->hold);
	needs_free(r->needs, r->n_needs);
	strv_release(&r->people);
	principal_release(&r->pusher);
	strv_release(&r->known_as);
}
GG_DEFINE_AUTO_RELEASE(review);

static struct quorum_push
the_push(const struct review *r)
{
	return (struct quorum_push){ r->hold.principal, r->pusher.owner,
		&r->pusher.aliases, &r->people };
}

static struct quorum_review
the_reviewer(const struct review *r)
{
	return (struct quorum_review){ r->who->name, &r->who->groups,
		&r->known_as, r->approve, principal_is_machine(r->who) };
}

static struct quorum_review
an_earlier(const struct stored_review *r)
{
	return (struct quorum_review){ r->reviewer, &r->groups, &r->aliases,
		r->approve, r->machine };
}

/* Who pushed, for whom; and by which names the reviewer is known. */
static int
load_names(struct review *r, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	int rc = store_push_get(r->gate->store, r->hold.push_id, &p, err);

	if (rc != 0)
		return rc;
	push_identity_read(p.identity, &r->pusher);
	strv_copy(&r->known_as, &r->who->aliases);
	if (r->who->owner != NULL && r->who->owner[0] != '\0')
		strv_add(&r->known_as, r->who->owner);
	return strv_check(&r->known_as, err);
}

static int
load_review(struct review *r, const char *id, struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(r->gate);
	int rc;

	if ((rc = store_hold_get(r->gate->store, id, &r->hold, err)) != 0)
		return rc;
	if (r->hold.state != HOLD_PENDING)
		return gg_fail(err, GG_E_STALE,
		    "the hold is no longer pending: %s",
		    hold_state_name(r->hold.state));
	if ((rc = load_names(r, err)) != 0 ||
	    (rc = needs_from_json(r->hold.needs, &r->needs, &r->n_needs,
		 err)) != 0)
		return rc;
	rc = gate_people(snap->config, r->hold.push_id, r->hold.report_digest,
	    &r->people, err);
	if (rc == GG_E_CORRUPT)
		return gg_fail(err, GG_E_STALE,
		    "the change report of this push was altered: it can only "
		    "be withdrawn");
	return rc;
}

static int
check_entitled(const struct review *r, struct gg_error *err)
{
	struct quorum_push push = the_push(r);
	struct quorum_review me = the_reviewer(r);
	enum quorum_refusal no = quorum_may_review(r->needs, r->n_needs, &push,
	    &me);

	if (r->who->method == AUTH_ANONYMOUS)
		return gg_fail(err, GG_E_REFUSED, "sign in to review");
	if (no != QUORUM_MAY)
		return gg_fail(err, GG_E_REFUSED, "%s",
		    quorum_refusal_text(no));
	for (size_t i = 0; i < r->hold.n_reviews; i++) {
		struct quorum_review other = an_earlier(&r->hold.reviews[i]);

		if (quorum_same_person(&other, &me))
			return gg_fail(err, GG_E_REFUSED,
			    "you have reviewed this already");
	}
	return 0;
}

static enum hold_state
next_state(const struct review *r)
{
	struct quorum_push push = the_push(r);
	size_t n = r->hold.n_reviews;
	struct quorum_review *all = calloc(n + 1, sizeof(*all));
	enum quorum_state q;

	if (all == NULL)
		gg_die("no memory for a review");
	for (size_t i = 0; i < n; i++)
		all[i] = an_earlier(&r->hold.reviews[i]);
	all[n] = the_reviewer(r);
	q = quorum_state(r->needs, r->n_needs, &push, all, n + 1);
	free(all);
	if (q == QUORUM_REJECTED || !r->approve)
		return HOLD_REJECTED;
	return q == QUORUM_REACHED ? HOLD_APPROVED : HOLD_PENDING;
}

static char *
rejection(const struct review *r)
{
	return path_f("rejected by %s%s%s", r->who->name,
	    *r->comment != '\0' ? ": " : "", r->comment);
}

static int
log_review(const struct review *r, enum hold_state next, struct gg_error *err)
{
	json_t *e = audit_of_hold("hold.review", &r->hold), *both[2];

	(void)json_object_set_new(e, "reviewer", audit_text(r->who->name));
	(void)json_object_set_new(e, "reviewer_groups",
	    strv_to_json(&r->who->groups));
	(void)json_object_set_new(e, "reviewer_auth",
	    json_string(auth_method_name(r->who->method)));
	if (r->who->issuer != NULL && r->who->subject != NULL) {
		(void)json_object_set_new(e, "reviewer_issuer",
		    audit_text(r->who->issuer));
		(void)json_object_set_new(e, "reviewer_subject",
		    audit_text(r->who->subject));
	}
	if (r->who->owner != NULL && r->who->owner[0] != '\0')
		(void)json_object_set_new(e, "reviewer_owner",
		    audit_text(r->who->owner));
	(void)json_object_set_new(e, "reviewer_addr", audit_text(r->addr));
	(void)json_object_set_new(e, "verdict",
	    json_string(r->approve ? "approve" : "reject"));
	(void)json_object_set_new(e, "comment", audit_words(r->comment));
	(void)json_object_set_new(e, "state",
	    json_string(hold_state_name(next)));
	(void)json_object_set(e, "updates", r->hold.updates);
	if (json_object_size(e) > 0) {
		char *text = json_dumps(e, JSON_COMPACT);

		/* The tuple is in the ref.update entries; a large one is not
		 * said twice. */
		if (text == NULL || strlen(text) > 32768)
			(void)json_object_del(e, "updates");
		free(text);
	}
	both[0] = e;
	if (next == HOLD_REJECTED) {
		GG_AUTO_MEM char *reason = rejection(r);

		both[1] = closing_entry(&r->hold, next, reason);
	}
	return audit_write(r->gate, both, next == HOLD_REJECTED ? 2 : 1, err);
}

static int
store_review(const struct review *r, enum hold_state next, struct gg_error *err)
{
	struct stored_review rev = {
		.reviewer = (char *)(uintptr_t)r->who->name,
		.comment = (char *)(uintptr_t)r->comment,
		.approve = r->approve,
		.time_ms = clock_wall_ms(),
		.machine = principal_is_machine(r->who),
	};
	int rc;

	strv_copy(&rev.groups, &r->who->groups);
	strv_copy(&rev.aliases, &r->known_as);
	rc = store_hold_review(r->gate->store, r->hold.id, &rev,
	    r->hold.n_reviews, next, rev.time_ms, err);
	strv_release(&rev.groups);
	strv_release(&rev.aliases);
	if (rc == GG_E_EXISTS)
		return gg_fail(err, GG_E_REFUSED,
		    "you have reviewed this already");
	if (rc == GG_E_REFUSED)
		return gg_fail(err, GG_E_STALE,
		    "the hold is no longer pending");
	return rc;
}

static void
say_review(const struct review *r)
{
	GG_AUTO_MEM char *line = path_f("gitgate: %s by %s\n",
	    r->approve ? "approved" : "rejected", r->who->name);

	waiters_say(r->gate, r->hold.id, view_str(line));
}

static void
end_rejected(struct review *r)
{
	GG_AUTO_MEM char *reason = rejection(r);

	/* store_hold_review() has made the move. */
	hold_ended(r->gate, &r->hold, HOLD_REJECTED, reason);
}

int
gate_review(void *ctx, const char *hold_id, const struct principal *reviewer,
    const char *client_addr, bool approve, const char *comment,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(review)
	r = { .gate = ctx,
		.who = reviewer,
		.addr = client_addr ? client_addr : "",
		.comment = comment ? comment : "",
		.approve = approve };
	enum hold_state next = HOLD_PENDING;
	int rc;

	pthread_mutex_lock(&r.gate->review_mutex);
	if ((rc = load_review(&r, hold_id, err)) == 0 &&
	    (rc = check_entitled(&r, err)) == 0) {
		next = next_state(&r);
		if ((rc = log_review(&r, next, err)) == 0) {
			FAILPOINT("gate.reviewed");
			if ((rc = store_review(&r, next, err)) != 0) {
				audit_void_review(r.gate, &r.hold, r.who->name);
				if (next == HOLD_REJECTED)
					audit_void_closing(r.gate, &r.hold);
			}
		}
	}
	if (rc == 0) {
		say_review(&r);
		log_event(EV_review_given, kv_str("hold", hold_id),
		    kv_str("reviewer", reviewer->name),
		    kv_str("verdict", approve ? "approve" : "reject"));
		if (next == HOLD_REJECTED)
			end_rejected(&r);
	}
	pthread_mutex_unlock(&r.gate->review_mutex);
	if (rc == 0 && next == HOLD_APPROVED)
		hold_forward_later(r.gate, hold_id);
	return rc;
}

int
gate_may_review(void *ctx, const char *hold_id,
    const struct principal *reviewer, struct gg_error *err)
{
	GG_AUTO_RELEASE(review)
	r = { .gate = ctx,
		.who = reviewer,
		.addr = "",
		.comment = "",
		.approve = true };
	int rc = load_review(&r, hold_id, err);

	return rc != 0 ? rc : check_entitled(&r, err);
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
