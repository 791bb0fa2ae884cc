/* Is the database an older copy than the audit log? */
#ifndef GITGATE_STORE_AUDIT_AGE_H
#define GITGATE_STORE_AUDIT_AGE_H

#include "store/store.h"

/*
 * Does the index lack entries that the database of then had? The log has size
 * entries; read appends one of them. Called before the index catches up.
 */
struct audit_age {
	bool is_older;
	uint64_t first, size; /* what is missing: from first to before size */
	/* The log's size up to which this was accepted; 0: it never was. What
	 * lies before took effect, whatever the database has of it. */
	uint64_t accepted;
	json_t *acts; /* those of them that must be done again */
};
void audit_age_release(struct audit_age *a);
GG_DEFINE_AUTO_RELEASE(audit_age);
typedef int (*audit_entry_reader)(void *ctx, uint64_t index, struct buf *out,
    struct gg_error *err);
GG_MUST_USE int
store_audit_age(struct store *s, uint64_t size, audit_entry_reader read,
    void *ctx, struct audit_age *out, struct gg_error *err);
/* The database may go on with a log of so many entries. */
GG_MUST_USE int
store_audit_accept(struct store *s, uint64_t size, struct gg_error *err);

#endif
