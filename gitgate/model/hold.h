/* States of a push and of a hold, as stored and as shown. */
#ifndef GITGATE_MODEL_HOLD_H
#define GITGATE_MODEL_HOLD_H

#include "base/view.h"

#include <stdbool.h>

enum hold_state {
	HOLD_PENDING,
	HOLD_APPROVED,  /* to be forwarded, or being forwarded */
	HOLD_FORWARDED, /* upstream said ok */
	HOLD_FAILED,    /* upstream refused; its words are kept */
	HOLD_STALE,     /* upstream moved away from the old oid */
	HOLD_REJECTED,
	HOLD_EXPIRED,
	HOLD_WITHDRAWN,
	HOLD_SUPERSEDED,
	HOLD_KEPT, /* approved, and at the gate: upstream was not told */
	HOLD_STATE_COUNT
};
const char *hold_state_name(enum hold_state s);
bool hold_state_parse(struct view v, enum hold_state *out);
/* May a hold go from a to b? (docs/architecture.md, "A hold") */
bool hold_move_is_allowed(enum hold_state a, enum hold_state b);
bool hold_is_over(enum hold_state s); /* neither pending nor approved */

enum push_state {
	PUSH_RECEIVING,  /* commands known, pack still arriving or inspected */
	PUSH_DENIED,     /* policy denied */
	PUSH_INVALID,    /* refused before policy: malformed, stale, a limit */
	PUSH_HELD,       /* see its hold */
	PUSH_FORWARDING, /* intent is in the audit log; outcome not yet */
	PUSH_FORWARDED,  /* upstream said ok to every ref */
	PUSH_FAILED,     /* upstream refused one or more */
	PUSH_ABORTED,    /* the client or the gate went before a decision */
	PUSH_KEPT,       /* at the gate: upstream was not told */
	PUSH_STATE_COUNT
};
const char *push_state_name(enum push_state s);
bool push_state_parse(struct view v, enum push_state *out);

#endif
