/* proto/relay and proto/report_status: what upstream said, what we say. */
#include "proto/pktline.h"
#include "proto/relay.h"
#include "proto/report_status.h"
#include "proto/sideband.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define OUT_MAX ((size_t)1 << 20)
#define M       "refs/heads/main"

static void
pkts_of(const char *const *lines, struct buf *out)
{
	for (; *lines != NULL; lines++)
		pkt_addf(out, "%s\n", *lines);
	pkt_flush(out);
}

static const struct {
	const char *why;
	const char *lines[6];
	int want;
} cases[] = {
	{ "ok", { "unpack ok", "ok " M }, 0 },
	{ "one of each", { "unpack ok", "ok " M, "ng refs/tags/v1 no" }, 0 },
	{ "silence about a ref is not ok, but no error", { "unpack ok" }, 0 },
	{ "options follow their ref",
	    { "unpack ok", "ok " M, "option refname refs/x",
		"option forced-update" },
	    0 },
	{ "ng without words", { "unpack ok", "ng " M }, 0 },
	{ "a failed pack", { "unpack index-pack died", "ng " M " unpacker" },
	    0 },
	{ "ok for a ref of a failed pack", { "unpack failed", "ok " M },
	    GG_E_PEER },
	{ "a ref that was not sent", { "unpack ok", "ok refs/heads/evil" },
	    GG_E_PEER },
	{ "a ref twice", { "unpack ok", "ng " M " x", "ok " M }, GG_E_PEER },
	{ "nothing", { NULL }, GG_E_PEER },
	{ "no unpack line", { "ok " M }, GG_E_PEER },
	{ "unpack twice", { "unpack ok", "unpack ok" }, GG_E_PEER },
	{ "an option before any ref", { "unpack ok", "option x" }, GG_E_PEER },
	{ "another word", { "unpack ok", "OK " M }, GG_E_PEER },
	{ "no refname", { "unpack ok", "ok " }, GG_E_PEER },
	{ "words after ok", { "unpack ok", "ok " M " really" }, GG_E_PEER },
	{ "okay is not ok", { "unpack okay", "ng " M " x" }, 0 },
};

static void
parses_reports(void **state)
{
	GG_AUTO_RELEASE(strv) sent = STRV_INIT;

	(void)state;
	strv_add(&sent, M);
	strv_add(&sent, "refs/tags/v1");
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
		GG_AUTO(relay_result) r = NULL;
		struct gg_error err = { 0 };
		int rc;

		pkts_of(cases[i].lines, &in);
		rc = relay_result_parse(buf_view(&in), &sent, &r, &err);
		if (rc != cases[i].want || (rc == 0) != (r != NULL))
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
		/* without its flush-pkt it is not over */
		if (rc == 0) {
			struct relay_result *half = NULL;

			assert_int_equal(relay_result_parse(view_of(in.p,
								in.n - 4),
					     &sent, &half, NULL),
			    GG_E_PEER);
			assert_null(half);
		}
	}
}

static void
keeps_upstreams_words(void **state)
{
	static const char *const lines[] = { "unpack ok",
		"ng refs/tags/v1 hook declined: no tags", "ok " M,
		"option refname refs/for/main", NULL };
	GG_AUTO_RELEASE(strv) sent = STRV_INIT;
	GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) bytes = BUF_INIT(OUT_MAX);
	GG_AUTO(relay_result) a = NULL;
	GG_AUTO(relay_result) r = NULL;

	(void)state;
	strv_add(&sent, M);
	strv_add(&sent, "refs/tags/v1");
	pkts_of(lines, &in);
	assert_int_equal(relay_result_parse(buf_view(&in), &sent, &a, NULL), 0);
	relay_result_encode(a, &bytes);
	assert_int_equal(relay_result_decode(buf_view(&bytes), &r, NULL), 0);
	assert_true(r->unpack_ok);
	assert_int_equal(r->n_refs, 2);
	assert_string_equal(relay_result_find(r, "refs/tags/v1")->message,
	    "hook declined: no tags");
	assert_true(relay_result_find(r, M)->ok);
	assert_string_equal(relay_result_find(r, M)->options.v[0],
	    "option refname refs/for/main");
	assert_null(relay_result_find(r, "refs/heads/x"));
	for (size_t n = 0; n < bytes.n; n++) {
		struct relay_result *half = NULL;

		assert_true(relay_result_decode(view_of(bytes.p, n), &half,
				NULL) < 0);
		assert_null(half);
	}
}

