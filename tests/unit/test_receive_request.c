/* proto/receive_request: the command section, in pieces of every size. */
#include "proto/receive_request.h"

#include "proto/pktline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define Z "0000000000000000000000000000000000000000"
#define M "refs/heads/main"
#define OFFERED                                                           \
	"report-status report-status-v2 delete-refs side-band-64k quiet " \
	"atomic ofs-delta push-options object-format=sha1 agent=gitgate/1"

static const struct receive_limits limits = { 3, 2000, 2 };

/* Lines to pkt-lines: '|' stands for NUL, "~" for a flush-pkt, "=x" for the
 * bytes x as they are. */
static void
body_of(const char *const *lines, struct buf *out)
{
	for (; *lines != NULL; lines++) {
		GG_AUTO_MEM char *copy = strdup(*lines);
		size_t n = strlen(copy);

		for (size_t i = 0; i < n; i++)
			if (copy[i] == '|')
				copy[i] = '\0';
		if (strcmp(copy, "~") == 0)
			pkt_flush(out);
		else if (copy[0] == '=')
			buf_add(out, copy + 1, n - 1);
		else
			pkt_add(out, view_of(copy, n));
	}
}

/* Feed in pieces of `step` bytes. The outcome, and what was left. */
static int
feed_all(struct receive_request *rq, struct view in, size_t step, size_t *left,
    struct gg_error *err)
{
	int rc = 0;

	while (rc == 0 && in.n > 0) {
		struct view piece = view_of(in.p, in.n < step ? in.n : step);
		size_t used = 0;

		rc = receive_request_feed(rq, piece, &used, err);
		if (rc == 0)
			assert_int_equal(used, piece.n);
		assert_true(used <= piece.n);
		view_skip(&in, used);
	}
	*left = in.n;
	return rc;
}

