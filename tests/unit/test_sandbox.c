/*
 * The walls from inside: every row does one thing twice, first without walls
 * (where it must work, or the row would prove nothing), then in a process
 * that has entered the walls of a job exactly as the inspector does.
 */
#include "role/inspector_walls.h"

#include "base/fd.h"
#include "sandbox/sandbox.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <seccomp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_BYTES ((uint64_t)256 << 20)
#define PACK_BYTES   ((uint64_t)1 << 20)

enum { WORKED = 0, REFUSED = 1, BROKEN = 2 };

static struct {
	char root[64];
	char mirrors[128], mirror[160], other_mirror[160];
	char quarantines[128], quarantine[160], other_quarantine[160];
	char key[128], database[128], config[128];
	struct sockaddr_in tcp;
	struct sockaddr_un local, abstract;
	int inherited[2]; /* as the socket to the gate */
	int null_fd;
	int report_fd; /* a file opened before */
	pid_t test;
} w;

static int
outcome(bool worked)
{
	return worked ? WORKED : REFUSED;
}

/* Acts */

static int
connect_to(int family, int type, const void *addr, socklen_t n)
{
	GG_AUTO_FD fd = socket(family, type | SOCK_CLOEXEC, 0);

	return outcome(fd >= 0 && connect(fd, addr, n) == 0);
}

static int
tcp_connect(void)
{
	return connect_to(AF_INET, SOCK_STREAM, &w.tcp, sizeof(w.tcp));
}

static int
udp_send(void)
{
	GG_AUTO_FD fd = socket(AF_INET, SOCK_DGRAM, 0);

	return outcome(fd >= 0 &&
	    sendto(fd, "x", 1, 0, (const struct sockaddr *)&w.tcp,
		sizeof(w.tcp)) == 1);
}

static int
tcp_listen(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	GG_AUTO_FD fd = socket(AF_INET, SOCK_STREAM, 0);

	return outcome(fd >= 0 &&
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
	    listen(fd, 1) == 0);
}

static int
unix_connect(void)
{
	return connect_to(AF_UNIX, SOCK_STREAM, &w.local, sizeof(w.local));
}

static int
abstract_connect(void)
{
	return connect_to(AF_UNIX, SOCK_STREAM, &w.abstract,
	    sizeof(w.abstract));
}

