/*
 * What happens to holds and pushes, told as it happens: server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * They come from the audit log, so an event's id is its entry's index and a
 * client that comes back says where it was. The log is written before an act
 * takes effect: an entry about a hold is told when the store has followed, so
 * that whoever hears of it and asks sees it. Who may not see a hold or a
 * repository does not hear of it. A stream ends after some minutes; the client
 * comes back and is looked at anew.
 */
#include "base/clock.h"
#include "base/num.h"
#include "web/web_priv.h"

#include <pthread.h>
#include <stdlib.h>

#define LIFE_MS      ((int64_t)5 * 60 * 1000)
#define KEEPALIVE_MS 15000
#define BUFFER_BYTES ((size_t)256 << 10)
#define TURN_ENTRIES 200
#define REPLAY_MOST  1000
#define DATA_BYTES   8192

struct listener {
	struct listener *next;
	struct http_stream *stream;
	struct principal who;
	char hold[ULID_SIZE]; /* "": any */
	char *repository;     /* NULL: any */
	int64_t until_mono_ms;
};

static struct {
	pthread_mutex_t mutex;
	struct listener *first;
	size_t n;
	uint64_t at; /* the next entry to be told; counts while n > 0 */
	bool stopped;
} hub = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void
listener_free(struct listener *l)
{
	http_stream_close(l->stream);
	principal_release(&l->who);
	free(l->repository);
	free(l);
}

/* -- what is told -- */

static bool
begins_with(const char *s, const char *start)
{
	return strncmp(s, start, strlen(start)) == 0;
}

/* "hold", "push", or NULL: nothing for here. */
static const char *
event_name(const char *type)
{
	static const char *const of_push[] = { "push.received", "push.refused",
		"ref.update", "forward.intended", "forward.result",
		"keep.intended", "keep.result" };

	if (begins_with(type, "hold."))
		return "hold";
	for (size_t i = 0; i < GG_COUNT(of_push); i++)
		if (strcmp(type, of_push[i]) == 0)
			return "push";
	return NULL;
}

static void
copy_members(json_t *to, const json_t *from)
{
	static const char *const names[] = { "type", "time", "repository",
		"principal", "push", "hold", "ref", "old", "new", "kind",
		"verdict", "state", "reviewer", "result" };

	for (size_t i = 0; i < GG_COUNT(names); i++) {
		json_t *v = json_object_get(from, names[i]);

		if (json_is_string(v) && json_string_length(v) < 2000)
			(void)json_object_set(to, names[i], v);
	}
}

/* One event, its text in out; nothing when there is nothing to tell. */
static void
write_event(uint64_t index, const json_t *entry, struct buf *out)
{
	const char *name = event_name(json_get(entry, "type"));
	json_t *data = json_object();
	char *text;

	copy_members(data, entry);
	text = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (text != NULL)
		buf_addf(out, "id: %llu\nevent: %s\ndata: %s\n\n",
		    (unsigned long long)index, name, text);
	free(text);
	json_decref(data);
}

/* -- to whom -- */

static bool
is_wanted(const struct listener *l, const json_t *entry)
{
	if (l->hold[0] != '\0' && strcmp(json_get(entry, "hold"), l->hold) != 0)
		return false;
	return l->repository == NULL ||
	    strcmp(json_get(entry, "repository"), l->repository) == 0;
}

/* By the policy of now. */
static bool
may_hear(const struct web_ops *ops, const struct listener *l,
    const json_t *entry, const json_t *needs)
{
	struct web_call c = { .ops = ops, .who = l->who };
	bool may;

	c.cfg = ops->config(ops->ctx);
	c.rs = ops->ruleset(ops->ctx);
	may = access_may_see(&c, json_get(entry, "repository"), needs);
	ops->unref(ops->ctx, c.cfg, c.rs);
	return may;
}

static void
tell(const struct web_ops *ops, const struct listener *l, uint64_t index,
    const json_t *entry, const json_t *needs)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(DATA_BYTES * 4);

	if (!is_wanted(l, entry) || !may_hear(ops, l, entry, needs))
		return;
	write_event(index, entry, &text);
	if (buf_check(&text, NULL) == 0)
		http_stream_write(l->stream, buf_view(&text));
}

/*
 * An entry, if there is something to tell of it: *entry is the caller's, or
 * NULL; *needs (may be NULL) says who else may hear of it. False: it has not
 * come to be yet.
 */
static bool
read_entry(const struct web_ops *ops, uint64_t index, json_t **entry,
    json_t **needs)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	GG_AUTO_RELEASE(stored_hold) h = { 0 };
	const char *name, *hold;
	bool happened = true;
	int rc;

	*entry = *needs = NULL;
	if (auditlog_read_opened(ops->log, index, &text, NULL) != 0)
		return true;
	*entry = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
	name = event_name(json_get(*entry, "type"));
	if (*entry == NULL || name == NULL)
		goto nothing;
	hold = json_get(*entry, "hold");
	if (hold[0] == '\0')
		return true;
	rc = store_hold_get(ops->store, hold, &h, NULL);
	if (strcmp(name, "hold") == 0)
		happened = rc == 0 && hold_entry_is_true(*entry, &h);
	if (happened) {
		*needs = json_incref(h.needs);
		return true;
	}
	happened = !hold_entry_may_follow(*entry);
