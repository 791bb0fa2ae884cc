/*
 * Upstream's report: a hostile upstream cannot make a failed push look done,
 * nor report on what was not sent. The first byte says whether the rest is
 * upstream's text or the courier's encoded form.
 */
#include "fuzz.h"

#include "proto/relay.h"

static void
check(const struct relay_result *r)
{
	for (size_t i = 0; i < r->n_refs; i++) {
		FUZZ_CHECK(r->unpack_ok || !r->refs[i].ok);
		FUZZ_CHECK(relay_result_find(r, r->refs[i].refname) ==
		    &r->refs[i]);
	}
}

static void
check_encoded(const struct relay_result *r, struct view y)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)16 << 20);
	GG_AUTO(relay_result) b = NULL;

	relay_result_encode(r, &out);
	FUZZ_CHECK(y.n == 0 || view_eq(buf_view(&out), y));
	FUZZ_CHECK(relay_result_decode(buf_view(&out), &b, NULL) == 0);
	FUZZ_CHECK(b->n_refs == r->n_refs && b->unpack_ok == r->unpack_ok);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(strv) sent = STRV_INIT;
	GG_AUTO(relay_result) r = NULL;
	struct view in = view_of(data, size);

	strv_add(&sent, "refs/heads/main");
	strv_add(&sent, "refs/tags/v1");
	if (size == 0)
		return 0;
	view_skip(&in, 1);
	if (data[0] == 'E') {
		if (relay_result_decode(in, &r, NULL) != 0)
			return 0;
		check(r);
		check_encoded(r, in);
		return 0;
	}
	if (relay_result_parse(in, &sent, &r, NULL) != 0)
		return 0;
	check(r);
	check_encoded(r, view_of(NULL, 0));
	FUZZ_CHECK(r->n_refs <= sent.n);
	for (size_t i = 0; i < r->n_refs; i++)
		FUZZ_CHECK(strv_has(&sent, r->refs[i].refname));
	return 0;
}
