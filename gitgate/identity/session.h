/*
 * Is a stored token or web session still good? Pure checks; all times are
 * wall-clock milliseconds (clock_wall_ms()).
 */
#ifndef GITGATE_IDENTITY_SESSION_H
#define GITGATE_IDENTITY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

enum credential_state {
	CREDENTIAL_GOOD,
	CREDENTIAL_EXPIRED, /* its time is over */
	CREDENTIAL_IDLE,    /* not used for too long */
	CREDENTIAL_REVOKED,
	CREDENTIAL_DAMAGED, /* its times cannot be: treat as no credential */
};
const char *credential_state_name(enum credential_state s);

/* How far a stored time may lie ahead of the clock (it was set back, or
 * another gate's is ahead). */
#define CREDENTIAL_SKEW_MS (5 * 60 * (int64_t)1000)

/* expires_ms, revoked_ms: 0 for never. */
enum credential_state token_state(int64_t created_ms, int64_t expires_ms,
    int64_t revoked_ms, int64_t now_ms);

/* idle_limit_ms, total_limit_ms as in config; a session without a limit does
 * not exist, so zero means over at once. */
enum credential_state session_state(int64_t created_ms, int64_t used_ms,
    int64_t idle_limit_ms, int64_t total_limit_ms, int64_t now_ms);

#endif
