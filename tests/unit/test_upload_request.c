/* proto/upload_request and proto/smart_path: what a fetch may ask, where. */
#include "base/auto.h"
#include "base/buf.h"
#include "proto/pktline.h"
#include "proto/smart_path.h"
#include "proto/upload_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define Z "0000000000000000000000000000000000000000"
#define F "~"
#define D "%"

/* "~" is a flush-pkt, "%" a delim-pkt. */
static void
pkts_of(const char *const *lines, struct buf *out)
{
	for (; *lines != NULL; lines++) {
		if (strcmp(*lines, F) == 0)
			pkt_flush(out);
		else if (strcmp(*lines, D) == 0)
			pkt_delim(out);
		else
			pkt_addf(out, "%s", *lines);
	}
}

static const struct {
	const char *why;
	bool v2;
	const char *lines[12];
	int want;
	enum upload_kind kind;
	size_t wants;
} cases[] = {
	{ "a probe", false, { F }, 0, UPLOAD_PROBE, 0 },
	{ "a probe of v2", true, { F }, 0, UPLOAD_PROBE, 0 },
	{ "a clone", false,
	    { "want " A " side-band-64k ofs-delta agent=git/2\n",
		"want " B "\n", F, "done\n" },
	    0, UPLOAD_FETCH_V0, 2 },
	{ "a fetch, first round", false,
	    { "want " A " multi_ack_detailed", F, "have " B, "have " A, F }, 0,
	    UPLOAD_FETCH_V0, 1 },
	{ "shallow and filtered", false,
	    { "want " A " filter shallow", "shallow " B, "deepen 1",
		"filter blob:none", F },
	    0, UPLOAD_FETCH_V0, 1 },
	{ "no want", false, { "have " A, F }, GG_E_PEER, 0, 0 },
	{ "two flushes alone", false, { F, F }, GG_E_PEER, 0, 0 },
	{ "want zero", false, { "want " Z, F }, GG_E_PEER, 0, 0 },
	{ "want a name", false, { "want refs/heads/main", F }, GG_E_PEER, 0,
	    0 },
	{ "capabilities on a second want", false,
	    { "want " A, "want " B " ofs-delta", F }, GG_E_PEER, 0, 0 },
	{ "a capability of nobody's", false, { "want " A " evil", F },
	    GG_E_PEER, 0, 0 },
	{ "another object format", false,
	    { "want " A " object-format=sha256", F }, GG_E_PEER, 0, 0 },
	{ "no flush", false, { "want " A }, GG_E_PEER, 0, 0 },
	{ "a want behind the depth", false,
	    { "want " A, "deepen 1", "want " B, F }, GG_E_PEER, 0, 0 },
	{ "depth zero", false, { "want " A, "deepen 0", F }, GG_E_PEER, 0, 0 },
	{ "depth below zero", false, { "want " A, "deepen -1", F }, GG_E_PEER,
	    0, 0 },
	{ "a delim-pkt in v0", false, { "want " A, D, F }, GG_E_PEER, 0, 0 },
	{ "a line after done", false, { "want " A, F, "done", "have " A },
	    GG_E_PEER, 0, 0 },
	{ "a want after the flush", false, { "want " A, F, "want " B, F },
	    GG_E_PEER, 0, 0 },
	{ "too many wants", false,
	    { "want " A, "want " A, "want " A, "want " A, F }, GG_E_LIMIT, 0,
	    0 },
	{ "ls-refs", true,
	    { "command=ls-refs\n", "agent=git/2", "object-format=sha1", D,
		"peel\n", "symrefs\n", "unborn", "ref-prefix refs/heads/", F },
	    0, UPLOAD_LS_REFS, 0 },
	{ "ls-refs without arguments", true, { "command=ls-refs", F }, 0,
	    UPLOAD_LS_REFS, 0 },
	{ "a fetch in v2", true,
	    { "command=fetch", "server-option=x", D, "thin-pack", "want " A,
		"have " B, "filter tree:0", "deepen-not v1", "done", F },
	    0, UPLOAD_FETCH_V2, 1 },
	{ "object-info", true, { "command=object-info", D, "size", F },
	    GG_E_PEER, 0, 0 },
	{ "bundle-uri", true, { "command=bundle-uri", F }, GG_E_PEER, 0, 0 },
	{ "no command", true, { "agent=x", F }, GG_E_PEER, 0, 0 },
	{ "two commands", true, { "command=fetch", "command=ls-refs", F },
	    GG_E_PEER, 0, 0 },
	{ "a capability of nobody's in v2", true,
	    { "command=fetch", "evil=1", F }, GG_E_PEER, 0, 0 },
	{ "another object format in v2", true,
	    { "command=fetch", "object-format=sha256", F }, GG_E_PEER, 0, 0 },
	{ "a control byte in an option", true,
	    { "command=fetch", "server-option=a\x1b", F }, GG_E_PEER, 0, 0 },
	{ "packfile-uris", true, { "command=fetch", D, "packfile-uris x", F },
	    GG_E_PEER, 0, 0 },
	{ "want-ref of no refname", true,
	    { "command=fetch", D, "want-ref refs/../x", F }, GG_E_PEER, 0, 0 },
	{ "want-refs count as wants", true,
	    { "command=fetch", D, "want " A, "want " A, "want-ref refs/a",
		"want-ref refs/b", F },
	    GG_E_LIMIT, 0, 0 },
	{ "an argument of fetch for ls-refs", true,
	    { "command=ls-refs", D, "want " A, F }, GG_E_PEER, 0, 0 },
	{ "a sparse filter", true,
	    { "command=fetch", D, "filter sparse:oid=" A, F }, GG_E_PEER, 0,
	    0 },
	{ "two filters", true,
	    { "command=fetch", D, "filter blob:none", "filter tree:1", F },
	    GG_E_PEER, 0, 0 },
	{ "deepen-not that is an option", true,
	    { "command=fetch", D, "deepen-not --all", F }, GG_E_PEER, 0, 0 },
	{ "two delim-pkts", true, { "command=fetch", D, D, F }, GG_E_PEER, 0,
	    0 },
	{ "a second request behind the first", true,
	    { "command=ls-refs", F, "command=fetch", F }, GG_E_PEER, 0, 0 },
	{ "done with words", true, { "command=fetch", D, "done now", F },
	    GG_E_PEER, 0, 0 },
};

