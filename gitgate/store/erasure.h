/*
 * Erasing personal data: what was asked for (by the command line, which cannot
 * write to the log), and the copies that the database has of entries' values.
 */
#ifndef GITGATE_STORE_ERASURE_H
#define GITGATE_STORE_ERASURE_H

#include "audit/private.h"
#include "store/store.h"

/*
 * An erasure that is asked for or under way; data is a JSON object that
 * role/gate_erasure.h describes. Errors as in store.h.
 */
GG_MUST_USE int store_erasure_add(struct store *s, const char *id,
    const json_t *data, struct gg_error *err);
/* The oldest that is not done: its id and data (a new reference).
 * GG_E_NOTFOUND: none is. */
GG_MUST_USE int store_erasure_next(struct store *s, char id[ULID_SIZE],
    json_t **data, struct gg_error *err);
GG_MUST_USE int store_erasure_get(struct store *s, const char *id, bool *done,
    json_t **data, struct gg_error *err);
/* Write it back. done: nothing is left to do, and it is kept for whoever waits
 * for it for as long as a day. */
GG_MUST_USE int store_erasure_put(struct store *s, const char *id,
    const json_t *data, bool done, struct gg_error *err);

/* An entry as opened after the erasure. */
struct erased_entry {
	uint64_t index;
	const json_t *opened;
	const char *text; /* the same, as it stands in the index */
};
/*
 * The database's copies of what these entries say was erased: the index, and
 * the rows of the push, hold, review, grant, finding, session, keep and
 * notices that they are about. recordings: also mark the pushes' recordings to
 * be removed. Idempotent; one durable transaction.
 */
GG_MUST_USE int
store_erase_copies(struct store *s, const struct erased_entry *v, size_t n,
    bool recordings, struct gg_error *err);
/* Copies that no entry leads to: of the sessions and failed sign-ins of a name
 * or an address (each may be ""); group: what failures of that address are
 * counted by (addr_group()). */
GG_MUST_USE int store_erase_sessions(struct store *s, const char *name,
    const char *addr, const char *group, struct gg_error *err);
/*
 * The networks that issuers' tokens were first used from (struct token_use):
 * those that are this one become "", with "" all of them, with NULL none. Rows
 * of tokens that expired go in any case.
 */
GG_MUST_USE int store_erase_token_uses(struct store *s, const char *network,
    struct gg_error *err);
/*
 * What was written over or deleted is not in the database's files any more:
 * the WAL is written back and emptied. GG_E_UNAVAILABLE while somebody reads.
 * PostgreSQL does as it is told to: VACUUM is its operator's.
 */
GG_MUST_USE int store_scrub(struct store *s, struct gg_error *err);

#endif
