/* proto/advert: what an upstream may announce, and what is refused. */
#include "proto/advert.h"
#include "proto/pktline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define OUT_MAX ((size_t)1 << 20)
#define A       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B       "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define Z       "0000000000000000000000000000000000000000"

/* Lines to pkt-lines and a flush; '|' stands for NUL. */
static void
pkts_of(const char *const *lines, struct buf *out)
{
	for (; *lines != NULL; lines++) {
		GG_AUTO_MEM char *copy = strdup(*lines);
		size_t n = strlen(copy);

		for (size_t i = 0; i < n; i++)
			if (copy[i] == '|')
				copy[i] = '\0';
		pkt_add(out, view_of(copy, n));
	}
	pkt_flush(out);
}

static const struct {
	const char *why;
	const char *lines[8];
	int want;
	size_t refs;
} v0[] = {
	{ "one ref", { A " refs/heads/main|report-status\n" }, 0, 1 },
	{ "a version line first", { "version 1\n", A " refs/heads/main|x\n" },
	    0, 1 },
	{ "no LF at the end is as good", { A " refs/heads/main|x" }, 0, 1 },
	{ "an empty repository", { Z " capabilities^{}|atomic" }, 0, 0 },
	{ "HEAD is no ref",
	    { A " HEAD|symref=HEAD:refs/heads/main", A " refs/heads/main" }, 0,
	    1 },
	{ "a peeled tag", { A " refs/tags/t|", B " refs/tags/t^{}" }, 0, 1 },
	{ "alternates' .have lines say nothing about refs",
	    { A " refs/heads/x|c", B " .have" }, 0, 1 },
	{ "order does not matter", { A " refs/heads/z|", B " refs/heads/a" }, 0,
	    2 },
	{ "shallow lines", { A " refs/heads/z|", "shallow " B }, 0, 1 },
	{ "a name that is not UTF-8 is left out, peeled too",
	    { A " refs/heads/z|", A " refs/tags/\xff", B " refs/tags/\xff^{}" },
	    0, 1 },
	{ "nothing before the flush is an empty list", { NULL }, 0, 0 },
	{ "a double", { A " refs/heads/z|", B " refs/heads/z" }, GG_E_PEER, 0 },
	{ "no capabilities", { A " refs/heads/z" }, GG_E_PEER, 0 },
	{ "capabilities twice", { A " refs/heads/z|", A " refs/heads/y|x" },
	    GG_E_PEER, 0 },
	{ "upper-case oid",
	    { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA refs/heads/z|" },
	    GG_E_PEER, 0 },
	{ "short oid", { "aaaa refs/heads/z|" }, GG_E_PEER, 0 },
	{ "zero oid", { Z " refs/heads/z|" }, GG_E_PEER, 0 },
	{ "sha256 oid", { A "aaaaaaaaaaaaaaaaaaaaaaaa refs/heads/z|" },
	    GG_E_PEER, 0 },
	{ "refname outside refs/", { A " main|" }, GG_E_PEER, 0 },
	{ "refname with a blank", { A " refs/heads/a b|" }, GG_E_PEER, 0 },
	{ "refname that climbs", { A " refs/heads/../../x|" }, GG_E_PEER, 0 },
	{ "peeled line of another ref",
	    { A " refs/tags/t|", B " refs/tags/u^{}" }, GG_E_PEER, 0 },
	{ "peeled twice",
	    { A " refs/tags/t|", B " refs/tags/t^{}", B " refs/tags/t^{}" },
	    GG_E_PEER, 0 },
	{ "a ref after shallow lines",
	    { A " refs/tags/t|", "shallow " B, B " refs/tags/u" }, GG_E_PEER,
	    0 },
	{ "a ref after the empty line",
	    { Z " capabilities^{}|", B " refs/tags/u" }, GG_E_PEER, 0 },
	{ "an error line", { "ERR access denied" }, GG_E_UNAVAILABLE, 0 },
	{ "a symref to no refname",
	    { A " HEAD|symref=HEAD:main", A " refs/heads/main" }, GG_E_PEER,
	    0 },
	{ "HEAD twice", { A " HEAD|", A " HEAD" }, GG_E_PEER, 0 },
};

static void
parses_v0(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(v0); i++) {
		GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
		GG_AUTO(advert) a = NULL;
		struct gg_error err = { 0 };
		int rc;

		pkts_of(v0[i].lines, &in);
		rc = advert_parse_v0(buf_view(&in), &a, &err);
		if (rc != v0[i].want || (rc == 0) != (a != NULL) ||
		    (a != NULL && a->n_refs != v0[i].refs))
			fail_msg("%s: %d %s", v0[i].why, rc, err.msg);
	}
}