static void
fetch_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(buf) in = BUF_INIT(100000);
		GG_AUTO(upload_request) rq = NULL;
		struct gg_error err = { 0 };
		int rc;

		pkts_of(cases[i].lines, &in);
		rc = upload_request_parse(buf_view(&in), cases[i].v2, 3, &rq,
		    &err);
		if (rc != cases[i].want || (rc == 0) != (rq != NULL) ||
		    (rq != NULL &&
			(rq->kind != cases[i].kind ||
			    rq->n_wants != cases[i].wants)))
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
	}
}

static void
keeps_what_was_asked(void **state)
{
	static const char *const lines[] = { "command=fetch", D, "want " A,
		"want-ref refs/heads/main", "deepen-not refs/tags/v1",
		"filter blob:limit=10k", "done", F, NULL };
	GG_AUTO_RELEASE(buf) in = BUF_INIT(100000);
	GG_AUTO(upload_request) rq = NULL;

	(void)state;
	pkts_of(lines, &in);
	assert_int_equal(upload_request_parse(buf_view(&in), true, 9, &rq,
			     NULL),
	    0);
	assert_int_equal(rq->wants[0].b[0], 0xaa);
	assert_string_equal(rq->want_refs.v[0], "refs/heads/main");
	assert_string_equal(rq->deepen_not.v[0], "refs/tags/v1");
	assert_string_equal(rq->filter, "blob:limit=10k");
	assert_true(rq->done);
}

