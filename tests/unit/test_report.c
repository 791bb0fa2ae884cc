/* model/report: encode and decode are inverses; what lies is refused. */
#include "model/report.h"

#include "ipc/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define OUT_MAX ((size_t)1 << 20)

static struct oid
oid_of(unsigned char c)
{
	struct oid o;

	memset(o.b, c, sizeof(o.b));
	return o;
}

/* Two updates, two scopes, three commits, with every field set. */
static struct change_report *
sample(void)
{
	struct change_report *r = change_report_new(2, 2);
	struct path_change *p;

	r->n_objects = 9;
	r->pack_bytes = 4711;
	for (unsigned char i = 0; i < 3; i++) {
		struct commit_info *c = change_report_add_commit(r);

		c->oid = oid_of(i);
		c->tree = oid_of((unsigned char)(i + 10));
		c->n_parents = i;
		c->first_parent = oid_of((unsigned char)(i + 20));
		c->author_name = strdup("Ann \xff");
		c->author_email = strdup("ann@example.org");
		c->committer_name = strdup("Bob");
		c->committer_email = strdup("");
		c->author_time = -5;
		c->committer_time = 1700000000;
		c->message = strdup("subject\n\nbody\n");
		p = path_changes_add(&c->paths, view_str("a/b\n\xc3"));
		p->kinds = CHANGE_ADD | CHANGE_SYMLINK;
		p->new_mode = 0120000;
		p->new_oid = oid_of(7);
		p->new_bytes = 12;
	}
	r->updates[0].kind = UPDATE_FORCE;
	r->updates[0].object = OBJECT_COMMIT;
	r->updates[0].peeled = oid_of(1);
	commit_list_add(&r->updates[0].scopes[0], 2);
	commit_list_add(&r->updates[0].scopes[0], 0);
	commit_list_add(&r->updates[0].scopes[1], 1);
	p = path_changes_add(&r->updates[0].net, view_str(""));
	p->kinds = CHANGE_DELETE;
	r->updates[1].kind = UPDATE_TAG_MOVE;
	r->updates[1].object = OBJECT_TAG;
	r->updates[1].too_large = true;
	r->updates[1].too_large_why = strdup("walk-commits");
	return r;
}

