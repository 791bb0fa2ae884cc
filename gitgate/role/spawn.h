/* Starting a role: fork and exec with its socket at descriptor 3 and all
 * else but the standard ones closed. */
#ifndef GITGATE_ROLE_SPAWN_H
#define GITGATE_ROLE_SPAWN_H

#include "base/error.h"

#include <sys/types.h>

/* What of our environment a role is given. Whoever starts gitgate may have
 * secrets in it that are none of the gate's or an inspector's business. */
enum spawn_env {
	SPAWN_ENV_LEAST, /* language, time zone, directories of the service */
	SPAWN_ENV_STORE, /* and what libpq reads (PG...) */
	SPAWN_ENV_ALL,   /* proxies, and what credential helpers may want */
};

/* What becomes of it when the thread that started it ends, be it by SIGKILL. */
enum spawn_end {
	SPAWN_ENDS_WITH_US, /* the kernel kills it */
	SPAWN_ENDS_ITSELF,  /* it sees its socket's end, and has to tidy up */
};

/*
 * Start path with args (args[0] is its name; ends with NULL). Standard input
 * is /dev/null; standard output and error are ours. *sock: our end of its
 * socket. All signals are unblocked and at their defaults in it, but
 * SIGINT is ignored.
 */
GG_MUST_USE int
spawn_role(const char *path, const char *const *args, enum spawn_env env,
    enum spawn_end end, pid_t *pid, int *sock, struct gg_error *err);

/* Where the roles' executables are: beside this program (as built), in
 * ../lib/gitgate from it (as installed), else where PREFIX was when it was
 * built. *dir is malloc'ed. */
GG_MUST_USE int spawn_find_dir(char **dir, struct gg_error *err);

#endif