static int
socket_pair(void)
{
	int sv[2];

	return outcome(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
}

static int
can_open(const char *path, int flags)
{
	GG_AUTO_FD fd = open(path, flags | O_CLOEXEC, 0600);

	return outcome(fd >= 0);
}

static int
can_write_in(const char *dir)
{
	GG_AUTO_MEM char *path = path_f("%s/made", dir);
	int rc = can_open(path, O_WRONLY | O_CREAT | O_TRUNC);

	(void)unlink(path);
	return rc;
}

static int
read_config(void)
{
	return can_open(w.config, O_RDONLY);
}

static int
read_key(void)
{
	return can_open(w.key, O_RDONLY);
}

static int
write_database(void)
{
	return can_open(w.database, O_RDWR);
}

static int
truncate_database(void)
{
	return outcome(truncate(w.database, 0) == 0);
}

static int
chmod_key(void)
{
	return outcome(chmod(w.key, 0644) == 0);
}

static int
remove_config(void)
{
	int rc = outcome(unlink(w.config) == 0);

	if (rc == WORKED)
		(void)can_open(w.config, O_WRONLY | O_CREAT);
	return rc;
}

static int
read_passwd(void)
{
	return can_open("/etc/passwd", O_RDONLY);
}

static int
read_tests_environ(void)
{
	GG_AUTO_MEM char *path = path_f("/proc/%d/environ", (int)w.test);

	return can_open(path, O_RDONLY);
}

static int
write_root(void)
{
	return can_write_in(w.root);
}

static int
write_mirror(void)
{
	return can_write_in(w.mirror);
}

static int
write_quarantine(void)
{
	return can_write_in(w.quarantine);
}

static int
write_other_quarantine(void)
{
	return can_write_in(w.other_quarantine);
}

static int
read_file_in(const char *dir)
{
	GG_AUTO_MEM char *path = path_f("%s/file", dir);

	return can_open(path, O_RDONLY);
}

static int
read_mirror(void)
{
	return read_file_in(w.mirror);
}

static int
read_other_mirror(void)
{
	return read_file_in(w.other_mirror);
}

static int
read_quarantine(void)
{
	return read_file_in(w.quarantine);
}

static int
read_other_quarantine(void)
{
	return read_file_in(w.other_quarantine);
}

static int
rename_out(void)
{
	GG_AUTO_MEM char *from = path_f("%s/file", w.quarantine);
	GG_AUTO_MEM char *to = path_f("%s/stolen", w.root);
	int rc = outcome(rename(from, to) == 0);

	if (rc == WORKED)
		(void)rename(to, from);
	return rc;
}

static int
link_in(void)
{
	GG_AUTO_MEM char *to = path_f("%s/stolen", w.quarantine);
	int rc = outcome(link(w.key, to) == 0);

	(void)unlink(to);
	return rc;
}

static int
run(const char *program, char *const *argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char no_system[] = "GIT_CONFIG_NOSYSTEM=1";
		char *env[] = { no_system, NULL };

		(void)dup2(w.null_fd, 1);
		(void)execve(program, argv, env);
		_exit(99);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return REFUSED;
	return outcome(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int
exec_true(void)
{
	char name[] = "true", *argv[] = { name, NULL };

	return run("/bin/true", argv);
}

static int
exec_shell(void)
{
	char name[] = "sh", flag[] = "-c", text[] = "exit 0";
	char *argv[] = { name, flag, text, NULL };

	return run("/bin/sh", argv);
}

static int
exec_git(void)
{
	char name[] = "git", word[] = "version", *argv[] = { name, word, NULL };

	return run("/usr/bin/git", argv);
}

/* A whole (empty) pack into the quarantine. */
static int
git_index_pack(void)
{
	static const unsigned char pack[] =
	    "PACK\0\0\0\2\0\0\0\0\x02\x9d\x08\x82"
	    "\x3b\xd8\xa8\xea\xb5\x10\xad\x6a"
	    "\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
	GG_AUTO_MEM char *dir = path_f("GIT_DIR=%s", w.mirror);
	GG_AUTO_MEM char *odb = path_f("GIT_OBJECT_DIRECTORY=%s", w.quarantine);
	char no_system[] = "GIT_CONFIG_NOSYSTEM=1",
	     home[] = "HOME=/nonexistent";
	char name[] = "git", word[] = "index-pack", flag[] = "--stdin";
	char *argv[] = { name, word, flag, NULL };
	char *env[] = { dir, odb, no_system, home, NULL };
	int in[2], status;
	pid_t pid;

	if (pipe(in) != 0 || write(in[1], pack, 32) != 32)
		return BROKEN;
	(void)close(in[1]);
	if ((pid = fork()) == 0) {
		(void)dup2(w.null_fd, 1);
		if (dup2(in[0], 0) == 0)
			(void)execve("/usr/bin/git", argv, env);
		_exit(99);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return REFUSED;
	return outcome(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int
just_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return outcome(pid > 0 && waitpid(pid, &status, 0) == pid);
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
make_thread(void)
{
	pthread_t t;

	return outcome(pthread_create(&t, NULL, nothing, NULL) == 0 &&
	    pthread_join(t, NULL) == 0);
}

static int
new_namespace(void)
{
	return outcome(unshare(CLONE_NEWNS) == 0);
}

static int
clone_namespace(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return outcome(pid > 0);
}

static int
executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return outcome(p != MAP_FAILED);
}

static int
trace(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static int
read_tests_memory(void)
{
	char here[8];
	struct iovec to = { here, sizeof(here) }, from = { &w, sizeof(here) };

	return outcome(process_vm_readv(w.test, &to, 1, &from, 1, 0) > 0);
}

static int
signal_test(void)
{
	return outcome(kill(w.test, 0) == 0);
}

static int
limit_test(void)
{
	struct rlimit now;

	return outcome(prlimit(w.test, RLIMIT_CORE, NULL, &now) == 0);
}

static int
much_memory(void)
{
	void *p = mmap(NULL, MEMORY_BYTES * 2, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return outcome(p != MAP_FAILED);
}

static int
large_file(void)
{
	GG_AUTO_MEM char *path = path_f("%s/large", w.quarantine);
	GG_AUTO_FD fd = open(path, O_WRONLY | O_CREAT, 0600);
	int rc = outcome(fd >= 0 &&
	    pwrite(fd, "x", 1, (off_t)(PACK_BYTES * 2 + (128 << 20))) == 1);

	(void)unlink(path);
	return rc;
}

static int
use_inherited(void)
{
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	GG_AUTO_FD memory = memfd_create("x", MFD_CLOEXEC);

	return outcome(memory >= 0 && write(w.report_fd, "x", 1) == 1 &&
	    sendmsg(w.inherited[0], &msg, MSG_NOSIGNAL) == 1);
}

/* Walls */

enum walls { IDLE, PUSH, PUSH_NO_EXEC, MIRROR, SERVE, RULES, VIEW };

static int
enter(enum walls walls)
{
	struct push_job push = { .mirror = w.mirror,
		.quarantine = w.quarantine,
		.sandbox_required = true,
		.limits = { .memory_bytes = MEMORY_BYTES,
		    .pack_bytes = PACK_BYTES,
		    .cpu_ms = 60000 } };
	struct mirror_job mirror = { .mirror = w.mirror,
		.sandbox_required = true,
		.limits = push.limits };
	struct serve_job serve = { .mirror = w.mirror,
		.sandbox_required = true,
		.limits = push.limits };
	struct view_job view = { .push = push, .max_bytes = PACK_BYTES };
	struct gg_error err = { 0 };
	int rc = walls_idle(w.mirrors, w.quarantines, true, &err);

	if (rc == 0 && (walls == PUSH || walls == PUSH_NO_EXEC))
		rc = walls_push(&push, &err);
	if (rc == 0 && walls == PUSH_NO_EXEC)
		rc = walls_no_exec(true, &err);
	if (rc == 0 && walls == MIRROR)
		rc = walls_mirror(&mirror, &err);
	if (rc == 0 && walls == SERVE)
		rc = walls_serve(&serve, &err);
	if (rc == 0 && walls == RULES)
		rc = walls_rules(PACK_BYTES, true, &err);
	if (rc == 0 && walls == VIEW)
		rc = walls_view(&view, &err);
	if (rc == 0 && walls == VIEW)
		rc = walls_no_exec(true, &err);
	if (rc != 0)
		(void)fprintf(stderr, "walls: %s\n", err.msg);
	return rc;
}

enum by { LANDLOCK = 1, SECCOMP = 2, RLIMIT = 4, SCOPE = 8 };

static const struct {
	const char *why;
	enum walls walls;
	int (*act)(void);
	int want;
	unsigned by; /* which walls it needs: skipped where one is missing */
} rows[] = {
	{ "no TCP", PUSH, tcp_connect, REFUSED, SECCOMP },
	{ "no TCP, idle", IDLE, tcp_connect, REFUSED, SECCOMP },
	{ "no TCP for git upload-pack", SERVE, tcp_connect, REFUSED, SECCOMP },
	{ "no TCP for git index-pack", MIRROR, tcp_connect, REFUSED, SECCOMP },
	{ "no server", PUSH, tcp_listen, REFUSED, SECCOMP },
	{ "no UDP", PUSH, udp_send, REFUSED, SECCOMP },
	{ "no local sockets", PUSH, unix_connect, REFUSED, SECCOMP },
	{ "no abstract sockets", PUSH, abstract_connect, REFUSED, SECCOMP },
	{ "no new pairs", PUSH, socket_pair, REFUSED, SECCOMP },
	{ "config is unreadable", IDLE, read_config, REFUSED, LANDLOCK },
	{ "config is unreadable", PUSH, read_config, REFUSED, LANDLOCK },
	{ "keys are unreadable", IDLE, read_key, REFUSED, LANDLOCK },
	{ "keys are unreadable", PUSH, read_key, REFUSED, LANDLOCK },
	{ "keys are unreadable", MIRROR, read_key, REFUSED, LANDLOCK },
	{ "keys are unreadable", SERVE, read_key, REFUSED, LANDLOCK },
	{ "a key is not opened to others", PUSH, chmod_key, REFUSED, SECCOMP },
	{ "database is closed", IDLE, write_database, REFUSED, LANDLOCK },
	{ "database is closed", PUSH, write_database, REFUSED, LANDLOCK },
	{ "not even emptied", PUSH, truncate_database, REFUSED, LANDLOCK },
	{ "nothing outside is removed", PUSH, remove_config, REFUSED,
	    LANDLOCK },
	{ "no system files", PUSH, read_passwd, REFUSED, LANDLOCK },
	{ "no other process's environment", PUSH, read_tests_environ, REFUSED,
	    LANDLOCK },
	{ "nothing beside the quarantine", PUSH, write_root, REFUSED,
	    LANDLOCK },
	{ "mirror is read-only to a push", PUSH, write_mirror, REFUSED,
	    LANDLOCK },
	{ "mirror is read-only to a fetch", SERVE, write_mirror, REFUSED,
	    LANDLOCK },
	{ "one mirror only", PUSH, read_other_mirror, REFUSED, LANDLOCK },
	{ "one mirror only", SERVE, read_other_mirror, REFUSED, LANDLOCK },
	{ "one mirror only", MIRROR, read_other_mirror, REFUSED, LANDLOCK },
	{ "another push is unreadable", PUSH, read_other_quarantine, REFUSED,
	    LANDLOCK },
	{ "another push is unreadable", SERVE, read_quarantine, REFUSED,
	    LANDLOCK },
	{ "another push is unreadable", MIRROR, read_quarantine, REFUSED,
	    LANDLOCK },
	{ "another push is not changed", PUSH, write_other_quarantine, REFUSED,
	    LANDLOCK },
	{ "nothing is carried out", PUSH, rename_out, REFUSED, LANDLOCK },
	{ "nothing is linked in", PUSH, link_in, REFUSED, LANDLOCK },
	{ "no program but git", IDLE, exec_true, REFUSED, LANDLOCK },
	{ "no program but git", PUSH, exec_true, REFUSED, LANDLOCK },
	{ "no shell", PUSH, exec_shell, REFUSED, LANDLOCK },
	{ "no shell", MIRROR, exec_shell, REFUSED, LANDLOCK },
	{ "no shell", SERVE, exec_shell, REFUSED, LANDLOCK },
	{ "no git after the child", PUSH_NO_EXEC, exec_git, REFUSED, SECCOMP },
	{ "no fork after the child", PUSH_NO_EXEC, just_fork, REFUSED,
	    SECCOMP },
	{ "no thread after the child", PUSH_NO_EXEC, make_thread, REFUSED,
	    SECCOMP },
	{ "no new code after the child", PUSH_NO_EXEC, executable_memory,
	    REFUSED, SECCOMP },
	{ "rules: no mirror", RULES, read_other_mirror, REFUSED, LANDLOCK },
	{ "rules: no push", RULES, read_quarantine, REFUSED, LANDLOCK },
	{ "rules: nothing is written", RULES, write_mirror, REFUSED, LANDLOCK },
	{ "rules: no git", RULES, exec_git, REFUSED, SECCOMP },
	{ "rules: no fork", RULES, just_fork, REFUSED, SECCOMP },
	{ "rules: no new code", RULES, executable_memory, REFUSED, SECCOMP },
	{ "rules: no TCP", RULES, tcp_connect, REFUSED, SECCOMP },
	{ "view: the quarantine is read-only", VIEW, write_quarantine, REFUSED,
	    LANDLOCK },
	{ "view: the mirror is read-only", VIEW, write_mirror, REFUSED,
	    LANDLOCK },
	{ "view: one mirror only", VIEW, read_other_mirror, REFUSED, LANDLOCK },
	{ "view: another push is unreadable", VIEW, read_other_quarantine,
	    REFUSED, LANDLOCK },
	{ "view: no git", VIEW, exec_git, REFUSED, SECCOMP },
	{ "view: no fork", VIEW, just_fork, REFUSED, SECCOMP },
	{ "view: no TCP", VIEW, tcp_connect, REFUSED, SECCOMP },
	{ "view: files have an end", VIEW, large_file, REFUSED, RLIMIT },
	{ "no namespaces", PUSH, new_namespace, REFUSED, SECCOMP },
	{ "no namespaces by clone", PUSH, clone_namespace, REFUSED, SECCOMP },
	{ "no tracing", PUSH, trace, REFUSED, SECCOMP },
	{ "no other process's memory", PUSH, read_tests_memory, REFUSED,
	    SECCOMP },
	{ "no signals outside", PUSH, signal_test, REFUSED, SCOPE },
	{ "no limits of others", PUSH, limit_test, REFUSED, SECCOMP },
	{ "memory has an end", PUSH, much_memory, REFUSED, RLIMIT },
	{ "files have an end", PUSH, large_file, REFUSED, RLIMIT },

	{ "its quarantine is writable", PUSH, write_quarantine, WORKED, 0 },
	{ "its quarantine is writable", PUSH_NO_EXEC, write_quarantine, WORKED,
	    0 },
	{ "its quarantine is readable", PUSH, read_quarantine, WORKED, 0 },
	{ "its mirror is readable", PUSH, read_mirror, WORKED, 0 },
	{ "its mirror is readable", SERVE, read_mirror, WORKED, 0 },
	{ "its mirror is readable", VIEW, read_mirror, WORKED, 0 },
	{ "its quarantine is readable", VIEW, read_quarantine, WORKED, 0 },
	{ "its mirror is writable", MIRROR, write_mirror, WORKED, 0 },
	{ "git runs", IDLE, exec_git, WORKED, 0 },
	{ "git runs", PUSH, exec_git, WORKED, 0 },
	{ "git runs", MIRROR, exec_git, WORKED, 0 },
	{ "git runs", SERVE, exec_git, WORKED, 0 },
	{ "git indexes into the quarantine", PUSH, git_index_pack, WORKED, 0 },
	{ "what it was given still works", PUSH_NO_EXEC, use_inherited, WORKED,
	    0 },
	{ "a fork needs no program", PUSH, just_fork, WORKED, 0 },
};

/* What became of the act in a process of its own. */
static int
try(int (*act)(void), bool walled, enum walls walls)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (walled && enter(walls) != 0)
			_exit(BROKEN);
		_exit(act());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ||
			WTERMSIG(status) == SIGXFSZ ?
		    REFUSED :
		    BROKEN;
	return WEXITSTATUS(status);
}

static bool
is_testable(unsigned by)
{
	if ((by & LANDLOCK) != 0 && sandbox_landlock_abi() < 3)
		return false; /* truncation is open before */
	if ((by & SCOPE) != 0 && sandbox_landlock_abi() < 6)
		return false;
#ifdef GG_SANITIZE
	return (by & (SECCOMP | RLIMIT)) == 0;
#else
	return true;
#endif
}

static void
test_rows(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		int bare = try(rows[i].act, false, rows[i].walls);
		int walled;

		if (!is_testable(rows[i].by))
			continue;
		walled = try(rows[i].act, true, rows[i].walls);
		if (bare == WORKED && walled == rows[i].want)
			continue;
		/* Not everyone may make namespaces even without walls. */
		if (bare == REFUSED && walled == REFUSED && geteuid() != 0)
			continue;
		print_error("%s (row %zu, walls %d): without %d, within %d\n",
		    rows[i].why, i, (int)rows[i].walls, bare, walled);
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* The child that indexes was started before the last wall, and goes on. */
static void
test_child_outlives_no_exec(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		int hold[2];
		pid_t child;

		if (enter(PUSH) != 0 || pipe(hold) != 0)
			_exit(BROKEN);
		if ((child = fork()) == 0) {
			char c;

			/* Until the parent is behind its last wall. */
			(void)close(hold[1]);
			(void)!read(hold[0], &c, 1);
			_exit(exec_git());
		}
		if (walls_no_exec(true, NULL) != 0)
			_exit(BROKEN);
		(void)close(hold[1]);
		if (waitpid(child, &status, 0) != child)
			_exit(BROKEN);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), WORKED);
}

static void
test_no_privileges(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct rlimit core;
		bool ok = enter(IDLE) == 0 &&
		    getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;

#ifndef GG_SANITIZE
		ok = ok && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
#endif
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As on a kernel from before Landlock. */
static bool
take_landlock_away(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = ctx != NULL &&
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		SCMP_SYS(landlock_create_ruleset), 0) == 0 &&
	    seccomp_load(ctx) == 0;

	seccomp_release(ctx);
	return ok;
}

static void
test_without_landlock(void **state)
{
	const struct sandbox_path all = { "/", SANDBOX_READ };
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct gg_error err = { 0 };

		if (!take_landlock_away() || sandbox_landlock_abi() != 0)
			_exit(BROKEN);
		if (sandbox_files(&all, 1, true, true, &err) !=
			GG_E_UNAVAILABLE ||
		    err.msg[0] == '\0')
			_exit(REFUSED);
		_exit(sandbox_files(&all, 1, true, false, &err));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int
server_act(void)
{
	return trace() == REFUSED && tcp_connect() == WORKED &&
		exec_true() == WORKED ?
	    WORKED :
	    REFUSED;
}

/* Gate and courier: the network stays, the dangerous calls go. */
static void
test_server_calls(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (sandbox_limits(&(struct sandbox_rlimits){ 0 }, NULL) != 0 ||
		    sandbox_calls(SANDBOX_CALLS_SERVER, true, NULL) != 0)
			_exit(BROKEN);
#ifdef GG_SANITIZE
		_exit(WORKED);
#endif
		_exit(server_act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), WORKED);
}

/* Setup */

static void
put(const char *path)
{
	struct gg_error err = { 0 };

	assert_int_equal(file_write(path, view_str("secret\n"), 0600, false,
			     &err),
	    0);
}

static void
make_dir(char *out, size_t room, const char *parent, const char *name)
{
	struct gg_error err = { 0 };
	GG_AUTO_MEM char *file = path_f("%s/%s/file", parent, name);

	(void)snprintf(out, room, "%s/%s", parent, name);
	assert_int_equal(dir_make(out, 0700, &err), 0);
	put(file);
}

static void
listen_local(struct sockaddr_un *addr, const char *path, bool abstract)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = strlen(path);

	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path + (abstract ? 1 : 0), path, n + 1);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)addr, sizeof(*addr)),
	    0);
	assert_int_equal(listen(fd, 64), 0);
}

