/* gitgate credential: which host, which source, what a token says. */
#include "base/auto.h"
#include "base/text.h"
#include "cli/credential.h"
#include "upstream/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATE "https://gate.example.com"

static void
question_is_read(void **state)
{
	GG_AUTO_RELEASE(credential_question) q = { 0 };
	struct gg_error err = { 0 };

	(void)state;
	assert_int_equal(
	    credential_question_parse(
		view_str("capability[]=authtype\n"
			 "capability[]=state\n"
			 "protocol=https\nhost=gate.example.com\n"
			 "username=me\nwwwauth[]=Basic realm=\"x\"\n"
			 "\nhost=behind.the.end\n"),
		&q, &err),
	    0);
	assert_true(q.authtype);
	assert_string_equal(q.protocol, "https");
	assert_string_equal(q.host, "gate.example.com");
	assert_string_equal(q.username, "me");
}

static void
question_is_refused(void **state)
{
	GG_AUTO_RELEASE(credential_question) q = { 0 };
	GG_AUTO_RELEASE(credential_question) r = { 0 };

	(void)state;
	assert_int_equal(credential_question_parse(view_str("protocol=https\n"
							    "nonsense\n"),
			     &q, NULL),
	    GG_E_INPUT);
	assert_int_equal(credential_question_parse(view_of("host=a\0b\n", 9),
			     &r, NULL),
	    GG_E_INPUT);
}

static void
only_its_own_gate_is_answered(void **state)
{
	static const struct {
		const char *url, *protocol, *host;
		bool is_for, is_safe;
	} all[] = {
		{ GATE, "https", "gate.example.com", true, true },
		{ GATE "/", "https", "gate.example.com", true, true },
		{ GATE "/base/path", "https", "gate.example.com", true, true },
		{ GATE, "HTTPS", "Gate.Example.COM", true, true },
		{ GATE, "https", "gate.example.com:443", true, true },
		{ GATE ":443", "https", "gate.example.com", true, true },
		{ GATE, "http", "gate.example.com", false, false },
		{ GATE, "http", "gate.example.com:443", false, false },
		{ GATE, "https", "gate.example.com:8443", false, true },
		{ GATE, "https", "gate.example.com.evil.example", false, true },
		{ GATE, "https", "evil.example", false, true },
		{ GATE, "https", "gate.example.co", false, true },
		{ GATE, "https", "gate.example.com.", false, true },
		{ GATE, "https", "user@gate.example.com", false, false },
		{ GATE, "https", "gate.example.com/x", false, false },
		{ GATE, "https", "gate.example.com:", false, false },
		{ GATE, "https", "gate.example.com:0", false, false },
		{ GATE, "https", "gate.example.com:99999", false, false },
		{ GATE, "https", "", false, false },
		{ GATE, "https", NULL, false, false },
		{ GATE, NULL, "gate.example.com", false, false },
		{ GATE, "ssh", "gate.example.com", false, false },
		{ "http://127.0.0.1:8080", "http", "127.0.0.1:8080", true,
		    true },
		{ "http://127.0.0.1:8080", "http", "127.0.0.1:8081", false,
		    true },
		{ "http://[::1]:8080", "http", "[::1]:8080", true, true },
		{ "http://[::1]:8080", "http", "[::1", false, false },
		{ "http://[::1]:8080", "http", "[::1]8080", false, false },
		{ "http://localhost", "http", "localhost:80", true, true },
		{ "http://gate", "http", "gate", true, false },
		{ "http://127.evil.example", "http", "127.evil.example", true,
		    false },
		{ "http://127.0.0.1.evil", "http", "127.0.0.1.evil", true,
		    false },
		{ "http://127.0.0", "http", "127.0.0", true, false },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		const struct credential_question q = {
			.protocol = (char *)(uintptr_t)all[i].protocol,
			.host = (char *)(uintptr_t)all[i].host,
		};

		if (credential_is_for(&q, all[i].url) != all[i].is_for ||
		    credential_is_safe(&q) != all[i].is_safe)
			fail_msg("%s %s://%s", all[i].url, all[i].protocol,
			    all[i].host);
	}
}

static void
origin_of_a_url(void **state)
{
	GG_AUTO_MEM char *o = credential_origin(GATE "/a/b.git");
	GG_AUTO_MEM char *p = credential_origin("http://[::1]:80");

	(void)state;
	assert_string_equal(o, GATE);
	assert_string_equal(p, "http://[::1]:80");
	assert_null(credential_origin("gate.example.com"));
	assert_null(credential_origin("https://"));
	assert_null(credential_origin("https://a@b"));
	assert_null(credential_origin("ftp://a"));
}

static void
add_token(struct buf *b, const char *payload)
{
	buf_adds(b, "eyJhbGciOiJFUzI1NiJ9.");
	base64url_encode(b, view_str(payload));
	buf_adds(b, ".c2ln");
}

