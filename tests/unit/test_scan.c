/* scan/rules and scan/scanner: gitleaks' semantics, row by row. */
#include "base/fd.h"
#include "scan/compile.h"
#include "scan/scanner.h"
#include "scan/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define OUT_MAX ((size_t)64 << 20)

static int
compile(const char *rules, struct buf *out, uint32_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SCAN_TEXT_MAX);
	GG_AUTO_RELEASE(strv) warnings = STRV_INIT;

	enc_str(&text, "f.toml");
	enc_str(&text, rules);
	return scan_compile(buf_view(&text), out, n, &warnings, err);
}

static struct scanner *
scanner_of(const char *rules)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct scanner *s = NULL;
	struct gg_error err = { 0 };
	uint32_t n;

	if (compile(rules, &out, &n, &err) != 0 ||
	    scanner_new(buf_view(&out), &s, &err) != 0)
		fail_msg("%s", err.msg);
	return s;
}

struct found {
	struct buf text; /* "rule:secret " each */
	struct view in;
};

static int
note(void *ctx, const struct scan_hit *hit, struct gg_error *err)
{
	struct found *f = ctx;

	(void)err;
	buf_addf(&f->text, "%s:%.*s ", hit->rule->id,
	    (int)(hit->secret.end - hit->secret.begin),
	    f->in.p + hit->secret.begin);
	return 0;
}

#define RULE(body) "[[rules]]\nid = 'r'\n" body "\n"

static void
finds(void **state)
{
	static const struct {
		const char *rules, *path, *text, *want;
	} rows[] = {
		{ RULE("regex = 'k=(\\w+)'"), "p", "k=one k=two",
		    "r:one r:two " },
		{ RULE("regex = 'k=\\w+'"), "p", "k=one", "r:k=one " },
		/* the first group that is not empty */
		{ RULE("regex = 'k=(x*)(\\w+)'"), "p", "k=one", "r:one " },
		{ RULE("regex = 'k=(\\w)(\\w+)'\nsecretGroup = 2"), "p",
		    "k=one", "r:ne " },
		/* newlines are trimmed */
		{ RULE("regex = '\\nk\\n'"), "p", "\nk\n", "r:k " },
		/* keywords: anywhere in the text, in any case; all or none */
		{ RULE("regex = 'k=(\\w+)'\nkeywords = ['HERE']"), "p", "k=one",
		    "" },
		{ RULE("regex = 'k=(\\w+)'\nkeywords = ['no', 'HERE']"), "p",
		    "k=one\nhErE", "r:one " },
		/* entropy: at or below is dropped ("abcd" has 2) */
		{ RULE("regex = 'k=(\\w+)'\nentropy = 2"), "p", "k=abcd", "" },
		{ RULE("regex = 'k=(\\w+)'\nentropy = 1.99"), "p", "k=abcd",
		    "r:abcd " },
		/* path */
		{ RULE("regex = 'k=(\\w+)'\npath = '\\.env$'"), "a.env",
		    "k=one", "r:one " },
		{ RULE("regex = 'k=(\\w+)'\npath = '\\.env$'"), "a.txt",
		    "k=one", "" },
		/* `$` and `\z` are the very end, `.` no newline */
		{ RULE("regex = 'k=(\\w+)$'"), "p", "k=one\n", "" },
		{ RULE("regex = 'k=(\\w+)$'"), "p", "\nk=one", "r:one " },
		{ RULE("regex = 'k=(?P<n>.+)\\z'"), "p", "k=a\nk=b", "r:b " },
		{ RULE("regex = '(?i)K=((?-i:[A-Z])+)'"), "p", "k=ABc k=a",
		    "r:AB " },
		/* what the pushed text says does not count */
		{ RULE("regex = 'k=(\\w+)'"), "p", "k=one # gitleaks:allow",
		    "r:one " },
		/* allowlists: on the secret, the match, the line */
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "regexes = ['^one$']"),
		    "p", "k=one k=two", "r:two " },
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "regexTarget = 'match'\nregexes = ['^k=one$']"),
		    "p", "k=one k=two", "r:two " },
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "regexTarget = 'line'\nregexes = ['^test']"),
		    "p", "test k=one\nk=two\n", "r:two " },
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "stopwords = ['ON']"),
		    "p", "k=one k=two", "r:two " },
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "paths = ['^test/']"),
		    "test/a", "k=one", "" },
		{ RULE("regex = 'k=(\\w+)'\n[rules.allowlist]\n"
		       "commits = ['C0FFEE']"),
		    "p", "k=one", "" },
		/* OR and AND */
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "paths = ['^t/']\nregexes = ['^one$']"),
		    "t/a", "k=one k=two", "" },
		{ RULE("regex = 'k=(\\w+)'\n[[rules.allowlists]]\n"
		       "condition = 'AND'\npaths = ['^t/']\n"
		       "regexes = ['^one$']"),
		    "t/a", "k=one k=two", "r:two " },
		/* global ones, for all or for some */
		{ "[allowlist]\nregexes = ['^one$']\n" RULE(
		      "regex = 'k=(\\w+)'"),
		    "p", "k=one k=two", "r:two " },
		{ RULE("regex = 'k=(\\w+)'") "[[rules]]\nid = 's'\n"
					     "regex = 'k=(\\w+)'\n"
					     "[[allowlists]]\n"
					     "targetRules = ['s']\n"
					     "regexes = ['one']",
		    "p", "k=one", "r:one " },
		{ RULE("regex = 'k=(\\w+)'\nskipReport = true"), "p", "k=one",
		    "" },
		/* a checksum that fits overrules entropy; one that cannot be
		 * is no token */
		{ RULE("regex = '\\w{40}'\nentropy = 6"), "p",
		    "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",
		    "r: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 " },
		{ RULE("regex = '\\w{40}'"), "p",
		    "ggt_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", "" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO(scanner) s = scanner_of(rows[i].rules);
		struct found f = { .text = BUF_INIT(4096),
			.in = view_str(rows[i].text) };
		struct scan_fragment fragment = { f.in, view_str(rows[i].path),
			"c0ffee", true, true };

		assert_int_equal(scanner_scan(s, &fragment, note, &f, NULL), 0);
		if (strcmp(buf_str(&f.text), rows[i].want) != 0)
			fail_msg("row %zu: %s: found %s", i, rows[i].rules,
			    buf_str(&f.text));
		buf_release(&f.text);
	}
}

