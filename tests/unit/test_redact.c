#include "upstream/redact.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *why, *in, *out;
} texts[] = {
	{ "plain text stays", "all is well\n", "all is well\n" },
	{ "no newline at the end", "half", "half" },
	{ "the password", "pw is p%ss/w.\n", "pw is [redacted].\n" },
	{ "twice in a row", "p%ss/wp%ss/w", "[redacted][redacted]" },
	{ "URL-encoded, upper case", "p%25ss%2Fw", "[redacted]" },
	{ "URL-encoded, lower case", "p%25ss%2fw", "[redacted]" },
	{ "base64 of user:password",
	    "Basic dTpwJXNzL3c=", "Basic [redacted]=" },
	{ "base64 of the password", "cCVzcy93", "[redacted]" },
	{ "a control byte inside it", "p%s\033s/w", "[redacted]" },
	{ "a prefix of it is no secret", "p%ss/", "p%ss/" },
	{ "userinfo of a URL", "see https://bob:x@host/y",
	    "see https://[redacted]@host/y" },
	{ "a token as user name", "https://ghp_abc@host/",
	    "https://[redacted]@host/" },
	{ "ssh's user name is none", "ssh://git@host/x", "ssh://git@host/x" },
	{ "but its password is", "ssh://git:x@host/x",
	    "ssh://[redacted]@host/x" },
	{ "an @ behind the path", "https://host/a@b", "https://host/a@b" },
	{ "escapes", "\033[31mred\033[0m\007", "[31mred[0m" },
	{ "C1 control (CSI in UTF-8)",
	    "a\xc2\x9b"
	    "31m",
	    "a31m" },
	{ "right-to-left override",
	    "a\xe2\x80\xae"
	    "b",
	    "ab" },
	{ "isolate",
	    "a\xe2\x81\xa6"
	    "b",
	    "ab" },
	{ "tab stays, DEL goes", "a\tb\177c", "a\tbc" },
	{ "UTF-8 stays", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x99",
	    "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x99" },
	{ "not UTF-8", "a\xff\xc3(", "a?\?(" },
	{ "overlong slash", "\xc0\xaf", "??" },
	{ "surrogate", "\xed\xa0\x80", "???" },
	{ "a sequence torn at the end", "a\xe2\x82", "a??" },
	{ "CR LF is one line's end", "a\r\nb\n", "a\nb\n" },
	{ "a lone CR starts the line anew", "10%\r20%\rdone\n", "done\n" },
};

static void
know_all(struct redact *r)
{
	redact_init(r);
	redact_add_basic(r, "u", view_str("p%ss/w"));
}

static void
test_texts(void **state)
{
	GG_AUTO_RELEASE(redact) r = { 0 };

	(void)state;
	know_all(&r);
	for (size_t i = 0; i < GG_COUNT(texts); i++) {
		GG_AUTO_RELEASE(buf) out = BUF_INIT(1000);

		redact_text(&r, view_str(texts[i].in), &out);
		if (strcmp(buf_str(&out), texts[i].out) != 0)
			fail_msg("%s: got \"%s\"", texts[i].why, buf_str(&out));
	}
}

/* Wherever the text is split, the same comes out. */
static void
test_any_split(void **state)
{
	GG_AUTO_RELEASE(redact) r = { 0 };

	(void)state;
	know_all(&r);
	for (size_t i = 0; i < GG_COUNT(texts); i++) {
		struct view in = view_str(texts[i].in);

		for (size_t at = 0; at <= in.n; at++) {
			GG_AUTO_RELEASE(redact_stream) s = { 0 };
			GG_AUTO_RELEASE(buf) out = BUF_INIT(1000);

			redact_stream_init(&s, &r, 1000);
			redact_stream_feed(&s, view_of(in.p, at), &out);
			redact_stream_feed(&s, view_of(in.p + at, in.n - at),
			    &out);
			redact_stream_finish(&s, &out);
			if (strcmp(buf_str(&out), texts[i].out) != 0)
				fail_msg("%s, split at %zu: got \"%s\"",
				    texts[i].why, at, buf_str(&out));
		}
	}
}

/* A line without end is let go in parts, and no part shows the secret,
 * wherever in the line it stands. */
static void
test_long_lines(void **state)
{
	GG_AUTO_RELEASE(redact) r = { 0 };

	(void)state;
	know_all(&r);
	for (size_t lead = REDACT_LINE_BYTES - 40;
	     lead < REDACT_LINE_BYTES + 1200; lead += 7) {
		GG_AUTO_RELEASE(redact_stream) s = { 0 };
		GG_AUTO_RELEASE(buf) out = BUF_INIT(100000);

		redact_stream_init(&s, &r, 100000);
		for (size_t i = 0; i < lead; i++)
			redact_stream_feed(&s, view_str("x"), &out);
		redact_stream_feed(&s, view_str("p%ss/w"), &out);
		for (size_t i = 0; i < 3 * REDACT_LINE_BYTES; i++)
			redact_stream_feed(&s, view_str("y"), &out);
		assert_true(s.line.n < 2 * REDACT_LINE_BYTES);
		redact_stream_finish(&s, &out);
		assert_null(strstr(buf_str(&out), "ss/w"));
		assert_int_equal(out.n,
		    lead + strlen(REDACTED) + 3 * REDACT_LINE_BYTES);
	}
}

static void
test_cut(void **state)
{
	GG_AUTO_RELEASE(redact) r = { 0 };
	GG_AUTO_RELEASE(redact_stream) s = { 0 };
	GG_AUTO_RELEASE(buf) out = BUF_INIT(1000);

	(void)state;
	redact_stream_init(&s, &r, 10);
	for (int i = 0; i < 20; i++)
		redact_stream_feed(&s, view_str("abc\n"), &out);
	redact_stream_finish(&s, &out);
	assert_string_equal(buf_str(&out),
	    "abc\nabc\nab\n[upstream's text is cut here]\n");
}

static void
test_error(void **state)
{
	GG_AUTO_RELEASE(redact) r = { 0 };
	struct gg_error err = { 0 };

	(void)state;
	know_all(&r);
	assert_int_equal(redact_error(&r,
			     gg_fail(&err, GG_E_PEER, "%s", "no p%ss/w"), &err),
	    GG_E_PEER);
	assert_string_equal(err.msg, "no [redacted]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_any_split),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
