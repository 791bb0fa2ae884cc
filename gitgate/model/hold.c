#include "model/hold.h"

#include "base/auto.h"

static const char *const hold_names[HOLD_STATE_COUNT] = { "pending", "approved",
	"forwarded", "failed", "stale", "rejected", "expired", "withdrawn",
	"superseded", "kept" };

static const char *const push_names[PUSH_STATE_COUNT] = { "receiving", "denied",
	"invalid", "held", "forwarding", "forwarded", "failed", "aborted",
	"kept" };

const char *
hold_state_name(enum hold_state s)
{
	return s < HOLD_STATE_COUNT ? hold_names[s] : "?";
}

bool
hold_state_parse(struct view v, enum hold_state *out)
{
	for (unsigned i = 0; i < HOLD_STATE_COUNT; i++) {
		if (view_eq_str(v, hold_names[i])) {
			*out = (enum hold_state)i;
			return true;
		}
	}
	return false;
}

bool
hold_move_is_allowed(enum hold_state a, enum hold_state b)
{
	if (a == HOLD_PENDING)
		return b == HOLD_APPROVED || b == HOLD_STALE ||
		    b == HOLD_REJECTED || b == HOLD_EXPIRED ||
		    b == HOLD_WITHDRAWN || b == HOLD_SUPERSEDED;
	if (a == HOLD_APPROVED)
		return b == HOLD_FORWARDED || b == HOLD_KEPT ||
		    b == HOLD_FAILED || b == HOLD_STALE;
	return false;
}

bool
hold_is_over(enum hold_state s)
{
	return s != HOLD_PENDING && s != HOLD_APPROVED;
}

const char *
push_state_name(enum push_state s)
{
	return s < PUSH_STATE_COUNT ? push_names[s] : "?";
}

bool
push_state_parse(struct view v, enum push_state *out)
{
	for (unsigned i = 0; i < PUSH_STATE_COUNT; i++) {
		if (view_eq_str(v, push_names[i])) {
			*out = (enum push_state)i;
			return true;
		}
	}
	return false;
}
