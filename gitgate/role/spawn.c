#include "role/spawn.h"

#include "base/auto.h"
#include "base/fd.h"
#include "base/strv.h"
#include "ipc/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Names with their =, or beginnings of names. */
static const char *const least_env[] = {
	"PATH=", "HOME=", "TZ=", "LANG=", "LANGUAGE=", "LC_",
	"TMPDIR=", "LD_LIBRARY_PATH=", "CREDENTIALS_DIRECTORY=",
	"RUNTIME_DIRECTORY=", "STATE_DIRECTORY=",
	/* test builds only: where to fail, how sanitizers report */
	"GITGATE_FAILPOINT=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="
};

static bool
is_given(const char *var, enum spawn_env env)
{
	if (env == SPAWN_ENV_ALL)
		return true;
	if (env == SPAWN_ENV_STORE && strncmp(var, "PG", 2) == 0)
		return true;
	for (size_t i = 0; i < GG_COUNT(least_env); i++)
		if (strncmp(var, least_env[i], strlen(least_env[i])) == 0)
			return true;
	return false;
}

static int
choose_env(enum spawn_env env, struct strv *out, struct gg_error *err)
{
	for (char **var = environ; *var != NULL; var++)
		if (is_given(*var, env))
			strv_add(out, *var);
	return strv_check(out, err);
}

/* Between fork and exec: async-signal-safe calls only. */
_Noreturn static void
become(const char *path, const char *const *args, char *const *env, int sock,
    enum spawn_end end, pid_t parent)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null;

	if (end == SPAWN_ENDS_WITH_US &&
	    (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
		_exit(126);
	for (int sig = 1; sig < 32; sig++)
		(void)sigaction(sig, &dfl, NULL);
	/* a terminal's ^C goes to all of us: the supervisor sees to an orderly
	 * end by its frames */
	dfl.sa_handler = SIG_IGN;
	(void)sigaction(SIGINT, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDONLY);
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	if (sock != FRAME_PARENT_FD && dup2(sock, FRAME_PARENT_FD) < 0)
		_exit(126);
	if (fcntl(FRAME_PARENT_FD, F_SETFD, 0) != 0 ||
	    close_range(FRAME_PARENT_FD + 1, UINT_MAX, 0) != 0)
		_exit(126);
	(void)execve(path, (char *const *)(uintptr_t)args, env);
	_exit(127);
}

int
spawn_role(const char *path, const char *const *args, enum spawn_env env,
    enum spawn_end end, pid_t *pid, int *sock, struct gg_error *err)
{
	char *const no_env[] = { NULL };
	GG_AUTO_RELEASE(strv) vars = STRV_INIT;
	int sv[2], rc;
	pid_t parent = getpid(), child;

	if (access(path, X_OK) != 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	if ((rc = choose_env(env, &vars, err)) != 0 ||
	    (rc = frame_pair(sv, err)) != 0)
		return rc;
	child = fork();
	if (child == 0)
		become(path, args, vars.n > 0 ? vars.v : no_env, sv[1], end,
		    parent);
	fd_close(sv[1]);
	if (child < 0) {
		fd_close(sv[0]);
		return gg_fail(err, GG_E_SYS, "fork");
	}
	*pid = child;
	*sock = sv[0];
	return 0;
}

int
spawn_find_dir(char **dir, struct gg_error *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	GG_AUTO_MEM char *beside = NULL, *installed = NULL;
	char *slash;

	if (n < 0)
		return gg_fail(err, GG_E_SYS, "/proc/self/exe");
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) == NULL)
		return gg_fail(err, GG_E_SYS, "%s", self);
	*slash = '\0';
	beside = path_f("%s/gitgate-gate", self);
	installed = path_f("%s/../lib/gitgate/gitgate-gate", self);
	if (access(beside, X_OK) == 0)
		*dir = path_f("%s", self);
	else if (access(installed, X_OK) == 0)
		*dir = path_f("%s/../lib/gitgate", self);
	else
		*dir = path_f("%s", GG_LIBEXECDIR);
	return 0;
}
