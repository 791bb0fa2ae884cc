/* Which entries an erasure is about: those in which its person acted. */
#ifndef GITGATE_ROLE_ERASURE_MATCH_H
#define GITGATE_ROLE_ERASURE_MATCH_H

#include "audit/private.h"
#include "store/store.h"

/* Is the entry as old as the request wants it ("before")? */
bool erasure_is_before(const json_t *request, const json_t *entry);
/* Is it from when the clock was wrong, so that it is not that time yet? */
bool erasure_is_ahead(const json_t *entry);
/*
 * The places whose values this erasure wants gone from the opened entry; 0:
 * none. s is asked who reviewed a hold, for its end says what they said.
 */
private_set
erasure_match(const json_t *request, const json_t *entry, struct store *s);

#endif
