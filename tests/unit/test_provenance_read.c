/* provenance/: documents to records; nothing that they hold makes it fail. */
#include "provenance/read.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define COMMIT "1111111111111111111111111111111111111111"
#define OTHER  "2222222222222222222222222222222222222222"
#define ULID   "01K9ZQ8T6W3F4N5P6R7S8T9V0A"

static char *
dup_of(const char *s)
{
	char *copy = strdup(s);

	assert_non_null(copy);
	return copy;
}

static struct document *
add(struct change_report *r, enum document_kind kind, const char *key,
    const char *part, struct view text)
{
	struct document *d = change_report_add_document(r);

	d->kind = kind;
	d->key = dup_of(key);
	d->part = dup_of(part);
	d->text = view_dup(text);
	d->n = d->bytes = text.n;
	return d;
}

/* A report of one update and one commit. */
static struct change_report *
report(void)
{
	struct change_report *r = change_report_new(1, 0);
	struct commit_info *c = change_report_add_commit(r);

	memset(c->oid.b, 0x11, sizeof(c->oid.b));
	return r;
}

static json_t *
read_all(const struct change_report *r)
{
	json_t *out = NULL;

	assert_int_equal(provenance_read(r, &out, NULL), 0);
	return out;
}

/* The records are exactly these. */
static void
expect(const struct change_report *r, const char *want)
{
	json_t *got = read_all(r), *w;
	json_error_t why;
	char *text;

	w = json_loads(want, 0, &why);
	if (w == NULL)
		fail_msg("the test's own JSON: %s", why.text);
	if (!json_equal(got, w)) {
		text = json_dumps(got, JSON_INDENT(1));
		fail_msg("got %s", text);
	}
	json_decref(got);
	json_decref(w);
}

static void
expect_one(enum document_kind kind, const char *key, const char *text,
    const char *want)
{
	GG_AUTO(change_report) r = report();
	struct document *d = add(r, kind, key, "", view_str(text));

	if (kind == DOCUMENT_AGENT_TRACE)
		d->commit = 0;
	expect(r, want);
}

/* -- git-ai -- */

static void
the_notes_of_git_ai(void **state)
{
	(void)state;
	expect_one(DOCUMENT_GIT_AI_NOTE, COMMIT,
	    "src/main.rs\n"
	    "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10,15-20\n"
	    "  h_31dce776f88375 35-40\n"
	    "\"docs/read me.md\"\n"
	    "  s_c9883b05a2487d::t_0f8e7d6c5b4a32 7\n"
	    "---\n"
	    "{\"schema_version\":\"authorship/3.0.0\","
	    "\"base_commit_sha\":\"" OTHER "\",\"prompts\":{},"
	    "\"sessions\":{\"s_c9883b05a2487d\":{\"agent_id\":"
	    "{\"tool\":\"claude\",\"id\":\"conv_1\",\"model\":\"opus\"},"
	    "\"human_author\":\"Ann <ann@example.org>\"}},"
	    "\"humans\":{\"h_31dce776f88375\":{\"author\":\"Bob <b@example.org>\"}}}",
	    "[{\"source\":\"git-ai\",\"update\":0,\"key\":\"commit:" COMMIT
	    "\",\"tool\":\"claude\",\"model\":\"opus\",\"session\":\"conv_1\","
	    "\"human\":\"Ann <ann@example.org>\",\"sessions\":["
	    "{\"part\":\"s_c9883b05a2487d\",\"tool\":\"claude\",\"model\":"
	    "\"opus\",\"session\":\"conv_1\",\"human\":"
	    "\"Ann <ann@example.org>\"}],\"files\":["
	    "{\"path\":\"src/main.rs\",\"by\":\"ai\",\"ranges\":[[1,10],[15,20]],"
	    "\"tool\":\"claude\",\"model\":\"opus\",\"session\":\"conv_1\","
	    "\"human\":\"Ann <ann@example.org>\"},"
	    "{\"path\":\"src/main.rs\",\"by\":\"human\",\"ranges\":[[35,40]],"
	    "\"human\":\"Bob <b@example.org>\"},"
	    "{\"path\":\"docs/read me.md\",\"by\":\"ai\",\"ranges\":[[7,7]],"
	    "\"tool\":\"claude\",\"model\":\"opus\",\"session\":\"conv_1\","
	    "\"human\":\"Ann <ann@example.org>\"}]}]");
}

