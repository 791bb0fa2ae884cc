/*
 * Receipts, and a witness's answer. Oracle: what is accepted is formatted back
 * to the same bytes: there is one form only; nothing random is a cosignature.
 */
#include "audit/receipt.h"
#include "audit/witness.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) back = BUF_INIT(size + 256);
	GG_AUTO_RELEASE(receipt) r = { 0 };
	struct view in = view_of(data, size);
	uint64_t n;

	if (receipt_parse(in, &r, NULL) == 0) {
		receipt_format(&r, &back);
		FUZZ_CHECK(back.failed == 0);
		FUZZ_CHECK(view_eq(buf_view(&back), in));
	}
	if (witness_take_size(in, &n))
		FUZZ_CHECK(n <= MERKLE_SIZE_MAX);
	return 0;
}
