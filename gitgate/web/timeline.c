/* What happened to a push and when, from its record and its hold. */
#include "base/clock.h"
#include "web/web_priv.h"

#include <stdlib.h>
#include <string.h>

struct moment {
	int64_t ms;
	size_t order; /* of what happened in the same millisecond */
	json_t *what;
};

struct moments {
	struct moment *v;
	size_t n, alloc;
};

static json_t *
add(struct moments *m, int64_t ms, const char *event)
{
	struct moment *grown;
	json_t *o;

	if (ms <= 0)
		return NULL;
	if (m->n == m->alloc) {
		grown = reallocarray(m->v, m->alloc + 32, sizeof(*grown));
		if (grown == NULL)
			return NULL;
		m->v = grown;
		m->alloc += 32;
	}
	o = json_pack("{s:o, s:s}", "time", json_time(ms), "event", event);
	m->v[m->n] = (struct moment){ ms, m->n, o };
	m->n++;
	return o;
}

static void
add_timings(struct moments *m, const json_t *of)
{
	static const char *const names[] = { "commands", "received",
		"inspecting", "inspected", "judged", "intended", "answered" };
	const json_t *t = json_object_get(of, "timings");

	for (size_t i = 0; i < GG_COUNT(names); i++)
		(void)add(m, json_integer_value(json_object_get(t, names[i])),
		    names[i]);
}

static void
add_hold(struct moments *m, const struct stored_hold *h)
{
	json_t *o = add(m, h->created_ms, "held");

	json_object_set_new(o, "hold", json_text(h->id));
	for (size_t i = 0; i < h->n_reviews; i++) {
		const struct stored_review *r = &h->reviews[i];

		o = add(m, r->time_ms, r->approve ? "approved" : "rejected");
		json_object_set_new(o, "who", json_text(r->reviewer));
		if (r->comment[0] != '\0')
			json_object_set_new(o, "message",
			    json_text(r->comment));
	}
	o = add(m, h->closed_ms, "closed");
	json_object_set_new(o, "state", json_string(hold_state_name(h->state)));
}

static int
add_keep(void *ctx, const struct stored_keep *k)
{
	struct moments *m = ctx;
	json_t *o = add(m, k->created_ms, "kept");

	json_object_set_new(o, "message", json_text(k->reason));
	(void)add(m, k->released_ms, "released");
	return 0;
}

/* At most so many who looked; a push has few reviewers. */
#define SEEN_MOST 100

static int
add_seen(void *ctx, uint64_t index, const char *text)
{
	struct moments *m = ctx;
	json_t *e = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	int64_t ms = 0;
	json_t *o;

	(void)index;
	if (clock_parse(view_str(json_get(e, "time")), &ms, NULL) == 0) {
		o = add(m, ms, "seen");
		json_object_set_new(o, "who",
		    json_text(json_get(e, "reviewer")));
	}
	json_decref(e);
	return 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

json_t *
json_timeline(const struct web_call *c, const struct stored_push *p)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	struct moments m = { 0 };
	struct audit_query seen = { .type = "hold.seen",
		.push = p->id,
		.limit = SEEN_MOST,
		.oldest_first = true };
	json_t *list = json_array(), *o;
	const char *said = json_get(p->outcome, "message");
	uint64_t next;

	(void)add(&m, p->created_ms, "begun");
	add_timings(&m, p->request);
	(void)add(&m, p->decided_ms, "decided");
	if (store_hold_of_push(c->ops->store, p->id, &h, NULL) == 0) {
		add_hold(&m, &h);
		(void)!store_audit_query(c->ops->store, &seen, add_seen, &m,
		    &next, NULL);
	}
	add_timings(&m, p->outcome); /* of a held push's forward */
	o = add(&m, p->done_ms, "done");
	json_object_set_new(o, "state", json_string(push_state_name(p->state)));
	if (o != NULL && said[0] != '\0')
		json_object_set_new(o, "message", json_text(said));
	/* Whoever is looked into must not learn it here. */
	if (access_is_auditor(&c->who))
		(void)!store_keep_list(c->ops->store, p, add_keep, &m, NULL);
	(void)add(&m, p->purged_ms, "removed");
	if (m.n > 1)
		qsort(m.v, m.n, sizeof(*m.v), by_time);
	for (size_t i = 0; i < m.n; i++)
		json_array_append_new(list, m.v[i].what);
	free(m.v);
	return list;
}