static void
claims_are_read(void **state)
{
	static const struct {
		const char *payload;
		int want;
		int64_t exp;
		size_t n_audience;
	} all[] = {
		{ "{\"exp\":1700000000,\"aud\":\"a\"}", 0, 1700000000, 1 },
		{ "{\"exp\":\"soon\",\"aud\":[\"a\",\"b\",3]}", 0, 0, 2 },
		{ "{}", 0, 0, 0 },
		{ "[]", GG_E_REFUSED, 0, 0 },
		{ "{\"exp\":1,\"exp\":2}", GG_E_REFUSED, 0, 0 },
		{ "no JSON", GG_E_REFUSED, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		GG_AUTO_RELEASE(token_claims) t = { 0 };
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

		add_token(&b, all[i].payload);
		assert_int_equal(token_claims_read(buf_view(&b), &t, NULL),
		    all[i].want);
		assert_int_equal(t.exp, all[i].exp);
		assert_int_equal(t.audience.n, all[i].n_audience);
	}
	GG_AUTO_RELEASE(token_claims) t = { 0 };

	assert_int_equal(token_claims_read(view_str("ggt_0123"), &t, NULL), 0);
	assert_int_equal(t.audience.n, 0);
	/* the gate's answer to these would be no other */
	assert_int_equal(token_claims_read(view_str("eyJ.!.x"), &t, NULL),
	    GG_E_REFUSED);
	assert_int_equal(
	    token_claims_read(view_str("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), &t,
		NULL),
	    GG_E_REFUSED);
}

static const char *const variables[] = { "GITGATE_ID_TOKEN",
	"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
	"GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI",
	"CIRCLE_OIDC_TOKEN_V2" };

static int
no_ci(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

static void
the_ci_is_known_by_its_variables(void **state)
{
	static const struct {
		const char *variable;
		enum mint_from from;
	} all[] = {
		{ "CIRCLECI", MINT_CIRCLECI },
		{ "BUILDKITE", MINT_BUILDKITE },
		{ "GITLAB_CI", MINT_GITLAB },
		{ "GITHUB_ACTIONS", MINT_GITHUB },
		{ "GITGATE_ID_TOKEN", MINT_GITLAB },
	};
	struct mint m = { 0 };

	(void)state;
	assert_int_equal(mint_detect(&m, NULL), GG_E_NOTFOUND);
	/* each stands above those before it */
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		m = (struct mint){ 0 };
		setenv(all[i].variable, "true", 1);
		assert_int_equal(mint_detect(&m, NULL), 0);
		assert_int_equal(m.from, all[i].from);
	}
	m = (struct mint){ .file = "/f" };
	assert_int_equal(mint_detect(&m, NULL), 0);
	assert_int_equal(m.from, MINT_FILE);
	m = (struct mint){ .command = "c" };
	assert_int_equal(mint_detect(&m, NULL), 0);
	assert_int_equal(m.from, MINT_COMMAND);
	m = (struct mint){ .from = MINT_CIRCLECI };
	assert_int_equal(mint_detect(&m, NULL), 0);
	assert_int_equal(m.from, MINT_CIRCLECI);
}

static void
sources_are_words(void **state)
{
	enum mint_from from;

	(void)state;
	assert_true(mint_from_parse("env", &from));
	assert_int_equal(from, MINT_GITLAB);
	assert_false(mint_from_parse("jenkins", &from));
	assert_false(mint_from_parse("", &from));
}

/* What a command prints, as the token or as the error. */
static void
check_command(const char *command, bool shell, int want, const char *text)
{
	const struct mint m = { .from = MINT_COMMAND,
		.audience = GATE,
		.command = command,
		.shell = shell };
	struct buf out = BUF_INIT(MINT_TOKEN_BYTES);
	struct gg_error err = { 0 };
	int rc = mint_token(&m, &out, &err);
	const char *got = rc == 0 ? buf_str(&out) : err.msg;

	if (rc != want || strstr(got, text) == NULL)
		fail_msg("%s: %d %s", command, rc, got);
	if (rc != 0 && strstr(err.msg, "eyJsecret") != NULL)
		fail_msg("%s: the error shows a token", command);
	secret_release(&out);
}

static void
commands_are_run(void **state)
{
	(void)state;
	check_command("printf %s  token", false, 0, "token");
	check_command("echo a;b", false, 0, "a;b"); /* no shell */
	check_command("printf token; printf 2", true, 0, "token2");
	check_command("", false, GG_E_INPUT, "empty");
	check_command("no-such-program-here x", false, GG_E_NOTFOUND,
	    "no program no-such-program-here");
	check_command("true", false, GG_E_UNAVAILABLE, "empty");
	check_command("echo two words", false, GG_E_UNAVAILABLE, "one line");
	check_command("echo because >&2; exit 3", true, GG_E_UNAVAILABLE,
	    "because");
	check_command("echo eyJsecret >&2; exit 3", true, GG_E_UNAVAILABLE,
	    "status 3");
	check_command("echo eyJsecret; exit 3", true, GG_E_UNAVAILABLE,
	    "status 3");
	check_command("head -c 20000 /dev/zero | tr '\\0' x", true, GG_E_LIMIT,
	    "command");
	check_command("exec <&-; cat", true, GG_E_UNAVAILABLE, "");
}

/* The work tree is the pusher's: nothing is run from it by accident. */
static void
programs_are_looked_for_in_whole_paths(void **state)
{
	char dir[] = "/tmp/gg-credential-XXXXXX", *was;
	GG_AUTO_MEM char *found = NULL;
	GG_AUTO_MEM char *path = strdup(getenv("PATH"));
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	was = getcwd(NULL, 0);
	assert_int_equal(chdir(dir), 0);
	assert_non_null(f = fopen("mint-here", "w"));
	(void)fprintf(f, "#!/bin/sh\n");
	(void)fclose(f);
	assert_int_equal(chmod("mint-here", 0755), 0);
	setenv("PATH", ":.:/usr/bin:/bin:", 1);
	assert_null(mint_find_program("mint-here"));
	assert_non_null(found = mint_find_program("sh"));
	setenv("PATH", path, 1);
	assert_int_equal(unlink("mint-here"), 0);
	assert_int_equal(chdir(was), 0);
	free(was);
	assert_int_equal(rmdir(dir), 0);
}

static void
files_hold_one_token(void **state)
{
	static const struct {
		const char *content;
		int want;
	} all[] = {
		{ "token\n", 0 },
		{ "token\r\n\n", 0 },
		{ "", GG_E_UNAVAILABLE },
		{ "one\ntwo\n", GG_E_UNAVAILABLE },
		{ "\xc3\xa4\n", GG_E_UNAVAILABLE },
	};
	char path[] = "/tmp/gg-credential-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < GG_COUNT(all); i++) {
		const struct mint m = { .from = MINT_FILE, .file = path };
		struct buf out = BUF_INIT(MINT_TOKEN_BYTES);
		ssize_t n = (ssize_t)strlen(all[i].content);

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, all[i].content, (size_t)n, 0), n);
		assert_int_equal(mint_token(&m, &out, NULL), all[i].want);
		if (all[i].want == 0)
			assert_string_equal(buf_str(&out), "token");
		secret_release(&out);
	}
	assert_int_equal(ftruncate(fd, MINT_TOKEN_BYTES + 1), 0);
	struct mint m = { .from = MINT_FILE, .file = path };
	struct buf out = BUF_INIT(MINT_TOKEN_BYTES);
	struct gg_error err = { 0 };

	assert_int_equal(mint_token(&m, &out, &err), GG_E_LIMIT);
	assert_non_null(strstr(err.msg, "holds no token"));
	(void)close(fd);
	assert_int_equal(unlink(path), 0);
	buf_clear(&out);
	assert_int_equal(mint_token(&m, &out, NULL), GG_E_NOTFOUND);
	m.file = "/dev/zero";
	assert_int_equal(mint_token(&m, &out, NULL), GG_E_INPUT);
	secret_release(&out);
}

