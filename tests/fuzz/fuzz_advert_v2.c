/* Answers to ls-refs: what is accepted is sorted, valid, and survives. */
#include "fuzz.h"

#include "model/refname.h"
#include "proto/advert.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT((size_t)16 << 20);
	GG_AUTO(advert) a = NULL;
	GG_AUTO(advert) b = NULL;

	if (advert_parse_v2(view_of(data, size), &a, NULL) != 0) {
		FUZZ_CHECK(a == NULL);
		return 0;
	}
	for (size_t i = 0; i < a->n_refs; i++) {
		FUZZ_CHECK(refname_is_valid(view_str(a->refs[i].name)));
		FUZZ_CHECK(i == 0 ||
		    strcmp(a->refs[i - 1].name, a->refs[i].name) < 0);
	}
	FUZZ_CHECK(a->caps.n == 0 && a->n_shallow == 0);
	advert_encode(a, &bytes);
	FUZZ_CHECK(advert_decode(buf_view(&bytes), &b, NULL) == 0);
	FUZZ_CHECK(advert_same_refs(a, b));
	return 0;
}