static void
filters(void **state)
{
	static const struct {
		const char *spec;
		bool ok;
	} rows[] = { { "blob:none", true }, { "blob:limit=0", true },
		{ "blob:limit=1g", true }, { "tree:0", true },
		{ "tree:100000", true }, { "object:type=commit", true },
		{ "object:type=tag", true }, { "", false }, { "blob:", false },
		{ "blob:limit=", false }, { "blob:limit=k", false },
		{ "blob:limit=-1", false }, { "blob:limit=1x", false },
		{ "blob:limit=99999999999999999999", false },
		{ "blob:limit=1kk", false }, { "tree:", false },
		{ "tree:100001", false }, { "tree:-1", false },
		{ "object:type=", false }, { "object:type=any", false },
		{ "combine:blob:none+tree:0", false },
		{ "sparse:path=x", false }, { "blob:none ", false },
		{ "BLOB:NONE", false } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		if (upload_filter_is_allowed(view_str(rows[i].spec)) !=
		    rows[i].ok)
			fail_msg("\"%s\"", rows[i].spec);
}

static const struct {
	const char *path, *query;
	enum smart_kind kind;
	const char *repository;
} paths[] = {
	{ "/app/info/refs", "service=git-upload-pack", SMART_INFO_REFS_UPLOAD,
	    "app" },
	{ "/acme/app.git/info/refs", "service=git-receive-pack",
	    SMART_INFO_REFS_RECEIVE, "acme/app" },
	{ "/acme/app.git/info/refs/", "x=1&service=git-receive-pack",
	    SMART_INFO_REFS_RECEIVE, "acme/app" },
	{ "/a/b/c/git-upload-pack", "", SMART_UPLOAD_PACK, "a/b/c" },
	{ "/a/git-receive-pack", "", SMART_RECEIVE_PACK, "a" },
	{ "/a.git/git-receive-pack", "", SMART_RECEIVE_PACK, "a" },
	{ "/a/info/refs", "", SMART_DUMB, "a" },
	{ "/a/info/refs", "service=git-evil", SMART_DUMB, "a" },
	{ "/a/info/refs", "service=git-upload-pack2", SMART_DUMB, "a" },
	{ "/a/info/refs", "xservice=git-upload-pack", SMART_DUMB, "a" },
	{ "/a.git/HEAD", "", SMART_DUMB, "a" },
	{ "/a.git/objects/info/packs", "", SMART_DUMB, "a" },
	{ "/a.git/objects/pack/pack-1.pack", "", SMART_DUMB, "a" },
	{ "/a/objects/12/34", "", SMART_DUMB, "a" },
	{ "", "", SMART_NONE, "" },
	{ "/", "", SMART_NONE, "" },
	{ "/info/refs", "service=git-upload-pack", SMART_NONE, "" },
	{ "info/refs", "service=git-upload-pack", SMART_NONE, "" },
	{ "/-/holds/info/refs", "service=git-upload-pack", SMART_NONE, "" },
	{ "/../a/info/refs", "service=git-upload-pack", SMART_NONE, "" },
	{ "/a/../b/git-upload-pack", "", SMART_NONE, "" },
	{ "//a/git-upload-pack", "", SMART_NONE, "" },
	{ "/a//git-upload-pack", "", SMART_NONE, "" },
	{ "/a.git.git/git-upload-pack", "", SMART_NONE, "" },
	{ "/.git/git-upload-pack", "", SMART_NONE, "" },
	{ "/a.git/b/git-upload-pack", "", SMART_NONE, "" },
	{ "/a b/git-upload-pack", "", SMART_NONE, "" },
	{ "/a/git-upload-archive", "", SMART_NONE, "" },
	{ "/a/GIT-UPLOAD-PACK", "", SMART_NONE, "" },
	{ "/healthz", "", SMART_NONE, "" },
	{ "/a/config", "", SMART_NONE, "" },
};

static void
path_table(void **state)
{
	char name[REPOSITORY_MAX_BYTES + 1], huge[400];

	(void)state;
	for (size_t i = 0; i < GG_COUNT(paths); i++) {
		memset(name, 'x', sizeof(name));
		if (smart_path_parse(view_str(paths[i].path),
			view_str(paths[i].query), name) != paths[i].kind ||
		    strcmp(name, paths[i].repository) != 0)
			fail_msg("%s?%s", paths[i].path, paths[i].query);
	}
	memset(huge, 'a', sizeof(huge));
	huge[0] = '/';
	memcpy(huge + sizeof(huge) - 16, "/git-upload-pack", 16);
	assert_int_equal(smart_path_parse(view_of(huge, sizeof(huge)),
			     view_str(""), name),
	    SMART_NONE);
}

static void
protocol_header(void **state)
{
	static const char *const rows[][2] = { { "version=2", "version=2" },
		{ "version=1", "version=1" }, { "version=0", "" }, { "", "" },
		{ "version=1:version=2", "version=2" },
		{ "x:version=2:y=\"", "version=2" }, { "version=22", "" },
		{ "version=2\n", "" }, { " version=2", "" },
		{ "VERSION=2", "" }, { ":::", "" } };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++)
		assert_string_equal(git_protocol_header(view_str(rows[i][0])),
		    rows[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch_table),
		cmocka_unit_test(keeps_what_was_asked),
		cmocka_unit_test(filters),
		cmocka_unit_test(path_table),
		cmocka_unit_test(protocol_header),
	};

	return cmocka_run_group_tests_name("upload_request", tests, NULL, NULL);
}