static void
older_notes_name_prompts(void **state)
{
	(void)state;
	expect_one(DOCUMENT_GIT_AI_NOTE, COMMIT,
	    "a.c\n  0123456789abcdef 3-4\n---\n"
	    "{\"schema_version\":\"authorship/3.0.0\",\"prompts\":{"
	    "\"0123456789abcdef\":{\"agent_id\":{\"tool\":\"cursor\",\"id\":\"c-7\","
	    "\"model\":\"m\"},\"human_author\":null,\"messages_url\":"
	    "\"https://git-ai.example/p/7\",\"total_additions\":2,"
	    "\"overriden_lines\":0}}}",
	    "[{\"source\":\"git-ai\",\"update\":0,\"key\":\"commit:" COMMIT
	    "\",\"tool\":\"cursor\",\"model\":\"m\",\"session\":\"c-7\",\"link\":"
	    "\"https://git-ai.example/p/7\",\"sessions\":[{\"part\":"
	    "\"0123456789abcdef\",\"tool\":\"cursor\",\"model\":\"m\",\"session\":"
	    "\"c-7\",\"link\":\"https://git-ai.example/p/7\"}],\"files\":["
	    "{\"path\":\"a.c\",\"by\":\"ai\",\"ranges\":[[3,4]],\"tool\":\"cursor\","
	    "\"model\":\"m\",\"session\":\"c-7\",\"link\":"
	    "\"https://git-ai.example/p/7\"}]}]");
}

/* -- Agent Trace -- */

#define TRACE_HEAD                                         \
	"{\"version\":\"0.1.0\","                          \
	"\"id\":\"550e8400-e29b-41d4-a716-446655440000\"," \
	"\"timestamp\":\"2026-01-25T10:00:00Z\","

static void
traces_of_agents(void **state)
{
	(void)state;
	expect_one(DOCUMENT_AGENT_TRACE, ".agent-trace/traces.jsonl",
	    TRACE_HEAD
	    "\"vcs\":{\"type\":\"git\",\"revision\":\"" OTHER "\"},"
	    "\"tool\":{\"name\":\"cursor\",\"version\":\"2.4.0\"},"
	    "\"files\":[{\"path\":\"src/app.ts\",\"conversations\":[{"
	    "\"url\":\"https://api.cursor.com/v1/conversations/12345\","
	    "\"contributor\":{\"type\":\"ai\",\"model_id\":"
	    "\"anthropic/claude-opus-4-5\"},\"ranges\":["
	    "{\"start_line\":1,\"end_line\":9,\"content_hash\":\"murmur3:9f2e8a1b\"},"
	    "{\"start_line\":20,\"end_line\":20,\"contributor\":"
	    "{\"type\":\"human\"}},{\"start_line\":30,\"end_line\":31}],"
	    "\"related\":[{\"type\":\"session\",\"url\":"
	    "\"https://api.cursor.com/v1/sessions/67890\"}]}]}],"
	    "\"metadata\":{\"com.cursor\":{\"x\":1}}}\n\n" TRACE_HEAD
	    "\"files\":[]}",
	    "[{\"source\":\"agent-trace\",\"update\":0,\"commit\":\"" COMMIT
	    "\",\"key\":\"commit:" OTHER "\",\"tool\":\"cursor\",\"model\":"
	    "\"anthropic/claude-opus-4-5\",\"session\":\"67890\",\"link\":"
	    "\"https://api.cursor.com/v1/conversations/12345\",\"files\":["
	    "{\"path\":\"src/app.ts\",\"by\":\"ai\",\"ranges\":[[1,9],[30,31]],"
	    "\"model\":\"anthropic/claude-opus-4-5\",\"session\":\"67890\","
	    "\"link\":\"https://api.cursor.com/v1/conversations/12345\"},"
	    "{\"path\":\"src/app.ts\",\"by\":\"human\",\"ranges\":[[20,20]],"
	    "\"session\":\"67890\",\"link\":"
	    "\"https://api.cursor.com/v1/conversations/12345\"}]},"
	    "{\"source\":\"agent-trace\",\"update\":0,\"commit\":\"" COMMIT
	    "\",\"key\":\"commit:" COMMIT "\"}]");
}

/* -- Entire -- */

#define DIGEST \
	"ab000000000000000000000000000000000000000000000000000000000000cd"
