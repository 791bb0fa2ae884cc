/*
 * seccomp filters (seccomp(2)). The inspector's is an allow list: what git
 * index-pack, upload-pack, pack-objects, repack, libgit2 and the C library
 * call. What is not in it fails with EPERM, and what only an attacker would
 * call ends the process. Threads are held to the same filter (TSYNC), and
 * children inherit it.
 */
#include "base/auto.h"
#include "sandbox/sandbox.h"

#include <seccomp.h>

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define ALLOW(name) SCMP_SYS(name)

/* clang-format off */
static const int inspector_calls[] = {
	/* files */
	ALLOW(open), ALLOW(openat), ALLOW(close), ALLOW(close_range),
	ALLOW(read), ALLOW(readv), ALLOW(pread64), ALLOW(preadv),
	ALLOW(write), ALLOW(writev), ALLOW(pwrite64), ALLOW(pwritev),
	ALLOW(lseek), ALLOW(stat), ALLOW(fstat), ALLOW(lstat),
	ALLOW(newfstatat), ALLOW(statx), ALLOW(access), ALLOW(faccessat),
	ALLOW(faccessat2), ALLOW(readlink), ALLOW(readlinkat),
	ALLOW(getdents), ALLOW(getdents64), ALLOW(mkdir), ALLOW(mkdirat),
	ALLOW(rmdir), ALLOW(unlink), ALLOW(unlinkat), ALLOW(rename),
	ALLOW(renameat), ALLOW(renameat2), ALLOW(link), ALLOW(linkat),
	ALLOW(ftruncate), ALLOW(truncate), ALLOW(fallocate), ALLOW(fadvise64),
	/* fchmod but not chmod, which Landlock does not govern: by a path
	 * it could open a key file to other users */
	ALLOW(fchmod), ALLOW(umask), ALLOW(fsync), ALLOW(fdatasync),
	ALLOW(sync_file_range), ALLOW(utime), ALLOW(utimes), ALLOW(utimensat),
	ALLOW(getcwd), ALLOW(chdir), ALLOW(fchdir), ALLOW(fcntl),
	ALLOW(flock), ALLOW(dup), ALLOW(dup2), ALLOW(dup3), ALLOW(pipe),
	ALLOW(pipe2), ALLOW(poll), ALLOW(ppoll), ALLOW(select),
	ALLOW(pselect6), ALLOW(statfs), ALLOW(fstatfs), ALLOW(memfd_create),
	/* memory */
	ALLOW(brk), ALLOW(mmap), ALLOW(munmap), ALLOW(mprotect),
	ALLOW(mremap), ALLOW(madvise),
	/* processes; clone is below */
	ALLOW(fork), ALLOW(vfork), ALLOW(execve), ALLOW(wait4), ALLOW(waitid),
	ALLOW(exit), ALLOW(exit_group), ALLOW(kill), ALLOW(tgkill),
	ALLOW(getpid), ALLOW(getppid), ALLOW(gettid), ALLOW(getpgid),
	ALLOW(getpgrp), ALLOW(getsid), ALLOW(getuid), ALLOW(geteuid),
	ALLOW(getgid), ALLOW(getegid), ALLOW(getgroups), ALLOW(getresuid),
	ALLOW(getresgid), ALLOW(getrlimit), ALLOW(setrlimit),
	ALLOW(getrusage), ALLOW(times), ALLOW(sysinfo), ALLOW(uname),
	ALLOW(sched_getaffinity), ALLOW(sched_yield), ALLOW(getcpu),
	ALLOW(set_tid_address), ALLOW(set_robust_list),
	ALLOW(get_robust_list), ALLOW(rseq), ALLOW(futex), ALLOW(futex_waitv),
	ALLOW(arch_prctl), ALLOW(restart_syscall), ALLOW(membarrier),
	/* signals and time */
	ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn),
	ALLOW(rt_sigpending), ALLOW(rt_sigsuspend), ALLOW(rt_sigtimedwait),
	ALLOW(sigaltstack), ALLOW(pause), ALLOW(clock_gettime),
	ALLOW(clock_getres), ALLOW(gettimeofday), ALLOW(time),
	ALLOW(nanosleep), ALLOW(clock_nanosleep), ALLOW(setitimer),
	ALLOW(getitimer), ALLOW(alarm), ALLOW(getrandom),
	/* the inherited socket: no other can be had */
	ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(shutdown),
	/* the second, narrower wall */
	ALLOW(landlock_create_ruleset), ALLOW(landlock_add_rule),
	ALLOW(landlock_restrict_self), ALLOW(seccomp),
};
/* clang-format on */

/* The SAML process, after its libraries were loaded. */
/* clang-format off */
static const int parser_calls[] = {
	ALLOW(read), ALLOW(readv), ALLOW(pread64), ALLOW(write), ALLOW(writev),
	ALLOW(pwrite64), ALLOW(close), ALLOW(lseek), ALLOW(fstat),
	ALLOW(newfstatat), ALLOW(fcntl), ALLOW(poll), ALLOW(memfd_create),
	ALLOW(recvmsg), ALLOW(sendmsg),
	/* the time zone, which libraries look for: Landlock says what else
	 * could be read */
	ALLOW(open), ALLOW(openat),
	ALLOW(brk), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise),
	ALLOW(getpid), ALLOW(gettid), ALLOW(tgkill), ALLOW(futex),
	ALLOW(exit), ALLOW(exit_group), ALLOW(restart_syscall),
	ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn),
	ALLOW(clock_gettime), ALLOW(clock_getres), ALLOW(gettimeofday),
	ALLOW(time), ALLOW(getrandom), ALLOW(sched_yield),
};
/* clang-format on */