static void
round_trip(void **state)
{
	GG_AUTO(change_report) a = sample();
	GG_AUTO(change_report) b = NULL;
	GG_AUTO_RELEASE(buf) one = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(OUT_MAX);

	(void)state;
	change_report_encode(a, &one);
	assert_int_equal(change_report_decode(buf_view(&one), &b, NULL), 0);
	change_report_encode(b, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	assert_int_equal(b->n_commits, 3);
	assert_string_equal(b->commits[2].author_name, "Ann \xff");
	assert_int_equal(b->commits[2].author_time, -5);
	assert_string_equal(b->commits[1].paths.v[0].path, "a/b\n\xc3");
	assert_int_equal(b->commits[1].paths.v[0].new_mode, 0120000);
	assert_int_equal(b->updates[0].scopes[0].n, 2);
	assert_int_equal(b->updates[0].scopes[0].v[0], 2);
	assert_int_equal(b->updates[0].net.n, 1);
	assert_true(b->updates[1].too_large);
	assert_string_equal(b->updates[1].too_large_why, "walk-commits");
}

static void
every_truncation_is_refused(void **state)
{
	GG_AUTO(change_report) a = sample();
	GG_AUTO_RELEASE(buf) one = BUF_INIT(OUT_MAX);

	(void)state;
	change_report_encode(a, &one);
	for (size_t n = 0; n < one.n; n++) {
		struct change_report *b = NULL;
		struct gg_error err = { 0 };

		assert_true(change_report_decode(view_of(one.p, n), &b, &err) <
		    0);
		assert_null(b);
		assert_true(err.msg[0] != '\0');
	}
	buf_addc(&one, 'x');
	assert_int_equal(change_report_decode(buf_view(&one),
			     &(struct change_report *){ 0 }, NULL),
	    GG_E_PEER);
}

/* -- documents -- */

static struct change_report *
sample_with_documents(void)
{
	struct change_report *r = sample();
	struct document *d = change_report_add_document(r);

	d->kind = DOCUMENT_ENTIRE_PROMPT;
	d->update = 1;
	d->key = strdup("0123456789ab");
	d->part = strdup("0");
	d->text = view_dup(view_of("a\0b\xff", 4));
	d->n = 4;
	d->bytes = 400;
	d->cut = true;
	d = change_report_add_document(r);
	d->kind = DOCUMENT_AGENT_TRACE;
	d->commit = 2;
	d->key = strdup(".agent-trace/t.jsonl");
	d->masked = true;
	r->documents_all = 7;
	r->documents_incomplete = strdup("provenance-bytes");
	return r;
}

static void
documents_travel_too(void **state)
{
	GG_AUTO(change_report) a = sample_with_documents();
	GG_AUTO(change_report) bare = sample();
	GG_AUTO(change_report) b = NULL;
	GG_AUTO_RELEASE(buf) one = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) without = BUF_INIT(OUT_MAX);

	(void)state;
	change_report_encode(a, &one);
	change_report_encode(bare, &without);
	assert_int_equal(change_report_decode(buf_view(&one), &b, NULL), 0);
	change_report_encode(b, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	assert_int_equal(b->n_documents, 2);
	assert_int_equal(b->documents_all, 7);
	assert_string_equal(b->documents_incomplete, "provenance-bytes");
	assert_int_equal(b->documents[0].n, 4);
	assert_memory_equal(b->documents[0].text, "a\0b\xff", 5);
	assert_int_equal(b->documents[0].bytes, 400);
	assert_int_equal(b->documents[0].commit, UINT32_MAX);
	assert_true(b->documents[0].cut && !b->documents[0].masked);
	assert_int_equal(b->documents[1].commit, 2);
	assert_true(!b->documents[1].cut && b->documents[1].masked);
	assert_int_equal(b->n_known, 0);
	/* they stand behind all that there was before them */
	assert_memory_equal(one.p, without.p, without.n);
	for (size_t n = without.n + 1; n < one.n; n++) {
		struct change_report *c = NULL;

		assert_true(change_report_decode(view_of(one.p, n), &c, NULL) <
		    0);
		assert_null(c);
	}
	/* a report without any has one form */
	enc_u32(&without, 0);
	enc_u64(&without, 0);
	enc_str(&without, "");
	assert_int_equal(change_report_decode(buf_view(&without),
			     &(struct change_report *){ 0 }, NULL),
	    GG_E_PEER);
}

static void
what_upstream_had_travels(void **state)
{
	GG_AUTO(change_report) a = sample();
	GG_AUTO(change_report) b = NULL, *none = NULL;
	GG_AUTO_RELEASE(buf) one = BUF_INIT(OUT_MAX);
	GG_AUTO_RELEASE(buf) two = BUF_INIT(OUT_MAX);
	struct oid x = { { 1 } }, y = { { 2 } };

	(void)state;
	assert_true(change_report_add_known(a, &x));
	assert_true(change_report_add_known(a, &y));
	change_report_encode(a, &one);
	assert_int_equal(change_report_decode(buf_view(&one), &b, NULL), 0);
	change_report_encode(b, &two);
	assert_true(view_eq(buf_view(&one), buf_view(&two)));
	assert_int_equal(b->n_known, 2);
	assert_true(oid_eq(&b->known[1], &y));
	/* sorted, each once: else it is not found */
	a->known[1] = x;
	buf_clear(&one);
	change_report_encode(a, &one);
	assert_int_equal(change_report_decode(buf_view(&one), &none, NULL),
	    GG_E_PEER);
	while (change_report_add_known(a, &x))
		;
	assert_int_equal(a->n_known, REPORT_MAX_KNOWN);
}

static void
lie_document_update(struct change_report *r)
{
	r->documents[0].update = 2;
}
static void
lie_document_commit(struct change_report *r)
{
	r->documents[1].commit = 3;
}
static void
lie_document_kind(struct change_report *r)
{
	r->documents[1].kind = (enum document_kind)6;
}
static void
lie_document_part(struct change_report *r)
{
	free(r->documents[0].part);
	r->documents[0].part = strdup("a part that is too long");
}
static void
lie_documents_all(struct change_report *r)
{
	r->documents_all = 1;
}
static void
lie_documents_text(struct change_report *r)
{
	free(r->documents[0].text);
	r->documents[0].n = REPORT_DOCUMENTS_MAX + 1;
	r->documents[0].text = calloc(1, r->documents[0].n + 1);
}

static void
lies_about_documents_are_refused(void **state)
{
	static void (*const lies[])(struct change_report *) = {
		lie_document_update,
		lie_document_commit,
		lie_document_kind,
		lie_document_part,
		lie_documents_all,
		lie_documents_text,
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(lies); i++) {
		GG_AUTO(change_report) a = sample_with_documents();
		GG_AUTO_RELEASE(buf) out = BUF_INIT((size_t)16 << 20);
		struct change_report *b = NULL;

		lies[i](a);
		change_report_encode(a, &out);
		assert_int_equal(change_report_decode(buf_view(&out), &b, NULL),
		    GG_E_PEER);
	}
}

/* What a lying inspector might do to an otherwise good report. */
static void
lie_scopes(struct change_report *r)
{
	r->n_scopes = 0;
	r->updates[0].kind = UPDATE_CREATE;
}
static void
lie_index(struct change_report *r)
{
	r->updates[0].scopes[0].v[1] = 3;
}
static void
lie_list(struct change_report *r)
{
	for (int i = 0; i < 3; i++)
		commit_list_add(&r->updates[0].scopes[0], 0);
}
static void
lie_kind(struct change_report *r)
{
	r->updates[1].kind = (enum update_kind)(UPDATE_TAG_MOVE + 1);
}
static void
lie_object(struct change_report *r)
{
	r->updates[1].object = (enum object_kind)(OBJECT_TAG + 1);
}
static void
lie_text(struct change_report *r)
{
	free(r->commits[0].author_name);
	r->commits[0].author_name = calloc(1, 1026);
	memset(r->commits[0].author_name, 'x', 1025);
}
static void
lie_nothing(struct change_report *r)
{
	(void)r;
}

static void
lies_are_refused(void **state)
{
	static const struct {
		const char *why;
		void (*lie)(struct change_report *);
		int want;
	} cases[] = {
		{ "the sample itself is good", lie_nothing, 0 },
		{ "no scope at all is fine", lie_scopes, 0 },
		{ "an index past the commits", lie_index, GG_E_PEER },
		{ "more entries than commits", lie_list, GG_E_PEER },
		{ "no such kind of update", lie_kind, GG_E_PEER },
		{ "no such kind of object", lie_object, GG_E_PEER },
		{ "a name over its ceiling", lie_text, GG_E_PEER },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(change_report) a = sample();
		GG_AUTO(change_report) b = NULL;
		GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);

		cases[i].lie(a);
		change_report_encode(a, &out);
		if (change_report_decode(buf_view(&out), &b, NULL) !=
		    cases[i].want)
			fail_msg("%s", cases[i].why);
	}
}

