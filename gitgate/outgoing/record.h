/* One entry of the audit log as it is delivered. */
#ifndef GITGATE_OUTGOING_RECORD_H
#define GITGATE_OUTGOING_RECORD_H

#include "base/view.h"

#include <stdint.h>

enum { RECORD_WARNING = 4, RECORD_NOTICE = 5 }; /* syslog's severities */

/* Borrowed views; empty where an entry has none. */
struct record {
	uint64_t seq;
	uint8_t severity;
	struct view time; /* RFC 3339, UTC */
	struct view type, repository, ref, principal, push, hold;
	struct view text; /* in the target's format, with its line end */
};

#endif
