#include "pack/index_child.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
	SAID_MAX = 8192,
	ARGS_MAX = 16,
	ENV_MAX = 24,
	REASON_MAX = 200,
};

struct index_child {
	pid_t pid; /* 0 once it has been waited for */
	int in, out, err;
	int64_t deadline; /* clock_mono_ms() */
	char *quarantine;
	struct buf said; /* stderr, its beginning */
	struct buf hash; /* stdout */
};

/* ---- what it is started with ---- */

static void
add_config(struct strv *env, unsigned i, const char *key, const char *value)
{
	strv_addf(env, "GIT_CONFIG_KEY_%u=%s", i, key);
	strv_addf(env, "GIT_CONFIG_VALUE_%u=%s", i, value);
}

static void
make_env(const struct push_job *job, struct strv *env)
{
	strv_addf(env, "GIT_DIR=%s", job->quarantine);
	strv_addf(env, "GIT_OBJECT_DIRECTORY=%s/objects", job->quarantine);
	strv_addf(env, "GIT_ALTERNATE_OBJECT_DIRECTORIES=%s/objects",
	    job->mirror);
	strv_add(env, "GIT_CONFIG_NOSYSTEM=1");
	strv_add(env, "GIT_CONFIG_GLOBAL=/dev/null");
	strv_add(env, "GIT_ATTR_NOSYSTEM=1");
	strv_add(env, "GIT_NO_REPLACE_OBJECTS=1");
	strv_add(env, "HOME=/nonexistent");
	strv_add(env, "PATH=/usr/bin:/bin");
	strv_add(env, "LC_ALL=C");
	strv_add(env, "GIT_CONFIG_COUNT=4");
	/* blobs above this are streamed, so memory stays flat */
	add_config(env, 0, "core.bigFileThreshold", "1m");
	/* after a crash the quarantine is made anew from the recorded pack;
	 * whoever moves it into the mirror syncs it first */
	add_config(env, 1, "core.fsync", "none");
	add_config(env, 2, "core.packedGitLimit", "256m");
	add_config(env, 3, "core.deltaBaseCacheLimit", "16m");
}

static void
make_args(const struct push_job *job, const char *strict, struct strv *args)
{
	strv_add(args, "git");
	strv_add(args, "index-pack");
	strv_add(args, "--stdin");
	strv_add(args, "--fix-thin");
	strv_addf(args, "--strict%s%s", strict[0] ? "=" : "", strict);
	strv_add(args, "--threads=1");
	strv_add(args, "--index-version=2");
	strv_addf(args, "--max-input-size=%llu",
	    (unsigned long long)job->limits.pack_bytes);
}

static void
set_limit(__rlimit_resource_t what, uint64_t value, uint64_t hard)
{
	struct rlimit r = { value, hard };

	if (value > 0)
		(void)setrlimit(what, &r);
}

/* In the child, between fork and exec: system calls only. */
static _Noreturn void
run(char *const *args, char *const *env, const struct job_limits *l,
    const int fds[3], pid_t parent)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) != i)
			_exit(127);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	set_limit(RLIMIT_DATA, l->memory_bytes, l->memory_bytes);
	if (l->cpu_ms > 0) /* the soft one says why, the hard one does not */
		set_limit(RLIMIT_CPU, l->cpu_ms / 1000 + 1,
		    l->cpu_ms / 1000 + 2);
	(void)execve("/usr/bin/git", args, env);
	_exit(127);
}

/* dup2() onto itself would keep CLOEXEC: the ends must lie above 2. */
static int
make_pipe(int *r, int *w, struct gg_error *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	*r = fcntl(p[0], F_DUPFD_CLOEXEC, 3);
	*w = fcntl(p[1], F_DUPFD_CLOEXEC, 3);
	fd_close(p[0]);
	fd_close(p[1]);
	if (*r < 0 || *w < 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	return 0;
}

static int
spawn(struct index_child *c, const struct push_job *job, const char *strict,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) args = STRV_INIT;
	GG_AUTO_RELEASE(strv) env = STRV_INIT;
	GG_AUTO_FD in = -1;
	GG_AUTO_FD out = -1;
	GG_AUTO_FD text = -1;
	pid_t parent = getpid(), pid;
	int rc;

	make_args(job, strict, &args);
	make_env(job, &env);
	if ((rc = strv_check(&args, err)) != 0 ||
	    (rc = strv_check(&env, err)) != 0)
		return rc;
	if ((rc = make_pipe(&in, &c->in, err)) != 0 ||
	    (rc = make_pipe(&c->out, &out, err)) != 0 ||
	    (rc = make_pipe(&c->err, &text, err)) != 0)
		return rc;
	if ((rc = fd_nonblock(c->in, true, err)) != 0 ||
	    (rc = fd_nonblock(c->out, true, err)) != 0 ||
	    (rc = fd_nonblock(c->err, true, err)) != 0)
		return rc;
	if ((pid = fork()) < 0)
		return gg_fail(err, GG_E_SYS, "fork");
	if (pid == 0)
		run(args.v, env.v, &job->limits, (int[3]){ in, out, text },
		    parent);
	c->pid = pid;
	return 0;
}

