#include "sandbox/sandbox.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* After the soft CPU limit a process gets SIGXCPU and may still say so. */
#define CPU_SECONDS_TO_SAY_SO 5

static int
limit(int what, uint64_t soft, uint64_t hard, const char *name,
    struct gg_error *err)
{
	struct rlimit now, r = { soft, hard };

	if (getrlimit((__rlimit_resource_t)what, &now) != 0)
		return gg_fail(err, GG_E_SYS, "reading the limit on %s", name);
	/* Only ever narrower: a lower ceiling that is there already stays. */
	if (r.rlim_max > now.rlim_max)
		r.rlim_max = now.rlim_max;
	if (r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &r) != 0)
		return gg_fail(err, GG_E_SYS, "setting the limit on %s", name);
	return 0;
}

static int
limit_unless_zero(int what, uint64_t n, const char *name, struct gg_error *err)
{
	return n == 0 ? 0 : limit(what, n, n, name, err);
}

int
sandbox_limits(const struct sandbox_rlimits *r, struct gg_error *err)
{
	uint64_t memory = r->memory_bytes;
	int rc;

#ifdef GG_SANITIZE
	/* The address sanitizer maps terabytes of shadow memory and its leak
	 * check attaches to the process: both would fail here. */
	memory = 0;
#else
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return gg_fail(err, GG_E_SYS, "prctl");
#endif
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return gg_fail(err, GG_E_SYS, "no-new-privs");
	rc = limit(RLIMIT_CORE, 0, 0, "core dumps", err);
	if (rc == 0)
		rc = limit_unless_zero(RLIMIT_DATA, memory, "memory", err);
	if (rc == 0 && r->cpu_seconds != 0)
		rc = limit(RLIMIT_CPU, r->cpu_seconds,
		    r->cpu_seconds + CPU_SECONDS_TO_SAY_SO, "CPU time", err);
	if (rc == 0)
		rc = limit_unless_zero(RLIMIT_FSIZE, r->file_bytes, "file size",
		    err);
	if (rc == 0)
		rc = limit_unless_zero(RLIMIT_NOFILE, r->files, "files", err);
	if (rc == 0)
		rc = limit_unless_zero(RLIMIT_NPROC, r->processes, "processes",
		    err);
	return rc;
}