/* The courier might be taken over: its record is held to the same rules. */
static void
decode_does_not_trust(void **state)
{
	GG_AUTO(relay_result) r = relay_result_new();
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct relay_result *b = NULL;
	struct relay_ref *ref;

	(void)state;
	ref = relay_result_add(r);
	ref->refname = strdup(M);
	ref->ok = true;
	relay_result_encode(r, &out);
	assert_int_equal(relay_result_decode(buf_view(&out), &b, NULL),
	    GG_E_PEER);
	buf_clear(&out);
	r->unpack_ok = true;
	relay_result_add(r)->refname = strdup(M);
	relay_result_encode(r, &out);
	assert_int_equal(relay_result_decode(buf_view(&out), &b, NULL),
	    GG_E_PEER);
	assert_null(b);
}

static void
formats_reports(void **state)
{
	GG_AUTO_RELEASE(strv) options = STRV_INIT;
	const struct report_line lines[] = {
		{ M, true, NULL, &options },
		{ "refs/tags/v1", false, "denied by rule tags\nok refs/x",
		    NULL },
		{ "refs/tags/v2", false, "", NULL },
	};
	static const char v1[] =
	    "000eunpack ok\n"
	    "0017ok refs/heads/main\n"
	    "0032ng refs/tags/v1 denied by rule tags ok refs/x\n"
	    "001bng refs/tags/v2 failed\n"
	    "0000";
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct view in, body;
	int band;

	(void)state;
	strv_add(&options, "option refname refs/y");
	report_status_format(REPORT_STATUS_V1, false, NULL, lines, 3, &out);
	assert_string_equal(buf_str(&out), v1);
	buf_clear(&out);
	report_status_format(REPORT_STATUS_V1, true, NULL, lines, 3, &out);
	in = buf_view(&out);
	assert_int_equal(sideband_next(&in, &band, &body, NULL), 1);
	assert_int_equal(band, SIDEBAND_DATA);
	assert_true(view_eq_str(body, v1));
	assert_int_equal(sideband_next(&in, &band, &body, NULL), 1);
	assert_true(band == 0 && in.n == 0);
	buf_clear(&out);
	report_status_format(REPORT_STATUS_V2, false, NULL, lines, 1, &out);
	assert_string_equal(buf_str(&out),
	    "000eunpack ok\n0017ok refs/heads/main\n"
	    "001aoption refname refs/y\n0000");
}

static void
formats_little(void **state)
{
	static const struct {
		const char *why;
		enum report_kind kind;
		bool side_band;
		const char *unpack, *want;
	} rows[] = {
		{ "no report, no sideband", REPORT_STATUS_NONE, false, NULL,
		    "" },
		{ "no report: the stream ends all the same", REPORT_STATUS_NONE,
		    true, NULL, "0000" },
		{ "a failed pack", REPORT_STATUS_V1, false, "bad\x1b pack",
		    "0015unpack bad  pack\n0000" },
		{ "a failure never reads as ok", REPORT_STATUS_V1, false, "ok",
		    "0012unpack failed\n0000" },
		{ "a failure has words", REPORT_STATUS_V1, false, "",
		    "0012unpack failed\n0000" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);

		report_status_format(rows[i].kind, rows[i].side_band,
		    rows[i].unpack, NULL, 0, &out);
		if (strcmp(buf_str(&out), rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].why, buf_str(&out));
	}
}

/* What we write, the courier's parser reads: both follow one grammar. */
static void
our_reports_are_readable(void **state)
{
	const struct report_line lines[] = { { M, true, NULL, NULL },
		{ "refs/tags/v1", false, "stale: upstream moved", NULL } };
	GG_AUTO_RELEASE(strv) sent = STRV_INIT;
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	GG_AUTO(relay_result) r = NULL;

	(void)state;
	strv_add(&sent, M);
	strv_add(&sent, "refs/tags/v1");
	report_status_format(REPORT_STATUS_V2, false, NULL, lines, 2, &out);
	assert_int_equal(relay_result_parse(buf_view(&out), &sent, &r, NULL),
	    0);
	assert_true(r->refs[0].ok && !r->refs[1].ok);
	assert_string_equal(r->refs[1].message, "stale: upstream moved");
}

static void
cleans_text(void **state)
{
	static const struct {
		const char *in;
		size_t max;
		const char *want;
	} rows[] = {
		{ "plain", 100, "plain" },
		{ "a\nb\tc\x7f", 100, "a b c " },
		{ "\xc3\xbc\xff", 100, "\xc3\xbc?" },
		{ "ab\xc3\xbc", 3, "ab" },
		{ "ab\xc3\xbc", 4, "ab\xc3\xbc" },
		{ "abc", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(200);

		report_clean_text(rows[i].in, rows[i].max, &out);
		assert_string_equal(buf_str(&out), rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_reports),
		cmocka_unit_test(keeps_upstreams_words),
		cmocka_unit_test(decode_does_not_trust),
		cmocka_unit_test(formats_reports),
		cmocka_unit_test(formats_little),
		cmocka_unit_test(our_reports_are_readable),
		cmocka_unit_test(cleans_text),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