/* of the bytes as they are in git, with their carriage return */
#define PROMPT                                                         \
	"\"prompt\":\"Add a column.\\n\\tThen test.\\n\","             \
	"\"prompt_sha256\":\"961fdab5d25b702c43099a2b07447837ee99efa8" \
	"64de207620f69da13c3e1c09\""

static void
checkpoints_of_entire(void **state)
{
	GG_AUTO(change_report) r = report();

	(void)state;
	add(r, DOCUMENT_ENTIRE_CHECKPOINT, ULID, "",
	    view_str(
		"{\"checkpoint_id\":\"" ULID "\",\"strategy\":"
		"\"manual-commit\",\"branch\":\"feature/x\","
		"\"checkpoints_count\":2,\"files_touched\":[\"a.c\",\"b c\"],"
		"\"sessions\":[{\"metadata\":\"/0/metadata.json\"}],"
		"\"token_usage\":{\"input_tokens\":7}}"));
	add(r, DOCUMENT_ENTIRE_SESSION, ULID, "0",
	    view_str("{\"session_id\":\"2026-01-02-abc\",\"agent\":"
		     "\"Claude Code\",\"model\":\"claude-opus-4-5\"}"));
	add(r, DOCUMENT_ENTIRE_PROMPT, ULID, "0",
	    view_str("Add a column.\r\n\tThen test.\n"));
	add(r, DOCUMENT_ENTIRE_TRANSCRIPT, ULID, "0", view_str(DIGEST "\n"))
	    ->bytes = 123456;
	expect(r,
	    "[{\"source\":\"entire\",\"update\":0,\"key\":\"checkpoint:" ULID
	    "\",\"strategy\":\"manual-commit\",\"branch\":\"feature/x\","
	    "\"files_touched\":[\"a.c\",\"b c\"],\"tool\":\"Claude Code\","
	    "\"model\":\"claude-opus-4-5\",\"session\":\"2026-01-02-abc\","
	    "" PROMPT ",\"sessions\":[{\"part\":\"0\",\"tool\":\"Claude Code\","
	    "\"model\":\"claude-opus-4-5\",\"session\":\"2026-01-02-abc\"," PROMPT
	    ",\"transcript_bytes\":123456,\"transcript_sha256\":"
	    "\"" DIGEST "\"}]}]");
}

/* -- what is none of a format -- */

/* The only record, which the caller keeps. */
static json_t *
read_one(enum document_kind kind, struct view text)
{
	GG_AUTO(change_report) r = report();
	struct document *d = add(r, kind,
	    kind == DOCUMENT_AGENT_TRACE     ? ".agent-trace/t.jsonl" :
		kind == DOCUMENT_GIT_AI_NOTE ? COMMIT :
					       ULID,
	    "", text);
	json_t *all, *one;

	if (kind == DOCUMENT_AGENT_TRACE)
		d->commit = 0;
	all = read_all(r);
	if (json_array_size(all) != 1)
		fail_msg("%zu records of %.60s", json_array_size(all), d->text);
	one = json_incref(json_array_get(all, 0));
	json_decref(all);
	return one;
}

static const char *
text_in(const json_t *record, const char *member)
{
	const char *s = json_string_value(json_object_get(record, member));

	return s != NULL ? s : "";
}

#define ABOUT "\n---\n{\"schema_version\":\"authorship/3.0.0\"}"

