/* C2SP tlog-policy: its lines, its quorums, and checkpoints against both. */
#include "audit/tlog_policy.h"
#include "base/auto.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* (c) and (h) of the reference */
#define LOG_KEY                              \
	"example.com/log/testdata+33d7b496+" \
	"AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
#define WITNESS_KEY                     \
	"example.com/witness+10a1c019+" \
	"BGSEitir7W6FmBs7OHWyUrh2frtLAvcDrKOx5xu9ao5Q"
#define TEXT                            \
	"example.com/log/testdata\n3\n" \
	"Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n"
#define LOG_LINE                                                             \
	"\xe2\x80\x94 example.com/log/testdata M9e0lvAQRtH832pk2RTbeSeZMkp4" \
	"FZSdJYFBUjO5SKxuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg=\n"
#define WITNESS_LINE                                                         \
	"\xe2\x80\x94 example.com/witness EKHAGQAAAABkGFDLrmZkA5eToo2vmcDP2" \
	"Ldak/TokWThPiNuLJ2jnFO/8W1ZfxbsZvcbRzBsCr+R02eWKRUrD5t/rAnG5n2up6d" \
	"aBw==\n"
#define WHEN 1679315147

#define L    "log " LOG_KEY "\n"
#define W    "witness w " WITNESS_KEY "\n"

/* A policy with n more witnesses, named a, b, ..., z, w26, ... */
static void
add_witnesses(struct buf *text, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned char pub[SIGN_PUBLIC_BYTES] = { (unsigned char)i, 1 };
		struct note_vkey k;

		assert_int_equal(note_vkey_make(view_str("w.example"),
				     NOTE_COSIGNATURE, pub, &k, NULL),
		    0);
		buf_addf(text, "witness ");
		if (i < 26)
			buf_addc(text, (char)('a' + i));
		else
			buf_addf(text, "w%u", i);
		buf_addc(text, ' ');
		note_vkey_format(&k, text);
		buf_addc(text, '\n');
	}
}

static const struct {
	const char *why, *text, *msg; /* NULL: accepted */
} cases[] = {
	{ "the least", "quorum none\n", NULL },
	{ "a log", L "quorum none\n", NULL },
	{ "a log with a URL",
	    "log " LOG_KEY " https://l.example\nquorum none\n", NULL },
	{ "a witness alone", L W "quorum w\n", NULL },
	{ "blanks and comments",
	    "# one\n\n \t\n  # two\n\tlog\t" LOG_KEY "  \n" W " quorum  w \t\n",
	    NULL },
	{ "names are bytes",
	    "# \xff\nwitness \xe2\x84\xaa " WITNESS_KEY
	    "\nquorum \xe2\x84\xaa\n",
	    NULL },
	{ "a group of one", W "group g 1 w\nquorum g\n", NULL },
	{ "groups of groups",
	    W "group g any w\ngroup h all g\ngroup i 1 h\nquorum i\n", NULL },
	{ "nothing", "", "p has no quorum line" },
	{ "no quorum", L W, "p has no quorum line" },
	{ "two", "quorum none\nquorum none\n", "p:2: a second quorum" },
	{ "the end is missing", "quorum none", "p:1: the last line" },
	{ "CRLF", "quorum none\r\n", "p:1: control characters" },
	{ "a NUL's neighbour", "quorum none\x01\n", "p:1: control" },
	{ "DEL", "# \x7f\nquorum none\n", "p:1: control" },
	{ "an unknown word", "\nlogs " LOG_KEY "\n", "p:2: a line begins" },
	{ "a log without a key", "log\n", "p:1: a log line is" },
	{ "a log with too much", "log " LOG_KEY " u v\n", "p:1: words behind" },
	{ "a log with a witness's key", "log " WITNESS_KEY "\n",
	    "not one of a log" },
	{ "a log twice", L L, "p:2: the key of example.com/log/testdata is" },
	{ "a key that is none", "log x+1+2\n", "p:1: not a key" },
	{ "a witness without a key", "witness w\n", "p:1: a witness line is" },
	{ "a witness with a log's key", "witness w " LOG_KEY "\n",
	    "not one of a witness" },
	{ "a witness twice", W "witness v " WITNESS_KEY "\n", "p:2: the key" },
	{ "a witness named none", "witness none " WITNESS_KEY "\n",
	    "its own meaning" },
	{ "a name twice", W "group w any w\n",
	    "p:2: the name w is taken by "
	    "line 1" },
	{ "a group named none", W "group none any w\n", "its own meaning" },
	{ "a group without members", "group g any\n", "p:1: a group line is" },
	{ "a group without anything", "group\n", "a name is missing" },
	{ "0 of 1", W "group g 0 w\n", "from 1 to 1" },
	{ "2 of 1", W "group g 2 w\n", "from 1 to 1" },
	{ "01 of 1", W "group g 01 w\n", "from 1 to 1" },
	{ "some of 1", W "group g some w\n", "from 1 to 1" },
	{ "itself", W "group g any g\n", "p:2: g is not the name" },
	{ "one that comes later", "group g any w\n" W, "p:1: w is not" },
	{ "none as a member", "group g any none\n", "none is not the name" },
	{ "a member twice", W "group g any w w\n", "w is a member already" },
	{ "a member of two", W "group g any w\ngroup h any w\n",
	    "p:3: w is a member already" },
	{ "a quorum of nobody", "quorum w\n" W, "p:1: quorum: no witness" },
	{ "a quorum without a name", "quorum\n", "p:1: a quorum line is" },
	{ "a quorum of two", W "quorum w w\n", "p:2: a quorum line is" },
};

