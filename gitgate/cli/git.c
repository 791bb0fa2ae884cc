#include "cli/git.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX  24
#define WORDS_MAX 4096

/* Hooks, file system monitors and replaced objects stay out of it. */
static const char *const settings[] = { "git", "--no-replace-objects", "-c",
	"core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c",
	"safe.directory=*", "-c", "gc.auto=0" };

static char *const environment[] = { (char[]){ "PATH=/usr/bin:/bin" },
	(char[]){ "LC_ALL=C" }, (char[]){ "HOME=/nonexistent" },
	(char[]){ "GIT_CONFIG_NOSYSTEM=1" },
	(char[]){ "GIT_CONFIG_GLOBAL=/dev/null" },
	(char[]){ "GIT_ATTR_NOSYSTEM=1" }, (char[]){ "GIT_TERMINAL_PROMPT=0" },
	NULL };

/* A program to run, and where. */
struct program {
	const char *path, *dir;
	char *const *argv, *const *env;
};

_Noreturn static void
child(const struct program *p, int in, int out, int err)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(in < 0 ? null : in, 0) < 0 ||
	    dup2(out < 0 ? null : out, 1) < 0 || dup2(err, 2) < 0 ||
	    chdir(p->dir) != 0)
		_exit(126);
	(void)signal(SIGPIPE, SIG_DFL);
	execve(p->path, p->argv, p->env);
	_exit(127);
}

static int
wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* stderr goes to a file: two pipes would have to be read at once. */
static int
run(const struct program *p, int in, struct buf *out, struct buf *words,
    struct gg_error *err)
{
	GG_AUTO_FD said = fd_memfile("stderr", view_of("", 0), err);
	GG_AUTO_FD got = fd_memfile("stdout", view_of("", 0), err);
	int rc, status;
	pid_t pid;

	if (said < 0 || got < 0)
		return GG_E_SYS;
	if ((pid = fork()) < 0)
		return gg_fail(err, GG_E_SYS, "fork");
	if (pid == 0)
		child(p, in, out ? got : -1, said);
	status = wait_for(pid);
	if (out != NULL && status == 0 &&
	    (rc = fd_pread_all(got, out, err)) != 0)
		return rc;
	(void)!fd_pread_all(said, words, NULL); /* as much as fits */
	if (status == 0)
		return 0;
	while (words->n > 0 && words->p[words->n - 1] == '\n')
		words->p[--words->n] = '\0';
	return gg_fail(err, GG_E_REFUSED, "%s",
	    words->n ? buf_str(words) : "failed");
}

static int
run_git(const char *dir, const struct strv *env, int in, struct buf *out,
    struct gg_error *err, va_list args)
{
	GG_AUTO_RELEASE(buf) words = BUF_INIT(WORDS_MAX);
	GG_AUTO_RELEASE(strv) v = STRV_INIT;
	struct program git = { "/usr/bin/git", dir, NULL,
		env != NULL ? env->v : environment };
	const char *arg;
	int rc;

	for (size_t i = 0; i < GG_COUNT(settings); i++)
		strv_add(&v, settings[i]);
	while ((arg = va_arg(args, const char *)) != NULL && v.n < ARGS_MAX)
		strv_add(&v, arg);
	if ((rc = strv_check(&v, err)) != 0)
		return rc;
	git.argv = v.v;
	rc = run(&git, in, out, &words, err);
	return rc == GG_E_REFUSED ?
	    gg_wrap(err, rc, "git %s", v.v[GG_COUNT(settings)]) :
	    rc;
}

int
git_run(const char *dir, int in, struct buf *out, struct gg_error *err, ...)
{
	va_list args;
	int rc;

	va_start(args, err);
	rc = run_git(dir, NULL, in, out, err, args);
	va_end(args);
	return rc;
}

int
git_run_apart(const char *dir, const char *objects, int in,
    struct gg_error *err, ...)
{
	GG_AUTO_RELEASE(strv) env = STRV_INIT;
	GG_AUTO_MEM char *own = path_f("GIT_OBJECT_DIRECTORY=%s", objects);
	va_list args;
	int rc;

	for (char *const *e = environment; *e != NULL; e++)
		strv_add(&env, *e);
	strv_add(&env, own);
	/* Seen from dir; an absolute path could have a colon in it. */
	strv_add(&env, "GIT_ALTERNATE_OBJECT_DIRECTORIES=objects");
	if ((rc = strv_check(&env, err)) != 0)
		return rc;
	va_start(args, err);
	rc = run_git(dir, &env, in, NULL, err, args);
	va_end(args);
	return rc;
}

int
program_line(const char *path, const char *option, struct buf *out,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) words = BUF_INIT(WORDS_MAX);
	GG_AUTO_RELEASE(strv) v = STRV_INIT;
	int rc;

	strv_add(&v, path);
	strv_add(&v, option);
	if ((rc = strv_check(&v, err)) != 0)
		return rc;
	const struct program p = { path, "/", v.v, environment };

	if ((rc = run(&p, -1, out, &words, err)) != 0)
		return gg_wrap(err, rc, "%s %s", path, option);
	while (out->n > 0 && out->p[out->n - 1] == '\n')
		out->p[--out->n] = '\0';
	return 0;
}