/* Counts that promise more than the input can hold allocate nothing. */
static void
huge_counts_are_refused(void **state)
{
	static const uint32_t counts[] = { UINT32_MAX, 0x7fffffff, 1000001 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(counts); i++) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
		struct change_report *b = NULL;

		enc_u32(&out, 0);
		enc_u64(&out, 0);
		enc_u64(&out, 0);
		enc_u32(&out, counts[i]);
		assert_true(change_report_decode(buf_view(&out), &b, NULL) < 0);
		buf_clear(&out);
		enc_u32(&out, 0);
		enc_u64(&out, 0);
		enc_u64(&out, 0);
		enc_u32(&out, 0);
		enc_u32(&out, counts[i]);
		assert_true(change_report_decode(buf_view(&out), &b, NULL) < 0);
		buf_clear(&out);
		enc_u32(&out, REPORT_MAX_SCOPES + 1);
		assert_int_equal(change_report_decode(buf_view(&out), &b, NULL),
		    GG_E_PEER);
	}
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(update_kind_name(UPDATE_FAST_FORWARD),
	    "fast-forward");
	assert_string_equal(update_kind_name(UPDATE_TAG_MOVE), "tag-move");
	assert_string_equal(change_name(CHANGE_ADD), "added");
	assert_string_equal(change_name(CHANGE_MODIFY | CHANGE_MODE),
	    "modified");
	assert_string_equal(change_name(CHANGE_MODE), "mode");
	assert_string_equal(change_name(CHANGE_DELETE | CHANGE_SUBMODULE),
	    "submodule");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(documents_travel_too),
		cmocka_unit_test(what_upstream_had_travels),
		cmocka_unit_test(lies_about_documents_are_refused),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(huge_counts_are_refused),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
