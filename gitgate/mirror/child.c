/* git as a child process: its environment, its words, its end. */
#include "mirror/mirror_priv.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS        16
#define MAX_WORDS_BYTES 16384

void
mirror_git_env(const struct strv *config, struct strv *env)
{
	strv_add(env, "PATH=/usr/bin:/bin");
	strv_add(env, "HOME=/nonexistent");
	strv_add(env, "LC_ALL=C");
	strv_add(env, "GIT_CONFIG_NOSYSTEM=1");
	strv_add(env, "GIT_CONFIG_GLOBAL=/dev/null");
	strv_add(env, "GIT_NO_REPLACE_OBJECTS=1");
	strv_addf(env, "GIT_CONFIG_COUNT=%zu", config->n / 2);
	for (size_t i = 0; i + 1 < config->n; i += 2) {
		strv_addf(env, "GIT_CONFIG_KEY_%zu=%s", i / 2, config->v[i]);
		strv_addf(env, "GIT_CONFIG_VALUE_%zu=%s", i / 2,
		    config->v[i + 1]);
	}
}

void
child_release(struct child *c)
{
	if (c->pid > 0) {
		(void)kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	fd_close(c->out_fd);
	fd_close(c->err_fd);
	*c = CHILD_INIT;
}

/* Between fork and exec: system calls only. */
_Noreturn static void
become(char *const *argv, char *const *env, const int fds[3], pid_t parent)
{
	sigset_t none;

	/* It would go on changing the mirror when we were killed. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) != i)
			_exit(127);
	/* Ignored signals would be inherited: git gets the defaults. */
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execve(MIRROR_GIT, argv, env);
	_exit(127);
}

int
child_start(struct child *c, const char *const *args, const struct strv *env,
    int stdin_fd, struct gg_error *err)
{
	char *argv[MAX_ARGS + 2] = { (char *)(uintptr_t) "git" };
	GG_AUTO_FD out = -1;
	GG_AUTO_FD null = -1;
	pid_t parent = getpid(), pid;
	int pipes[2], rc;

	for (size_t i = 0; args[i] != NULL; i++) {
		if (i == MAX_ARGS)
			gg_die("too many arguments for git");
		argv[i + 1] = (char *)(uintptr_t)args[i];
	}
	if ((rc = strv_check(env, err)) != 0)
		return rc;
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return gg_fail(err, GG_E_SYS, "pipe");
	c->out_fd = pipes[0];
	out = pipes[1];
	if ((c->err_fd = memfd_create("git-stderr", MFD_CLOEXEC)) < 0)
		return gg_fail(err, GG_E_SYS, "memfd");
	if (stdin_fd < 0 &&
	    (null = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return gg_fail(err, GG_E_SYS, "/dev/null");
	if ((pid = fork()) < 0)
		return gg_fail(err, GG_E_SYS, "starting git %s", args[0]);
	if (pid == 0)
		become(argv, env->v,
		    (int[3]){ stdin_fd < 0 ? null : stdin_fd, out, c->err_fd },
		    parent);
	c->pid = pid;
	return 0;
}

/* git's last line usually says why. */
static void
last_line(int fd, char *out, size_t room)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(MAX_WORDS_BYTES);
	struct view text, line, last = { 0 };

	out[0] = '\0';
	if (fd_pread_all(fd, &b, NULL) != 0 && b.n == 0)
		return;
	text = buf_view(&b);
	while (view_cut(&text, '\n', &line)) {
		if (line.n > 0)
			last = line;
	}
	if (text.n > 0)
		last = text;
	if (last.n >= room)
		last.n = room - 1;
	if (last.n > 0)
		memcpy(out, last.p, last.n);
	out[last.n] = '\0';
}

int
child_wait(struct child *c, int also_ok, enum gg_code code, const char *what,
    struct gg_error *err)
{
	char words[200];
	int status, rc = 0;

	while (waitpid(c->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return gg_fail(err, GG_E_SYS, "waiting for git");
	}
	c->pid = 0;
	last_line(c->err_fd, words, sizeof(words));
	if (WIFSIGNALED(status))
		rc = gg_fail(err, GG_E_LIMIT, "%s: git ended by signal %d",
		    what, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != also_ok)
		rc = gg_fail(err, code, "%s: %s", what,
		    words[0] == '\0' ? "git gave no reason" : words);
	child_release(c);
	return rc;
}
