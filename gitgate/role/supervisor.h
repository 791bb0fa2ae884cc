/*
 * `gitgate serve`: starts gate, courier and inspectors, restarts what dies,
 * hands out socket pairs and config, stops all on SIGTERM. It parses nothing
 * of a peer and opens no network socket.
 */
#ifndef GITGATE_ROLE_SUPERVISOR_H
#define GITGATE_ROLE_SUPERVISOR_H

#include "base/error.h"

/* Exit codes of roles that the supervisor understands. */
enum {
	ROLE_EXIT_OK = 0,
	ROLE_EXIT_RESTART = 75, /* please start me afresh, at once */
	ROLE_EXIT_CONFIG = 78,  /* cannot start with this configuration */
};

/*
 * Run until SIGTERM or SIGINT. SIGHUP reads config_file, which must be
 * absolute, and the policy again.
 * Returns 0 after a clean stop, or the reason why it could not start.
 */
GG_MUST_USE int supervisor_run(const char *config_file, struct gg_error *err);

#endif
