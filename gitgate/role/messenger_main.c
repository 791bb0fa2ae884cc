/*
 * gitgate-messenger required|best-effort
 *
 * Descriptors at the start: 3 the supervisor's socket, 2 the log.
 * Exit: 0 asked to end or the supervisor has gone; 75 (MESSENGER_EXIT_WALLS)
 * start me again with the same config, the walls no longer fit it: a new
 * config needs other files, or a secret's file was replaced; 1 broken.
 */
#include "role/messenger.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "role/messenger_delivery.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES ((size_t)64 << 20)
#define TICK_MS          5000
#define WALLS_MS         1000 /* the walls are looked at once in so long */

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
	m->draining = true;
	m->exit_code = code;
	m->drain_deadline = deadline;
}

/* Who is asked to end has no gate any more: only notices are waited for; what
 * of the audit log is on its way comes again. Who starts afresh still owes answers. */
static bool
is_drained(const struct messenger *m)
{
	unsigned waits;

	if (!m->draining)
		return false;
	waits = m->exit_code == MESSENGER_EXIT_WALLS ?
	    outgoing_running(m->outgoing) + deliveries_running(m) :
	    m->n_notices;
	return waits == 0 || clock_mono_ms() >= m->drain_deadline;
}

static void
set_gate(struct messenger *m, int sock)
{
	if (m->gate >= 0) {
		(void)shutdown(m->gate, SHUT_RDWR);
		fd_close(m->gate);
	}
	m->gate = sock;
	m->gate_no++;
}

/* -- the supervisor's frames -- */

static int
read_config(struct frame *f, struct config **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(CONFIG_MAX_BYTES);
	GG_AUTO_FD fd = frame_take_fd(f, 0);
	struct dec d = dec_of(f->body);
	int rc;

	(void)dec_u32(&d);
	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	if (fd < 0)
		return gg_fail(err, GG_E_PEER, "a config without a descriptor");
	if ((rc = fd_pread_all(fd, &bytes, err)) != 0)
		return rc;
	return config_messenger_decode(buf_view(&bytes), out, err);
}

static int
first_walls(struct messenger *m, struct walls *w, struct gg_error *err)
{
	int rc = walls_enter(w, m->required, err);

	if (rc != 0)
		return gg_wrap(err, rc, "sandbox");
	m->walls = *w;
	*w = (struct walls){ 0 };
	return 0;
}

static void
leave_for_new_walls(struct messenger *m)
{
	drain(m, MESSENGER_EXIT_WALLS,
	    clock_mono_ms() + (int64_t)m->config->limits.messenger_ms + 1000);
}

static int
take_config(struct messenger *m, struct frame *f, struct gg_error *err)
{
	GG_AUTO_RELEASE(walls) w = { 0 };
	GG_AUTO(config) config = NULL;
	bool first = m->config == NULL;
	int rc = read_config(f, &config, err);

	if (rc != 0)
		return rc;
	messenger_walls(config, &w);
	if (first && (rc = first_walls(m, &w, err)) != 0)
		return rc;
	if (!first && !walls_cover(&m->walls, &w)) {
		leave_for_new_walls(m);
		return 0;
	}
	config_free(m->config);
	m->config = gg_take(config);
	log_event(first ? EV_started : EV_reloaded,
	    kv_u64("issuers", m->config->identity.n_issuers),
	    kv_u64("providers", m->config->identity.n_providers),
	    kv_u64("notices", m->config->n_notices),
	    kv_u64("deliveries", m->config->n_deliveries));
	return 0;
}

static int
take_shutdown(struct messenger *m, const struct frame *f, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	uint32_t grace_ms = dec_u32(&d);
	int rc = dec_end(&d, err);

	if (rc != 0)
		return rc;
	log_event(EV_stopping, kv_u64("grace_ms", grace_ms));
	drain(m, 0, clock_mono_ms() + grace_ms);
	return 0;
}

/* One message of the supervisor. 1; 0: it has gone. */
static int
from_supervisor(struct messenger *m, struct frame *f, struct gg_error *err)
{
	int rc = frame_recv(FRAME_PARENT_FD, ROLE_SUPERVISOR, ROLE_MESSENGER, f,
	    err);

	if (rc <= 0)
		return rc;
	switch ((int)f->type) {
	case MSG_MESSENGER_CONFIG:
		rc = take_config(m, f, err);
		break;
	case MSG_MESSENGER_GATE:
		if (f->n_fds != 1)
			return gg_fail(err, GG_E_PEER, "a gate without socket");
		set_gate(m, frame_take_fd(f, 0));
		rc = 0;
		break;
	default:
		rc = take_shutdown(m, f, err);
		break;
	}
	return rc != 0 ? rc : 1;
}

/* Do the files still lie where the walls have their holes? */
static void
check_walls(struct messenger *m)
{
	GG_AUTO_RELEASE(walls) now = { 0 };

	if (m->config == NULL || m->draining ||
	    clock_mono_ms() < m->walls_checked + WALLS_MS)
		return;
	m->walls_checked = clock_mono_ms();
	messenger_walls(m->config, &now);
	if (!walls_cover(&m->walls, &now))
		leave_for_new_walls(m);
}

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

/* -- the loop -- */

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

	if (!m->draining && m->gate >= 0 && m->config != NULL)
		p[n++] = (struct pollfd){ .fd = m->gate, .events = POLLIN };
	rc = outgoing_wait(m->outgoing, p, n, m->draining ? 100 : TICK_MS, err);
	if (rc != 0)
		return rc;
	/* The config of a gate that has it already comes before its errands. */
	while (is_readable(FRAME_PARENT_FD))
		if ((rc = from_supervisor(m, f, err)) <= 0)
			return rc;
	check_walls(m);
	if (n == 3 && !m->draining && m->gate == p[2].fd &&
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
	struct messenger m = { .gate = -1 };
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
	m.required = strcmp(argv[1], "required") == 0;
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
	_exit(rc < 0 ? 1 : m.exit_code);
}
