/*
 * gitgate-messenger required|best-effort
 *
 * Descriptors at the start: 3 the supervisor's socket, 2 the log.
 * Exit: 0 asked to end or the supervisor has gone; 75 (SUPERVISED_EXIT_WALLS)
 * start me again with the same config, the walls no longer fit it: a new
 * config needs other files, or a secret's file was replaced; 1 broken.
 */
#include "role/messenger.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "role/messenger_delivery.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 5000

void
messenger_walls(const struct config *c, struct walls *out)
{
	walls_add_network(out);
	for (size_t i = 0; i < c->identity.n_issuers; i++) {
		walls_add(out, c->identity.issuers[i].jwks_file, SANDBOX_READ);
		walls_add(out, c->identity.issuers[i].ca_file, SANDBOX_READ);
	}
	for (size_t i = 0; i < c->identity.n_providers; i++) {
		const struct provider *p = &c->identity.providers[i];

		walls_add(out, p->client_secret_file, SANDBOX_READ);
		walls_add(out, p->ca_file, SANDBOX_READ);
	}
	for (size_t i = 0; i < c->n_notices; i++) {
		const struct notice_target *t = &c->notices[i];

		walls_add(out, t->url_file, SANDBOX_READ);
		walls_add(out, t->secret_file, SANDBOX_READ);
		walls_add(out, t->password_file, SANDBOX_READ);
		walls_add(out, t->ca_file, SANDBOX_READ);
	}
	for (size_t i = 0; i < c->n_witnesses; i++)
		walls_add(out, c->witnesses[i].ca_file, SANDBOX_READ);
	for (size_t i = 0; i < c->n_deliveries; i++) {
		const struct delivery_target *t = &c->deliveries[i];
		GG_AUTO_MEM char *dir = delivery_dir(t);

		walls_add(out, t->secret_file, SANDBOX_READ);
		walls_add(out, t->header_file, SANDBOX_READ);
		walls_add(out, t->ca_file, SANDBOX_READ);
		walls_add(out, dir, SANDBOX_READ | SANDBOX_WRITE);
	}
}

static void
drain(struct messenger *m, int code, int64_t deadline)
{
	m->sup.draining = true;
	m->sup.exit_code = code;
	m->sup.drain_deadline = deadline;
}

/* Who is asked to end has no gate any more: only notices are waited for; what
 * of the audit log is on its way comes again. Who starts afresh still owes answers. */
static bool
is_drained(const struct messenger *m)
{
	unsigned waits;

	if (!m->sup.draining)
		return false;
	waits = m->sup.exit_code == SUPERVISED_EXIT_WALLS ?
	    outgoing_running(m->outgoing) + deliveries_running(m) :
	    m->n_notices;
	return waits == 0 || clock_mono_ms() >= m->sup.drain_deadline;
}

/* -- what the supervisor says -- */

static void
walls(void *ctx, const struct config *c, struct walls *out)
{
	(void)ctx;
	messenger_walls(c, out);
}

static void
configured(void *ctx, bool first)
{
	const struct messenger *m = ctx;
	const struct config *c = m->sup.config;

	log_event(first ? EV_started : EV_reloaded,
	    kv_u64("issuers", c->identity.n_issuers),
	    kv_u64("providers", c->identity.n_providers),
	    kv_u64("notices", c->n_notices),
	    kv_u64("deliveries", c->n_deliveries));
}

static void
set_gate(void *ctx, int sock)
{
	struct messenger *m = ctx;

	if (m->gate >= 0) {
		(void)shutdown(m->gate, SHUT_RDWR);
		fd_close(m->gate);
	}
	m->gate = sock;
	m->gate_no++;
}

static void
leave(void *ctx)
{
	struct messenger *m = ctx;
	const struct limits *l = &m->sup.config->limits;

	drain(m, SUPERVISED_EXIT_WALLS,
	    clock_mono_ms() + (int64_t)l->messenger_ms + 1000);
}

static void
end(void *ctx, int64_t deadline)
{
	drain(ctx, 0, deadline);
}

static const struct supervised_way way = {
	.role = ROLE_MESSENGER,
	.config = MSG_MESSENGER_CONFIG,
	.gate = MSG_MESSENGER_GATE,
	.decode = config_messenger_decode,
	.walls = walls,
	.configured = configured,
	.set_gate = set_gate,
	.leave = leave,
	.end = end,
};

/* -- the loop -- */

/* A gate that breaks the protocol is left; the supervisor sees its end. */
static void
from_gate(struct messenger *m, struct frame *f)
{
	GG_AUTO_RELEASE(errand_order) o = { 0 };
	struct gg_error err = { 0 };
	int rc = frame_recv(m->gate, ROLE_GATE, ROLE_MESSENGER, f, &err);

	if (rc == 1 && errand_decode(f, &o, &err) == 0) {
		errand_run(m, f->id, &o);
		return;
	}
	if (rc != 0)
		log_event(EV_peer_malformed, kv_str("peer", "gate"),
		    kv_err(&err));
	set_gate(m, -1);
}

/* Is something to be read there, without waiting? */
static bool
is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Wait for the next event and deal with it. 0: the supervisor has gone. */
static int
serve_once(struct messenger *m, struct frame *f, struct gg_error *err)
{
	struct pollfd p[3] = { { .fd = FRAME_PARENT_FD, .events = POLLIN },
		{ .fd = m->wake, .events = POLLIN } };
	unsigned n = 2;
	int rc;

	if (!m->sup.draining && m->gate >= 0 && m->sup.config != NULL)
		p[n++] = (struct pollfd){ .fd = m->gate, .events = POLLIN };
	rc = outgoing_wait(m->outgoing, p, n, m->sup.draining ? 100 : TICK_MS,
	    err);
	if (rc != 0)
		return rc;
	/* The config of a gate that has it already comes before its errands. */
	while (is_readable(FRAME_PARENT_FD))
		if ((rc = supervised_read(&m->sup, f, err)) <= 0)
			return rc;
	supervised_check_walls(&m->sup);
	if (n == 3 && !m->sup.draining && m->gate == p[2].fd &&
	    is_readable(m->gate))
		from_gate(m, f);
	outgoing_turn(m->outgoing);
	deliveries_turn(m);
	return 1;
}

int
main(int argc, char **argv)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct messenger m = { .gate = -1, .sup = { .way = &way, .ctx = &m } };
	struct gg_error err = { 0 };
	int rc = 1;

	log_setup("messenger", LOG_INFO);
	if (argc != 2 ||
	    (strcmp(argv[1], "required") != 0 &&
		strcmp(argv[1], "best-effort") != 0)) {
		(void)fputs("usage: gitgate-messenger required|best-effort\n",
		    stderr);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a write fails instead */
	(void)signal(SIGINT, SIG_IGN);  /* a terminal's; the supervisor says */
	m.sup.required = strcmp(argv[1], "required") == 0;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    outgoing_new(&m.outgoing, &err) != 0 ||
	    (m.wake = deliveries_wake_fd(&err)) < 0)
		gg_die("cannot start: %s", err.msg);
	while (rc > 0 && !is_drained(&m))
		rc = serve_once(&m, &f, &err);
	if (rc < 0)
		log_event(EV_role_died, kv_str("role", "messenger"),
		    kv_err(&err));
	/* Resolver threads are not waited for. */
	_exit(rc < 0 ? 1 : m.sup.exit_code);
}
