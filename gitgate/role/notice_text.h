/*
 * What a notice says: from an entry of the audit log and its hold. Pure but for
 * memory. No path, no content, no finding and nothing that the pusher merely
 * claims goes into a notice: it leaves the house.
 */
#ifndef GITGATE_ROLE_NOTICE_TEXT_H
#define GITGATE_ROLE_NOTICE_TEXT_H

#include "config/config.h"
#include "store/store.h"

#include <jansson.h>

/* The event of an entry ("held", "approved", ...), or NULL: none is told. */
const char *notice_event(const json_t *entry);
/* Is this target told of that event of that hold? */
bool notice_is_for(const struct notice_target *t, const char *event,
    const struct stored_hold *h);

/* Of an entry that upstream moved without the gate; it has no hold. */
#define NOTICE_OUT_OF_BAND "out-of-band"
bool notice_is_for_refs(const struct notice_target *t, const json_t *entry);
/* As notice_subject() and notice_body(). */
char *notice_refs_subject(const json_t *entry);
char *notice_refs_body(enum notice_kind kind, uint64_t index,
    const json_t *entry, const char *public_url);

/* "held: acme/app refs/heads/main by ci/agent"; malloc'ed. */
char *notice_subject(const char *event, const struct stored_hold *h);
/*
 * The body for a target of this kind, malloc'ed: JSON for webhooks and
 * programs (docs/formats.md, "A notice"), JSON for Slack, plain text for
 * e-mail. index: of the entry; public_url: where the review page is.
 */
char *notice_body(enum notice_kind kind, const char *event, uint64_t index,
    const json_t *entry, const struct stored_hold *h, const char *public_url);

#endif
