#include "role/messenger_delivery.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "outgoing/append.h"
#include "outgoing/journal.h"
#include "outgoing/syslog.h"
#include "role/delivery_batch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#define HEADERS_MAX_BYTES 8192
#define HEADERS_MAX       16

/* One under way: the thread's until done is set, then the main thread's. */
struct delivery_run {
	struct delivery_run *next;
	uint64_t gate_no;
	uint32_t id;
	int wake;
	struct delivery_target target; /* a copy: the config may go */
	struct buf body;
	int64_t deadline_ms;
	atomic_bool done;
	int rc;
	struct gg_error err;
};

static void
run_free(struct delivery_run *r)
{
	delivery_target_release(&r->target);
	buf_release(&r->body);
	free(r);
}

static int
deliver(struct delivery_run *r, struct gg_error *err)
{
	GG_AUTO_RELEASE(delivery_batch) b = { 0 };
	int rc = delivery_batch_decode(buf_view(&r->body), &b, err);

	if (rc != 0)
		return rc;
	FAILPOINT("delivery.write");
	switch (r->target.kind) {
	case DELIVER_FILE:
		return append_records(r->target.path, b.head, b.v, b.n, err);
	case DELIVER_SYSLOG:
		return syslog_send(&r->target, b.v, b.n, r->deadline_ms, err);
	case DELIVER_JOURNALD:
		return journal_send(r->target.path, b.v, b.n, r->deadline_ms,
		    err);
	case DELIVER_WEBHOOK:
		break;
	}
	return gg_fail(err, GG_E_INPUT, "a webhook needs no thread");
}

static void *
run_thread(void *arg)
{
	struct delivery_run *r = arg;
	int wake = r->wake;

	r->rc = deliver(r, &r->err);
	FAILPOINT("delivery.written");
	atomic_store(&r->done, true);
	/* *r is the main thread's now. A full counter is readable, too. */
	(void)!eventfd_write(wake, 1);
	return NULL;
}

bool
delivery_has_thread(const struct config *c, const struct errand_order *o)
{
	const struct delivery_target *t = o->kind == ERRAND_DELIVERY ?
	    config_find_delivery(c, o->name) :
	    NULL;

	return t != NULL && t->kind != DELIVER_WEBHOOK;
}

static bool
is_busy(const struct messenger *m, const char *name)
{
	for (const struct delivery_run *r = m->deliveries; r != NULL;
	     r = r->next)
		if (strcmp(r->target.name, name) == 0)
			return true;
	return false;
}

int
delivery_begin(struct messenger *m, uint32_t id, struct errand_order *o,
    struct gg_error *err)
{
	struct delivery_run *r;
	pthread_t thread;

	if (is_busy(m, o->name))
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "what it was given before has not ended");
	if ((r = calloc(1, sizeof(*r))) == NULL)
		gg_die("no memory for a delivery");
	r->gate_no = m->gate_no;
	r->id = id;
	r->wake = m->wake;
	delivery_target_copy(&r->target,
	    config_find_delivery(m->sup.config, o->name));
	r->body = o->body;
	buf_init(&o->body, 0);
	r->deadline_ms = clock_mono_ms() +
	    (int64_t)m->sup.config->limits.delivery_ms;
	if (pthread_create(&thread, NULL, run_thread, r) != 0) {
		run_free(r);
		return gg_fail(err, GG_E_UNAVAILABLE, "no thread for it");
	}
	(void)pthread_detach(thread);
	r->next = m->deliveries;
	m->deliveries = r;
	return 0;
}

int
deliveries_wake_fd(struct gg_error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd >= 0 ? fd : gg_fail(err, GG_E_SYS, "eventfd");
}

static void
answer_run(struct messenger *m, const struct delivery_run *r)
{
	const struct outgoing_answer a = { .status = 200 };

	if (r->rc != 0)
		log_event(EV_errand_failed, kv_str("errand", "delivery"),
		    kv_str("name", r->target.name), kv_err(&r->err));
	if (m->gate < 0 || r->gate_no != m->gate_no)
		return;
	if (r->rc == 0)
		errand_answer(m, r->id, &a);
	else
		errand_answer_failed(m, r->id, r->rc, &r->err);
}

