/* Object ids. SHA-1 (20 bytes); the advertisement says object-format=sha1. */
#ifndef GITGATE_MODEL_OID_H
#define GITGATE_MODEL_OID_H

#include "base/buf.h"
#include "base/view.h"

#include <stdbool.h>

#define OID_BYTES 20
#define OID_HEX   40

struct oid {
	unsigned char b[OID_BYTES];
};

/* As a field of a frame or a stored record (ipc/codec.h). */
struct dec;
void enc_oid(struct buf *b, const struct oid *o);
void dec_oid(struct dec *d, struct oid *o);

/* Exactly 40 lower-case hex digits. */
bool oid_parse(struct view v, struct oid *out);
void oid_format(const struct oid *o, char out[OID_HEX + 1]);
bool oid_is_zero(const struct oid *o);
bool oid_eq(const struct oid *a, const struct oid *b);
/* memcmp order, for sorting. */
int oid_cmp(const struct oid *a, const struct oid *b);
/* Sort n ids (v may be NULL where n is 0) and drop doubles; how many are
 * left, at v's start. */
size_t oids_sort_unique(struct oid *v, size_t n);
/* Binary search in ids so sorted; borrowed, NULL when it is not there. */
const struct oid *oids_find(const struct oid *v, size_t n, const struct oid *o);

#endif
