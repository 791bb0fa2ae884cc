/*
 * Walls around a process: Landlock for files and TCP, seccomp for system
 * calls, rlimits, no-new-privs, not dumpable. There is no way back.
 * tests/unit/test_sandbox.c proves them from inside. A sanitizer build keeps
 * Landlock, but no system call filter and no memory limit: its runtime could
 * not live with them.
 */
#ifndef GITGATE_SANDBOX_SANDBOX_H
#define GITGATE_SANDBOX_SANDBOX_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SANDBOX_READ = 1,  /* read files, list directories */
	SANDBOX_WRITE = 2, /* make, write, rename, remove below it */
	SANDBOX_EXEC = 4,  /* execute this file (or those below) */
};

struct sandbox_path {
	const char *path; /* one that does not exist is left out */
	unsigned rights;
};

/*
 * Allow only these paths (plus, always readable: the system's libraries,
 * /etc/ld.so.cache, /dev/null, /dev/urandom, locale data). deny_tcp: also no TCP
 * bind or connect where the kernel can (ABI 4), and no signal to and no
 * abstract socket of a process outside (ABI 6: a process that narrows itself
 * again can then not kill children it started before). Calls add up: each
 * narrows.
 * required false: on a kernel without Landlock returns 0 and does nothing.
 * GG_E_UNAVAILABLE when required and the kernel cannot.
 */
GG_MUST_USE int sandbox_files(const struct sandbox_path *paths, size_t n,
    bool deny_tcp, bool required, struct gg_error *err);

enum sandbox_calls {
	SANDBOX_CALLS_INSPECTOR, /* no sockets; exec and fork still allowed:
	                            the git child is started later */
	SANDBOX_CALLS_NO_EXEC,   /* in addition: no exec, fork, no new
	                            process of any kind */
	SANDBOX_CALLS_PARSER,    /* an allow list for one that reads one
	                            message and answers: no sockets, no process,
	                            no new code, no writing of files */
	SANDBOX_CALLS_SERVER,    /* gate, courier: a deny list (ptrace, mount,
	                            module, keyring, bpf, perf, ...) */
};
GG_MUST_USE int
sandbox_calls(enum sandbox_calls what, bool required, struct gg_error *err);

struct sandbox_rlimits {
	uint64_t memory_bytes; /* RLIMIT_DATA: private writable memory */
	uint64_t cpu_seconds;
	uint64_t file_bytes; /* RLIMIT_FSIZE */
	uint64_t files;      /* RLIMIT_NOFILE */
	uint64_t processes;  /* 0: not set */
};
/* 0 in a field: left as it is. No core dumps, PR_SET_DUMPABLE 0 and
 * no-new-privs always. */
GG_MUST_USE int
sandbox_limits(const struct sandbox_rlimits *r, struct gg_error *err);

/* Landlock ABI of this kernel, 0: none; and does seccomp work? For `gitgate
 * doctor` and the check at start. */
int sandbox_landlock_abi(void);
bool sandbox_has_seccomp(void);

#endif