static void
what_is_none_is_said_to_be_unreadable(void **state)
{
	static const struct {
		enum document_kind kind;
		const char *text, *why;
	} rows[] = {
		{ DOCUMENT_GIT_AI_NOTE, "", "no line ---" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  ---\n{}", "no line ---" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n---\n", "no JSON" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n---\n{} {}", "no JSON" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n---\n[]", "no schema_version" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n---\n{\"a\":\"\xff\"}", "no JSON" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n---\n{\"a\":1,\"a\":2}",
		    "duplicate" },
		{ DOCUMENT_GIT_AI_NOTE,
		    "a\n---\n{\"schema_version\":\"authorship/2.1.0\"}",
		    "an unknown form of notes: authorship/2.1.0" },
		{ DOCUMENT_GIT_AI_NOTE, "  h_31dce776f88375 1" ABOUT,
		    "line 1 is none of a note" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n h_31dce776f88375 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n   h_31dce776f88375 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f8837 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f8837g 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  s_31dce776f88375 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE,
		    "a\n  s_31dce776f88375:t_31dce776f88375 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  0123456789abcde 1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375 0" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375 9-8" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375 1-" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375 -1" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375 1,,2" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE, "a\n  h_31dce776f88375 1 2" ABOUT,
		    "line 2" },
		{ DOCUMENT_GIT_AI_NOTE,
		    "a\n  h_31dce776f88375 1-2147483648" ABOUT, "line 2" },
		{ DOCUMENT_AGENT_TRACE, "{",
		    "record 1 of 1 that are new: no JSON" },
		{ DOCUMENT_AGENT_TRACE, "\n\n7\n8", "record 3 of 2" },
		{ DOCUMENT_AGENT_TRACE, "{}", "version is not as" },
		{ DOCUMENT_AGENT_TRACE, "{\"version\":\"0.10\"}", "version" },
		{ DOCUMENT_AGENT_TRACE,
		    "{\"version\":\"0.1\",\"id\":\"550e8400\"}", "id is not" },
		{ DOCUMENT_AGENT_TRACE,
		    "{\"version\":\"0.1.7\",\"id\":"
		    "\"550e8400-e29b-41d4-a716-446655440000\","
		    "\"timestamp\":\"yesterday\"}",
		    "timestamp is not" },
		{ DOCUMENT_AGENT_TRACE, TRACE_HEAD "\"files\":{}}",
		    "files is not" },
		{ DOCUMENT_AGENT_TRACE, TRACE_HEAD "\"files\":[{\"path\":7}]}",
		    "files[].path" },
		{ DOCUMENT_AGENT_TRACE,
		    TRACE_HEAD "\"vcs\":{\"type\":\"git\",\"revision\":\"12\"},"
			       "\"files\":[]}",
		    "vcs.revision" },
		{ DOCUMENT_AGENT_TRACE, TRACE_HEAD "\"vcs\":{},\"files\":[]}",
		    "vcs is not" },
		{ DOCUMENT_AGENT_TRACE,
		    TRACE_HEAD "\"files\":[{\"path\":\"a\",\"conversations\":["
			       "{\"contributor\":{\"type\":\"cat\"}}]}]}",
		    "contributor.type" },
		{ DOCUMENT_AGENT_TRACE,
		    TRACE_HEAD
		    "\"files\":[{\"path\":\"a\",\"conversations\":["
		    "{\"ranges\":[{\"start_line\":0,\"end_line\":1}]}"
		    "]}]}",
		    "ranges is not" },
		{ DOCUMENT_AGENT_TRACE,
		    TRACE_HEAD "\"files\":[{\"path\":\"a\",\"conversations\":["
			       "{\"ranges\":[{\"start_line\":1}]}]}]}",
		    "ranges is not" },
		{ DOCUMENT_ENTIRE_CHECKPOINT, "[]", "is no object" },
		{ DOCUMENT_ENTIRE_CHECKPOINT, "", "metadata.json: no JSON" },
		{ DOCUMENT_ENTIRE_CHECKPOINT,
		    "{\"checkpoint_id\":\"0123456789ab\"}",
		    "it says that it is checkpoint 0123456789ab" },
		{ DOCUMENT_ENTIRE_SESSION, "\"x\"", "no JSON" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		json_t *r = read_one(rows[i].kind, view_str(rows[i].text));

		if (strstr(text_in(r, "unreadable"), rows[i].why) == NULL)
			fail_msg("%s: got '%s'", rows[i].text,
			    text_in(r, "unreadable"));
		if (json_object_get(r, "key") == NULL ||
		    json_object_get(r, "files") != NULL)
			fail_msg("%s", rows[i].text);
		json_decref(r);
	}
}

static void
repeat(struct buf *b, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		buf_adds(b, text);
}

static void
deep_and_wide(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)16 << 20);
	const json_t *ranges;
	json_t *r;

	(void)state;
	buf_adds(&b, "a\n---\n");
	repeat(&b, 1000000, "[");
	r = read_one(DOCUMENT_GIT_AI_NOTE, buf_view(&b));
	assert_string_equal(text_in(r, "unreadable"),
	    "JSON that is nested too deep");
	json_decref(r);

	buf_clear(&b);
	buf_adds(&b, "a\n  h_31dce776f88375 1");
	repeat(&b, 999999, ",1");
	buf_adds(&b, ABOUT);
	r = read_one(DOCUMENT_GIT_AI_NOTE, buf_view(&b));
	ranges = json_object_get(json_array_get(json_object_get(r, "files"), 0),
	    "ranges");
	assert_int_equal(json_array_size(ranges), PROVENANCE_RANGES_MAX);
	assert_true(json_is_true(json_object_get(r, "cut")));
	json_decref(r);

	buf_clear(&b);
	buf_adds(&b, "a");
	repeat(&b, 30000, "\n  h_31dce776f88375 1");
	buf_adds(&b, ABOUT);
	r = read_one(DOCUMENT_GIT_AI_NOTE, buf_view(&b));
	assert_int_equal(json_array_size(json_object_get(r, "files")),
	    PROVENANCE_FILES_MAX);
	assert_true(json_is_true(json_object_get(r, "cut")));
	json_decref(r);

	buf_clear(&b);
	repeat(&b, 5000, "{\"version\":\"9\"}\n");
	r = read_one(DOCUMENT_AGENT_TRACE, buf_view(&b));
	assert_non_null(strstr(text_in(r, "unreadable"), "record 1 of 5000"));
	json_decref(r);
}

static void
no_more_records_than_there_may_be(void **state)
{
	GG_AUTO(change_report) r = report();
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
	json_t *all;

	(void)state;
	repeat(&b, PROVENANCE_RECORDS_MAX + 1, TRACE_HEAD "\"files\":[]}\n");
	add(r, DOCUMENT_AGENT_TRACE, "t.jsonl", "", buf_view(&b))->commit = 0;
	all = read_all(r);
	assert_int_equal(json_array_size(all), PROVENANCE_RECORDS_MAX);
	assert_true(json_is_true(json_object_get(json_array_get(all,
						     PROVENANCE_RECORDS_MAX -
							 1),
	    "cut")));
	assert_null(json_object_get(json_array_get(all, 0), "cut"));
	json_decref(all);
}

/* What deceives is written out; where a path leads elsewhere it is left out. */
static void
texts_are_safe(void **state)
{
	static const char *const away[] = { "../a", "/etc/passwd", "a/../b",
		"a//b", "./a", "a/", "." };
	char long_text[PROVENANCE_TEXT_MAX + 2];
	GG_AUTO_RELEASE(buf) b = BUF_INIT(8192);
	const json_t *files;
	json_t *r;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(away); i++) {
		buf_clear(&b);
		buf_addf(&b, "%s\n  h_31dce776f88375 1" ABOUT, away[i]);
		r = read_one(DOCUMENT_GIT_AI_NOTE, buf_view(&b));
		assert_null(json_object_get(r, "files"));
		assert_true(json_is_true(json_object_get(r, "cut")));
		json_decref(r);
	}
	r = read_one(DOCUMENT_GIT_AI_NOTE,
	    view_str("a\xe2\x80\xae"
		     "b\x1b[m\xff\n  h_31dce776f88375 1\n---\n"
		     "{\"schema_version\":\"authorship/3.0.0\",\"humans\":"
		     "{\"h_31dce776f88375\":{\"author\":\"A\\u202eB\\n\"}}}"));
	files = json_object_get(r, "files");
	assert_string_equal(text_in(json_array_get(files, 0), "path"),
	    "a\\u{202e}b\\x1b[m\\xff");
	assert_string_equal(text_in(r, "human"), "A\\u{202e}B\\x0a");
	json_decref(r);

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	buf_clear(&b);
	buf_addf(&b,
	    "---\n{\"schema_version\":\"authorship/3.0.0\",\"prompts\":"
	    "{\"0123456789abcdef\":{\"agent_id\":{\"tool\":\"%s\",\"model\":"
	    "\"m\"},\"messages_url\":\"javascript:alert(1)\"}}}",
	    long_text);
	r = read_one(DOCUMENT_GIT_AI_NOTE, buf_view(&b));
	assert_null(json_object_get(r, "tool"));
	assert_null(json_object_get(r, "link"));
	assert_true(json_is_true(json_object_get(r, "cut")));
	json_decref(r);
}

