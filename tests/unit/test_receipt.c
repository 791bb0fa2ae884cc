/* Proofs from the tiles of a log on disk; receipts; every flipped bit. */
#include "audit/receipt.h"
#include "auditlog_place.h"
#include "base/text.h"

/* (g) of the reference: requests that litewitness is tested with. */
#define SIGSUM                \
	"sigsum.org/v1/tree/" \
	"4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
static const struct {
	uint64_t size;
	const char *root, *sig;
} sigsum[] = {
	{ 1, "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfU"
	    "QMFSzVnnNuWRTYrajXpNUbIQY=" },
	{ 3, "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
	    "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kez"
	    "NobZs4SUUdrcawfAB8WVrx6go=" },
	{ 5, "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
	    "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/"
	    "ASRcWJi0tW90dJWAShei7sDww=" },
};

static void
witness_requests(void **state)
{
	static const char *const lines[] = {
		"KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	};
	struct merkle_proof proof = { 0 };
	struct merkle_hash roots[GG_COUNT(sigsum)];
	struct note_vkey k;

	(void)state;
	assert_int_equal(
	    note_vkey_parse(view_str(SIGSUM
				"+5202289b+Af/cLU2Y5BJNP+r3iMDC+av9eWCD0fBJ"
				"VDfzAux5zxAP"),
		&k, NULL),
	    0);
	for (size_t i = 0; i < GG_COUNT(sigsum); i++) {
		GG_AUTO_RELEASE(buf) note = BUF_INIT(4096);
		struct checkpoint c;

		buf_addf(&note,
		    SIGSUM "\n%u\n%s\n\n\xe2\x80\x94 " SIGSUM " %s\n",
		    (unsigned)sigsum[i].size, sigsum[i].root, sigsum[i].sig);
		assert_int_equal(checkpoint_open(buf_view(&note), &k, &c, NULL),
		    0);
		assert_int_equal(c.size, sigsum[i].size);
		roots[i] = c.root;
	}
	assert_true(proof_line_parse(view_str(lines[0]), &proof));
	assert_true(proof_line_parse(view_str(lines[1]), &proof));
	assert_true(merkle_verify_consistency(1, &roots[0], 3, &roots[1],
	    &proof));
	assert_false(merkle_verify_consistency(1, &roots[0], 5, &roots[2],
	    &proof));
}

#define CHECKPOINT1                   \
	"gate.example.com/audit\n1\n" \
	"0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n\n"

/* (i) of the reference, and what is none. */
static void
receipts_parsed(void **state)
{
	static const struct {
		const char *why, *text;
		int want;
	} cases[] = {
		{ "no hashes",
		    "c2sp.org/tlog-proof@v1\nindex 0\n\n" CHECKPOINT1, 0 },
		{ "with an extra line",
		    "c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\n", 0 },
		{ "empty", "", GG_E_CORRUPT },
		{ "another version", "c2sp.org/tlog-proof@v2\nindex 0\n\n",
		    GG_E_CORRUPT },
		{ "no index", "c2sp.org/tlog-proof@v1\n\n", GG_E_CORRUPT },
		{ "index with a zero before",
		    "c2sp.org/tlog-proof@v1\nindex 01\n\n", GG_E_CORRUPT },
		{ "negative", "c2sp.org/tlog-proof@v1\nindex -1\n\n",
		    GG_E_CORRUPT },
		{ "no empty line", "c2sp.org/tlog-proof@v1\nindex 0\n",
		    GG_E_CORRUPT },
		{ "a hash that is none",
		    "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n", GG_E_CORRUPT },
		{ "extra behind index",
		    "c2sp.org/tlog-proof@v1\nindex 0\nextra e30=\n\n",
		    GG_E_CORRUPT },
		{ "extra twice",
		    "c2sp.org/tlog-proof@v1\nextra e30=\nextra e30=\nindex 0\n"
		    "\n",
		    GG_E_CORRUPT },
		{ "extra and nothing else",
		    "c2sp.org/tlog-proof@v1\nextra e30=\n", GG_E_CORRUPT },
		{ "extra without base64",
		    "c2sp.org/tlog-proof@v1\nextra {}\nindex 0\n\n",
		    GG_E_CORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(buf) back = BUF_INIT(RECEIPT_MAX_BYTES);
		GG_AUTO_RELEASE(receipt) r = { 0 };
		struct view text = view_str(cases[i].text);

		if (receipt_parse(text, &r, NULL) != cases[i].want)
			fail_msg("%s", cases[i].why);
		if (cases[i].want != 0)
			continue;
		receipt_format(&r, &back);
		assert_string_equal(buf_str(&back), cases[i].text);
	}
}

static void
check_receipt(struct auditlog *l, uint64_t index, const struct note_vkey *k)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RECEIPT_MAX_BYTES);
	GG_AUTO_RELEASE(receipt) r = { 0 };
	GG_AUTO_MEM char *want = read_entry(l, index);
	struct gg_error err = { 0 };
	struct checkpoint c;

	if (auditlog_receipt(l, index, &text, &err) != 0)
		fail_msg("receipt %u: %s", (unsigned)index, err.msg);
	assert_int_equal(receipt_parse(buf_view(&text), &r, NULL), 0);
	assert_string_equal(buf_str(&r.entry), want);
	assert_int_equal(r.index, index);
	assert_int_equal(receipt_verify(&r, buf_view(&r.entry), k, &c, NULL),
	    0);
	assert_true(c.size > index);
	assert_int_equal(receipt_verify(&r, view_str("{}"), k, &c, NULL),
	    GG_E_CORRUPT);
	r.index++;
	assert_int_equal(receipt_verify(&r, buf_view(&r.entry), k, &c, NULL),
	    GG_E_CORRUPT);
}

