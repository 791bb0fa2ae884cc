/*
 * gitgate-courier RUN_DIR required|best-effort
 *
 * Descriptors at the start: 3 the supervisor's socket, 2 the log. RUN_DIR:
 * a private directory (0700) for the sockets of shared ssh connections.
 * Exit: 0 asked to end or the supervisor has gone; 75 (SUPERVISED_EXIT_WALLS)
 * start me again with the same config, the walls no longer fit it: a new
 * config needs other files, or a credential's file was replaced; 1 broken.
 */
#include "role/courier.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* -- what the supervisor says -- */

static void
walls(void *ctx, const struct config *config, struct walls *out)
{
	const struct courier *c = ctx;

	walls_of_config(config, c->run_dir, out);
}

static void
configured(void *ctx, bool first)
{
	struct courier *c = ctx;

	if (first && (sandbox_landlock_abi() == 0 || !sandbox_has_seccomp()))
		log_event(EV_sandbox_weak, kv_str("role", "courier"));
	courier_forget_offers(c);
	upstream_forget_connections();
	log_event(first ? EV_started : EV_reloaded,
	    kv_u64("repositories", c->sup.config->n_repositories));
}

static void
set_gate(void *ctx, int sock)
{
	courier_set_gate(ctx, sock);
}

static void
leave(void *ctx)
{
	courier_drain(ctx, SUPERVISED_EXIT_WALLS, -1);
}

static void
end(void *ctx, int64_t deadline)
{
	courier_drain(ctx, 0, deadline);
}

static const struct supervised_way way = {
	.role = ROLE_COURIER,
	.config = MSG_COURIER_CONFIG,
	.gate = MSG_COURIER_GATE,
	.decode = config_courier_decode,
	.walls = walls,
	.configured = configured,
	.set_gate = set_gate,
	.leave = leave,
	.end = end,
};

/* -- the loop -- */

/* A gate that breaks the protocol is left; the supervisor sees its end. */
static void
from_gate(struct courier *c, struct frame *f)
{
	struct gg_error err = { 0 };
	struct job *j = NULL;
	int rc = frame_recv(c->gate->sock, ROLE_GATE, ROLE_COURIER, f, &err);

	if (rc == 1)
		rc = job_decode(f, &j, &err) == 0 ? 1 : -1;
	if (rc == 1) {
		supervised_check_walls(&c->sup);
		courier_add(c, j);
		if (c->sup.draining)
			courier_drain(c, c->sup.exit_code, -1);
		return;
	}
	if (rc < 0)
		log_event(EV_peer_malformed, kv_str("peer", "gate"),
		    kv_err(&err));
	courier_set_gate(c, -1);
}

/* Wait for the next event and deal with it. 0: the supervisor has gone. */
static int
serve_once(struct courier *c, struct frame *f, bool supervised,
    struct gg_error *err)
{
	bool listening = c->gate != NULL && c->sup.config != NULL &&
	    !c->sup.draining;
	struct pollfd p[3] = {
		{ .fd = supervised ? FRAME_PARENT_FD : -1, .events = POLLIN },
		{ .fd = listening ? c->gate->sock : -1, .events = POLLIN },
		{ .fd = c->wake, .events = POLLIN },
	};
	int n = poll(p, GG_COUNT(p), courier_timeout(c)), rc = 1;

	if (n < 0 && errno != EINTR)
		return gg_fail(err, GG_E_SYS, "poll");
	if (n == 0)
		supervised_check_walls(&c->sup);
	if (n > 0 && listening && p[1].revents != 0)
		from_gate(c, f);
	if (n > 0 && p[0].revents != 0)
		rc = supervised_read(&c->sup, f, err);
	courier_schedule(c);
	return rc;
}

/*
 * Relays are ended as if we had been asked to stop. Who starts a supervisor
 * now waits for us: not for ever.
 */
static void
lost_supervisor(struct courier *c)
{
	const struct config *config = c->sup.config;
	int64_t grace = config == NULL ? 0 : (int64_t)config->limits.grace_ms;

	courier_drain(c, 0, clock_mono_ms() + grace);
}

static int
serve(struct courier *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	bool supervised = true;

	while (!courier_is_drained(c)) {
		int rc = serve_once(c, &f, supervised, err);

		if (rc < 0)
			return rc;
		if (rc == 0) {
			supervised = false;
			lost_supervisor(c);
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct gg_error err = { 0 };
	struct courier c;

	fd_fill_standard();
	log_setup("courier", LOG_INFO);
	if (argc != 3 ||
	    (strcmp(argv[2], "required") != 0 &&
		strcmp(argv[2], "best-effort") != 0)) {
		(void)fputs("usage: gitgate-courier RUN_DIR "
			    "required|best-effort\n",
		    stderr);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN); /* a terminal's; the supervisor says */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    upstream_start(&err) != 0)
		gg_die("cannot start: %s", err.msg);
	courier_init(&c, argv[1], strcmp(argv[2], "required") == 0);
	c.sup.way = &way;
	c.sup.ctx = &c;
	if (serve(&c, &err) != 0) {
		log_event(EV_role_died, kv_str("role", "courier"),
		    kv_err(&err));
		_exit(1);
	}
	/* Threads that were not waited for end here, without destructors. */
	_exit(c.sup.exit_code);
}