static const struct {
	const char *why;
	const char *lines[10];
	int want;
	const char *limit;
	size_t left;
} cases[] = {
	{ "one update", { A " " B " " M "|report-status", "~" }, 1, NULL, 0 },
	{ "a blank before the capabilities, as git sends it",
	    { A " " B " " M "| report-status-v2 agent=git/2.39", "~" }, 1, NULL,
	    0 },
	{ "LF at the end of lines",
	    { A " " B " " M "|quiet\n", A " " B " refs/heads/x\n", "~" }, 1,
	    NULL, 0 },
	{ "no capabilities at all", { A " " B " " M, "~" }, 1, NULL, 0 },
	{ "what follows is the pack's",
	    { A " " B " " M "|quiet", "~", "=PACKabc" }, 1, NULL, 7 },
	{ "shallow lines come first",
	    { "shallow " A, A " " B " " M "|quiet", "~" }, 1, NULL, 0 },
	{ "push options",
	    { A " " B " " M "|push-options", "~", "a=b", "c\n", "~", "=PACK" },
	    1, NULL, 4 },
	{ "no push option at all", { A " " B " " M "|push-options", "~", "~" },
	    1, NULL, 0 },
	{ "a tab in a push option is text",
	    { A " " B " " M "|push-options", "~", "a\tb", "~" }, 1, NULL, 0 },
	{ "a probe", { "~" }, 1, NULL, 0 },
	{ "a delete", { A " " Z " " M "|delete-refs", "~" }, 1, NULL, 0 },
	{ "as many refs as may be",
	    { A " " B " refs/a/1|", A " " B " refs/a/2", A " " B " refs/a/3",
		"~" },
	    1, NULL, 0 },
	{ "not over yet", { A " " B " " M "|quiet" }, 0, NULL, 0 },
	{ "push options not over yet",
	    { A " " B " " M "|push-options", "~", "a" }, 0, NULL, 0 },
	{ "a ref twice", { A " " B " " M "|quiet", A " " Z " " M, "~" },
	    GG_E_PEER, NULL, 0 },
	{ "no change", { A " " A " " M "|quiet", "~" }, GG_E_PEER, NULL, 0 },
	{ "nothing to nothing", { Z " " Z " " M "|quiet", "~" }, GG_E_PEER,
	    NULL, 0 },
	{ "a capability that was not offered",
	    { A " " B " " M "|push-cert=1", "~" }, GG_E_PEER, NULL, 0 },
	{ "the beginning of an offered one", { A " " B " " M "|report", "~" },
	    GG_E_PEER, NULL, 0 },
	{ "a value where none belongs", { A " " B " " M "|atomic=no", "~" },
	    GG_E_PEER, NULL, 0 },
	{ "no value where one belongs", { A " " B " " M "|object-format", "~" },
	    GG_E_PEER, NULL, 0 },
	{ "another object format",
	    { A " " B " " M "|object-format=sha256", "~" }, GG_E_PEER, NULL,
	    0 },
	{ "a push certificate", { "push-cert|quiet", "~" }, GG_E_PEER, NULL,
	    0 },
	{ "a NUL in the second command",
	    { A " " B " " M "|quiet", A " " B " refs/heads/x|atomic", "~" },
	    GG_E_PEER, NULL, 0 },
	{ "a second NUL in the first command",
	    { A " " B " " M "|quiet|atomic", "~" }, GG_E_PEER, NULL, 0 },
	{ "upper-case oid",
	    { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA " B " " M "|", "~" },
	    GG_E_PEER, NULL, 0 },
	{ "two blanks", { A "  " B " " M "|", "~" }, GG_E_PEER, NULL, 0 },
	{ "no refname", { A " " B " |", "~" }, GG_E_PEER, NULL, 0 },
	{ "a ref outside refs/", { A " " B " HEAD|", "~" }, GG_E_PEER, NULL,
	    0 },
	{ "a path that climbs", { A " " B " refs/../../x|", "~" }, GG_E_PEER,
	    NULL, 0 },
	{ "a refname with a line break", { A " " B " refs/heads/a\nb|", "~" },
	    GG_E_PEER, NULL, 0 },
	{ "an empty line", { "", "~" }, GG_E_PEER, NULL, 0 },
	{ "a shallow line behind a command",
	    { A " " B " " M "|quiet", "shallow " A, "~" }, GG_E_PEER, NULL, 0 },
	{ "shallow lines alone", { "shallow " A, "~" }, GG_E_PEER, NULL, 0 },
	{ "shallow zero", { "shallow " Z, "~" }, GG_E_PEER, NULL, 0 },
	{ "a delim-pkt", { "=0001" }, GG_E_PEER, NULL, 0 },
	{ "a length that cannot be", { "=0003" }, GG_E_PEER, NULL, 0 },
	{ "no length", { "=zzzz" }, GG_E_PEER, NULL, 0 },
	{ "a push option with a line break",
	    { A " " B " " M "|push-options", "~", "a\nb", "~" }, GG_E_PEER,
	    NULL, 0 },
	{ "a push option with a NUL",
	    { A " " B " " M "|push-options", "~", "a|b", "~" }, GG_E_PEER, NULL,
	    0 },
	{ "a push option with an escape",
	    { A " " B " " M "|push-options", "~", "a\x1b[2J", "~" }, GG_E_PEER,
	    NULL, 0 },
	{ "one ref too many",
	    { A " " B " refs/a/1|", A " " B " refs/a/2", A " " B " refs/a/3",
		A " " B " refs/a/4", "~" },
	    GG_E_LIMIT, "ref-updates", 0 },
	{ "one push option too many",
	    { A " " B " " M "|push-options", "~", "a", "b", "c", "~" },
	    GG_E_LIMIT, "push-options", 0 },
};

static void
table(void **state)
{
	static const size_t steps[] = { 1, 2, 3, 5, 64, 100000 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases) * GG_COUNT(steps); i++) {
		size_t c = i / GG_COUNT(steps), left = 0;
		GG_AUTO_RELEASE(buf) in = BUF_INIT(100000);
		GG_AUTO(receive_request) rq = receive_request_new(&limits,
		    OFFERED);
		struct gg_error err = { 0 };
		int rc;

		body_of(cases[c].lines, &in);
		rc = feed_all(rq, buf_view(&in), steps[i % GG_COUNT(steps)],
		    &left, &err);
		if (rc != cases[c].want || (rc < 0) != (err.msg[0] != '\0') ||
		    (rc == 1 && left != cases[c].left) ||
		    (cases[c].limit == NULL) != (rq->limit == NULL) ||
		    (rq->limit != NULL &&
			strcmp(rq->limit, cases[c].limit) != 0))
			fail_msg("%s: %d, %zu left, %s", cases[c].why, rc, left,
			    err.msg);
	}
}

static struct receive_request *
fed(const char *const *lines)
{
	GG_AUTO_RELEASE(buf) in = BUF_INIT(100000);
	struct receive_request *rq = receive_request_new(&limits, OFFERED);
	size_t left;

	body_of(lines, &in);
	assert_int_equal(feed_all(rq, buf_view(&in), 7, &left, NULL), 1);
	return rq;
}

