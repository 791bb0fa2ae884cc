/*
 * Some entries of the audit log on their way to one target: what the gate
 * gives the messenger in an errand's memfd. The gate makes the records
 * (audit/export.h), since it has the JSON; the messenger frames them for
 * their way.
 */
#ifndef GITGATE_ROLE_DELIVERY_BATCH_H
#define GITGATE_ROLE_DELIVERY_BATCH_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "outgoing/record.h"

/* Ceiling of one encoded batch, whatever `delivery-batch-bytes` says. */
#define DELIVERY_BATCH_MAX ((size_t)40 << 20)
/* And of the records that the gate puts into one. */
#define DELIVERY_RECORDS_MAX ((size_t)32 << 20)

struct delivery_batch {
	char *content_type; /* of all records together */
	char *head;         /* what stands before the first one; "": nothing */
	struct record *v;   /* texts are borrowed from what was decoded */
	size_t n;
};
void delivery_batch_release(struct delivery_batch *b);
GG_DEFINE_AUTO_RELEASE(delivery_batch);

/* The fields before the records; then each record. */
void delivery_batch_begin(struct buf *out, const char *content_type,
    const char *head);
void delivery_batch_add(struct buf *out, const struct record *r);
/* GG_E_PEER for what is none, or has no record. */
GG_MUST_USE int delivery_batch_decode(struct view v, struct delivery_batch *out,
    struct gg_error *err);

#endif
