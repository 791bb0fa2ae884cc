/* `witnesses:`, and what is said between a log and a witness. */
#include "audit/witness.h"
#include "base/auto.h"
#include "config/config.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define OK                                \
	"state-dir: /s\npolicy-dir: /p\n" \
	"repositories: [{path: a/b, upstream: /srv/b.git}]\n"
#define W1 "{key: w1+00000000+BA, url: https://w1.example.com/a/}"
#define W2 "{key: w2+00000000+BA, url: \"http://127.0.0.1:1\"}"

static const struct {
	const char *why, *text, *msg; /* NULL: accepted */
} cases[] = {
	{ "two", OK "witnesses: {list: [" W1 ", " W2 "]}\n", NULL },
	{ "a quorum of one",
	    OK "witnesses: {list: [" W1 ", " W2
	       "], quorum: 1, require: true}\n",
	    NULL },
	{ "a quorum of none", OK "witnesses: {list: [" W1 "], quorum: 0}\n",
	    "quorum" },
	{ "a quorum of too many", OK "witnesses: {list: [" W1 "], quorum: 2}\n",
	    "quorum" },
	{ "no list", OK "witnesses: {quorum: 1}\n", "witnesses needs a list" },
	{ "a policy", OK "witnesses: {policy: p, require: true, ca-file: c}\n",
	    NULL },
	{ "a policy and a list", OK "witnesses: {policy: p, list: [" W1 "]}\n",
	    "no list and quorum beside it" },
	{ "a policy and a quorum", OK "witnesses: {policy: p, quorum: 1}\n",
	    "no list and quorum beside it" },
	{ "a ca-file for a list",
	    OK "witnesses: {list: [" W1 "], ca-file: c}\n",
	    "ca-file belongs to each" },
	{ "an empty list", OK "witnesses: {list: []}\n", "1 to 16" },
	{ "a bare list", OK "witnesses: [" W1 "]\n", "witnesses" },
	{ "twice", OK "witnesses: {list: [" W1 ", " W1 "]}\n",
	    "w1 twice (first on line 4)" },
	{ "no url", OK "witnesses: {list: [{key: w1+00000000+BA}]}\n",
	    "needs a url" },
	{ "no key", OK "witnesses: {list: [{url: https://w}]}\n",
	    "name+id+base64" },
	{ "no whole key",
	    OK "witnesses: {list: [{key: w+1, url: https://w}]}\n",
	    "name+id+base64" },
	{ "plain HTTP to elsewhere",
	    OK "witnesses: {list: [{key: w+1+B, url: http://w.example}]}\n",
	    "use https://" },
	{ "an unknown key", OK "witnesses: {list: [" W1 "], wait: 3s}\n",
	    "unknown key \"wait\"" },
};

static void
configured(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(config) c = NULL;
		struct gg_error err = { 0 };
		int rc = config_parse(view_str(cases[i].text), "c.yaml", &c,
		    &err);

		if ((rc == 0) != (cases[i].msg == NULL))
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
		if (rc != 0 && strstr(err.msg, cases[i].msg) == NULL)
			fail_msg("%s: %s", cases[i].why, err.msg);
	}
}

#define HASH "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static void
requests_parsed(void **state)
{
	static const struct {
		const char *why, *text;
		bool is_good;
	} requests[] = {
		{ "the first", "old 0\n\nnote", true },
		{ "with a proof", "old 3\n" HASH HASH "\nnote", true },
		{ "an empty note", "old 3\n\n", true }, /* for note_parse() */
		{ "the largest", "old 9223372036854775808\n\n", true },
		{ "larger", "old 9223372036854775809\n\n", false },
		{ "nothing", "", false },
		{ "no old", "3\n\nnote", false },
		{ "no number", "old \n\nnote", false },
		{ "a zero before", "old 03\n\nnote", false },
		{ "a sign", "old -3\n\nnote", false },
		{ "two blanks", "old  3\n\nnote", false },
		{ "a carriage return", "old 3\r\n\nnote", false },
		{ "no end", "old 3\n" HASH, false },
		{ "a short hash", "old 3\nKgEA\n\nnote", false },
		{ "no base64", "old 3\n!!\n\nnote", false },
	};
	GG_AUTO_RELEASE(buf) many = BUF_INIT(8192);
	struct witness_request r;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(requests); i++) {
		struct gg_error err = { 0 };
		int rc = witness_request_parse(view_str(requests[i].text), &r,
		    &err);

		if (rc != (requests[i].is_good ? 0 : GG_E_PEER))
			fail_msg("%s: %d %s", requests[i].why, rc, err.msg);
	}
	buf_adds(&many, "old 1\n");
	for (int i = 0; i < WITNESS_PROOF_MAX; i++)
		buf_adds(&many, HASH);
	buf_adds(&many, "\nnote");
	assert_int_equal(witness_request_parse(buf_view(&many), &r, NULL), 0);
	assert_int_equal(r.proof.n, WITNESS_PROOF_MAX);
	assert_true(view_eq_str(r.note, "note"));
	buf_clear(&many);
	buf_adds(&many, "old 1\n");
	for (int i = 0; i <= WITNESS_PROOF_MAX; i++)
		buf_adds(&many, HASH);
	buf_adds(&many, "\nnote");
	assert_int_equal(witness_request_parse(buf_view(&many), &r, NULL),
	    GG_E_PEER);
}

