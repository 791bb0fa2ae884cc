/* Bytes of another role: encode(decode(y)) is y, or y is refused. */
#include "fuzz.h"

#include "proto/advert.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)16 << 20);
	GG_AUTO(advert) a = NULL;
	struct gg_error err = { 0 };

	if (advert_decode(view_of(data, size), &a, &err) != 0) {
		FUZZ_CHECK(a == NULL && err.msg[0] != '\0');
		return 0;
	}
	advert_encode(a, &out);
	FUZZ_CHECK(view_eq(buf_view(&out), view_of(data, size)));
	return 0;
}
