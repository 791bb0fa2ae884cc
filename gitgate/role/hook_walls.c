#include "role/hook_walls.h"

#include "base/auto.h"
#include "sandbox/sandbox.h"

#define HOOK_MEMORY_BYTES ((uint64_t)1 << 30)
#define HOOK_CPU_SECONDS  60
#define HOOK_FILE_BYTES   ((uint64_t)16 << 20)
#define HOOK_OPEN_FILES   256
#define HOOK_PROCESSES    0 /* counts all of the user's: not set */

int
hook_walls(const char *hooks_dir, bool required, struct gg_error *err)
{
	const struct sandbox_path paths[] = {
		{ hooks_dir, SANDBOX_READ | SANDBOX_EXEC },
		/* interpreters, their libraries, what they look up */
		{ "/usr", SANDBOX_READ | SANDBOX_EXEC },
		{ "/bin", SANDBOX_READ | SANDBOX_EXEC },
		{ "/lib", SANDBOX_READ | SANDBOX_EXEC },
		{ "/lib64", SANDBOX_READ | SANDBOX_EXEC },
		{ "/etc/alternatives", SANDBOX_READ },
		{ "/etc/resolv.conf", SANDBOX_READ },
		{ "/etc/hosts", SANDBOX_READ },
		{ "/etc/nsswitch.conf", SANDBOX_READ },
		{ "/etc/host.conf", SANDBOX_READ },
		{ "/etc/gai.conf", SANDBOX_READ },
		{ "/etc/passwd", SANDBOX_READ },
		{ "/etc/group", SANDBOX_READ },
		{ "/etc/localtime", SANDBOX_READ },
		{ "/etc/ssl/certs", SANDBOX_READ },
		{ "/etc/ssl/openssl.cnf", SANDBOX_READ },
		{ "/etc/services", SANDBOX_READ },
		{ "/dev/null", SANDBOX_READ | SANDBOX_WRITE },
		{ "/dev/zero", SANDBOX_READ },
		{ "/dev/random", SANDBOX_READ },
	};
	const struct sandbox_rlimits limits = {
		.memory_bytes = HOOK_MEMORY_BYTES,
		.cpu_seconds = HOOK_CPU_SECONDS,
		.file_bytes = HOOK_FILE_BYTES,
		.files = HOOK_OPEN_FILES,
		.processes = HOOK_PROCESSES,
	};
	int rc;

	if ((rc = sandbox_limits(&limits, err)) != 0 ||
	    (rc = sandbox_files(paths, GG_COUNT(paths), false, required,
		 err)) != 0)
		return rc;
	return sandbox_calls(SANDBOX_CALLS_SERVER, required, err);
}
