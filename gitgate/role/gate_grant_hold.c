/* "And the same for a while": a grant that comes with reviews of a hold. It is
 * asked for by the first reviewer who ticks it, approved by each who does, and
 * active once the hold is approved. */
#include "role/gate_grants.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <string.h>

static int
check_time(const struct limits *l, int64_t for_ms, struct gg_error *err)
{
	if (for_ms > 0 && for_ms <= (int64_t)l->grant_ms &&
	    for_ms <= (int64_t)l->grant_max_ms)
		return 0;
	return gg_fail(err, GG_E_INPUT,
	    "a grant beside an approval lasts more than 0 and at most %llu s "
	    "(limit grant-time)",
	    (unsigned long long)(l->grant_ms / 1000));
}

/* The hold as it will be granted again. */
static int
fill_offer(struct stored_grant *gr, const struct stored_hold *h,
    const struct limits *l, struct gg_error *err)
{
	const json_t *need, *group;
	char id[ULID_SIZE];
	size_t i, k;

	if (strcmp(h->principal, "anonymous") == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "who pushes without a name has no grants");
	ulid_new(id);
	gr->id = path_f("%s", id);
	gr->principal = path_f("%s", h->principal);
	gr->entry = path_f("%s", "");
	gr->hold_id = path_f("%s", h->id);
	gr->owner = path_f("%s", "");
	gr->reason = path_f("the same as hold %s", h->id);
	gr->closer = path_f("%s", "");
	gr->required = 1;
	gr->created_ms = clock_wall_ms();
	gr->expires_ms = h->expires_ms;
	json_array_foreach(h->needs, i, need)
	    json_array_foreach(json_object_get(need, "from"), k,
		group) if (json_is_string(group) &&
		!strv_has(&gr->from, json_string_value(group)))
		strv_add(&gr->from, json_string_value(group));
	return grant_offer(h->repository, h->updates, (size_t)l->grant_scope,
	    &gr->scope, err);
}

static int
add_approval(struct gate *g, const char *id, const struct principal *reviewer,
    const char *addr, const char *comment, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	const struct grant_act a = { reviewer, addr, comment, true,
		GRANT_ASKED };
	int rc = store_grant_get(g->store, id, &gr, err);

	return rc != 0 ? rc : grant_review(g, &gr, &a, err);
}

/* Who ticks first says for how long; a later one may make it shorter only by
 * not ticking. */
static int
tick_grant(struct gate *g, struct stored_grant *offer,
    const struct principal *reviewer, const char *addr, const char *comment,
    const struct limits *l, char id[ULID_SIZE], struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) open = { 0 };
	int rc = store_grant_of_hold(g->store, offer->hold_id, &open, err);

	if (rc == GG_E_NOTFOUND) {
		rc = grant_add(g, offer, (size_t)l->grants_per_principal, addr,
		    err);
		(void)snprintf(id, ULID_SIZE, "%s", offer->id);
	} else if (rc == 0) {
		(void)snprintf(id, ULID_SIZE, "%s", open.id);
	}
	if (rc == 0)
		rc = add_approval(g, id, reviewer, addr, comment, err);
	return rc;
}

/* Everything that can be refused is, before the review is given. */
static int
prepare(struct gate *g, const char *hold_id, const struct principal *reviewer,
    int64_t for_ms, const struct limits *l, struct stored_grant *offer,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	int rc;

	if ((rc = gate_may_review(g, hold_id, reviewer, err)) != 0 ||
	    (rc = check_time(l, for_ms, err)) != 0 ||
	    (rc = store_hold_get(g->store, hold_id, &h, err)) != 0 ||
	    (rc = fill_offer(offer, &h, l, err)) != 0)
		return rc;
	offer->for_ms = for_ms;
	offer->asked_by = path_f("%s", reviewer->name);
	return store_grant_room(g->store, offer,
	    (size_t)l->grants_per_principal, err);
}

int
gate_review_granting(void *ctx, const char *hold_id,
    const struct principal *reviewer, const char *client_addr,
    const char *comment, int64_t for_ms, struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	const struct limits *l = &snap->config->limits;
	GG_AUTO_RELEASE(stored_grant) offer = { 0 };
	const char *addr = client_addr != NULL ? client_addr : "";
	const char *words = comment != NULL ? comment : "";
	char id[ULID_SIZE] = "";
	int rc;

	if ((rc = prepare(g, hold_id, reviewer, for_ms, l, &offer, err)) != 0 ||
	    (rc = gate_review(g, hold_id, reviewer, addr, true, words, err)) !=
		0)
		return rc;
	pthread_mutex_lock(&g->grant_mutex);
	rc = tick_grant(g, &offer, reviewer, addr, words, l, id, err);
	pthread_mutex_unlock(&g->grant_mutex);
	if (rc != 0)
		return gg_wrap(err, rc,
		    "the approval stands, but no grant was made");
	grant_follow_hold(g, id);
	return 0;
}

/* -- what became of the hold -- */

/* Is all that was ticked also a review of the hold? */
static bool
reviews_are_there(const struct stored_grant *gr, const struct stored_hold *h)
{
	for (size_t i = 0; i < gr->n_reviews; i++) {
		bool found = false;

		for (size_t k = 0; k < h->n_reviews && !found; k++)
			found = h->reviews[k].approve &&
			    strcmp(h->reviews[k].reviewer,
				gr->reviews[i].reviewer) == 0;
		if (!found)
			return false;
	}
	return gr->n_reviews > 0;
}

static int
follow(struct gate *g, const struct stored_grant *gr, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	bool approved;
	int rc = store_hold_get(g->store, gr->hold_id, &h, err);

	if (rc != 0 || gr->state != GRANT_ASKED || h.state == HOLD_PENDING)
		return rc;
	approved = h.state == HOLD_APPROVED || h.state == HOLD_FORWARDED ||
	    h.state == HOLD_KEPT || h.state == HOLD_FAILED;
	if (approved && reviews_are_there(gr, &h))
		return grant_move(g, gr, GRANT_ACTIVE, "", "", "", err);
	return grant_move(g, gr, GRANT_WITHDRAWN, "", "",
	    "its hold was not approved", err);
}

void
grant_follow_hold(struct gate *g, const char *id)
{
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct gg_error err = { 0 };
	int rc;

	pthread_mutex_lock(&g->grant_mutex);
	if ((rc = store_grant_get(g->store, id, &gr, &err)) == 0)
		rc = follow(g, &gr, &err);
	pthread_mutex_unlock(&g->grant_mutex);
	if (rc != 0)
		log_event(EV_store_failed, kv_str("grant", id), kv_err(&err));
}