static void
what_is_missing_is_said(void **state)
{
	struct mint m = { .from = MINT_GITHUB, .audience = GATE };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(MINT_TOKEN_BYTES);
	struct gg_error err = { 0 };

	(void)state;
	assert_int_equal(mint_token(&m, &out, &err), GG_E_REFUSED);
	assert_non_null(strstr(err.msg, "id-token: write"));
	setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret", 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "http://github.example/x", 1);
	assert_int_equal(mint_token(&m, &out, &err), GG_E_INPUT);
	assert_non_null(strstr(err.msg, "no https"));
	assert_null(strstr(err.msg, "secret"));
	m.from = MINT_GITLAB;
	assert_int_equal(mint_token(&m, &out, &err), GG_E_NOTFOUND);
	assert_non_null(strstr(err.msg, "GITGATE_ID_TOKEN is not set"));
	setenv("GITLAB_CI", "true", 1);
	assert_int_equal(mint_token(&m, &out, &err), GG_E_NOTFOUND);
	assert_non_null(strstr(err.msg,
	    "id_tokens: {GITGATE_ID_TOKEN: {aud: " GATE "}}"));
	m.from = MINT_CIRCLECI;
	assert_int_equal(mint_token(&m, &out, &err), GG_E_NOTFOUND);
	assert_non_null(strstr(err.msg, "CIRCLE_OIDC_TOKEN_V2"));
	m.from = MINT_BUILDKITE;
	assert_int_equal(mint_token(&m, &out, &err), GG_E_NOTFOUND);
	assert_non_null(strstr(err.msg, "buildkite-agent"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_is_read),
		cmocka_unit_test(question_is_refused),
		cmocka_unit_test(only_its_own_gate_is_answered),
		cmocka_unit_test(origin_of_a_url),
		cmocka_unit_test(claims_are_read),
		cmocka_unit_test_setup_teardown(
		    the_ci_is_known_by_its_variables, no_ci, no_ci),
		cmocka_unit_test(sources_are_words),
		cmocka_unit_test(commands_are_run),
		cmocka_unit_test(programs_are_looked_for_in_whole_paths),
		cmocka_unit_test(files_hold_one_token),
		cmocka_unit_test_setup_teardown(what_is_missing_is_said, no_ci,
		    no_ci),
	};

	return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
