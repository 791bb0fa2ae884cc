/*
 * Refused credentials for the audit log. The first of an address is written at
 * once; those of the minute after it are counted and written as one entry,
 * so that nobody can fill the log, which forgets nothing, with wrong tokens.
 */
#include "base/clock.h"
#include "web/web_priv.h"

#include <pthread.h>

#define WINDOW_MS  60000
#define SLOTS      256 /* addresses at a time; more share the last one */
#define OVERFLOW   (SLOTS - 1)
#define REASON_MAX 120

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct slot {
	char addr[80];
	char reason[REASON_MAX];
	int64_t since; /* mono ms of the last entry; 0: free */
	uint64_t n;    /* refused since then */
} slots[SLOTS];

static void
write_entry(const struct web_ops *ops, const char *addr, const char *reason,
    uint64_t n, json_t *client)
{
	struct gg_error err = { 0 };
	json_t *e;

	if (client == NULL)
		client = json_pack("{s:o}", "addr", json_text(addr));
	e = json_pack("{s:s, s:o, s:o, s:I}", "type", "auth.failure", "client",
	    client, "reason", json_text(reason), "count", (json_int_t)n);
	/* What was refused stays so; the gate's log says if this fails. */
	if (e != NULL)
		(void)!ops->audit(ops->ctx, e, &err);
	json_decref(e);
}

/* The address's slot, a free one, or the one for all others. */
static struct slot *
slot_of(const char *addr)
{
	struct slot *free_one = &slots[OVERFLOW];

	for (size_t i = 0; i < OVERFLOW; i++) {
		if (slots[i].since != 0 && strcmp(slots[i].addr, addr) == 0)
			return &slots[i];
		if (slots[i].since == 0 && free_one == &slots[OVERFLOW])
			free_one = &slots[i];
	}
	return free_one;
}

void
refused_note(const struct web_call *c, const struct gg_error *why)
{
	const char *addr = http_client_addr(c->rq);
	int64_t now = clock_mono_ms();
	struct slot *s;
	bool first;

	pthread_mutex_lock(&mutex);
	s = slot_of(addr);
	first = s->since == 0;
	(void)snprintf(s->reason, sizeof(s->reason), "%.*s", REASON_MAX - 1,
	    why->msg);
	if (first) {
		(void)snprintf(s->addr, sizeof(s->addr), "%s",
		    s == &slots[OVERFLOW] ? "" : addr);
		s->since = now > 0 ? now : 1;
	} else {
		s->n++;
	}
	pthread_mutex_unlock(&mutex);
	if (first)
		write_entry(c->ops, addr, why->msg, 1, auth_client_json(c));
}

void
refused_flush(const struct web_ops *ops)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot due = { .since = 0 };

		pthread_mutex_lock(&mutex);
		if (slots[i].since != 0 && now - slots[i].since >= WINDOW_MS) {
			due = slots[i];
			/* One that goes on is gathered further. */
			slots[i].since = due.n > 0 ? now : 0;
			slots[i].n = 0;
		}
		pthread_mutex_unlock(&mutex);
		if (due.n > 0)
			write_entry(ops, due.addr, due.reason, due.n, NULL);
	}
}

void
web_note_refused(const struct web_ops *ops, struct http_request *rq,
    const struct gg_error *why)
{
	const struct web_call c = { .ops = ops, .rq = rq };

	refused_note(&c, why);
}
