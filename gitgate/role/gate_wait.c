/* Clients that wait for a hold: a list, no thread. */
#include "role/gate_push.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct waiter {
	struct waiter *next;
	char hold_id[ULID_SIZE];
	char *url;
	struct client client;
	struct ref_updates updates;
	int64_t deadline; /* mono ms */
};

struct waiters {
	pthread_mutex_t mutex;
	struct waiter *first;
	size_t n;
};

int
waiters_new(struct waiters **out, struct gg_error *err)
{
	struct waiters *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return gg_fail(err, GG_E_NOMEM, "list of waiting clients");
	pthread_mutex_init(&w->mutex, NULL);
	*out = w;
	return 0;
}

static void
waiter_free(struct waiter *w)
{
	if (w == NULL)
		return;
	ref_updates_release(&w->updates);
	free(w->url);
	free(w);
}

static bool
copy_updates(struct ref_updates *to, const struct ref_updates *from)
{
	struct gg_error ignored;

	for (size_t i = 0; i < from->n; i++)
		if (ref_updates_add(to, &from->v[i].old_oid,
			&from->v[i].new_oid, view_str(from->v[i].refname),
			SIZE_MAX, &ignored) != 0)
			return false;
	return true;
}

bool
waiters_add(struct gate *g, const char *hold_id, const char *url,
    struct client *client, const struct ref_updates *updates,
    int64_t mono_deadline_ms)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	struct waiter *w = calloc(1, sizeof(*w));
	bool room = false;

	if (w == NULL || !copy_updates(&w->updates, updates) ||
	    (w->url = strdup(url)) == NULL) {
		waiter_free(w);
		return false;
	}
	(void)snprintf(w->hold_id, sizeof(w->hold_id), "%s", hold_id);
	w->deadline = mono_deadline_ms;
	pthread_mutex_lock(&g->waiters->mutex);
	if (g->waiters->n < snap->config->limits.waiting &&
	    !atomic_load(&g->stopping)) {
		room = true;
		w->client = *client;
		*client = (struct client){ 0 };
		w->next = g->waiters->first;
		g->waiters->first = w;
		g->waiters->n++;
	}
	pthread_mutex_unlock(&g->waiters->mutex);
	if (!room)
		waiter_free(w);
	return room;
}

/* Take out those for which pick() says so; they become the caller's. */
static struct waiter *
take(struct gate *g, bool (*pick)(const struct waiter *w, const void *arg),
    const void *arg)
{
	struct waiter *taken = NULL;

	pthread_mutex_lock(&g->waiters->mutex);
	for (struct waiter **at = &g->waiters->first; *at != NULL;) {
		struct waiter *w = *at;

		if (!pick(w, arg)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = taken;
		taken = w;
		g->waiters->n--;
	}
	pthread_mutex_unlock(&g->waiters->mutex);
	return taken;
}

static bool
waits_for(const struct waiter *w, const void *arg)
{
	return strcmp(w->hold_id, arg) == 0;
}

static bool
is_due(const struct waiter *w, const void *arg)
{
	const int64_t *now = arg;

	return w->deadline <= *now || client_gone(&w->client);
}

static bool
is_any(const struct waiter *w, const void *arg)
{
	(void)w;
	(void)arg;
	return true;
}

static void
let_go(struct waiter *w, const char *line)
{
	GG_AUTO_RELEASE(ref_statuses) s = { 0 };

	ref_statuses_init(&s, &w->updates);
	ref_statuses_refuse(&s, "held for approval: %s", w->url);
	client_say(&w->client, "%s", line);
	client_end(&w->client, &s);
	waiter_free(w);
}

void
waiters_say(struct gate *g, const char *hold_id, struct view text)
{
	pthread_mutex_lock(&g->waiters->mutex);
	for (struct waiter *w = g->waiters->first; w != NULL; w = w->next)
		if (strcmp(w->hold_id, hold_id) == 0)
			client_relay(&w->client, text);
	pthread_mutex_unlock(&g->waiters->mutex);
}

void
waiters_end(struct gate *g, const char *hold_id,
    const struct ref_statuses *statuses)
{
	struct waiter *w = take(g, waits_for, hold_id), *next;

	for (; w != NULL; w = next) {
		next = w->next;
		client_end(&w->client, statuses);
		waiter_free(w);
	}
}

void
waiters_tick(struct gate *g)
{
	int64_t now = clock_mono_ms();
	struct waiter *w = take(g, is_due, &now), *next;

	for (; w != NULL; w = next) {
		next = w->next;
		let_go(w,
		    "gitgate: still held; the push goes on by itself "
		    "once it is approved");
	}
}

/* The distinct holds that somebody waits for. */
static void
awaited(struct gate *g, struct strv *ids)
{
	pthread_mutex_lock(&g->waiters->mutex);
	for (struct waiter *w = g->waiters->first; w != NULL; w = w->next)
		if (!strv_has(ids, w->hold_id))
			strv_add(ids, w->hold_id);
	pthread_mutex_unlock(&g->waiters->mutex);
}

/* What the store keeps of a hold's end, as the report of a push. */
static void
fill_from_outcome(const struct stored_hold *h, struct ref_statuses *s)
{
	const char *message = json_string_value(json_object_get(h->outcome,
	    "message"));
	json_t *refs = json_object_get(h->outcome, "refs"), *r;
	size_t i;

	ref_statuses_refuse(s, "%s",
	    message && *message ? message : hold_state_name(h->state));
	json_array_foreach(refs, i, r)
	{
		const char *status = json_string_value(json_object_get(r,
		    "status"));
		const char *why = json_string_value(json_object_get(r,
		    "message"));

		if (i >= s->n)
			break;
		s->v[i].ok = status != NULL && strcmp(status, "ok") == 0;
		if (!s->v[i].ok)
			ref_status_set(&s->v[i], "%s", why ? why : "failed");
	}
}

void
waiters_poll(struct gate *g)
{
	GG_AUTO_RELEASE(strv) ids = STRV_INIT;

	awaited(g, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		GG_AUTO_RELEASE(stored_hold) h = { 0 };
		GG_AUTO_RELEASE(ref_updates) u = { 0 };
		GG_AUTO_RELEASE(ref_statuses) s = { 0 };
		struct gg_error err = { 0 };

		if (store_hold_get(g->store, ids.v[i], &h, &err) != 0 ||
		    !hold_is_over(h.state) ||
		    updates_from_json(h.updates, &u, &err) != 0)
			continue; /* they go on waiting until their time */
		ref_statuses_init(&s, &u);
		fill_from_outcome(&h, &s);
		waiters_end(g, h.id, &s);
	}
}

void
waiters_stop(struct gate *g)
{
	struct waiter *w = take(g, is_any, NULL), *next;

	for (; w != NULL; w = next) {
		next = w->next;
		let_go(w, "gitgate: the gate restarts; the push stays held");
	}
}

size_t
waiters_count(struct gate *g)
{
	size_t n;

	pthread_mutex_lock(&g->waiters->mutex);
	n = g->waiters->n;
	pthread_mutex_unlock(&g->waiters->mutex);
	return n;
}