int
index_child_start(const struct push_job *job, const char *strict,
    struct index_child **out, struct gg_error *err)
{
	GG_AUTO(index_child) c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return gg_fail(err, GG_E_NOMEM, "index-pack");
	c->in = c->out = c->err = -1;
	buf_init(&c->said, SAID_MAX);
	buf_init(&c->hash, SAID_MAX);
	c->deadline = clock_mono_ms() +
	    (job->limits.wall_ms > INT_MAX ? INT_MAX :
					     (int64_t)job->limits.wall_ms);
	c->quarantine = path_f("%s", job->quarantine);
	if ((rc = spawn(c, job, strict, err)) != 0)
		return rc;
	*out = gg_take(c);
	return 0;
}

void
index_child_free(struct index_child *c)
{
	if (c == NULL)
		return;
	if (c->pid > 0) {
		(void)kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	fd_close(c->in);
	fd_close(c->out);
	fd_close(c->err);
	buf_release(&c->said);
	buf_release(&c->hash);
	free(c->quarantine);
	free(c);
}

/* ---- talking to it ---- */

/* Read what is there; keep the beginning, drop the rest. */
static void
drain(int *fd, struct buf *into)
{
	char piece[4096];
	ssize_t n;
	size_t room;

	for (;;) {
		n = read(*fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			fd_close(*fd);
			*fd = -1;
			return;
		}
		room = into->max - into->n;
		buf_add(into, piece, (size_t)n < room ? (size_t)n : room);
	}
}

/* Wait until input can be written (if wanted) or output was read. */
static int
pump(struct index_child *c, bool *can_write, struct gg_error *err)
{
	struct pollfd p[3] = {
		{ .fd = can_write != NULL ? c->in : -1, .events = POLLOUT },
		{ .fd = c->out, .events = POLLIN },
		{ .fd = c->err, .events = POLLIN },
	};
	int64_t left = c->deadline - clock_mono_ms();
	int n;

	if (left <= 0)
		return gg_fail(err, GG_E_LIMIT,
		    "looking at the push takes too long");
	n = poll(p, 3, left > INT_MAX ? INT_MAX : (int)left);
	if (n < 0 && errno != EINTR)
		return gg_fail(err, GG_E_SYS, "poll");
	if (n <= 0)
		return 0;
	if (p[1].revents != 0)
		drain(&c->out, &c->hash);
	if (p[2].revents != 0)
		drain(&c->err, &c->said);
	if (can_write != NULL)
		*can_write = p[0].revents != 0;
	return 0;
}

/* SIGPIPE is the caller's business: it is blocked around the write. */
static ssize_t
write_quietly(int fd, struct view v)
{
	struct timespec no_time = { 0 };
	sigset_t pipe_only, before;
	ssize_t n;
	int e;

	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &pipe_only, &before);
	n = write(fd, v.p, v.n);
	e = errno;
	if (n < 0 && e == EPIPE)
		(void)sigtimedwait(&pipe_only, NULL, &no_time);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	errno = e;
	return n;
}

int
index_child_write(struct index_child *c, struct view piece,
    struct gg_error *err)
{
	bool ready = true;
	ssize_t n;
	int rc;

	while (piece.n > 0 && c->in >= 0) {
		n = ready ? write_quietly(c->in, piece) : -1;
		if (n >= 0) {
			view_skip(&piece, (size_t)n);
			continue;
		}
		if (ready && errno == EPIPE) {
			fd_close(c->in);
			c->in = -1;
			return 0;
		}
		if (ready && errno != EAGAIN && errno != EINTR)
			return gg_fail(err, GG_E_SYS, "write to index-pack");
		ready = false;
		if ((rc = pump(c, &ready, err)) != 0)
			return rc;
	}
	return 0;
}