/* Long matches, far behind where the short ones are looked for. */
static void
finds_long_ones(void **state)
{
	GG_AUTO(scanner) s =
	    scanner_of(RULE("regex = 'BEGIN-[\\s\\S]{10,}?-END'"));
	static const size_t lengths[] = { 10, 900, 1100, 9000, 60000 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(lengths); i++) {
		GG_AUTO_RELEASE(buf) text = BUF_INIT(OUT_MAX);
		struct found f = { .text = BUF_INIT(OUT_MAX) };

		for (size_t k = 0; k < 5000; k++)
			buf_adds(&text, "before it\n");
		for (int twice = 0; twice < 2; twice++) {
			buf_adds(&text, "BEGIN-");
			for (size_t k = 0; k < lengths[i]; k++)
				buf_addc(&text, 'x');
			buf_adds(&text, "-END");
		}
		f.in = buf_view(&text);
		struct scan_fragment fragment = { f.in, view_str("p"), "", true,
			true };

		assert_int_equal(scanner_scan(s, &fragment, note, &f, NULL), 0);
		assert_int_equal(f.text.n, 2 * (lengths[i] + 13));
		buf_release(&f.text);
	}
}

static void
path_rules(void **state)
{
	GG_AUTO(scanner) s =
	    scanner_of("[[rules]]\nid = 'a'\npath = '\\.p12$'\n"
		       "[[rules]]\nid = 'b'\npath = '^keys/'\n"
		       "[[rules.allowlists]]\npaths = ['ok']\n"
		       "[allowlist]\npaths = ['^vendor/']");
	size_t at = 0;

	(void)state;
	assert_string_equal(scanner_path_rule(s, view_str("keys/x.p12"), "",
				&at)
				->id,
	    "a");
	assert_string_equal(scanner_path_rule(s, view_str("keys/x.p12"), "",
				&at)
				->id,
	    "b");
	assert_null(scanner_path_rule(s, view_str("keys/x.p12"), "", &at));
	at = 0;
	assert_null(scanner_path_rule(s, view_str("keys/ok"), "", &at));
	assert_true(scanner_skips_path(s, view_str("vendor/x.p12"), ""));
	assert_false(scanner_skips_path(s, view_str("x.p12"), ""));
}

