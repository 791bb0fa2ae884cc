/* pkt-lines: progress, bodies inside the input, writing gives them back. */
#include "fuzz.h"

#include "proto/pktline.h"
#include "proto/sideband.h"

#include <strings.h>

static void
check_sideband(struct view in)
{
	struct view body;
	size_t was = in.n;
	int band;

	while (sideband_next(&in, &band, &body, NULL) == 1) {
		FUZZ_CHECK(band >= 0 && band <= 3);
		FUZZ_CHECK(in.n < was && body.n < was - in.n);
		was = in.n;
	}
	FUZZ_CHECK(in.n == was);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_of(data, size), was = in, body;
	enum pkt_kind kind;
	int rc;

	while ((rc = pkt_next(&in, &kind, &body, NULL)) == 1) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(LARGE_PACKET_MAX);

		FUZZ_CHECK(in.n < was.n);
		FUZZ_CHECK(body.p >= was.p && body.p + body.n <= in.p + in.n);
		if (kind == PKT_DATA) {
			pkt_add(&out, body);
			FUZZ_CHECK(out.n == was.n - in.n);
			FUZZ_CHECK(strncasecmp(out.p, was.p, 4) == 0);
			FUZZ_CHECK(memcmp(out.p + 4, was.p + 4, out.n - 4) ==
			    0);
		} else {
			FUZZ_CHECK(was.n - in.n == 4 && body.n == 0);
		}
		was = in;
	}
	FUZZ_CHECK(in.n == was.n && rc <= 0);
	check_sideband(view_of(data, size));
	return 0;
}
