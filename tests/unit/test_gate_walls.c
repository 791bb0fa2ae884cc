/*
 * The walls of gate, courier and SAML process from inside, as tests/unit/test_sandbox.c
 * does it for the inspector: each act is tried without walls, where it must
 * work, and then in a process that has entered them.
 */
#include "role/courier.h"
#include "role/gate_walls.h"
#include "role/saml_walls.h"

#include "base/fd.h"
#include "sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKED = 0, REFUSED = 1, BROKEN = 2 };
enum who { GATE, COURIER, SAML };

static struct {
	char root[64];
	pid_t test;
	struct config config;
	struct repository repositories[2];
} w;

static char *
at(const char *name)
{
	return path_f("%s/%s", w.root, name);
}

static int
opened(const char *name, int flags)
{
	GG_AUTO_MEM char *path = name[0] == '/' ?
	    path_f("%s", name) :
	    strcmp(name, "environ of the test") == 0 ?
	    path_f("/proc/%d/environ", (int)w.test) :
	    at(name);
	GG_AUTO_FD fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 ? WORKED : REFUSED;
}

static int
made(const char *name, int flags)
{
	GG_AUTO_MEM char *path = at(name);
	int rc = opened(name, flags | O_CREAT | O_EXCL | O_WRONLY);

	(void)unlink(path);
	return rc;
}

static int
executed(const char *program, int flags)
{
	int status;
	pid_t pid = fork();

	(void)flags;
	if (pid == 0) {
		char name[] = "true", *argv[] = { name, NULL };

		(void)execv(program, argv);
		_exit(99);
	}
	if (pid < 0)
		return errno == EPERM ? REFUSED : BROKEN;
	if (waitpid(pid, &status, 0) != pid)
		return BROKEN;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? WORKED : REFUSED;
}

static int
traced(const char *name, int flags)
{
	(void)name;
	(void)flags;
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? WORKED : REFUSED;
}

static int
listened(const char *name, int flags)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	GG_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)name;
	(void)flags;
	return fd >= 0 &&
		bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
		listen(fd, 1) == 0 ?
	    WORKED :
	    REFUSED;
}

/* A socket of the kind that flags name: not one to connect, one at all. */
static int
socketed(const char *name, int flags)
{
	GG_AUTO_FD fd = socket(flags, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)name;
	return fd >= 0 ? WORKED : REFUSED;
}

static int
mapped(const char *name, int flags)
{
	void *p = mmap(NULL, 4096, flags, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)name;
	return p != MAP_FAILED ? WORKED : REFUSED;
}

static int
enter(enum who who)
{
	GG_AUTO_RELEASE(walls) walls = { 0 };
	GG_AUTO_MEM char *run = at("run");
	struct gg_error err = { 0 };

	if (who == SAML)
		return saml_walls(true, &err);
	if (who == GATE)
		return gate_walls_enter(&w.config, true, &err);
	walls_of_config(&w.config, run, &walls);
	return walls_enter(&walls, true, &err);
}

