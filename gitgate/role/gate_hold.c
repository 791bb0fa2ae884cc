/* Holds, how they begin: a push opens one, or joins the one of its like; its
 * client is told, and may wait. */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "hold/quorum.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRES_DEFAULT_MS ((int64_t)72 * 3600 * 1000)

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
		e[n + 2 + i] = audit_of_closing(&older->v[i], HOLD_SUPERSEDED,
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