static void
links_are_links(void **state)
{
	static const char *const bad[] = { "http://a", "javascript:a",
		"https:/a", "https://a b", "https://a\\\"b", "https://a<b",
		"https://\\u202ea", "https://a\\nb", "" };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(8192);
	json_t *r;

	(void)state;
	for (size_t i = 0; i < GG_COUNT(bad); i++) {
		buf_clear(&b);
		buf_addf(&b,
		    TRACE_HEAD "\"files\":[{\"path\":\"a\",\"conversations\":["
			       "{\"url\":\"%s\"}]}]}",
		    bad[i]);
		r = read_one(DOCUMENT_AGENT_TRACE, buf_view(&b));
		if (json_object_get(r, "link") != NULL ||
		    json_array_size(json_object_get(r, "files")) != 1)
			fail_msg("%s", bad[i]);
		json_decref(r);
	}
}

/* Not of git: the commit that brings it is what it is about. */
static void
revisions_of_others(void **state)
{
	json_t *r = read_one(DOCUMENT_AGENT_TRACE,
	    view_str(TRACE_HEAD
		"\"vcs\":{\"type\":\"svn\",\"revision\":\"1234\"},"
		"\"files\":[]}"));

	(void)state;
	assert_string_equal(text_in(r, "key"), "commit:" COMMIT);
	json_decref(r);
}

