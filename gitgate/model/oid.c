#include "model/oid.h"

#include "base/text.h"

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