/* Nobody here has a use for these; an inspector dies of trying. */
/* clang-format off */
static const int hostile_calls[] = {
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(add_key), SCMP_SYS(keyctl),
	SCMP_SYS(request_key), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon),
	SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
	SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount),
	SCMP_SYS(fsconfig), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
	SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl),
	SCMP_SYS(ioperm), SCMP_SYS(lookup_dcookie), SCMP_SYS(quotactl),
	SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(personality),
};
/* clang-format on */

static const int process_calls[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(clone),
};

#define NAMESPACES                                                    \
	((scmp_datum_t)CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	    CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static int
add_each(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = seccomp_rule_add(ctx, action, calls[i], 0);
	return rc;
}

/* isatty() and the like; never TIOCSTI and the device ioctls. */
static int
allow_ioctls(scmp_filter_ctx ctx)
{
	static const unsigned long requests[] = { TCGETS, FIONREAD, FIOCLEX,
		FIONBIO, TIOCGWINSZ };
	int rc = 0;

	for (size_t i = 0; i < GG_COUNT(requests) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_EQ, requests[i], 0));
	return rc;
}

static int
allow_prctls(scmp_filter_ctx ctx)
{
	static const int options[] = { PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP,
		PR_GET_SECCOMP, PR_SET_DUMPABLE, PR_GET_DUMPABLE, PR_SET_NAME,
		PR_SET_PDEATHSIG };
	int rc = 0;

	for (size_t i = 0; i < GG_COUNT(options) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
		    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)options[i], 0));
	return rc;
}

static int
fill_inspector(scmp_filter_ctx ctx)
{
	int rc = add_each(ctx, SCMP_ACT_ALLOW, inspector_calls,
	    GG_COUNT(inspector_calls));

	if (rc == 0)
		rc = add_each(ctx, SCMP_ACT_KILL_PROCESS, hostile_calls,
		    GG_COUNT(hostile_calls));
	if (rc == 0)
		rc = allow_ioctls(ctx);
	if (rc == 0)
		rc = allow_prctls(ctx);
	/* Its own limits; not those of the gate, which runs as the same
	 * user. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64),
		    1, SCMP_A0(SCMP_CMP_EQ, 0, 0));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
	/* Its flags lie in memory where no filter sees them. The C library
	 * falls back to clone when it is told that there is no clone3. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(clone3), 0);
	return rc;
}

/* Memory yes, new code no. */
static int
fill_parser(scmp_filter_ctx ctx)
{
	static const int maps[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	int rc = add_each(ctx, SCMP_ACT_ALLOW, parser_calls,
	    GG_COUNT(parser_calls));

	if (rc == 0)
		rc = add_each(ctx, SCMP_ACT_KILL_PROCESS, hostile_calls,
		    GG_COUNT(hostile_calls));
	for (size_t i = 0; i < GG_COUNT(maps) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, maps[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return rc;
}

static bool
is_allow_list(enum sandbox_calls what)
{
	return what == SANDBOX_CALLS_INSPECTOR || what == SANDBOX_CALLS_PARSER;
}

static int
fill_no_exec(scmp_filter_ctx ctx)
{
	static const int maps[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect),
		SCMP_SYS(pkey_mprotect) };
	int rc = add_each(ctx, SCMP_ACT_ERRNO(EPERM), process_calls,
	    GG_COUNT(process_calls));

	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(clone3), 0);
	/* No program can be started, so no new code is to be mapped. */
	for (size_t i = 0; i < GG_COUNT(maps) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), maps[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	return rc;
}

static int
fill(scmp_filter_ctx ctx, enum sandbox_calls what)
{
	switch (what) {
	case SANDBOX_CALLS_INSPECTOR:
		return fill_inspector(ctx);
	case SANDBOX_CALLS_PARSER:
		return fill_parser(ctx);
	case SANDBOX_CALLS_NO_EXEC:
		return fill_no_exec(ctx);
	case SANDBOX_CALLS_SERVER:
		return add_each(ctx, SCMP_ACT_ERRNO(EPERM), hostile_calls,
		    GG_COUNT(hostile_calls));
	}
	return -EINVAL;
}

static int
load(enum sandbox_calls what)
{
	scmp_filter_ctx ctx = seccomp_init(is_allow_list(what) ?
		SCMP_ACT_ERRNO(EPERM) :
		SCMP_ACT_ALLOW);
	int rc;

	if (ctx == NULL)
		return -ENOMEM;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Calls of another architecture's table (32 bit on 64) end it. */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
		    SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = fill(ctx, what);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

bool
sandbox_has_seccomp(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

int
sandbox_calls(enum sandbox_calls what, bool required, struct gg_error *err)
{
	int rc;

#ifdef GG_SANITIZE
	/* The sanitizers' runtime calls what no list of ours foresees (it
	 * reads /proc, clones a tracer, asks for its personality). */
	(void)load;
	(void)what;
	rc = 0;
#else
	rc = load(what);
#endif
	if (rc == 0 || !required)
		return 0;
	errno = -rc;
	return gg_fail(err, rc == -ENOMEM ? GG_E_NOMEM : GG_E_UNAVAILABLE,
	    "this kernel does not take the seccomp filter (error %d)", -rc);
}
