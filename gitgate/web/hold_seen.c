/*
 * When a reviewer first looked at what is asked: "approved after ten seconds"
 * and "seen three days ago" tell a reader of the log something. Once for each
 * person and hold, from the page only: programs look at holds all the time.
 */
#include "web/web_priv.h"

#include <pthread.h>

/* Two tabs at once are one look. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static int
found(void *ctx, uint64_t index, const char *text)
{
	(void)index;
	(void)text;
	*(bool *)ctx = true;
	return 0;
}

static bool
was_seen(const struct web_call *c, const struct stored_hold *h)
{
	struct audit_query q = { .type = "hold.seen",
		.hold = h->id,
		.reviewer = c->who.name,
		.limit = 1 };
	uint64_t next;
	bool seen = false;

	return store_audit_query(c->ops->store, &q, found, &seen, &next,
		   NULL) != 0 ||
	    seen;
}

static json_t *
entry_of(const struct web_call *c, const struct stored_hold *h)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "type",
	    "hold.seen", "hold", h->id, "push", h->push_id, "repository",
	    h->repository, "principal", h->principal, "reviewer", c->who.name,
	    "reviewer_auth", auth_method_name(c->who.method), "reviewer_addr",
	    http_client_addr(c->rq));
}

void
hold_note_seen(const struct web_call *c, const struct stored_hold *h)
{
	struct gg_error err = { 0 };
	json_t *e;

	if (h->state != HOLD_PENDING || c->ops->log == NULL ||
	    strcmp(http_method(c->rq), "GET") != 0 ||
	    !access_may_review(c, h, &err))
		return;
	pthread_mutex_lock(&one_at_a_time);
	if (!was_seen(c, h) && (e = entry_of(c, h)) != NULL) {
		/* Logged by the gate; the page is shown all the same. */
		(void)!c->ops->audit(c->ops->ctx, e, &err);
		json_decref(e);
	}
	pthread_mutex_unlock(&one_at_a_time);
}