static void
receipt_for_every_entry(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	struct gg_error err = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(RECEIPT_MAX_BYTES);
	struct note_vkey k;

	assert_int_equal(note_vkey_parse(view_str(auditlog_vkey(l)), &k, NULL),
	    0);
	must_append(l, 0, 1);
	check_receipt(l, 0, &k);
	must_append(l, 1, 2);
	check_receipt(l, 2, &k);
	must_append(l, 3, 514);
	for (unsigned i = 0; i < 517; i += i < 10 || i > 500 ? 1 : 13)
		check_receipt(l, i, &k);
	assert_int_equal(auditlog_receipt(l, 517, &out, &err), GG_E_NOTFOUND);
	auditlog_close(l);
}

/* No bit of a receipt may be another one. */
static void
flipped_receipts(void **state)
{
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RECEIPT_MAX_BYTES);
	struct note_vkey k;

	assert_int_equal(note_vkey_parse(view_str(auditlog_vkey(l)), &k, NULL),
	    0);
	must_append(l, 0, 5);
	assert_int_equal(auditlog_receipt(l, 3, &text, NULL), 0);
	auditlog_close(l);
	for (size_t at = 0; at < 8 * text.n; at++) {
		GG_AUTO_RELEASE(receipt) r = { 0 };

		text.p[at / 8] = (char)(text.p[at / 8] ^ 1 << at % 8);
		if (receipt_parse(buf_view(&text), &r, NULL) == 0 &&
		    receipt_verify(&r, buf_view(&r.entry), &k, NULL, NULL) == 0)
			fail_msg("bit %zu of byte %zu", at % 8, at / 8);
		text.p[at / 8] = (char)(text.p[at / 8] ^ 1 << at % 8);
	}
}

/* Roots of every size up to the log's, by adding leaves. */
static void
add_roots(struct auditlog *l, unsigned n, struct merkle_hash *roots)
{
	struct merkle_tree t = { 0 };
	struct merkle_hash h;

	merkle_tree_root(&t, &roots[0]);
	for (unsigned i = 0; i < n; i++) {
		GG_AUTO_MEM char *e = read_entry(l, i);

		merkle_leaf(view_str(e), &h);
		merkle_tree_add(&t, &h);
		merkle_tree_root(&t, &roots[i + 1]);
	}
}

static int
count_reads(void *ctx, const char *path, struct buf *out, struct gg_error *err)
{
	void **c = ctx;

	++*(unsigned *)c[1];
	return auditlog_fetch_dir(c[0], path, out, err);
}

#define SIZE 1300