static void
files_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(tlog_policy) p = NULL;
		struct gg_error err = { 0 };
		int rc = tlog_policy_parse(view_str(cases[i].text), "p", &p,
		    &err);

		if (rc != (cases[i].msg ? GG_E_INPUT : 0))
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
		if (rc != 0 && strstr(err.msg, cases[i].msg) == NULL)
			fail_msg("%s: %s", cases[i].why, err.msg);
		assert_true((p == NULL) == (rc != 0));
	}
}

static void
too_many(void **state)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(TLOG_POLICY_MAX_BYTES + 9);
	GG_AUTO(tlog_policy) p = NULL;
	struct gg_error err = { 0 };

	(void)state;
	add_witnesses(&text, TLOG_POLICY_WITNESSES_MAX);
	buf_adds(&text, "quorum none\n");
	assert_int_equal(tlog_policy_parse(buf_view(&text), "p", &p, &err), 0);
	assert_int_equal(p->n_witnesses, TLOG_POLICY_WITNESSES_MAX);
	buf_adds(&text, "witness last " WITNESS_KEY "\n");
	tlog_policy_free(gg_take(p));
	assert_int_equal(tlog_policy_parse(buf_view(&text), "p", &p, &err),
	    GG_E_INPUT);
	assert_non_null(strstr(err.msg, "more than 64 witnesses"));
	buf_clear(&text);
	buf_adds(&text, W "group g0 any w\n");
	for (int i = 1; i <= TLOG_POLICY_GROUPS_MAX; i++)
		buf_addf(&text, "group g%d any g%d\n", i, i - 1);
	assert_int_equal(tlog_policy_parse(buf_view(&text), "p", &p, &err),
	    GG_E_INPUT);
	assert_non_null(strstr(err.msg, "more than 64 groups"));
	buf_clear(&text);
	while (text.n <= TLOG_POLICY_MAX_BYTES)
		buf_addc(&text, '\n');
	assert_int_equal(tlog_policy_parse(buf_view(&text), "p", &p, &err),
	    GG_E_INPUT);
	assert_non_null(strstr(err.msg, "larger than"));
}

static const struct {
	const char *groups;
	unsigned has; /* one bit for each of a, b, c, d, e */
	bool want;
} quorums[] = {
	{ "quorum none\n", 0, true },
	{ "quorum b\n", 2, true },
	{ "quorum b\n", 29, false },
	{ "group g any a b\nquorum g\n", 0, false },
	{ "group g any a b\nquorum g\n", 28, false },
	{ "group g any a b\nquorum g\n", 2, true },
	{ "group g all a b\nquorum g\n", 1, false },
	{ "group g all a b\nquorum g\n", 3, true },
	{ "group g 2 a b c\nquorum g\n", 4, false },
	{ "group g 2 a b c\nquorum g\n", 5, true },
	{ "group g 2 a b c\nquorum g\n", 7, true },
	/* the specification's example: 2 of 3, and any of 2 */
	{ "group x 2 a b c\ngroup y any d e\ngroup z all x y\nquorum z\n", 7,
	    false },
	{ "group x 2 a b c\ngroup y any d e\ngroup z all x y\nquorum z\n", 24,
	    false },
	{ "group x 2 a b c\ngroup y any d e\ngroup z all x y\nquorum z\n", 17,
	    false },
	{ "group x 2 a b c\ngroup y any d e\ngroup z all x y\nquorum z\n", 21,
	    true },
	/* a group that is no part of the quorum */
	{ "group x all a b c d\nquorum e\n", 16, true },
	{ "group x all a b c d\nquorum e\n", 15, false },
};