/* ---- how it ended ---- */

static bool
holds(struct view v, const char *word)
{
	return v.n > 0 && memmem(v.p, v.n, word, strlen(word)) != NULL;
}

/* The first line of what it said that begins so, without that word. */
static bool
said_line(struct view said, const char *prefix, struct view *out)
{
	struct view line;

	while (said.n > 0) {
		if (!view_cut(&said, '\n', &line)) {
			line = said;
			said = view_of(NULL, 0);
		}
		if (!view_has_prefix(line, prefix))
			continue;
		view_skip(&line, strlen(prefix));
		*out = line;
		return true;
	}
	return false;
}

/* git's last words; of an object that is malformed, what is wrong with it. */
static struct view
reason(struct view said)
{
	struct view best = view_str("index-pack gave no reason");
	struct view line = { 0 };

	if (said_line(said, "fatal: ", &line))
		best = line;
	if ((holds(best, "fsck error") || line.p == NULL) &&
	    said_line(said, "error: ", &line))
		best = line;
	if (best.n > REASON_MAX)
		best.n = REASON_MAX;
	return best;
}

static int
by_signal(int sig, const char **limit, struct gg_error *err)
{
	if (sig == SIGXCPU) {
		*limit = "inspection-cpu";
		return gg_fail(err, GG_E_LIMIT,
		    "looking at the push burns too much CPU");
	}
	if (sig == SIGXFSZ) {
		*limit = "pack-size";
		return gg_fail(err, GG_E_LIMIT,
		    "the indexed pack is too large");
	}
	return gg_fail(err, GG_E_UNAVAILABLE, "index-pack died (signal %d)",
	    sig);
}

static int
by_status(const struct index_child *c, int status, const char **limit,
    struct gg_error *err)
{
	struct view why = reason(buf_view(&c->said));

	if (WIFSIGNALED(status))
		return by_signal(WTERMSIG(status), limit, err);
	if (WEXITSTATUS(status) == 0)
		return 0;
	if (WEXITSTATUS(status) == 127)
		return gg_fail(err, GG_E_UNAVAILABLE, "git cannot be started");
	if (holds(why, "ut of memory") || holds(why, "mmap failed") ||
	    holds(why, "unable to create thread")) {
		*limit = "inspection-memory";
		return gg_fail(err, GG_E_LIMIT,
		    "looking at the push needs too much memory");
	}
	if (holds(why, "No space left") || holds(why, "Permission denied") ||
	    holds(why, "Input/output error"))
		return gg_fail(err, GG_E_UNAVAILABLE, "index-pack: %.*s",
		    (int)why.n, why.p);
	if (holds(why, "exceeds maximum allowed size")) {
		*limit = "pack-size";
		return gg_fail(err, GG_E_LIMIT, "the pack is too large");
	}
	return gg_fail(err, GG_E_PEER, "%.*s", (int)why.n, why.p);
}

/* "pack\t<hash>\n" ("keep\t..." where a keep file was asked for). */
static int
idx_path(const struct index_child *c, char **idx, struct gg_error *err)
{
	struct view v = buf_view(&c->hash), word, hash;
	struct oid oid;

	if (!view_cut(&v, '\t', &word) || !view_eq_str(word, "pack") ||
	    !view_cut(&v, '\n', &hash) || !oid_parse(hash, &oid))
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "index-pack did not name the pack");
	*idx = path_f("%s/objects/pack/pack-%.*s.idx", c->quarantine,
	    (int)hash.n, hash.p);
	return 0;
}

int
index_child_finish(struct index_child *c, const char **limit, char **idx,
    struct gg_error *err)
{
	int status = 0, rc;

	fd_close(c->in);
	c->in = -1;
	while (c->out >= 0 || c->err >= 0)
		if ((rc = pump(c, NULL, err)) != 0) {
			*limit = rc == GG_E_LIMIT ? "inspection-time" : *limit;
			return rc;
		}
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR)
			return gg_fail(err, GG_E_SYS, "waitpid");
	c->pid = 0;
	if ((rc = by_status(c, status, limit, err)) != 0)
		return rc;
	return idx_path(c, idx, err);
}