static const struct {
	const char *why;
	enum who who;
	int (*act)(const char *name, int flags);
	const char *name;
	int flags, want;
	bool by_filter; /* which a sanitizer build has not */
} rows[] = {
	{ "no upstream password", GATE, opened, "keys/password", O_RDONLY,
	    REFUSED, false },
	{ "no deploy key", GATE, opened, "keys/deploy", O_RDONLY, REFUSED,
	    false },
	{ "no deploy key to replace", GATE, opened, "keys/deploy", O_WRONLY,
	    REFUSED, false },
	{ "no new file beside the keys", GATE, made, "keys/new", 0, REFUSED,
	    false },
	{ "not the courier's sockets", GATE, opened, "run/file", O_RDONLY,
	    REFUSED, false },
	{ "not the configuration", GATE, opened, "gitgate.yaml", O_RDONLY,
	    REFUSED, false },
	{ "not upstream itself", GATE, opened, "upstream.git/file", O_RDONLY,
	    REFUSED, false },
	{ "policy is not its own to write", GATE, opened, "policy.d/file",
	    O_WRONLY, REFUSED, false },
	{ "policy gets no new file", GATE, made, "policy.d/new", 0, REFUSED,
	    false },
	{ "no program", GATE, executed, "/bin/true", 0, REFUSED, false },
	{ "no other process", GATE, opened, "environ of the test", O_RDONLY,
	    REFUSED, false },
	{ "no system secrets", GATE, opened, "/etc/shadow", O_RDONLY, REFUSED,
	    false },
	{ "no tracing", GATE, traced, "", 0, REFUSED, true },
	{ "its database", GATE, opened, "state/gitgate.db", O_RDWR, WORKED,
	    false },
	{ "new files in its state", GATE, made, "state/new", 0, WORKED, false },
	{ "policy to read", GATE, opened, "policy.d/file", O_RDONLY, WORKED,
	    false },
	{ "it listens", GATE, listened, "", 0, WORKED, false },

	{ "no database", COURIER, opened, "state/gitgate.db", O_RDONLY, REFUSED,
	    false },
	{ "no quarantine", COURIER, opened, "state/quarantine/file", O_RDONLY,
	    REFUSED, false },
	{ "no signing key of the log", COURIER, opened, "state/log/key",
	    O_RDONLY, REFUSED, false },
	{ "nothing new in the state", COURIER, made, "state/new", 0, REFUSED,
	    false },
	{ "not the configuration", COURIER, opened, "gitgate.yaml", O_RDONLY,
	    REFUSED, false },
	{ "not the policy", COURIER, opened, "policy.d/file", O_RDONLY, REFUSED,
	    false },
	{ "not a key beside its own", COURIER, opened, "keys/another", O_RDONLY,
	    REFUSED, false },
	{ "its key only to read", COURIER, opened, "keys/deploy", O_WRONLY,
	    REFUSED, false },
	{ "no other process", COURIER, opened, "environ of the test", O_RDONLY,
	    REFUSED, false },
	{ "no system secrets", COURIER, opened, "/etc/shadow", O_RDONLY,
	    REFUSED, false },
	{ "no tracing", COURIER, traced, "", 0, REFUSED, true },
	{ "its password", COURIER, opened, "keys/password", O_RDONLY, WORKED,
	    false },
	{ "its key", COURIER, opened, "keys/deploy", O_RDONLY, WORKED, false },
	{ "upstream on this machine", COURIER, opened, "upstream.git/file",
	    O_RDWR, WORKED, false },
	{ "its sockets", COURIER, made, "run/new", 0, WORKED, false },
	{ "ssh and git", COURIER, executed, "/bin/true", 0, WORKED, false },

	{ "not the configuration", SAML, opened, "gitgate.yaml", O_RDONLY,
	    REFUSED, false },
	{ "no key", SAML, opened, "keys/another", O_RDONLY, REFUSED, false },
	{ "no database", SAML, opened, "state/gitgate.db", O_RDONLY, REFUSED,
	    false },
	{ "nothing new in the state", SAML, made, "state/new", 0, REFUSED,
	    false },
	{ "nothing new anywhere", SAML, made, "run/new", 0, REFUSED, false },
	{ "no other process", SAML, opened, "environ of the test", O_RDONLY,
	    REFUSED, false },
	{ "no system secrets", SAML, opened, "/etc/shadow", O_RDONLY, REFUSED,
	    false },
	{ "no program, no process", SAML, executed, "/bin/true", 0, REFUSED,
	    false },
	{ "no socket to listen", SAML, listened, "", 0, REFUSED, true },
	{ "no UDP socket", SAML, socketed, "", AF_INET, REFUSED, true },
	{ "no IPv6 socket", SAML, socketed, "", AF_INET6, REFUSED, true },
	{ "no UNIX socket", SAML, socketed, "", AF_UNIX, REFUSED, true },
	{ "no netlink socket", SAML, socketed, "", AF_NETLINK, REFUSED, true },
	{ "no new code", SAML, mapped, "", PROT_READ | PROT_EXEC, REFUSED,
	    true },
	{ "no tracing", SAML, traced, "", 0, REFUSED, true },
	{ "memory", SAML, mapped, "", PROT_READ | PROT_WRITE, WORKED, false },
	{ "the system's libraries", SAML, opened, "/etc/ld.so.cache", O_RDONLY,
	    WORKED, false },
};

static int
try(size_t i, bool walled)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (walled && enter(rows[i].who) != 0)
			_exit(BROKEN);
		_exit(rows[i].act(rows[i].name, rows[i].flags));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : REFUSED;
}

static void
test_rows(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		int bare, walled;

#ifdef GG_SANITIZE
		if (rows[i].by_filter)
			continue;
#endif
		bare = try(i, false);
		walled = try(i, true);
		/* Files of the system that only root can open. */
		if (bare == REFUSED && walled == REFUSED && geteuid() != 0)
			continue;
		if (bare == WORKED && walled == rows[i].want)
			continue;
		print_error("%s (row %zu): without walls %d, within %d\n",
		    rows[i].why, i, bare, walled);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void
put(const char *name)
{
	GG_AUTO_MEM char *path = at(name);
	GG_AUTO_MEM char *dir = at(name);
	char *slash = strrchr(dir, '/');

	*slash = '\0';
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_write(path, view_str("x\n"), 0600, false, NULL),
	    0);
}

static int
set_up(void **state)
{
	static const char *const files[] = { "state/gitgate.db",
		"state/quarantine/file", "state/log/key", "policy.d/file",
		"gitgate.yaml", "keys/password", "keys/deploy", "keys/another",
		"upstream.git/file", "run/file" };

	(void)state;
	(void)snprintf(w.root, sizeof(w.root), "/tmp/gitgate-walls-XXXXXX");
	assert_non_null(mkdtemp(w.root));
	for (size_t i = 0; i < GG_COUNT(files); i++)
		put(files[i]);
	w.test = getpid();
	w.repositories[0] = (struct repository){ .kind = UPSTREAM_SSH,
		.credential = { .ssh_key = at("keys/deploy"),
		    .password_file = at("keys/password") } };
	w.repositories[1] = (struct repository){ .kind = UPSTREAM_LOCAL,
		.upstream = at("upstream.git") };
	w.config.repositories = w.repositories;
	w.config.n_repositories = 2;
	w.config.state_dir = at("state");
	w.config.policy_dir = at("policy.d");
	w.config.log_key = at("state/log/key");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(w.repositories[0].credential.ssh_key);
	free(w.repositories[0].credential.password_file);
	free(w.repositories[1].upstream);
	free(w.config.state_dir);
	free(w.config.policy_dir);
	free(w.config.log_key);
	return dir_remove(w.root, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	if (sandbox_landlock_abi() == 0) {
		print_message("this kernel has no Landlock\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