static void
quorums_met(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(quorums); i++) {
		GG_AUTO_RELEASE(buf) text = BUF_INIT(4096);
		GG_AUTO(tlog_policy) p = NULL;
		struct gg_error err = { 0 };
		bool has[5];

		add_witnesses(&text, 5);
		buf_adds(&text, quorums[i].groups);
		if (tlog_policy_parse(buf_view(&text), "p", &p, &err) != 0)
			fail_msg("%s: %s", quorums[i].groups, err.msg);
		for (unsigned b = 0; b < 5; b++)
			has[b] = quorums[i].has >> b & 1;
		if (tlog_policy_is_met(p, has) != quorums[i].want)
			fail_msg("%s with %u", quorums[i].groups,
			    quorums[i].has);
	}
}

static void
without_a_file(void **state)
{
	GG_AUTO(tlog_policy) p = tlog_policy_new();
	struct gg_error err = { 0 };
	bool has[2] = { true, false };

	(void)state;
	assert_false(tlog_policy_is_met(p, has)); /* nothing was said */
	assert_int_equal(tlog_policy_add_witness(p, view_str("w"),
			     view_str(WITNESS_KEY), view_str(""), &err),
	    0);
	assert_null(p->witnesses[0].url);
	assert_int_equal(tlog_policy_k_of_all(p, 2, &err), GG_E_INPUT);
	assert_int_equal(tlog_policy_k_of_all(p, 1, &err), 0);
	assert_true(tlog_policy_is_met(p, has));
	has[0] = false;
	assert_false(tlog_policy_is_met(p, has));
}

static void
checkpoints(void **state)
{
	static const struct {
		const char *why, *note;
		int want;
		bool is_met;
	} notes[] = {
		{ "both", TEXT "\n" LOG_LINE WITNESS_LINE, 0, true },
		{ "the other way round", TEXT "\n" WITNESS_LINE LOG_LINE, 0,
		    true },
		{ "the log alone", TEXT "\n" LOG_LINE, 0, false },
		{ "a stranger beside it",
		    TEXT "\n" LOG_LINE "\xe2\x80\x94 x AAAAAQID\n", 0, false },
		{ "the witness alone", TEXT "\n" WITNESS_LINE, GG_E_CORRUPT,
		    false },
		{ "a bad line of the witness",
		    TEXT "\n" LOG_LINE
			 "\xe2\x80\x94 example.com/witness EKHAGQAAAABkGFDL\n",
		    GG_E_CORRUPT, false },
		{ "a bad line of the witness beside a good one",
		    TEXT "\n" LOG_LINE WITNESS_LINE
			 "\xe2\x80\x94 example.com/witness EKHAGQAAAABkGFDL\n",
		    GG_E_CORRUPT, false },
		{ "a bad line of the log beside a good one",
		    TEXT "\n" LOG_LINE "\xe2\x80\x94 "
			 "example.com/log/testdata M9e0lvAQRtE=\n",
		    GG_E_CORRUPT, false },
		{ "of another size",
		    "example.com/log/testdata\n4\n"
		    "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n"
		    "\n" LOG_LINE WITNESS_LINE,
		    GG_E_CORRUPT, false },
		{ "no note", TEXT, GG_E_CORRUPT, false },
	};
	GG_AUTO(tlog_policy) p = NULL;

	(void)state;
	assert_int_equal(tlog_policy_parse(view_str(L W "quorum w\n"), "p", &p,
			     NULL),
	    0);
	for (size_t i = 0; i < GG_COUNT(notes); i++) {
		struct tlog_policy_found f = { 0 };
		struct gg_error err = { 0 };
		struct checkpoint c = { 0 };
		int rc = tlog_policy_open(p, view_str(notes[i].note), &c, &f,
		    &err);

		if (rc != notes[i].want || f.is_met != notes[i].is_met)
			fail_msg("%s: %d %s", notes[i].why, rc, err.msg);
		if (rc != 0)
			continue;
		assert_int_equal(c.size, 3);
		assert_ptr_equal(f.log, &p->logs[0].key);
		assert_int_equal(f.time_s[0], f.is_met ? WHEN : 0);
	}
	assert_ptr_equal(tlog_policy_find_log(p,
			     view_str("example.com/log/testdata")),
	    &p->logs[0]);
	assert_null(tlog_policy_find_log(p, view_str("example.com/log")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_read),
		cmocka_unit_test(too_many),
		cmocka_unit_test(quorums_met),
		cmocka_unit_test(without_a_file),
		cmocka_unit_test(checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
