/*
 * Policy files and requests to a witness. Oracle: all witnesses together meet
 * every quorum, nobody meets only "none", one more never spoils it; a request
 * is written back to the same bytes.
 */
#include "audit/tlog_policy.h"
#include "audit/witness.h"
#include "fuzz.h"

static void
check_policy(struct view in)
{
	GG_AUTO(tlog_policy) p = NULL;
	bool has[TLOG_POLICY_WITNESSES_MAX] = { false };
	bool was;

	if (tlog_policy_parse(in, "policy", &p, NULL) != 0)
		return;
	FUZZ_CHECK(p->root.kind != QUORUM_UNSET);
	was = tlog_policy_is_met(p, has);
	FUZZ_CHECK(was == (p->root.kind == QUORUM_NONE));
	for (size_t i = 0; i < p->n_witnesses; i++) {
		has[i] = true;
		FUZZ_CHECK(!was || tlog_policy_is_met(p, has));
		was = tlog_policy_is_met(p, has);
	}
	FUZZ_CHECK(was);
}

static void
check_request(struct view in)
{
	GG_AUTO_RELEASE(buf) back = BUF_INIT(in.n + 256);
	struct witness_request r;

	if (witness_request_parse(in, &r, NULL) != 0)
		return;
	FUZZ_CHECK(r.proof.n <= WITNESS_PROOF_MAX);
	witness_request_format(r.old_size, &r.proof, r.note, &back);
	FUZZ_CHECK(back.failed == 0 && view_eq(buf_view(&back), in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_policy(view_of(data, size));
	check_request(view_of(data, size));
	return 0;
}
