/* Holds, how they are decided: who may review one, what a review moves it to,
 * and what of it is logged and stored. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "hold/quorum.h"
#include "role/gate_people.h"

#include <stdlib.h>
#include <string.h>

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

		both[1] = audit_of_closing(&r->hold, next, reason);
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
