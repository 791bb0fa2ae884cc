/*
 * A review, and a hold's end, is in the log before it is in the store. Where a
 * crash came between, nobody was told and the hold is as it was: the log must
 * not go on saying that it was decided.
 */
#include "role/gate_push.h"

#include "base/log.h"

#include <string.h>

#define ENTRIES_MAX 1000

void
audit_void_review(struct gate *g, const struct stored_hold *h,
    const char *reviewer)
{
	json_t *e = audit_of_hold("hold.review", h);

	(void)json_object_set_new(e, "reviewer", audit_text(reviewer));
	(void)json_object_set_new(e, "void", json_true());
	audit_note(g, e);
}

void
audit_void_closing(struct gate *g, const struct stored_hold *h)
{
	json_t *e = audit_of_hold("hold.closed", h);

	(void)json_object_set_new(e, "void", json_true());
	audit_note(g, e);
}

struct said {
	const char *hold_id;
	uint64_t from;         /* entries before this one took effect */
	struct strv reviewers; /* whose last word in the log is a review */
	bool closed;           /* and that of the hold's end */
};

static void
strv_drop(struct strv *s, const char *text)
{
	struct strv kept = STRV_INIT;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], text) != 0)
			strv_add(&kept, s->v[i]);
	strv_release(s);
	*s = kept;
}

static int
take_entry(void *ctx, uint64_t index, const char *text)
{
	struct said *s = ctx;
	json_t *e = json_loads(text, 0, NULL);
	const char *hold = json_string_value(json_object_get(e, "hold"));
	const char *who = json_string_value(json_object_get(e, "reviewer"));

	if (index >= s->from && hold != NULL && who != NULL &&
	    strcmp(hold, s->hold_id) == 0) {
		strv_drop(&s->reviewers, who);
		if (!json_is_true(json_object_get(e, "void")))
			strv_add(&s->reviewers, who);
	}
	json_decref(e);
	return 0;
}

static int
take_end(void *ctx, uint64_t index, const char *text)
{
	struct said *s = ctx;
	json_t *e = json_loads(text, 0, NULL);
	const char *hold = json_string_value(json_object_get(e, "hold"));

	if (index >= s->from && hold != NULL && strcmp(hold, s->hold_id) == 0)
		s->closed = !json_is_true(json_object_get(e, "void"));
	json_decref(e);
	return 0;
}

static void
void_end(struct gate *g, const struct stored_hold *h)
{
	struct said said = { h->id, g->log_accepted, STRV_INIT, false };
	struct audit_query q = { .type = "hold.closed",
		.push = h->push_id,
		.limit = ENTRIES_MAX,
		.oldest_first = true };
	struct gg_error err = { 0 };
	uint64_t next;

	if (store_audit_query(g->store, &q, take_end, &said, &next, &err) != 0)
		log_event(EV_store_failed, kv_str("hold", h->id), kv_err(&err));
	else if (said.closed)
		audit_void_closing(g, h);
}

static void
void_reviews(struct gate *g, const struct stored_hold *h)
{
	struct said said = { h->id, g->log_accepted, STRV_INIT, false };
	struct audit_query q = { .type = "hold.review",
		.push = h->push_id,
		.limit = ENTRIES_MAX,
		.oldest_first = true };
	struct gg_error err = { 0 };
	uint64_t next;

	if (store_audit_query(g->store, &q, take_entry, &said, &next, &err) !=
	    0)
		log_event(EV_store_failed, kv_str("hold", h->id), kv_err(&err));
	for (size_t i = 0; i < h->n_reviews; i++)
		strv_drop(&said.reviewers, h->reviews[i].reviewer);
	for (size_t i = 0; i < said.reviewers.n; i++)
		audit_void_review(g, h, said.reviewers.v[i]);
	strv_release(&said.reviewers);
}

struct page {
	struct strv ids;
};

static int
take_id(void *ctx, const struct stored_hold *h)
{
	struct page *p = ctx;

	strv_add(&p->ids, h->id);
	return 0;
}

/* With the mutex of reviews: none is given meanwhile. */
static void
look_at(struct gate *g, const char *id)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	struct gg_error err = { 0 };

	pthread_mutex_lock(&g->review_mutex);
	if (store_hold_get(g->store, id, &h, &err) == 0 &&
	    h.state == HOLD_PENDING) {
		void_reviews(g, &h);
		void_end(g, &h);
	}
	pthread_mutex_unlock(&g->review_mutex);
}

void
holds_void_unstored(struct gate *g)
{
	char cursor[ULID_SIZE] = "", next[ULID_SIZE] = "";
	struct store_query q = { .state = hold_state_name(HOLD_PENDING),
		.cursor = cursor };
	struct gg_error err = { 0 };

	do {
		struct page p = { STRV_INIT };

		if (store_hold_list(g->store, &q, take_id, &p, next, &err) != 0)
			log_event(EV_store_failed, kv_err(&err));
		for (size_t i = 0; i < p.ids.n; i++)
			look_at(g, p.ids.v[i]);
		strv_release(&p.ids);
		memcpy(cursor, next, sizeof(cursor));
	} while (*next != '\0');
}