static const struct {
	const char *why;
	const char *lines[8];
	int want;
	size_t refs;
} v2[] = {
	{ "one ref", { A " refs/heads/main\n" }, 0, 1 },
	{ "HEAD with its target",
	    { A " HEAD symref-target:refs/heads/main", A " refs/heads/main" },
	    0, 1 },
	{ "unborn HEAD", { "unborn HEAD symref-target:refs/heads/main" }, 0,
	    0 },
	{ "peeled", { A " refs/tags/t peeled:" B }, 0, 1 },
	{ "an attribute of the future is passed over",
	    { A " refs/tags/t shiny:x peeled:" B }, 0, 1 },
	{ "nothing", { NULL }, 0, 0 },
	{ "peeled is no oid", { A " refs/tags/t peeled:x" }, GG_E_PEER, 0 },
	{ "peeled twice", { A " refs/tags/t peeled:" B " peeled:" B },
	    GG_E_PEER, 0 },
	{ "target is no refname", { A " HEAD symref-target:../x" }, GG_E_PEER,
	    0 },
	{ "unborn without a target", { "unborn HEAD" }, GG_E_PEER, 0 },
	{ "unborn and born",
	    { "unborn HEAD symref-target:refs/heads/x", A " HEAD" }, GG_E_PEER,
	    0 },
	{ "a double", { A " refs/heads/a", A " refs/heads/a" }, GG_E_PEER, 0 },
	{ "no name", { A }, GG_E_PEER, 0 },
	{ "an error line", { "ERR no" }, GG_E_UNAVAILABLE, 0 },
};

static void
parses_v2(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(v2); i++) {
		GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
		GG_AUTO(advert) a = NULL;
		struct gg_error err = { 0 };
		int rc;

		pkts_of(v2[i].lines, &in);
		rc = advert_parse_v2(buf_view(&in), &a, &err);
		if (rc != v2[i].want || (rc == 0) != (a != NULL) ||
		    (a != NULL && a->n_refs != v2[i].refs))
			fail_msg("%s: %d %s", v2[i].why, rc, err.msg);
	}
}

static void
reads_what_was_said(void **state)
{
	static const char *const lines[] = { A
		" HEAD|atomic symref=HEAD:refs/heads/main "
		"symref=refs/heads/alias:refs/heads/main agent=git/2.39",
		B " refs/tags/t", A " refs/tags/t^{}", A " refs/heads/main",
		A " refs/heads/alias", "shallow " B, NULL };
	GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
	GG_AUTO(advert) a = NULL;
	const struct advert_ref *r;

	(void)state;
	pkts_of(lines, &in);
	assert_int_equal(advert_parse_v0(buf_view(&in), &a, NULL), 0);
	assert_true(advert_has_cap(a, "atomic"));
	assert_true(advert_has_cap(a, "agent"));
	assert_false(advert_has_cap(a, "atom"));
	assert_string_equal(a->head_target, "refs/heads/main");
	assert_int_equal(a->n_shallow, 1);
	r = advert_find(a, view_str("refs/tags/t"));
	assert_non_null(r);
	assert_int_equal(r->oid.b[0], 0xbb);
	assert_int_equal(r->peeled.b[0], 0xaa);
	r = advert_find(a, view_str("refs/heads/alias"));
	assert_non_null(r);
	assert_string_equal(r->symref, "refs/heads/main");
	assert_null(advert_find(a, view_str("refs/heads/mai")));
	assert_null(advert_find(a, view_str("refs/heads/mainx")));
}

static void
round_trip(void **state)
{
	static const char *const lines[] = { A
		" HEAD|atomic symref=HEAD:refs/heads/main "
		"symref=refs/heads/alias:refs/heads/main agent=git/2.39",
		B " refs/tags/t", A " refs/tags/t^{}", A " refs/heads/main",
		A " refs/heads/alias", "shallow " B, NULL };
	GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) one = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(OUT_MAX);
	GG_AUTO(advert) a = NULL;
	GG_AUTO(advert) b = NULL;

	(void)state;
	pkts_of(lines, &in);
	assert_int_equal(advert_parse_v0(buf_view(&in), &a, NULL), 0);
	advert_encode(a, &one);
	assert_int_equal(advert_decode(buf_view(&one), &b, NULL), 0);
	advert_encode(b, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	assert_true(advert_same_refs(a, b));
	b->refs[1].oid.b[3] ^= 1;
	assert_false(advert_same_refs(a, b));
	for (size_t n = 0; n < one.n; n++) {
		struct advert *c = NULL;

		assert_true(advert_decode(view_of(one.p, n), &c, NULL) < 0);
		assert_null(c);
	}
}

static bool
hide_tags(void *ctx, const char *refname)
{
	(void)ctx;
	return strncmp(refname, "refs/tags/", 10) == 0;
}

static bool
hide_all(void *ctx, const char *refname)
{
	(void)ctx;
	(void)refname;
	return true;
}