static void
listen_tcp(void)
{
	socklen_t n = sizeof(w.tcp);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	w.tcp = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&w.tcp, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&w.tcp, &n), 0);
	assert_int_equal(listen(fd, 64), 0);
}

static int
set_up(void **state)
{
	GG_AUTO_MEM char *local = NULL, *report = NULL, *head = NULL;
	GG_AUTO_MEM char *objects = NULL, *refs = NULL;

	(void)state;
	(void)snprintf(w.root, sizeof(w.root), "/tmp/gitgate-walls-XXXXXX");
	assert_non_null(mkdtemp(w.root));
	make_dir(w.mirrors, sizeof(w.mirrors), w.root, "mirrors");
	make_dir(w.mirror, sizeof(w.mirror), w.mirrors, "a.git");
	make_dir(w.other_mirror, sizeof(w.other_mirror), w.mirrors, "b.git");
	make_dir(w.quarantines, sizeof(w.quarantines), w.root, "quarantine");
	make_dir(w.quarantine, sizeof(w.quarantine), w.quarantines, "1");
	make_dir(w.other_quarantine, sizeof(w.other_quarantine), w.quarantines,
	    "2");
	(void)snprintf(w.key, sizeof(w.key), "%s/key", w.root);
	(void)snprintf(w.database, sizeof(w.database), "%s/gitgate.db", w.root);
	(void)snprintf(w.config, sizeof(w.config), "%s/gitgate.yaml", w.root);
	head = path_f("%s/HEAD", w.mirror);
	objects = path_f("%s/objects", w.mirror);
	refs = path_f("%s/refs", w.mirror);
	assert_int_equal(file_write(head, view_str("ref: refs/heads/main\n"),
			     0600, false, NULL),
	    0);
	assert_int_equal(dir_make(objects, 0700, NULL), 0);
	assert_int_equal(dir_make(refs, 0700, NULL), 0);
	put(w.key);
	put(w.database);
	put(w.config);
	local = path_f("%s/socket", w.root);
	report = path_f("%s/report", w.root);
	listen_local(&w.local, local, false);
	listen_local(&w.abstract, w.root, true);
	listen_tcp();
	w.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	w.report_fd = open(report, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			     w.inherited),
	    0);
	w.test = getpid();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return dir_remove(w.root, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_child_outlives_no_exec),
		cmocka_unit_test(test_no_privileges),
		cmocka_unit_test(test_without_landlock),
		cmocka_unit_test(test_server_calls),
	};

	if (sandbox_landlock_abi() == 0) {
		print_message("this kernel has no Landlock\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
