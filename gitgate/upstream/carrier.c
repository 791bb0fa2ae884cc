#include "upstream/carrier.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHUNK_BYTES     65536
#define SEND_BYTES      (1 << 20)
#define TERM_GRACE_MS   2000
#define PIPE_BYTES      (1 << 20)
#define POLL_CEILING_MS 60000

static int
make_pipe(int *read_end, int *write_end, struct gg_error *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	*read_end = p[0];
	*write_end = p[1];
	return 0;
}

static int
spawn(struct carrier *c, const int ends[3], char *const argv[],
    char *const envp[], struct gg_error *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t all, none;
	int rc;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	if (posix_spawn_file_actions_init(&fa) != 0)
		return gg_fail(err, GG_E_NOMEM, "starting a child");
	if (posix_spawnattr_init(&at) != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return gg_fail(err, GG_E_NOMEM, "starting a child");
	}
	rc = posix_spawnattr_setflags(&at,
	    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
		POSIX_SPAWN_SETSIGMASK);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(&at, &all);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(&at, &none);
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = posix_spawn_file_actions_adddup2(&fa, ends[i], i);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	if (rc == 0)
		rc = posix_spawn(&c->pid, argv[0], &fa, &at, argv, envp);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	if (rc != 0) {
		c->pid = 0;
		errno = rc;
		return gg_fail(err, GG_E_SYS, "starting %s", argv[0]);
	}
	return 0;
}

int
carrier_start(struct carrier *c, char *const argv[], char *const envp[],
    struct gg_error *err)
{
	GG_AUTO_FD in = -1;
	GG_AUTO_FD out = -1;
	GG_AUTO_FD errs = -1;
	int rc;

	*c = CARRIER_INIT;
	if ((rc = make_pipe(&in, &c->in, err)) == 0)
		rc = make_pipe(&c->out, &out, err);
	if (rc == 0)
		rc = make_pipe(&c->err, &errs, err);
	if (rc == 0)
		rc = fd_nonblock(c->in, true, err);
	if (rc == 0)
		rc = fd_nonblock(c->out, true, err);
	if (rc == 0)
		rc = fd_nonblock(c->err, true, err);
	if (rc == 0)
		rc = spawn(c, (const int[]){ in, out, errs }, argv, envp, err);
	if (rc != 0) {
		carrier_release(c);
		return rc;
	}
	(void)fcntl(c->in, F_SETPIPE_SZ, PIPE_BYTES);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return 0;
}

/* Keep the first CARRIER_TEXT_BYTES of stderr, read the rest away. */
static void
drain_text(struct carrier *c)
{
	char chunk[1024];
	ssize_t n;

	if (c->err < 0)
		return;
	while ((n = read(c->err, chunk, sizeof(chunk))) > 0) {
		size_t room = c->text.max - c->text.n;

		buf_add(&c->text, chunk, (size_t)n < room ? (size_t)n : room);
	}
	if (n == 0)
		fd_close(fd_take(&c->err));
}

static bool
has_more(const struct carrier_io *io)
{
	return io->head.n > 0 || (io->file >= 0 && io->at < io->end);
}

/* Send a piece. 0; negative: the child takes no more (not an error yet: it
 * may have said why on stdout). GG_E_SYS: our own file failed. */
static int
send_some(struct carrier *c, struct carrier_io *io, struct gg_error *err)
{
	off_t left = io->end - io->at;
	ssize_t n;

	if (io->head.n > 0)
		n = write(c->in, io->head.p, io->head.n);
	else
		n = sendfile(c->in, io->file, &io->at,
		    (size_t)(left < SEND_BYTES ? left : SEND_BYTES));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno == EPIPE) {
		fd_close(fd_take(&c->in));
		return 0;
	}
	if (n < 0)
		return gg_fail(err, GG_E_SYS, "sending to upstream");
	if (n == 0)
		return gg_fail(err, GG_E_CORRUPT, "the pack file was cut");
	if (io->head.n > 0)
		view_skip(&io->head, (size_t)n);
	if (io->begun != NULL)
		*io->begun = true;
	return 0;
}