/* A long path, or what is said of a session, may stand before thousands of
 * short entries: it is not kept thousands of times. */
static void
short_entries_do_not_multiply_texts(void **state)
{
	static const size_t paths[] = { PROVENANCE_PATH_MAX,
		PROVENANCE_PATH_MAX + 1 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(paths); i++) {
		GG_AUTO(change_report) r = report();
		GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
		json_t *all, *one;
		size_t bytes;

		for (size_t n = 0; n < paths[i]; n++)
			buf_addc(&b, 'p');
		buf_addc(&b, '\n');
		repeat(&b, 5000, "  h_0123456789abcd 1\n");
		buf_adds(&b,
		    "---\n{\"schema_version\":\"authorship/3.0.0\"}\n");
		for (int k = 0; k < 3; k++)
			add(r, DOCUMENT_GIT_AI_NOTE, COMMIT, "", buf_view(&b));
		all = read_all(r);
		bytes = json_dumpb(all, NULL, 0, JSON_COMPACT);
		assert_true(bytes < 2 * PROVENANCE_FILES_BYTES);
		assert_true((bytes > PROVENANCE_FILES_BYTES) == (i == 0));
		one = json_array_get(all, 2);
		assert_true(json_is_true(json_object_get(one, "cut")));
		assert_null(json_object_get(one, "files"));
		json_decref(all);
	}
}

static void
prompts_are_bounded(void **state)
{
	GG_AUTO(change_report) r = report();
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
	struct document *d;
	json_t *all;
	const json_t *one;

	(void)state;
	repeat(&b, PROVENANCE_PROMPT_MAX, "\xc3\xa9");
	add(r, DOCUMENT_ENTIRE_PROMPT, ULID, "0", buf_view(&b));
	add(r, DOCUMENT_ENTIRE_PROMPT, ULID, "1", view_str("whole"));
	d = add(r, DOCUMENT_ENTIRE_PROMPT, ULID, "2", view_str("masked"));
	d->masked = true;
	d = add(r, DOCUMENT_ENTIRE_PROMPT, ULID, "3", view_str("cut"));
	d->cut = true;
	add(r, DOCUMENT_ENTIRE_PROMPT, ULID, "4",
	    view_of("\xff\0\x1b\xe2\x80\xae", 6));
	all = read_all(r);
	one = json_object_get(json_array_get(all, 0), "sessions");
	assert_int_equal(json_array_size(one), 5);
	assert_int_equal(strlen(text_in(json_array_get(one, 0), "prompt")),
	    PROVENANCE_PROMPT_MAX);
	assert_true(json_is_true(json_object_get(json_array_get(one, 0),
	    "prompt_cut")));
	/* of the whole, however much is shown */
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(json_object_get(json_array_get(one, i),
				     "prompt_sha256") != NULL,
		    i != 2 && i != 3);
	assert_string_equal(text_in(json_array_get(one, 4), "prompt"),
	    "\\xff\\x00\\x1b\\u{202e}");
	json_decref(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_notes_of_git_ai),
		cmocka_unit_test(older_notes_name_prompts),
		cmocka_unit_test(traces_of_agents),
		cmocka_unit_test(checkpoints_of_entire),
		cmocka_unit_test(what_is_none_is_said_to_be_unreadable),
		cmocka_unit_test(deep_and_wide),
		cmocka_unit_test(no_more_records_than_there_may_be),
		cmocka_unit_test(texts_are_safe),
		cmocka_unit_test(links_are_links),
		cmocka_unit_test(revisions_of_others),
		cmocka_unit_test(prompts_are_bounded),
		cmocka_unit_test(short_entries_do_not_multiply_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
