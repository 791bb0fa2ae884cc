/*
 * gitgate-hook: runs one hook program for the gate, then ends. It has no
 * state directory, no keys and no database; the program gets JSON on standard
 * input, a clean environment and bounded time, memory and output.
 *
 * argv: HOOKS_DIR required|best-effort
 */
#include "base/auto.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "role/hook_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX_BYTES 400

struct job {
	char *program;
	uint64_t wall_ms, out_max;
	int input, output;
};

struct result {
	uint32_t code;
	bool timed_out;
	uint64_t out_bytes;
	struct buf words; /* the start of what it said on standard error */
};

static int
read_job(struct frame *f, struct job *j, struct gg_error *err)
{
	struct dec d = dec_of(f->body);

	j->program = dec_str(&d, PATH_MAX - 1);
	j->wall_ms = dec_u64(&d);
	j->out_max = dec_u64(&d);
	j->input = frame_take_fd(f, 0);
	j->output = frame_take_fd(f, 1);
	if (j->input < 0 || j->output < 0)
		return gg_fail(err, GG_E_PEER, "a hook's files are missing");
	return dec_end(&d, err);
}

static void
complain(const char *why)
{
	(void)!write(STDERR_FILENO, why, strlen(why));
}

/* Between fork and exec: async-signal-safe calls only. */
_Noreturn static void
become(const struct job *j, int out, int words, pid_t runner)
{
	static char *const env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
		(char *)(uintptr_t) "LC_ALL=C.UTF-8",
		(char *)(uintptr_t) "HOME=/nonexistent", NULL };
	char *const args[] = { j->program, NULL };

	(void)setsid();
	/* Should we be killed, nobody ends it in our place. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != runner)
		_exit(126);
	if (dup2(j->input, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(words, STDERR_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, UINT_MAX, 0) != 0 || chdir("/") != 0)
		_exit(126);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execve(j->program, args, env);
	complain(errno == ENOENT ? "it, or its interpreter, is not there" :
		errno == EACCES  ? "it is not executable" :
				   "the system cannot execute it");
	_exit(127);
}

/* Move what is there; false at the end of fd. Beyond max it is dropped. */
static bool
drain(int fd, struct result *r, const struct job *j, bool is_output)
{
	char chunk[16384];
	ssize_t n = read(fd, chunk, sizeof(chunk));
	struct gg_error ignored;

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	if (!is_output) {
		size_t room = WORDS_MAX_BYTES - r->words.n;

		buf_add(&r->words, chunk, (size_t)n < room ? (size_t)n : room);
		return true;
	}
	r->out_bytes += (uint64_t)n;
	if (r->out_bytes <= j->out_max &&
	    fd_write_all(j->output, view_of(chunk, (size_t)n), &ignored) != 0)
		r->out_bytes = j->out_max + 1;
	return true;
}

/*
 * End the program and all that it began, also what has left its process group
 * or closed our pipes: this process is the reaper of its orphans, so sooner or
 * later each of them is our child.
 */
static void
end_all(int children)
{
	char text[4096];

	do {
		ssize_t n = pread(children, text, sizeof(text), 0);
		pid_t pid = 0;

		/* each pid is followed by a space; one that is cut is not */
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid > 1)
				(void)kill(pid, SIGKILL);
			pid = 0;
		}
	} while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR);
}

enum { AT_OUT, AT_WORDS, AT_END, AT_GATE, N_WATCHED };

/* Until the program has ended, or is to be ended: nobody waits for the answer
 * of a gate that has gone. */
static void
watch(struct pollfd *p, const struct job *j, struct result *r)
{
	int64_t deadline = clock_mono_ms() + (int64_t)j->wall_ms;

	for (;;) {
		int64_t left = deadline - clock_mono_ms();

		if (left <= 0 || r->out_bytes > j->out_max) {
			r->timed_out = left <= 0;
			return;
		}
		if (poll(p, N_WATCHED, left < INT_MAX ? (int)left : INT_MAX) <=
		    0)
			continue;
		for (int i = AT_OUT; i <= AT_WORDS; i++)
			if (p[i].fd >= 0 && p[i].revents != 0 &&
			    !drain(p[i].fd, r, j, i == AT_OUT))
				p[i].fd = -1;
		if (p[AT_END].revents != 0 || p[AT_GATE].revents != 0)
			return;
	}
}

