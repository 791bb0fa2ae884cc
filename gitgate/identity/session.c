#include "identity/session.h"

const char *
credential_state_name(enum credential_state s)
{
	switch (s) {
	case CREDENTIAL_GOOD:
		return "good";
	case CREDENTIAL_EXPIRED:
		return "expired";
	case CREDENTIAL_IDLE:
		return "idle";
	case CREDENTIAL_REVOKED:
		return "revoked";
	case CREDENTIAL_DAMAGED:
		break;
	}
	return "damaged";
}

/* Negative times do not exist; so no difference below can overflow. */
static bool
can_be(int64_t at_ms, int64_t now_ms)
{
	return at_ms >= 0 && now_ms >= 0 &&
	    (at_ms <= now_ms || at_ms - now_ms <= CREDENTIAL_SKEW_MS);
}

enum credential_state
token_state(int64_t created_ms, int64_t expires_ms, int64_t revoked_ms,
    int64_t now_ms)
{
	if (revoked_ms != 0)
		return CREDENTIAL_REVOKED;
	if (!can_be(created_ms, now_ms) || expires_ms < 0)
		return CREDENTIAL_DAMAGED;
	if (expires_ms != 0 && now_ms >= expires_ms)
		return CREDENTIAL_EXPIRED;
	return CREDENTIAL_GOOD;
}

enum credential_state
session_state(int64_t created_ms, int64_t used_ms, int64_t idle_limit_ms,
    int64_t total_limit_ms, int64_t now_ms)
{
	if (!can_be(created_ms, now_ms) || !can_be(used_ms, now_ms) ||
	    used_ms < created_ms)
		return CREDENTIAL_DAMAGED;
	if (now_ms - created_ms >= total_limit_ms)
		return CREDENTIAL_EXPIRED;
	if (now_ms - used_ms >= idle_limit_ms)
		return CREDENTIAL_IDLE;
	return CREDENTIAL_GOOD;
}
