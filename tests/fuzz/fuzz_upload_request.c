/*
 * A fetch request. The first byte is the protocol version. What is accepted
 * stays in its bounds and ends with a whole pkt-line.
 */
#include "fuzz.h"

#include "model/refname.h"
#include "proto/pktline.h"
#include "proto/upload_request.h"

#define MAX_WANTS 5

/* No line may be there that is not on the allow list at all. */
static void
check_lines(struct view in)
{
	enum pkt_kind kind;
	struct view body;

	while (pkt_next(&in, &kind, &body, NULL) == 1) {
		FUZZ_CHECK(!view_has_prefix(body, "packfile-uris"));
		FUZZ_CHECK(!view_has_prefix(body, "command=object-info"));
		FUZZ_CHECK(!view_has_prefix(body, "filter sparse"));
		FUZZ_CHECK(!view_has_prefix(body, "filter combine"));
		FUZZ_CHECK(kind != PKT_RESPONSE_END);
	}
	FUZZ_CHECK(in.n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO(upload_request) rq = NULL;
	struct view in = view_of(data, size);
	struct gg_error err = { 0 };
	bool v2;

	if (size == 0)
		return 0;
	v2 = data[0] == '2';
	view_skip(&in, 1);
	if (upload_request_parse(in, v2, MAX_WANTS, &rq, &err) != 0) {
		FUZZ_CHECK(rq == NULL && err.msg[0] != '\0');
		return 0;
	}
	FUZZ_CHECK(rq->n_wants + rq->want_refs.n <= MAX_WANTS);
	FUZZ_CHECK(rq->kind != UPLOAD_FETCH_V0 || (!v2 && rq->n_wants > 0));
	FUZZ_CHECK(rq->kind != UPLOAD_LS_REFS || rq->n_wants == 0);
	FUZZ_CHECK(rq->filter[0] == '\0' ||
	    upload_filter_is_allowed(view_str(rq->filter)));
	check_lines(in);
	return 0;
}
