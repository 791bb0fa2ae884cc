#include "model/oid.h"

#include "base/text.h"
#include "ipc/codec.h"

#include <stdlib.h>

void
enc_oid(struct buf *b, const struct oid *o)
{
	buf_add(b, o->b, OID_BYTES);
}

void
dec_oid(struct dec *d, struct oid *o)
{
	for (size_t i = 0; i < OID_BYTES; i++)
		o->b[i] = dec_u8(d);
}

bool
oid_parse(struct view v, struct oid *out)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] >= 'A' && v.p[i] <= 'F')
			return false;
	return v.n == OID_HEX && hex_decode(v, out->b, OID_BYTES);
}

void
oid_format(const struct oid *o, char out[OID_HEX + 1])
{
	hex_encode(o->b, OID_BYTES, out);
}

bool
oid_is_zero(const struct oid *o)
{
	static const struct oid zero;

	return oid_eq(o, &zero);
}

bool
oid_eq(const struct oid *a, const struct oid *b)
{
	return memcmp(a->b, b->b, OID_BYTES) == 0;
}

int
oid_cmp(const struct oid *a, const struct oid *b)
{
	return memcmp(a->b, b->b, OID_BYTES);
}

static int
by_id(const void *a, const void *b)
{
	return oid_cmp(a, b);
}

size_t
oids_sort_unique(struct oid *v, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), by_id);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !oid_eq(&v[kept - 1], &v[i]))
			v[kept++] = v[i];
	return kept;
}

const struct oid *
oids_find(const struct oid *v, size_t n, const struct oid *o)
{
	return n > 0 ? bsearch(o, v, n, sizeof(*v), by_id) : NULL;
}