static void
keeps_what_was_said(void **state)
{
	static const char *const lines[] = { "shallow " B,
		A " " B " " M
		  "|report-status report-status-v2 side-band-64k atomic quiet "
		  "push-options object-format=sha1 agent=git/2.39.5",
		B " " Z " refs/tags/v1", "~", "agent.session=1", "", "~",
		NULL };
	GG_AUTO(receive_request) rq = fed(lines);

	(void)state;
	assert_int_equal(rq->updates.n, 2);
	assert_string_equal(rq->updates.v[0].refname, M);
	assert_int_equal(rq->updates.v[0].old_oid.b[0], 0xaa);
	assert_int_equal(rq->updates.v[0].new_oid.b[19], 0xbb);
	assert_true(oid_is_zero(&rq->updates.v[1].new_oid));
	assert_int_equal(rq->report, REPORT_STATUS_V2);
	assert_true(rq->atomic && rq->quiet && rq->side_band_64k);
	assert_true(rq->push_options_on && !rq->probe);
	assert_string_equal(rq->agent, "git/2.39.5");
	assert_int_equal(rq->push_options.n, 2);
	assert_string_equal(rq->push_options.v[0], "agent.session=1");
	assert_string_equal(rq->push_options.v[1], "");
	assert_int_equal(rq->shallow.n, 1);
	assert_string_equal(rq->shallow.v[0], B);
	assert_true(receive_request_wants_pack(rq));
}

static void
nothing_after_the_end(void **state)
{
	static const char *const lines[] = { A " " B " " M "|quiet", "~",
		NULL };
	GG_AUTO(receive_request) rq = fed(lines);
	size_t used = 9;

	(void)state;
	assert_int_equal(receive_request_feed(rq, view_str("0000"), &used,
			     NULL),
	    GG_E_PEER);
	assert_int_equal(used, 0);
}

static void
the_tail_is_a_pack_or_nothing(void **state)
{
	static const char *const change[] = { A " " B " " M "|quiet", "~",
		NULL };
	static const char *const gone[] = { A " " Z " " M "|quiet", "~", NULL };
	static const char *const probe[] = { "~", NULL };
	GG_AUTO(receive_request) up = fed(change);
	GG_AUTO(receive_request) del = fed(gone);
	GG_AUTO(receive_request) ask = fed(probe);

	(void)state;
	assert_int_equal(receive_request_check_tail(up, 0, view_str("PACKxyz"),
			     NULL),
	    0);
	assert_int_equal(receive_request_check_tail(up, 2, view_str("CKxyz"),
			     NULL),
	    0);
	assert_int_equal(receive_request_check_tail(up, 4, view_str("any"),
			     NULL),
	    0);
	assert_int_equal(receive_request_check_tail(up, 0, view_str("0050" A),
			     NULL),
	    GG_E_PEER);
	assert_int_equal(receive_request_check_tail(up, 3, view_str("k"), NULL),
	    GG_E_PEER);
	assert_int_equal(receive_request_check_tail(del, 0, view_str("PACK"),
			     NULL),
	    GG_E_PEER);
	assert_int_equal(receive_request_check_tail(del, 0, view_str(""), NULL),
	    0);
	assert_false(receive_request_wants_pack(ask));
	assert_true(ask->probe);
}

/* However the bytes come, no more of them are kept than the limit says. */
static void
command_bytes_are_limited(void **state)
{
	GG_AUTO(receive_request) rq = NULL;
	GG_AUTO_RELEASE(buf) in = BUF_INIT(100000);
	struct gg_error err = { 0 };
	size_t left, step;

	(void)state;
	for (int i = 0; i < 60; i++)
		pkt_addf(&in, "shallow %s", A);
	for (step = 1; step < 5000; step *= 7) {
		receive_request_free(rq);
		rq = receive_request_new(&limits, OFFERED);
		assert_int_equal(feed_all(rq, buf_view(&in), step, &left, &err),
		    GG_E_LIMIT);
		assert_string_equal(rq->limit, "command-bytes");
		assert_true(rq->shallow.n * 52 <= limits.command_bytes);
	}
}

static void
push_option_length(void **state)
{
	GG_AUTO_RELEASE(buf) in = BUF_INIT(100000);
	struct receive_limits wide = { 3, 100000, 2 };
	char option[PUSH_OPTION_MAX_BYTES + 2];

	(void)state;
	for (size_t n = PUSH_OPTION_MAX_BYTES; n < sizeof(option); n++) {
		GG_AUTO(receive_request) rq = receive_request_new(&wide,
		    OFFERED);
		size_t left;
		int rc;

		memset(option, 'x', n);
		buf_clear(&in);
		pkt_addf(&in, "%s %s %s%cpush-options", A, B, M, '\0');
		pkt_flush(&in);
		pkt_add(&in, view_of(option, n));
		pkt_flush(&in);
		rc = feed_all(rq, buf_view(&in), 4000, &left, NULL);
		assert_int_equal(rc,
		    n == PUSH_OPTION_MAX_BYTES ? 1 : GG_E_PEER);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(keeps_what_was_said),
		cmocka_unit_test(nothing_after_the_end),
		cmocka_unit_test(the_tail_is_a_pack_or_nothing),
		cmocka_unit_test(command_bytes_are_limited),
		cmocka_unit_test(push_option_length),
	};

	return cmocka_run_group_tests_name("receive_request", tests, NULL,
	    NULL);
}
