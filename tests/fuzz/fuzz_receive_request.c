/*
 * The command section of a push: how the bytes are cut into pieces makes no
 * difference; what was accepted, written again, is accepted and the same.
 */
#include "fuzz.h"

#include "model/refname.h"
#include "proto/pktline.h"
#include "proto/receive_request.h"

static const char offered[] =
    "report-status report-status-v2 delete-refs side-band-64k quiet atomic "
    "ofs-delta push-options object-format=sha1 agent=gitgate/1";
static const struct receive_limits limits = { 8, 4096, 4 };

static int
feed(struct receive_request *rq, struct view in, size_t step, size_t *n)
{
	int rc = 0;

	*n = 0;
	while (rc == 0 && in.n > 0) {
		struct view piece = view_of(in.p, in.n < step ? in.n : step);
		size_t used;

		rc = receive_request_feed(rq, piece, &used, NULL);
		FUZZ_CHECK(used <= piece.n);
		FUZZ_CHECK(rc != 0 || used == piece.n);
		view_skip(&in, used);
		*n += used;
	}
	return rc;
}

static void
same(const struct receive_request *a, const struct receive_request *b)
{
	FUZZ_CHECK(a->updates.n == b->updates.n && a->probe == b->probe);
	FUZZ_CHECK(a->push_options.n == b->push_options.n);
	FUZZ_CHECK(a->shallow.n == b->shallow.n && a->atomic == b->atomic);
	FUZZ_CHECK(a->report == b->report);
	for (size_t i = 0; i < a->updates.n; i++) {
		const struct ref_update *x = &a->updates.v[i];
		const struct ref_update *y = &b->updates.v[i];

		FUZZ_CHECK(oid_eq(&x->old_oid, &y->old_oid));
		FUZZ_CHECK(oid_eq(&x->new_oid, &y->new_oid));
		FUZZ_CHECK(strcmp(x->refname, y->refname) == 0);
	}
	for (size_t i = 0; i < a->push_options.n; i++)
		FUZZ_CHECK(strcmp(a->push_options.v[i], b->push_options.v[i]) ==
		    0);
}

static void
write_again(const struct receive_request *rq, struct buf *out)
{
	char from[OID_HEX + 1], to[OID_HEX + 1];

	for (size_t i = 0; i < rq->shallow.n; i++)
		pkt_addf(out, "shallow %s", rq->shallow.v[i]);
	for (size_t i = 0; i < rq->updates.n; i++) {
		GG_AUTO_RELEASE(buf) line = BUF_INIT(LARGE_PACKET_MAX);

		oid_format(&rq->updates.v[i].old_oid, from);
		oid_format(&rq->updates.v[i].new_oid, to);
		buf_addf(&line, "%s %s %s", from, to, rq->updates.v[i].refname);
		for (size_t j = 0; i == 0 && j < rq->caps.n; j++)
			buf_addf(&line, "%c%s", j == 0 ? '\0' : ' ',
			    rq->caps.v[j]);
		pkt_add(out, buf_view(&line));
	}
	pkt_flush(out);
	for (size_t i = 0; i < rq->push_options.n; i++)
		pkt_addf(out, "%s\n", rq->push_options.v[i]);
	if (rq->push_options_on)
		pkt_flush(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO(receive_request) a = receive_request_new(&limits, offered);
	GG_AUTO(receive_request) b = receive_request_new(&limits, offered);
	GG_AUTO(receive_request) c = receive_request_new(&limits, offered);
	GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)1 << 20);
	size_t n_a, n_b, n_c;
	int rc = feed(a, view_of(data, size), size, &n_a);

	FUZZ_CHECK(feed(b, view_of(data, size), 1, &n_b) == rc);
	FUZZ_CHECK((rc == GG_E_LIMIT) == (a->limit != NULL));
	FUZZ_CHECK(a->updates.n <= limits.ref_updates);
	FUZZ_CHECK(a->push_options.n <= limits.push_options);
	if (rc != 1)
		return 0;
	FUZZ_CHECK(n_a == n_b && n_a <= limits.command_bytes);
	same(a, b);
	for (size_t i = 0; i < a->updates.n; i++)
		FUZZ_CHECK(refname_is_valid(view_str(a->updates.v[i].refname)));
	write_again(a, &out);
	/* it may have grown by the LFs that were left out */
	if (out.n <= limits.command_bytes) {
		FUZZ_CHECK(feed(c, buf_view(&out), 9, &n_c) == 1);
		same(a, c);
	}
	return 0;
}