/* The program has ended, and all of its writers: what the pipes still hold. */
static void
drain_rest(struct pollfd *p, const struct job *j, struct result *r)
{
	for (int i = AT_OUT; i <= AT_WORDS; i++)
		while (p[i].fd >= 0 && drain(p[i].fd, r, j, i == AT_OUT))
			continue;
}

static int
start(const struct job *j, int out, int words, pid_t *pid, struct gg_error *err)
{
	pid_t runner = getpid();

	if ((*pid = fork()) < 0)
		return gg_fail(err, GG_E_SYS, "fork");
	if (*pid == 0)
		become(j, out, words, runner);
	return 0;
}

static void
note_end(pid_t pid, struct result *r)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	r->code = WIFSIGNALED(status) ? 128 + (uint32_t)WTERMSIG(status) :
					(uint32_t)WEXITSTATUS(status);
}

static int
run(const struct job *j, int children, struct result *r, struct gg_error *err)
{
	int out[2], words[2], rc;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	GG_AUTO_FD out_r = out[0], out_w = out[1];

	if (pipe2(words, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	GG_AUTO_FD words_r = words[0], words_w = words[1];

	if ((rc = start(j, out_w, words_w, &pid, err)) != 0)
		return rc;
	GG_AUTO_FD end = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p[N_WATCHED] = { { .fd = out_r, .events = POLLIN },
		{ .fd = words_r, .events = POLLIN },
		{ .fd = end, .events = POLLIN },
		{ .fd = FRAME_PARENT_FD, .events = POLLRDHUP } };

	fd_close(fd_take(&out_w));
	fd_close(fd_take(&words_w));
	if (end >= 0)
		watch(p, j, r);
	(void)kill(pid, SIGKILL);
	note_end(pid, r);
	end_all(children);
	if (end < 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "pidfd_open");
	drain_rest(p, j, r);
	return 0;
}

static int
answer(const struct result *r, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(1024);

	enc_u32(&body, r->code);
	enc_u8(&body, r->timed_out ? 1 : 0);
	enc_u64(&body, r->out_bytes);
	for (size_t i = 0; i < r->words.n; i++)
		if (r->words.p[i] == '\0')
			r->words.p[i] = '?';
	enc_str(&body, buf_str(&r->words));
	return frame_send(FRAME_PARENT_FD, MSG_HOOK_DONE, 0, buf_view(&body),
	    NULL, 0, err);
}

/* The list of our children, which stays readable behind the walls. */
static int
open_children(struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("/proc/self/task/%d/children",
	    (int)getpid());
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
		fd_close(fd);
		return gg_fail(err, GG_E_SYS, "%s", path);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct job j = { .input = -1, .output = -1 };
	struct result r = { .words = BUF_INIT(WORDS_MAX_BYTES + 1) };
	struct gg_error err = { 0 };

	if (argc != 3)
		gg_die("gitgate-hook is started by `gitgate serve`");
	log_setup("hook", LOG_INFO);
	(void)fcntl(FRAME_PARENT_FD, F_SETFD, FD_CLOEXEC);
	(void)signal(SIGPIPE, SIG_IGN);
	GG_AUTO_FD children = open_children(&err);

	if (children < 0 ||
	    hook_walls(argv[1], strcmp(argv[2], "best-effort") != 0, &err) !=
		0 ||
	    frame_recv(FRAME_PARENT_FD, ROLE_GATE, ROLE_HOOK, &f, &err) <= 0 ||
	    read_job(&f, &j, &err) != 0 || run(&j, children, &r, &err) != 0 ||
	    answer(&r, &err) != 0) {
		if (err.code != 0)
			log_event(EV_hook_failed, kv_err(&err));
		return 1;
	}
	return 0;
}