static void
formats_for_receive_pack(void **state)
{
	static const char *const lines[] = { A " refs/heads/z|",
		B " refs/heads/a", B " refs/tags/t", "shallow " B, NULL };
	GG_AUTO_RELEASE(buf) in = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	GG_AUTO(advert) a = NULL;
	GG_AUTO(advert) b = NULL;
	GG_AUTO(advert) c = NULL;

	(void)state;
	pkts_of(lines, &in);
	assert_int_equal(advert_parse_v0(buf_view(&in), &a, NULL), 0);
	advert_format_receive_pack(a, "atomic quiet", hide_tags, NULL, &out);
	assert_int_equal(advert_parse_v0(buf_view(&out), &b, NULL), 0);
	assert_int_equal(b->n_refs, 2);
	assert_int_equal(b->n_shallow, 1);
	assert_true(advert_has_cap(b, "quiet"));
	assert_null(advert_find(b, view_str("refs/tags/t")));
	buf_clear(&out);
	a->n_shallow = 0;
	advert_format_receive_pack(a, "atomic quiet", hide_all, NULL, &out);
	assert_int_equal(advert_parse_v0(buf_view(&out), &c, NULL), 0);
	assert_int_equal(c->n_refs, 0);
	assert_true(advert_has_cap(c, "atomic"));
}

/* -- upstream's refs and the gate's own -- */

static struct advert *
refs_of(const char *names, unsigned char first)
{
	struct advert *a = advert_new();
	GG_AUTO_MEM char *copy = strdup(names);
	char *save = NULL;

	for (char *s = strtok_r(copy, " ", &save); s != NULL;
	     s = strtok_r(NULL, " ", &save)) {
		struct oid o = { { first++ } };

		assert_int_equal(advert_add(a, view_str(s), &o, NULL), 0);
	}
	assert_int_equal(advert_sort(a, NULL), 0);
	return a;
}

static const struct {
	const char *why, *upstream, *kept, *both; /* kept ones with a + */
	size_t shadowed;
} merges[] = {
	{ "nothing is kept", "refs/a/a refs/a/b", "", "refs/a/a refs/a/b", 0 },
	{ "nothing is upstream", "", "refs/a/a refs/a/b", "+refs/a/a +refs/a/b",
	    0 },
	{ "between, before, behind", "refs/b/a refs/b/c",
	    "refs/a/a refs/b/b refs/c/c",
	    "+refs/a/a refs/b/a +refs/b/b refs/b/c +refs/c/c", 0 },
	{ "upstream has it too", "refs/b/a refs/b/b", "refs/b/b refs/b/c",
	    "refs/b/a refs/b/b +refs/b/c", 1 },
	{ "no room below", "refs/r/a", "refs/r/a/b refs/r/a/c/d refs/r/ab",
	    "refs/r/a +refs/r/ab", 2 },
	{ "no room above", "refs/r/a/b/c", "refs/r/a refs/r/a/b refs/r/a/b/d",
	    "refs/r/a/b/c +refs/r/a/b/d", 2 },
	{ "a name that sorts between", "refs/r/a refs/r/a/b", "refs/r/a-b",
	    "refs/r/a +refs/r/a-b refs/r/a/b", 0 },
};

static void
merging(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(merges); i++) {
		GG_AUTO(advert) up = refs_of(merges[i].upstream, 1);
		GG_AUTO(advert) kept = refs_of(merges[i].kept, 100);
		GG_AUTO(advert) both = NULL;
		GG_AUTO(advert) again = NULL;
		GG_AUTO_RELEASE(buf) text = BUF_INIT(OUT_MAX);
		GG_AUTO_RELEASE(buf) bytes = BUF_INIT(OUT_MAX);
		size_t shadowed;

		up->head_target = strdup("refs/heads/main");
		assert_int_equal(advert_merge(up, kept, &both, &shadowed, NULL),
		    0);
		advert_encode(both, &bytes);
		assert_int_equal(advert_decode(buf_view(&bytes), &again, NULL),
		    0);
		assert_true(advert_same_refs(both, again));
		for (size_t k = 0; k < again->n_refs; k++) {
			const struct advert_ref *r = &again->refs[k];
			const struct advert *from = r->kept ? kept : up;
			const struct advert_ref *was = advert_find(from,
			    view_str(r->name));

			assert_true(was != NULL && oid_eq(&was->oid, &r->oid));
			buf_addf(&text, "%s%s%s", k > 0 ? " " : "",
			    r->kept ? "+" : "", r->name);
		}
		if (strcmp(buf_str(&text), merges[i].both) != 0 ||
		    shadowed != merges[i].shadowed)
			fail_msg("%s: %s (%zu)", merges[i].why, buf_str(&text),
			    shadowed);
		assert_string_equal(both->head_target, "refs/heads/main");
		assert_int_equal(advert_same_refs(up, both),
		    both->n_refs == up->n_refs);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_v0),
		cmocka_unit_test(parses_v2),
		cmocka_unit_test(reads_what_was_said),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(formats_for_receive_pack),
		cmocka_unit_test(merging),
	};

	return cmocka_run_group_tests_name("advert", tests, NULL, NULL);
}
