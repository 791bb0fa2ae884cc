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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_notes_of_git_ai),
		cmocka_unit_test(older_notes_name_prompts),
		cmocka_unit_test(traces_of_agents),
		cmocka_unit_test(checkpoints_of_entire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
