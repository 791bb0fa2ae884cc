/* model/provenance: each tool's exact words, near misses, and git itself. */
#include "model/provenance.h"

#include "base/buf.h"
#include "base/strv.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define T     "title\n\n"
#define ROBOT "\xf0\x9f\xa4\x96"

static const struct {
	const char *message, *claims; /* "kind=value;..." */
} messages[] = {
	{ T "Co-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>\n",
	    "tool=Claude Code;model=Claude Opus 4.5;" },
	{ T "Co-Authored-By: Claude <noreply@anthropic.com>",
	    "tool=Claude Code;" },
	{ T "Co-Authored-By: Claude Code <noreply@anthropic.com>",
	    "tool=Claude Code;" },
	{ T ROBOT
	    " Generated with [Claude Code](https://claude.com/claude-code)\n\n"
	    "Co-Authored-By: Claude <noreply@anthropic.com>\n",
	    "tool=Claude Code;" },
	{ T ROBOT
	    " Generated with [Claude Code](https://claude.com/claude-code)\n",
	    "tool=Claude Code;" },
	{ T ROBOT " Generated with [x](javascript:1)\n", "" },
	{ T ROBOT " Generated with [x", "" },
	{ T "Claude-Session: https://claude.ai/code/session_01Ab?x=1#y\n",
	    "link=https://claude.ai/code/session_01Ab?x=1#y;tool=Claude Code;"
	    "session=session_01Ab;" },
	{ T "Claude-Session: session_7\n",
	    "tool=Claude Code;session=session_7;" },
	{ T "Claude-Session: javascript:session_7\n", "" },
	{ T "Agent-Logs-Url: https://github.com/a/b/agents/1\n"
	    "Co-authored-by: Ann <ann@x.example>\n",
	    "link=https://github.com/a/b/agents/1;tool=Copilot;"
	    "human=Ann <ann@x.example>;" },
	{ T "Co-authored-by: Ann <ann@x.example>\n", "" },
	{ T "Agent-Logs-Url: http://github.com/a\n", "" },
	{ T "Co-authored-by: Copilot "
	    "<198982749+Copilot@users.noreply.github.com>\n",
	    "tool=Copilot;" },
	{ T "Co-authored-by: Codex <noreply@openai.com>\n", "tool=Codex;" },
	{ T "Co-authored-by: Codex <codex@openai.com>\n", "tool=Codex;" },
	{ T "Co-authored-by: Codex <noreply@openai.com.example>\n", "" },
	{ T "Co-authored-by: Cursor <cursoragent@cursor.com>\n",
	    "tool=Cursor;" },
	{ T "Amp-Thread-ID: https://ampcode.com/threads/T-1-2\n"
	    "Co-authored-by: Amp <amp@ampcode.com>\n",
	    "tool=Amp;link=https://ampcode.com/threads/T-1-2;session=T-1-2;" },
	{ T "Amp-Thread-ID: T-1-2\n", "tool=Amp;session=T-1-2;" },
	{ T "Assisted-by: Codex:gpt-5.4 [coccinelle] [sparse]\n",
	    "tool=Codex;model=gpt-5.4;" },
	{ T "Assisted-by: Claude Code / claude-opus-4-5\n",
	    "tool=Claude Code;model=claude-opus-4-5;" },
	{ T "Generated-by: Copilot (GPT-5.4)\n",
	    "tool=Copilot;model=GPT-5.4;" },
	{ T "Assisted-by: aider\n", "tool=aider;" },
	{ T "Assisted-by: https://x.example\n", "tool=https://x.example;" },
	{ T "Assisted-by: Ann <ann@x.example>\n",
	    "human=Ann <ann@x.example>;" },
	{ T "Assisted-by:\n", "" },
	{ T "Ai-assisted: true\n", "flag=an agent took part;" },
	{ T "Ai-assisted: false\n", "" },
	{ T "Entire-Checkpoint: 0123456789ab\n", "checkpoint=0123456789ab;" },
	{ T "Entire-Checkpoint: 01K9ZZZZZZZZZZZZZZZZZZZZZZ\n",
	    "checkpoint=01K9ZZZZZZZZZZZZZZZZZZZZZZ;" },
	{ T "Entire-Checkpoint: 0123456789a\n", "" },
	{ T "Entire-Checkpoint: ../../etc/passwd\n", "" },
	{ T "Entire-Attribution: 73% agent (146/200 lines)\n"
	    "Entire-Session: s-1\nEntire-Agent: Claude Code\n",
	    "share=73% agent (146/200 lines);session=s-1;tool=Claude Code;" },
	/* where trailers are, and are not */
	{ "Ai-assisted: true\n", "" },
	{ T "Ai-assisted: true\n\nbody\n", "" },
	{ T "body\nAi-assisted: true\n", "" },
	{ T "body\nSigned-off-by: x <x@y.example>\nAi-assisted: true\n",
	    "flag=an agent took part;" },
	{ T "ai-ASSISTED : TRUE\n \n\n", "flag=an agent took part;" },
	{ T "Ai-assisted true\n", "" },
	{ T "Ai assisted: true\n", "" },
	{ T "Amp-Thread-ID: T-1\n  and\n more\nAi-assisted: true",
	    "tool=Amp;session=T-1 and more;flag=an agent took part;" },
	/* said twice, and hostile */
	{ T "Ai-assisted: true\nAi-assisted: yes\n",
	    "flag=an agent took part;" },
	{ T "Entire-Session: a\x1b[2J\xe2\x80\xae\xff<b>\n",
	    "session=a\\x1b[2J\\u{202e}\\xff<b>;" },
	{ "", "" },
	{ "\n\n", "" },
};

