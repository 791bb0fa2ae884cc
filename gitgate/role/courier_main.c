/*
 * gitgate-courier RUN_DIR required|best-effort
 *
 * Descriptors at the start: 3 the supervisor's socket, 2 the log. RUN_DIR:
 * a private directory (0700) for the sockets of shared ssh connections.
 * Exit: 0 asked to end or the supervisor has gone; 75 (COURIER_EXIT_WALLS)
 * start me again with the same config, the walls no longer fit it: a new
 * config needs other files, or a credential's file was replaced; 1 broken.
 */
#include "role/courier.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES ((size_t)64 << 20)

/* Children get pipes at 0, 1 and 2: these must not be free for others. */
static void
fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}

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
	return config_courier_decode(buf_view(&bytes), out, err);
}

static int
first_walls(struct courier *c, struct walls *w, struct gg_error *err)
{
	int rc = walls_enter(w, c->required, err);

	if (rc != 0)
		return gg_wrap(err, rc, "sandbox");
	if (sandbox_landlock_abi() == 0 || !sandbox_has_seccomp())
		log_event(EV_sandbox_weak, kv_str("role", "courier"));
	c->walls = *w;
	*w = (struct walls){ 0 };
	return 0;
}

static int
take_config(struct courier *c, struct frame *f, struct gg_error *err)
{
	GG_AUTO_RELEASE(walls) w = { 0 };
	GG_AUTO(config) config = NULL;
	bool first = c->config == NULL;
	int rc = read_config(f, &config, err);

	if (rc != 0)
		return rc;
	walls_of_config(config, c->run_dir, &w);
	if (first && (rc = first_walls(c, &w, err)) != 0)
		return rc;
	if (!first && !walls_cover(&c->walls, &w)) {
		courier_drain(c, COURIER_EXIT_WALLS, -1);
		return 0;
	}
	config_free(c->config);
	c->config = gg_take(config);
	courier_forget_offers(c);
	upstream_forget_connections();
	log_event(first ? EV_started : EV_reloaded,
	    kv_u64("repositories", c->config->n_repositories));
	return 0;
}

static int
take_shutdown(struct courier *c, const struct frame *f, struct gg_error *err)
{
	struct dec d = dec_of(f->body);
	uint32_t grace_ms = dec_u32(&d);
	int rc = dec_end(&d, err);

	if (rc != 0)
		return rc;
	log_event(EV_stopping, kv_u64("grace_ms", grace_ms));
	courier_drain(c, 0, clock_mono_ms() + grace_ms);
	return 0;
}

/* One message of the supervisor. 1; 0: it has gone. */
static int
from_supervisor(struct courier *c, struct frame *f, struct gg_error *err)
{
	int rc = frame_recv(FRAME_PARENT_FD, ROLE_SUPERVISOR, ROLE_COURIER, f,
	    err);

	if (rc <= 0)
		return rc;
	switch ((int)f->type) {
	case MSG_COURIER_CONFIG:
		rc = take_config(c, f, err);
		break;
	case MSG_COURIER_GATE:
		if (f->n_fds != 1)
			return gg_fail(err, GG_E_PEER, "a gate without socket");
		courier_set_gate(c, frame_take_fd(f, 0));
		rc = 0;
		break;
	default:
		rc = take_shutdown(c, f, err);
		break;
	}
	return rc != 0 ? rc : 1;
}

/* Do files of credentials still lie where the walls have their holes? */
static void
check_walls(struct courier *c)
{
	GG_AUTO_RELEASE(walls) now = { 0 };

	if (c->config == NULL || c->draining ||
	    clock_mono_ms() < c->walls_checked + COURIER_WALLS_MS)
		return;
	c->walls_checked = clock_mono_ms();
	walls_of_config(c->config, c->run_dir, &now);
	if (!walls_cover(&c->walls, &now))
		courier_drain(c, COURIER_EXIT_WALLS, -1);
}

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
		check_walls(c);
		courier_add(c, j);
		if (c->draining)
			courier_drain(c, c->exit_code, -1);
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
	bool listening = c->gate != NULL && c->config != NULL && !c->draining;
	struct pollfd p[3] = {
		{ .fd = supervised ? FRAME_PARENT_FD : -1, .events = POLLIN },
		{ .fd = listening ? c->gate->sock : -1, .events = POLLIN },
		{ .fd = c->wake, .events = POLLIN },
	};
	int n = poll(p, GG_COUNT(p), courier_timeout(c)), rc = 1;

	if (n < 0 && errno != EINTR)
		return gg_fail(err, GG_E_SYS, "poll");
	if (n == 0)
		check_walls(c);
	if (n > 0 && listening && p[1].revents != 0)
		from_gate(c, f);
	if (n > 0 && p[0].revents != 0)
		rc = from_supervisor(c, f, err);
	courier_schedule(c);
	return rc;
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
			courier_drain(c, 0, -1);
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct gg_error err = { 0 };
	struct courier c;

	fill_standard_fds();
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
	if (serve(&c, &err) != 0) {
		log_event(EV_role_died, kv_str("role", "courier"),
		    kv_err(&err));
		_exit(1);
	}
	/* Threads that were not waited for end here, without destructors. */
	_exit(c.exit_code);
}
