/* Against the trees of RFC 6962 test suites and Tessera's test log. */
#include "audit/merkle.h"

#include "base/text.h"
#include "crypto/digest.h"

#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* transparency-dev/merkle: leaves and the root of each size, in hex. */
static const char *const classic_leaves[] = { "", "00", "10", "2021", "3031",
	"40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f" };
static const char *const classic_roots[] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

/* Tessera's test log: its entries, and roots of some sizes in base64. */
static const char *const words[] = { "one", "two", "three", "four", "five",
	"six", "seven", "eit", "nain", "ten", "ileven", "twelf", "threeten",
	"fourten", "fivten" };
static const struct {
	unsigned size;
	const char *root;
} word_roots[] = {
	{ 0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
	{ 1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=" },
	{ 2, "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=" },
	{ 3, "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=" },
	{ 4, "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=" },
	{ 7, "IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U=" },
	{ 8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=" },
	{ 10, "y8/gZsZCtitsMan09tY+k8I7Qpr7Y5fbO2tLi9GQnfU=" },
	{ 15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=" },
};

/* Leaf hashes of a log in memory; the reader that proofs are made with. */
struct leaves {
	struct merkle_hash h[600];
	uint64_t n;
};

static int
read_subtree(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out,
    struct gg_error *err)
{
	const struct leaves *l = ctx;
	uint64_t first = index << level, n = (uint64_t)1 << level;

	if (first + n > l->n)
		return gg_fail(err, GG_E_NOTFOUND, "beyond the log");
	merkle_complete_root(&l->h[first], (size_t)n, out);
	return 0;
}

static void
b64(const char *text, struct merkle_hash *out)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(64);

	assert_int_equal(base64_decode(&b, view_str(text), NULL), 0);
	assert_int_equal(b.n, sizeof(out->b));
	memcpy(out->b, b.p, sizeof(out->b));
}

static void
expect_hex(const struct merkle_hash *h, const char *want)
{
	char hex[65];

	hex_encode(h->b, sizeof(h->b), hex);
	assert_string_equal(hex, want);
}

static void
expect_b64(const struct merkle_hash *h, const char *want)
{
	struct merkle_hash w;

	b64(want, &w);
	assert_memory_equal(h->b, w.b, sizeof(w.b));
}

static void
load_classic(struct leaves *l)
{
	unsigned char raw[16];

	l->n = 0;
	for (size_t i = 0; i < GG_COUNT(classic_leaves); i++) {
		size_t n = strlen(classic_leaves[i]) / 2;

		assert_true(hex_decode(view_str(classic_leaves[i]), raw, n));
		merkle_leaf(view_of(raw, n), &l->h[l->n++]);
	}
}

static void
load_words(struct leaves *l)
{
	l->n = 0;
	for (size_t i = 0; i < GG_COUNT(words); i++)
		merkle_leaf(view_str(words[i]), &l->h[l->n++]);
}

static void
load_numbers(struct leaves *l, uint64_t n)
{
	for (l->n = 0; l->n < n; l->n++)
		merkle_leaf(view_of(&l->n, sizeof(l->n)), &l->h[l->n]);
}

static void
hashes_known(void **state)
{
	static const char record[] =
	    "{\"decision\":\"allow\","
	    "\"new\":\"fe6ba5369e98005e5f0d76442447a966aa70d0dc\","
	    "\"old\":\"29000644713a1a7ecea7871b433cf83f2740da90\","
	    "\"push\":\"01JD8Y0000000000000000000A\","
	    "\"ref\":\"refs/heads/main\",\"repo\":\"acme/app\",\"seq\":0,"
	    "\"time\":\"2026-11-22T07:00:00.000Z\",\"type\":\"ref.update\","
	    "\"v\":1}";
	unsigned char both[65] = { 1 };
	struct merkle_hash h;

	(void)state;
	merkle_leaf(view_str("L123456"), &h);
	expect_hex(&h,
	    "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
	merkle_leaf(view_str("hello world"), &h);
	expect_b64(&h, "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=");
	assert_int_equal(strlen(record), 264);
	merkle_leaf(view_str(record), &h);
	expect_hex(&h,
	    "a63cf00faf14ca178fc4ce750ad4ddfa82fdbcd6f1d8e26ec61106e1a272dd16");
	/* the published node vector joins two short strings */
	memcpy(both + 1, "N123N456", 8);
	digest_sha256(both, 9, h.b);
	expect_hex(&h,
	    "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb");
	/* and ours is the same over two whole hashes */
	{
		struct merkle_hash l, r, want;

		merkle_leaf(view_str("l"), &l);
		merkle_leaf(view_str("r"), &r);
		memcpy(both + 1, l.b, 32);
		memcpy(both + 33, r.b, 32);
		digest_sha256(both, sizeof(both), want.b);
		merkle_node(&l, &r, &h);
		assert_memory_equal(h.b, want.b, 32);
	}
}

static void
roots_known(void **state)
{
	struct merkle_tree t = { 0 };
	struct merkle_hash h;
	struct leaves l;

	(void)state;
	load_classic(&l);
	for (size_t i = 0; i < GG_COUNT(classic_roots); i++) {
		merkle_tree_root(&t, &h);
		expect_hex(&h, classic_roots[i]);
		assert_int_equal(merkle_root_at(read_subtree, &l, i, &h, NULL),
		    0);
		expect_hex(&h, classic_roots[i]);
		if (i < l.n)
			merkle_tree_add(&t, &l.h[i]);
	}
	load_words(&l);
	for (size_t i = 0; i < GG_COUNT(word_roots); i++) {
		assert_int_equal(merkle_root_at(read_subtree, &l,
				     word_roots[i].size, &h, NULL),
		    0);
		expect_b64(&h, word_roots[i].root);
	}
}

static void
proofs_known(void **state)
{
	struct merkle_proof p;
	struct leaves l;

	(void)state;
	load_words(&l);
	assert_int_equal(merkle_prove_inclusion(read_subtree, &l, 1, 3, &p,
			     NULL),
	    0);
	assert_int_equal(p.n, 2);
	expect_b64(&p.h[0], "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=");
	expect_b64(&p.h[1], "Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNPOdbsS75Q=");
	assert_int_equal(merkle_prove_consistency(read_subtree, &l, 1, 3, &p,
			     NULL),
	    0);
	assert_int_equal(p.n, 2);
	expect_b64(&p.h[0], "qxq38Hx8j+Dv9LpvqlPH5EEukaWZFT6KpOAb7s5beCU=");
	expect_b64(&p.h[1], "Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNPOdbsS75Q=");
	assert_int_equal(merkle_prove_consistency(read_subtree, &l, 2, 3, &p,
			     NULL),
	    0);
	assert_int_equal(p.n, 1);
	expect_b64(&p.h[0], "Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNPOdbsS75Q=");
	load_classic(&l);
	assert_int_equal(merkle_prove_consistency(read_subtree, &l, 6, 7, &p,
			     NULL),
	    0);
	assert_int_equal(p.n, 3);
	expect_b64(&p.h[0], "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=");
	expect_b64(&p.h[1], "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=");
	expect_b64(&p.h[2], "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=");
}

#define ALL 40

static void
every_inclusion(void **state)
{
	struct merkle_hash root;
	struct merkle_proof p;
	struct leaves l;

	(void)state;
	load_numbers(&l, ALL);
	for (uint64_t size = 1; size <= ALL; size++) {
		assert_int_equal(merkle_root_at(read_subtree, &l, size, &root,
				     NULL),
		    0);
		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(merkle_prove_inclusion(read_subtree,
					     &l, i, size, &p, NULL),
			    0);
			assert_true(merkle_verify_inclusion(&l.h[i], i, size,
			    &p, &root));
			for (uint64_t j = 0; j < size; j++)
				assert_int_equal(
				    merkle_verify_inclusion(&l.h[i], j, size,
					&p, &root),
				    i == j);
			assert_false(merkle_verify_inclusion(&l.h[(i + 1) %
								 ALL],
			    i, size, &p, &root));
		}
	}
}

static void
every_consistency(void **state)
{
	struct merkle_hash old, root;
	struct merkle_proof p;
	struct leaves l;

	(void)state;
	load_numbers(&l, ALL);
	for (uint64_t size = 0; size <= ALL; size++) {
		assert_int_equal(merkle_root_at(read_subtree, &l, size, &root,
				     NULL),
		    0);
		for (uint64_t m = 0; m <= size; m++) {
			assert_int_equal(merkle_root_at(read_subtree, &l, m,
					     &old, NULL),
			    0);
			assert_int_equal(merkle_prove_consistency(read_subtree,
					     &l, m, size, &p, NULL),
			    0);
			assert_true(merkle_verify_consistency(m, &old, size,
			    &root, &p));
			for (uint64_t k = 1; k <= size && m > 0; k++)
				if (k != m)
					assert_false(merkle_verify_consistency(
					    k, &old, size, &root, &p));
		}
	}
}

static void
spoilt_proofs(void **state)
{
	struct merkle_hash old, root, other;
	struct merkle_proof p, q;
	struct leaves l;

	(void)state;
	load_numbers(&l, ALL);
	merkle_leaf(view_str("other"), &other);
	assert_int_equal(merkle_root_at(read_subtree, &l, 37, &root, NULL), 0);
	assert_int_equal(merkle_root_at(read_subtree, &l, 22, &old, NULL), 0);
	assert_int_equal(merkle_prove_inclusion(read_subtree, &l, 21, 37, &p,
			     NULL),
	    0);
	for (size_t i = 0; i < p.n; i++) {
		q = p;
		q.h[i] = other;
		assert_false(merkle_verify_inclusion(&l.h[21], 21, 37, &q,
		    &root));
		q = p;
		q.n = i;
		assert_false(merkle_verify_inclusion(&l.h[21], 21, 37, &q,
		    &root));
	}
	q = p;
	q.h[q.n++] = other;
	assert_false(merkle_verify_inclusion(&l.h[21], 21, 37, &q, &root));
	assert_false(merkle_verify_inclusion(&l.h[21], 37, 37, &p, &root));
	assert_false(merkle_verify_inclusion(&l.h[21], 0, 0, &p, &root));
	assert_int_equal(merkle_prove_consistency(read_subtree, &l, 22, 37, &p,
			     NULL),
	    0);
	for (size_t i = 0; i < p.n; i++) {
		q = p;
		q.h[i] = other;
		assert_false(merkle_verify_consistency(22, &old, 37, &root,
		    &q));
		q = p;
		q.n = i;
		assert_false(merkle_verify_consistency(22, &old, 37, &root,
		    &q));
	}
	q = p;
	q.h[q.n++] = other;
	assert_false(merkle_verify_consistency(22, &old, 37, &root, &q));
	assert_false(merkle_verify_consistency(22, &other, 37, &root, &p));
	assert_false(merkle_verify_consistency(22, &old, 37, &other, &p));
	assert_false(merkle_verify_consistency(38, &old, 37, &root, &p));
	p.n = 0;
	assert_false(merkle_verify_consistency(37, &old, 37, &root, &p));
	assert_false(merkle_verify_consistency(0, &other, 37, &root, &p));
}

static void
refused_questions(void **state)
{
	struct merkle_proof p;
	struct leaves l;

	(void)state;
	load_numbers(&l, 5);
	assert_int_equal(merkle_prove_inclusion(read_subtree, &l, 5, 5, &p,
			     NULL),
	    GG_E_INPUT);
	assert_int_equal(merkle_prove_inclusion(read_subtree, &l, 0, 0, &p,
			     NULL),
	    GG_E_INPUT);
	assert_int_equal(merkle_prove_consistency(read_subtree, &l, 6, 5, &p,
			     NULL),
	    GG_E_INPUT);
	assert_int_equal(merkle_prove_inclusion(read_subtree, &l, 0, 9, &p,
			     NULL),
	    GG_E_NOTFOUND); /* the reader's error comes through */
}

/* A tree rebuilt from its tiles' hashes goes on like the original. */
static void
graft_equals_growth(void **state)
{
	static const unsigned sizes[] = { 0, 1, 5, 255, 256, 257, 511, 512,
		599 };
	struct leaves l;

	(void)state;
	load_numbers(&l, 600);
	for (size_t i = 0; i < GG_COUNT(sizes); i++) {
		struct merkle_tree grown = { 0 }, grafted = { 0 };
		struct merkle_hash full[2], a, b;
		unsigned n = sizes[i];

		for (unsigned k = 0; k < n; k++)
			merkle_tree_add(&grown, &l.h[k]);
		for (unsigned k = 0; k < n / 256; k++)
			merkle_complete_root(&l.h[256 * k], 256, &full[k]);
		merkle_tree_graft(&grafted, 8, full, n / 256);
		merkle_tree_graft(&grafted, 0, &l.h[n / 256 * 256], n % 256);
		assert_int_equal(grafted.size, n);
		merkle_tree_add(&grown, &l.h[n]);
		merkle_tree_add(&grafted, &l.h[n]);
		merkle_tree_root(&grown, &a);
		merkle_tree_root(&grafted, &b);
		assert_memory_equal(a.b, b.b, sizeof(a.b));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_known),
		cmocka_unit_test(roots_known),
		cmocka_unit_test(proofs_known),
		cmocka_unit_test(every_inclusion),
		cmocka_unit_test(every_consistency),
		cmocka_unit_test(spoilt_proofs),
		cmocka_unit_test(refused_questions),
		cmocka_unit_test(graft_equals_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