static void
table(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(messages); i++) {
		GG_AUTO_RELEASE(claims) c = { .n = 0 };
		GG_AUTO_RELEASE(buf) got = BUF_INIT(65536);

		claims_of_message(&c, view_str(messages[i].message));
		for (size_t k = 0; k < c.n; k++)
			buf_addf(&got, "%s=%s;", claim_kind_name(c.v[k].kind),
			    c.v[k].value);
		assert_string_equal(buf_str(&got), messages[i].claims);
	}
}

static void
bounds(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1048576);
	GG_AUTO_RELEASE(claims) c = { .n = 0 };
	GG_AUTO_RELEASE(claims) d = { .n = 0 };

	(void)state;
	buf_adds(&b, T);
	for (int i = 0; i < CLAIMS_MAX; i++)
		buf_addf(&b, "Entire-Session: s%d\n", i);
	claims_of_message(&c, buf_view(&b));
	assert_int_equal(c.n, CLAIMS_MAX);
	assert_false(c.cut);
	assert_string_equal(claims_first(&c, CLAIM_SESSION)->value, "s0");
	assert_string_equal(c.v[1].from, "Entire-Session");
	assert_null(claims_first(&c, CLAIM_TOOL));
	buf_adds(&b, "Entire-Session: one more\n");
	claims_release(&c);
	claims_of_message(&c, buf_view(&b));
	assert_int_equal(c.n, CLAIMS_MAX);
	assert_true(c.cut);

	buf_clear(&b);
	buf_addf(&b, T "Entire-Session: %0*d\n", (int)CLAIM_VALUE_MAX, 1);
	claims_of_message(&d, buf_view(&b));
	assert_int_equal(d.n, 1);
	claims_release(&d);
	buf_clear(&b);
	buf_addf(&b, T "Entire-Session: %0*d\n", (int)CLAIM_VALUE_MAX + 1, 1);
	claims_of_message(&d, buf_view(&b));
	assert_int_equal(d.n, 0);
	assert_true(d.cut);
}

/* Messages of lines that the rules are about, put together at random. */
static char *
generate(unsigned *seed)
{
	static const char *const lines[] = { "Key: value", "A-b: c", "x y",
		"Signed-off-by: a <a@b>", " folded", "\tfolded", "", "", " ",
		"Key : spaced", "Key:none", "Key:", ": none", "-: dash",
		"(cherry picked from commit 1)", "Ke_y: under", "9: nine",
		"---", "more words", "not a: trailer" };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

	if (rand_r(seed) % 4 > 0)
		buf_adds(&b, "title\n\n");
	for (int n = 1 + rand_r(seed) % 7; n > 0; n--)
		buf_addf(&b, "%s\n",
		    lines[(size_t)rand_r(seed) % GG_COUNT(lines)]);
	return buf_take(&b);
}

static void
ask_git(char *const *list, size_t n, struct buf *answers)
{
	static const char script[] =
	    "for m; do printf %s \"$m\" | "
	    "git interpret-trailers --parse --no-divider; echo '$'; done";
	GG_AUTO_MEM char **argv = calloc(n + 5, sizeof(*argv));
	GG_AUTO_MEM char *text = strdup(script);
	char sh[] = "sh", dash_c[] = "-c", zero[] = "messages", chunk[4096];
	posix_spawn_file_actions_t acts;
	int p[2], status;
	ssize_t r;
	pid_t pid;

	assert_true(argv != NULL && pipe(p) == 0);
	argv[0] = sh;
	argv[1] = dash_c;
	argv[2] = text;
	argv[3] = zero;
	for (size_t i = 0; i < n; i++)
		argv[4 + i] = list[i];
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_adddup2(&acts, p[1], 1);
	posix_spawn_file_actions_addclose(&acts, p[0]);
	assert_int_equal(posix_spawnp(&pid, "sh", &acts, NULL, argv, environ),
	    0);
	posix_spawn_file_actions_destroy(&acts);
	(void)close(p[1]);
	while ((r = read(p[0], chunk, sizeof(chunk))) > 0)
		buf_add(answers, chunk, (size_t)r);
	(void)close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void
write_down(void *ctx, struct view key, struct view value)
{
	buf_addv(ctx, key);
	buf_adds(ctx, ": ");
	buf_addv(ctx, value);
	buf_addc(ctx, '\n');
}

static void
git_agrees(void **state)
{
	enum { N = 250 };
	GG_AUTO_RELEASE(strv) list = STRV_INIT;
	GG_AUTO_RELEASE(buf) answers = BUF_INIT(1048576);
	unsigned seed = 20261122;
	struct view rest;
	size_t found = 0;

	(void)state;
	while (list.n < N) {
		GG_AUTO_MEM char *s = generate(&seed);

		strv_add(&list, s);
	}
	ask_git(list.v, list.n, &answers);
	rest = buf_view(&answers);
	for (size_t i = 0; i < list.n; i++) {
		GG_AUTO_RELEASE(buf) ours = BUF_INIT(65536);

		trailers_each(view_str(list.v[i]), write_down, &ours);
		found += ours.n > 0;
		buf_adds(&ours, "$\n");
		if (!view_has_prefix(rest, buf_str(&ours)))
			fail_msg("of\n%s---\nwe say\n%sgit\n%.300s", list.v[i],
			    buf_str(&ours), rest.p);
		view_skip(&rest, ours.n);
	}
	assert_int_equal(rest.n, 0);
	assert_in_range(found, N / 10, N);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(bounds),
		cmocka_unit_test(git_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
