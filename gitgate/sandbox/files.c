/*
 * Landlock (landlock(7)), by raw system calls: the wrappers that libraries
 * offer lag behind the kernel, and the numbers below are its stable ABI.
 */
#include "base/failpoint.h"
#include "base/fd.h"
#include "sandbox/sandbox.h"

#include <linux/landlock.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of the oldest system we build on. */
#define FS_REFER            (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE         (1ULL << 14) /* ABI 3 */
#define FS_IOCTL            (1ULL << 15) /* ABI 5 */
#define NET_BIND            (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT         (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL        (1ULL << 1)

/* landlock_ruleset_attr as of ABI 6; an older kernel is given less of it. */
struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

#define FS_ABI1 ((1ULL << 13) - 1)
#define FS_FILE_ONLY                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL)

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Sockets are for the courier's SSH client; who may make none at all is told
 * so by seccomp. Devices, FIFOs and symlinks nobody makes. */
#define FS_WRITE                                                           \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |   \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |   \
	    FS_REFER | FS_TRUNCATE)
#define FS_EXEC (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)

#ifdef GG_SANITIZE
/* The leak check reads /proc at exit, which is behind the wall then: in
 * walled processes it would fail every exit. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* What any program needs before and after main(). */
static const struct sandbox_path always[] = {
	{ "/lib", SANDBOX_READ },
	{ "/lib32", SANDBOX_READ },
	{ "/lib64", SANDBOX_READ },
	{ "/usr/lib", SANDBOX_READ },
	{ "/usr/lib32", SANDBOX_READ },
	{ "/usr/lib64", SANDBOX_READ },
	{ "/usr/local/lib", SANDBOX_READ },
	{ "/etc/ld.so.cache", SANDBOX_READ },
	{ "/etc/ld.so.preload", SANDBOX_READ },
	{ "/etc/localtime", SANDBOX_READ },
	{ "/usr/share/locale", SANDBOX_READ },
	{ "/usr/share/zoneinfo", SANDBOX_READ },
	{ "/dev/null", SANDBOX_READ | SANDBOX_WRITE },
	{ "/dev/urandom", SANDBOX_READ },
};

int
sandbox_landlock_abi(void)
{
	long abi = FAILPOINT_FAILS("sandbox.landlock") ?
	    -1 :
	    syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static uint64_t
handled_rights(int abi)
{
	uint64_t fs = FS_ABI1;

	if (abi >= 2)
		fs |= FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL;
	return fs;
}

static size_t
attr_bytes(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset_attr);
	return abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static int
add_path(int ruleset, const struct sandbox_path *p, uint64_t handled,
    struct gg_error *err)
{
	GG_AUTO_FD fd = open(p->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { 0 };
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) != 0)
		return gg_fail(err, GG_E_SYS, "sandbox: %s", p->path);
	if ((p->rights & SANDBOX_READ) != 0)
		rule.allowed_access |= FS_READ;
	if ((p->rights & SANDBOX_WRITE) != 0)
		rule.allowed_access |= FS_WRITE;
	if ((p->rights & SANDBOX_EXEC) != 0)
		rule.allowed_access |= FS_EXEC;
	rule.allowed_access &= handled;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_FILE_ONLY;
	rule.parent_fd = fd;
	if (rule.allowed_access == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) != 0)
		return gg_fail(err, GG_E_SYS, "sandbox: rule for %s", p->path);
	return 0;
}

static int
add_paths(int ruleset, const struct sandbox_path *paths, size_t n,
    uint64_t handled, struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_path(ruleset, &paths[i], handled, err);
	return rc;
}

int
sandbox_files(const struct sandbox_path *paths, size_t n, bool deny_tcp,
    bool required, struct gg_error *err)
{
	int abi = sandbox_landlock_abi(), rc;
	struct ruleset_attr attr = { .fs = handled_rights(abi) };
	GG_AUTO_FD ruleset = -1;

	if (abi == 0)
		return required ? gg_fail(err, GG_E_UNAVAILABLE,
				      "this kernel has no Landlock") :
				  0;
	if (deny_tcp) {
		attr.net = NET_BIND | NET_CONNECT;
		attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    attr_bytes(abi), 0);
	if (ruleset < 0)
		return gg_fail(err, GG_E_SYS, "sandbox: Landlock rule set");
	rc = add_paths(ruleset, always, GG_COUNT(always), attr.fs, err);
	if (rc == 0)
		rc = add_paths(ruleset, paths, n, attr.fs, err);
	if (rc != 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return gg_fail(err, GG_E_SYS, "sandbox: entering Landlock");
	return 0;
}