/* 1: got some or nothing was there; 0: ended. */
static int
receive_some(struct carrier *c, struct carrier_io *io, int *verdict,
    struct gg_error *err)
{
	char chunk[CHUNK_BYTES];
	ssize_t n = read(c->out, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n < 0)
		return gg_fail(err, GG_E_SYS, "reading from upstream");
	if (n == 0) {
		fd_close(fd_take(&c->out));
		return 0;
	}
	/* After a verdict the rest is read only so that sending can end. */
	if (*verdict == 0)
		*verdict = io->take(io->ctx, view_of(chunk, (size_t)n), err);
	return 1;
}

static int
wait_ready(struct carrier *c, const struct carrier_io *io, struct pollfd p[3],
    struct gg_error *err)
{
	int64_t left = io->deadline - clock_mono_ms();
	int64_t wait = io->idle_ms < left ? io->idle_ms : left;
	int n;

	p[0] = (struct pollfd){ .fd = has_more(io) ? c->in : -1,
		.events = POLLOUT };
	p[1] = (struct pollfd){ .fd = c->out, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = c->err, .events = POLLIN };
	if (left <= 0)
		return gg_fail(err, GG_E_LIMIT,
		    "limit upstream-total: the exchange took too long");
	n = poll(p, 3, (int)(wait < POLL_CEILING_MS ? wait : POLL_CEILING_MS));
	if (n < 0 && errno != EINTR)
		return gg_fail(err, GG_E_SYS, "poll");
	return n > 0 ? 1 : 0;
}

/* One round. 1: go on, 0: stdout ended. */
static int
pump_once(struct carrier *c, struct carrier_io *io, int64_t *last, int *verdict,
    struct gg_error *err)
{
	struct pollfd p[3];
	int rc = wait_ready(c, io, p, err);

	if (rc < 0)
		return rc;
	if (rc == 0 && clock_mono_ms() - *last >= io->idle_ms)
		return gg_fail(err, GG_E_LIMIT,
		    "limit upstream-idle: upstream says nothing");
	if (rc == 0)
		return 1;
	if (p[2].revents != 0)
		drain_text(c);
	if ((p[0].revents | p[1].revents) != 0)
		*last = clock_mono_ms();
	if (p[0].revents != 0 && (rc = send_some(c, io, err)) < 0)
		return rc;
	if (p[1].revents != 0)
		return receive_some(c, io, verdict, err);
	return 1;
}

int
carrier_pump(struct carrier *c, struct carrier_io *io, struct gg_error *err)
{
	int64_t last = clock_mono_ms();
	int verdict = 0, rc;

	for (;;) {
		bool sending = has_more(io) && c->in >= 0;

		if (!sending && io->close_in)
			fd_close(fd_take(&c->in));
		if (verdict != 0 && !sending)
			return verdict;
		if (c->out < 0)
			return verdict;
		if ((rc = pump_once(c, io, &last, &verdict, err)) < 0)
			return verdict < 0 ? verdict : rc;
		if (rc == 0)
			return verdict;
	}
}

/* 1: it has ended and was reaped. */
static int
wait_end(struct carrier *c, int64_t ms, int *status)
{
	struct gg_error ignored;
	pid_t got;

	if (c->pidfd >= 0)
		(void)fd_wait_readable(c->pidfd, clock_mono_ms() + ms,
		    &ignored);
	do
		got = waitpid(c->pid, status, c->pidfd >= 0 ? WNOHANG : 0);
	while (got < 0 && errno == EINTR);
	return got != 0;
}

void
carrier_end(struct carrier *c, int64_t grace_ms, int *status)
{
	int got = -1;

	fd_close(fd_take(&c->in));
	if (c->pid > 0 && !wait_end(c, grace_ms, &got)) {
		(void)kill(c->pid, SIGTERM);
		if (!wait_end(c, TERM_GRACE_MS, &got)) {
			(void)kill(c->pid, SIGKILL);
			(void)wait_end(c, TERM_GRACE_MS, &got);
		}
	}
	c->pid = 0;
	drain_text(c);
	fd_close(fd_take(&c->out));
	fd_close(fd_take(&c->err));
	fd_close(fd_take(&c->pidfd));
	if (status != NULL)
		*status = got;
}

void
carrier_release(struct carrier *c)
{
	carrier_end(c, 0, NULL);
	buf_release(&c->text);
}