static void
refused(void **state)
{
	static const struct {
		const char *rules, *message;
	} rows[] = {
		{ "[[rules]]\nregex = 'a'", "f.toml:1: a rule without id" },
		{ RULE("") "", "f.toml:1: rule r has neither regex nor path" },
		{ RULE("regex = 'a'") RULE("regex = 'b'"),
		    "f.toml:4: rule r is there twice" },
		{ RULE("regex = '(a'"),
		    "f.toml:3: bad regex: missing closing parenthesis" },
		{ RULE("regex = 'a'\nsecretGroup = 1"),
		    "f.toml:1: rule r: secretGroup 1 of a regex with 0 "
		    "groups" },
		{ RULE("regex = 1"),
		    "f.toml:3: regex must be of type string, not integer" },
		{ RULE("regex = 'a'\nentropy = -1"),
		    "f.toml:4: entropy is between 0 and 32" },
		{ RULE("regex = 'a'\nkeywords = 'k'"),
		    "f.toml:4: keywords must be of type array, not string" },
		{ RULE("regex = 'a'\n[[rules.required]]\nid = 'x'"),
		    "f.toml:4: rules with `required` are not supported" },
		{ RULE("regex = 'a'\n[[rules.allowlists]]\ndescription = 'x'"),
		    "f.toml:4: an allowlist without commits, paths, regexes or "
		    "stopwords" },
		{ RULE("regex = 'a'\n[[rules.allowlists]]\ncondition = 'XOR'"),
		    "f.toml:5: condition is \"AND\" or \"OR\"" },
		{ RULE("regex = 'a'") "[[allowlists]]\ntargetRules = ['no']\n"
				      "paths = ['x']",
		    "f.toml:5: there is no rule no" },
		{ "[extend]\nuseDefault = true",
		    "f.toml:1: `extend` is not supported: name every rule file "
		    "in the policy" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
		struct gg_error err = { 0 };
		uint32_t n;

		assert_int_equal(compile(rows[i].rules, &out, &n, &err),
		    GG_E_INPUT);
		assert_string_equal(err.msg, rows[i].message);
	}
}

/* A file that is not what was compiled is refused, byte by byte. */
static void
damaged(void **state)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct scanner *s = NULL;
	uint32_t n;

	(void)state;
	assert_int_equal(compile(RULE("regex = 'ab+c'"), &out, &n, NULL), 0);
	assert_int_equal(n, 1);
	for (size_t i = 0; i < out.n; i += 7) {
		out.p[i] ^= 1;
		assert_int_equal(scanner_new(buf_view(&out), &s, NULL),
		    GG_E_CORRUPT);
		out.p[i] ^= 1;
		assert_int_equal(scanner_new(view_of(out.p, i), &s, NULL),
		    GG_E_CORRUPT);
	}
	assert_int_equal(scanner_new(buf_view(&out), &s, NULL), 0);
	scanner_free(s);
}

/* gitleaks' own file, unmodified, where it is at hand. */
static void
gitleaks_whole(void **state)
{
	const char *dir = getenv("GITGATE_SHARED_DATA");
	GG_AUTO_MEM char *path = path_f("%s/gitleaks.toml",
	    dir != NULL ? dir : "../shared/data");
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SCAN_TEXT_MAX);
	GG_AUTO_RELEASE(buf) out = BUF_INIT(OUT_MAX);
	struct gg_error err = { 0 };
	uint32_t n = 0;

	(void)state;
	if (file_read(path, &text, &err) != 0) {
		print_message("skipped: %s (GITGATE_SHARED_DATA names its "
			      "folder)\n",
		    err.msg);
		free(gg_take(path)); /* skip() does not come back */
		skip();
	}
	if (compile(buf_str(&text), &out, &n, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(n, 222);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(finds_long_ones),
		cmocka_unit_test(path_rules),
		cmocka_unit_test(refused),
		cmocka_unit_test(damaged),
		cmocka_unit_test(gitleaks_whole),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