void
deliveries_turn(struct messenger *m)
{
	struct delivery_run **at = &m->deliveries;
	eventfd_t ignored;

	(void)!eventfd_read(m->wake, &ignored);
	while (*at != NULL) {
		struct delivery_run *r = *at;

		if (!atomic_load(&r->done)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		answer_run(m, r);
		run_free(r);
	}
}

unsigned
deliveries_running(const struct messenger *m)
{
	unsigned n = 0;

	for (const struct delivery_run *r = m->deliveries; r != NULL;
	     r = r->next)
		n++;
	return n;
}

/* -- webhooks -- */

/* "audit-" and what digits and letters the gate made. */
static bool
is_id(const char *id)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	return strncmp(id, "audit-", 6) == 0 && strlen(id) < 128 &&
	    strspn(id, chars) == strlen(id);
}

/* A name that the operator may set: not one that says what is sent, or that
 * we made it. */
static bool
is_free_name(struct view name)
{
	static const char *const ours[] = { "host", "content-", "webhook-",
		"transfer-encoding", "connection", "expect", "te", "trailer",
		"upgrade" };
	static const char token[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	GG_AUTO_MEM char *s = view_dup(name);

	if (s == NULL || s[0] == '\0' || s[strspn(s, token)] != '\0')
		return false;
	for (size_t i = 0; i < GG_COUNT(ours); i++) {
		size_t n = strlen(ours[i]);
		bool prefix = ours[i][n - 1] == '-';

		if (strncasecmp(s, ours[i], n) == 0 && (prefix || s[n] == '\0'))
			return false;
	}
	return true;
}

static int
add_header(struct strv *headers, struct view line, struct gg_error *err)
{
	struct view name, value = line;

	while (line.n > 0 && strchr("\r ", line.p[line.n - 1]) != NULL)
		line.n--;
	if (line.n == 0)
		return 0;
	value = line;
	if (!view_cut(&value, ':', &name) || !is_free_name(name) ||
	    headers->n > HEADERS_MAX)
		return gg_fail(err, GG_E_INPUT,
		    "the header file has a line that is no header of its own, as in \"Authorization: Bearer ...\"");
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < ' ' || value.p[i] == 127)
			return gg_fail(err, GG_E_INPUT,
			    "the header file has a control character");
	strv_addv(headers, line);
	return 0;
}

static int
add_headers(const char *file, struct strv *headers, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(HEADERS_MAX_BYTES);
	int rc = file_read_secret(file, &text, err);
	struct view left = buf_view(&text), line;
	bool more = rc == 0;

	while (more && rc == 0) {
		if (!(more = view_cut(&left, '\n', &line)))
			line = left;
		rc = add_header(headers, line, err);
	}
	if (text.p != NULL)
		explicit_bzero(text.p, text.n);
	return rc;
}

int
delivery_prepare(const struct delivery_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(delivery_batch) b = { 0 };
	int rc;

	if (!is_id(o->id))
		return gg_fail(err, GG_E_PEER, "a delivery without an id");
	if ((rc = delivery_batch_decode(buf_view(&o->body), &b, err)) != 0)
		return rc;
	buf_adds(&out->body, b.head);
	for (size_t i = 0; i < b.n; i++)
		buf_addv(&out->body, b.v[i].text);
	out->r.kind = OUTGOING_POST;
	out->r.url = t->url;
	out->r.ca_file = t->ca_file;
	out->r.reach = t->allow_private || strncmp(t->url, "http://", 7) == 0 ?
	    REACH_NAMED :
	    REACH_PUBLIC;
	strv_addf(&out->headers, "Content-Type: %s", b.content_type);
	strv_addf(&out->headers, "webhook-id: %s", o->id);
	if (t->header_file != NULL &&
	    (rc = add_headers(t->header_file, &out->headers, err)) != 0)
		return rc;
	if (t->secret_file == NULL)
		return buf_check(&out->body, err);
	return webhook_sign(t->secret_file, o->id, now_s, out, err);
}
