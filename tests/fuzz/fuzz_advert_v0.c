/* v0/v1 advertisements: what is accepted is sorted, valid, and survives. */
#include "fuzz.h"

#include "model/refname.h"
#include "proto/advert.h"

static void
check_invariant(const struct advert *a)
{
	for (size_t i = 0; i < a->n_refs; i++) {
		const struct advert_ref *r = &a->refs[i];

		FUZZ_CHECK(refname_is_valid(view_str(r->name)));
		FUZZ_CHECK(!oid_is_zero(&r->oid));
		FUZZ_CHECK(r->symref == NULL ||
		    refname_is_valid(view_str(r->symref)));
		FUZZ_CHECK(i == 0 || strcmp(a->refs[i - 1].name, r->name) < 0);
		FUZZ_CHECK(advert_find(a, view_str(r->name)) == r);
	}
	FUZZ_CHECK(a->head_target == NULL ||
	    refname_is_valid(view_str(a->head_target)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT((size_t)16 << 20);
	GG_AUTO_RELEASE(buf) text = BUF_INIT((size_t)16 << 20);
	GG_AUTO(advert) a = NULL;
	GG_AUTO(advert) b = NULL;
	GG_AUTO(advert) c = NULL;

	if (advert_parse_v0(view_of(data, size), &a, NULL) != 0) {
		FUZZ_CHECK(a == NULL);
		return 0;
	}
	check_invariant(a);
	advert_encode(a, &bytes);
	FUZZ_CHECK(advert_decode(buf_view(&bytes), &b, NULL) == 0);
	FUZZ_CHECK(advert_same_refs(a, b));
	advert_format_receive_pack(a, "atomic", NULL, NULL, &text);
	FUZZ_CHECK(advert_parse_v0(buf_view(&text), &c, NULL) == 0);
	FUZZ_CHECK(a->n_refs == c->n_refs && a->n_shallow == c->n_shallow);
	for (size_t i = 0; i < a->n_refs; i++)
		FUZZ_CHECK(oid_eq(&a->refs[i].oid, &c->refs[i].oid) &&
		    strcmp(a->refs[i].name, c->refs[i].name) == 0);
	return 0;
}