static void
consistent_from_every_size(void **state)
{
	static struct merkle_hash roots[SIZE + 1];
	static const unsigned sizes[] = { 1, 2, 3, 255, 256, 257, 511, 512, 700,
		1024, 1279, 1280, SIZE };
	struct place *p = *state;
	struct auditlog *l = open_log(p);
	unsigned reads;
	void *ctx[] = { p->log, &reads };

	for (size_t k = 0; k < GG_COUNT(sizes); k++) {
		unsigned from = k > 0 ? sizes[k - 1] : 0;

		must_append(l, from, sizes[k] - from);
		assert_int_equal(auditlog_wait_published(l, sizes[k] - 1, NULL),
		    0);
	}
	add_roots(l, SIZE, roots);
	for (size_t k = 0; k < GG_COUNT(sizes); k++) {
		for (unsigned old = 0; old <= sizes[k];
		     old += old < 8 || old % 256 > 250 || old % 256 < 4 ? 1 :
									  7) {
			struct merkle_proof proof = { 0 };
			struct gg_error err = { 0 };
			int rc;

			reads = 0;
			rc = tile_prove_consistency(count_reads, ctx, old,
			    sizes[k], &proof, &err);
			if (rc != 0)
				fail_msg("%u to %u: %s", old, sizes[k],
				    err.msg);
			if (!merkle_verify_consistency(old, &roots[old],
				sizes[k], &roots[sizes[k]], &proof))
				fail_msg("%u to %u is wrong", old, sizes[k]);
			assert_true(reads <= 2 * 64);
		}
	}
	auditlog_close(l);
	{
		struct merkle_proof proof;

		assert_int_equal(tile_prove_consistency(auditlog_fetch_dir,
				     p->log, SIZE + 1, SIZE, &proof, NULL),
		    GG_E_INPUT);
		assert_int_equal(tile_prove_inclusion(auditlog_fetch_dir,
				     p->log, SIZE, SIZE, &proof, NULL),
		    GG_E_INPUT);
	}
}

/* Flip each bit of a file: the verifier must name it. */
static void
flip_all(const struct place *p, const char *name)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", p->log, name);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1 << 20);
	struct gg_error err = { 0 };
	uint64_t size;
	char root[45];

	assert_int_equal(file_read(path, &b, &err), 0);
	assert_true(b.n > 0);
	for (size_t at = 0; at < 8 * b.n; at++) {
		int rc;

		b.p[at / 8] = (char)(b.p[at / 8] ^ 1 << at % 8);
		assert_int_equal(file_write(path, buf_view(&b), 0640, false,
				     &err),
		    0);
		err = (struct gg_error){ 0 };
		rc = verify_log(p, &size, root, &err);
		if (rc != GG_E_CORRUPT || strncmp(err.msg, name, strlen(name)))
			fail_msg("%s: bit %zu of byte %zu: %d %s", name, at % 8,
			    at / 8, rc, err.msg);
		b.p[at / 8] = (char)(b.p[at / 8] ^ 1 << at % 8);
	}
	assert_int_equal(file_write(path, buf_view(&b), 0640, false, &err), 0);
}

static void
every_bit_of_a_small_log(void **state)
{
	static const char *const files[] = { "checkpoint", "tile/0/000.p/5",
		"tile/entries/000.p/5" };
	struct place *p = *state;
	struct auditlog *l = open_log(p);

	must_append(l, 0, 5);
	auditlog_close(l);
	for (size_t i = 0; i < GG_COUNT(files); i++)
		flip_all(p, files[i]);
	must_verify(p, 5);
}

/* Files of the next level: all there are, each at some of its bytes. */
static void
bits_of_a_larger_log(void **state)
{
	static const char *const files[] = { "tile/1/000.p/1" };
	struct place *p = *state;
	struct auditlog *l = open_log(p);

	must_append(l, 0, 258);
	auditlog_close(l);
	for (size_t i = 0; i < GG_COUNT(files); i++)
		flip_all(p, files[i]);
	must_verify(p, 258);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(witness_requests),
		cmocka_unit_test(receipts_parsed),
		T(receipt_for_every_entry),
		T(flipped_receipts),
		T(consistent_from_every_size),
		T(every_bit_of_a_small_log),
		T(bits_of_a_larger_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
