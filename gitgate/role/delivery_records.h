/* From the audit log to a batch for one target. */
#ifndef GITGATE_ROLE_DELIVERY_RECORDS_H
#define GITGATE_ROLE_DELIVERY_RECORDS_H

#include "config/config.h"
#include "role/delivery_batch.h"
#include "store/auditlog.h"

#define DELIVERY_ID_SIZE 96

struct delivery_records {
	uint64_t from, to; /* the entries that were looked at: [from, to) */
	size_t n;          /* those that the target wants */
	struct buf batch;  /* delivery_batch_decode() */
	/* "audit-FIRST-LAST-DIGEST": the same for the same content */
	char id[DELIVERY_ID_SIZE];
};
void delivery_records_release(struct delivery_records *r);
GG_DEFINE_AUTO_RELEASE(delivery_records);

/*
 * Entries from `from` on, before `end` (> from), as many as the limits let,
 * and at most `most` that it wants: at least one is looked at. GG_E_CORRUPT for an entry that cannot be read.
 */
GG_MUST_USE int
delivery_records_read(struct auditlog *log, const struct delivery_target *t,
    const struct limits *limits, uint64_t most, uint64_t from, uint64_t end,
    struct delivery_records *out, struct gg_error *err);

#endif