static void
passed_on(void **state)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(config) back = NULL;
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);
	const struct witness *w;

	(void)state;
	assert_int_equal(config_parse(view_str(cases[0].text), "c", &c, NULL),
	    0);
	assert_int_equal(c->witness_quorum, 2);
	assert_false(c->witness_required);
	config_messenger_encode(c, &b);
	assert_int_equal(config_messenger_decode(buf_view(&b), &back, NULL), 0);
	assert_non_null(w = config_find_witness(back, "w1"));
	assert_string_equal(w->url, "https://w1.example.com/a");
	assert_null(w->ca_file);
	assert_null(w->vkey); /* the gate's to check with */
	assert_non_null(config_find_witness(back, "w2"));
	assert_null(config_find_witness(back, "w3"));
}

/* (h) of the reference: litewitness's test key over a checkpoint of Tessera. */
#define TEXT                            \
	"example.com/log/testdata\n3\n" \
	"Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n"
#define LOG_LINE                                                             \
	"\xe2\x80\x94 example.com/log/testdata M9e0lvAQRtH832pk2RTbeSeZMkp4" \
	"FZSdJYFBUjO5SKxuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg=\n"
#define NOTE TEXT "\n" LOG_LINE
#define WITNESS_LINE                                                         \
	"\xe2\x80\x94 example.com/witness EKHAGQAAAABkGFDLrmZkA5eToo2vmcDP2" \
	"Ldak/TokWThPiNuLJ2jnFO/8W1ZfxbsZvcbRzBsCr+R02eWKRUrD5t/rAnG5n2up6d" \
	"aBw==\n"
#define WHEN 1679315147

static void
lines_taken(void **state)
{
	static const struct {
		const char *why, *note, *answer;
		uint64_t now;
		bool is_good;
	} answers[] = {
		{ "the vector", NOTE, WITNESS_LINE, WHEN, true },
		{ "with a line of another", NOTE, LOG_LINE WITNESS_LINE, WHEN,
		    true },
		{ "a day later", NOTE, WITNESS_LINE, WHEN + WITNESS_SKEW_S,
		    true },
		{ "too late", NOTE, WITNESS_LINE, WHEN + WITNESS_SKEW_S + 1,
		    false },
		{ "too early", NOTE, WITNESS_LINE, WHEN - WITNESS_SKEW_S - 1,
		    false },
		{ "nothing", NOTE, "", WHEN, false },
		{ "only another's", NOTE, LOG_LINE, WHEN, false },
		{ "text before it", NOTE, "x\n\n" WITNESS_LINE, WHEN, false },
		{ "an empty line", NOTE, "\n" WITNESS_LINE, WHEN, false },
		{ "for another checkpoint", "o\n1\n" TEXT "\n" LOG_LINE,
		    WITNESS_LINE, WHEN, false },
		{ "a good and a bad one", NOTE,
		    WITNESS_LINE
		    "\xe2\x80\x94 example.com/witness EKHAGQAAAABkGFDL\n",
		    WHEN, false },
	};
	struct note_vkey k;

	(void)state;
	assert_int_equal(
	    note_vkey_parse(view_str("example.com/witness+10a1c019+BGSEitir7W6"
				     "FmBs7OHWyUrh2frtLAvcDrKOx5xu9ao5Q"),
		&k, NULL),
	    0);
	for (size_t i = 0; i < GG_COUNT(answers); i++) {
		GG_AUTO_RELEASE(buf) line = BUF_INIT(1000);
		struct gg_error err = { 0 };
		int rc = witness_take_line(view_str(answers[i].note),
		    view_str(answers[i].answer), &k, answers[i].now, &line,
		    &err);

		if ((rc == 0) != answers[i].is_good)
			fail_msg("%s: %d %s", answers[i].why, rc, err.msg);
		assert_string_equal(buf_str(&line),
		    rc == 0 ? WITNESS_LINE : "");
	}
}

static void
sizes_and_requests(void **state)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(1000);
	struct merkle_proof proof = { .n = 1 };
	uint64_t size = 0;

	(void)state;
	assert_true(witness_take_size(view_str("17\n"), &size));
	assert_int_equal(size, 17);
	assert_true(witness_take_size(view_str("0"), &size));
	assert_false(witness_take_size(view_str(""), &size));
	assert_false(witness_take_size(view_str("\n"), &size));
	assert_false(witness_take_size(view_str("x17\n"), &size));
	assert_false(witness_take_size(view_str("-1\n"), &size));
	assert_false(witness_take_size(view_str("99999999999999999999\n"),
	    &size));
	witness_request_format(3, &proof, view_str("o\n4\n"), &body);
	assert_string_equal(buf_str(&body),
	    "old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\no\n4\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configured),
		cmocka_unit_test(passed_on),
		cmocka_unit_test(requests_parsed),
		cmocka_unit_test(lines_taken),
		cmocka_unit_test(sizes_and_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