nothing:
	json_decref(*entry);
	*entry = NULL;
	return happened;
}

/* -- telling -- */

static void
drop_ended(int64_t now)
{
	for (struct listener **at = &hub.first; *at != NULL;) {
		struct listener *l = *at;

		if (!http_stream_gone(l->stream) && l->until_mono_ms > now) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		hub.n--;
		listener_free(l);
	}
}

void
events_tick(const struct web_ops *ops)
{
	uint64_t end;

	(void)pthread_mutex_lock(&hub.mutex);
	drop_ended(clock_mono_ms());
	end = auditlog_size(ops->log);
	if (end > hub.at + TURN_ENTRIES)
		end = hub.at + TURN_ENTRIES;
	while (hub.n > 0 && hub.at < end) {
		json_t *entry, *needs;

		if (!read_entry(ops, hub.at, &entry, &needs))
			break;
		for (struct listener *l = hub.first; l != NULL && entry != NULL;
		     l = l->next)
			tell(ops, l, hub.at, entry, needs);
		json_decref(entry);
		json_decref(needs);
		hub.at++;
	}
	(void)pthread_mutex_unlock(&hub.mutex);
}

void
events_stop(void)
{
	(void)pthread_mutex_lock(&hub.mutex);
	hub.stopped = true;
	drop_ended(INT64_MAX);
	(void)pthread_mutex_unlock(&hub.mutex);
}

/* -- a new listener -- */

/* What it missed, if that is not too much; then it is told to begin anew. */
static void
replay(const struct web_ops *ops, const struct listener *l, uint64_t from)
{
	if (from > hub.at || hub.at - from > REPLAY_MOST) {
		http_stream_write(l->stream,
		    view_str("event: reset\ndata: {}\n\n"));
		return;
	}
	for (; from < hub.at; from++) {
		json_t *entry, *needs;

		(void)read_entry(ops, from, &entry, &needs);
		if (entry != NULL)
			tell(ops, l, from, entry, needs);
		json_decref(entry);
		json_decref(needs);
	}
}

static size_t
count_of(const struct principal *who)
{
	size_t n = 0;

	for (const struct listener *l = hub.first; l != NULL; l = l->next)
		n += strcmp(l->who.name, who->name) == 0;
	return n;
}

/* With the hub locked. NULL: there is room. */
static const char *
no_room(const struct web_call *c)
{
	const struct limits *l = &c->cfg->limits;

	if (hub.stopped)
		return "the gate stops";
	if (hub.n >= l->event_streams)
		return "limit event-streams: too many are open";
	if (count_of(&c->who) >= l->event_streams_per_principal)
		return "limit event-streams-per-principal: you have too many "
		       "open";
	return NULL;
}

/* The entry it saw last: "Last-Event-ID", which a browser sends by itself, or
 * "since". False: neither, or none that can be. */
static bool
last_seen(const struct web_call *c, uint64_t *out)
{
	const char *text = http_header(c->rq, "Last-Event-ID");

	if (text == NULL)
		text = http_query(c->rq, "since");
	return text != NULL &&
	    num_parse(view_str(text), INT64_MAX, out, NULL) == 0;
}

static struct listener *
listener_new(struct web_call *c)
{
	const char *hold = http_query(c->rq, "hold");
	const char *repository = http_query(c->rq, "repository");
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL ||
	    (repository != NULL &&
		(l->repository = strdup(repository)) == NULL))
		gg_die("no memory for a listener");
	if (hold != NULL)
		(void)snprintf(l->hold, sizeof(l->hold), "%s", hold);
	principal_copy(&l->who, &c->who);
	l->until_mono_ms = clock_mono_ms() + LIFE_MS;
	l->stream = http_stream_open(c->rq, 200,
	    "text/event-stream; charset=utf-8", BUFFER_BYTES,
	    view_str(": still here\n\n"), KEEPALIVE_MS);
	/* how long a browser waits before it comes back */
	http_stream_write(l->stream, view_str("retry: 2000\n\n"));
	return l;
}

void
api_events(struct web_call *c)
{
	const char *hold = http_query(c->rq, "hold"), *why;
	struct listener *l;
	uint64_t seen;

	if (hold != NULL && !ulid_is_valid(view_str(hold))) {
		api_problem(c, 400, "hold must be an id");
		return;
	}
	if (strcmp(http_method(c->rq), "GET") != 0) {
		http_reply(c->rq, 200, "text/event-stream; charset=utf-8",
		    view_str(""), NULL);
		return;
	}
	(void)pthread_mutex_lock(&hub.mutex);
	drop_ended(clock_mono_ms());
	if ((why = no_room(c)) == NULL) {
		if (hub.n == 0)
			hub.at = auditlog_size(c->ops->log);
		l = listener_new(c);
		if (last_seen(c, &seen))
			replay(c->ops, l, seen + 1);
		l->next = hub.first;
		hub.first = l;
		hub.n++;
	}
	(void)pthread_mutex_unlock(&hub.mutex);
	if (why != NULL)
		api_problem(c, 429, why);
}
