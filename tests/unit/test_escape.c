#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/html.h"

static void
test_contexts(void **state)
{
	static const struct {
		const char *why, *in, *text, *attr, *url;
	} cases[] = {
		{ "plain", "a-b.c_d~1", "a-b.c_d~1", "a-b.c_d~1", "a-b.c_d~1" },
		{ "markup", "<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;",
		    "&lt;b&gt;&amp;&quot;&#39;", "%3Cb%3E%26%22%27" },
		{ "attributes", "a=`x`", "a&#61;&#96;x&#96;",
		    "a&#61;&#96;x&#96;", "a%3D%60x%60" },
		{ "an entity is no entity", "&lt;", "&amp;lt;", "&amp;lt;",
		    "%26lt%3B" },
		{ "letters of the world stay", "\xc3\xa9\xe2\x82\xac",
		    "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac",
		    "%C3%A9%E2%82%AC" },
		{ "bytes that are no UTF-8", "a\xff\xc3",
		    "a\xef\xbf\xbd\xef\xbf"
		    "\xbd",
		    "a\xef\xbf\xbd\xef\xbf\xbd", "a%FF%C3" },
		{ "overlong markup", "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd",
		    "\xef\xbf\xbd\xef\xbf\xbd", "%C0%BC" },
		{ "right-to-left override",
		    "a\xe2\x80\xae"
		    "b",
		    "a<span class=\"inv\">U+202E</span>b", "a[U+202E]b",
		    "a%E2%80%AEb" },
		{ "zero width", "\xe2\x80\x8b",
		    "<span class=\"inv\">U+200B"
		    "</span>",
		    "[U+200B]", "%E2%80%8B" },
		{ "byte order mark", "\xef\xbb\xbf",
		    "<span class=\"inv\">U+FEFF</span>", "[U+FEFF]",
		    "%EF%BB%BF" },
		{ "isolate", "\xe2\x81\xa6",
		    "<span class=\"inv\">U+2066"
		    "</span>",
		    "[U+2066]", "%E2%81%A6" },
		{ "escape and return", "\x1b[1m\r",
		    "<span class=\"inv\">U+001B"
		    "</span>[1m<span class=\""
		    "inv\">U+000D</span>",
		    "[U+001B][1m[U+000D]", "%1B%5B1m%0D" },
		{ "C1 control", "\xc2\x9b", "<span class=\"inv\">U+009B</span>",
		    "[U+009B]", "%C2%9B" },
		{ "tag characters", "\xf3\xa0\x81\xa1",
		    "<span class=\"inv\">U+E0061</span>", "[U+E0061]",
		    "%F3%A0%81%A1" },
		{ "tab and line end stay", "a\tb\n", "a\tb\n", "a\tb\n",
		    "a%09b%0A" },
		{ "empty", "", "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(buf) t = BUF_INIT(4096);
		GG_AUTO_RELEASE(buf) a = BUF_INIT(4096);
		GG_AUTO_RELEASE(buf) u = BUF_INIT(4096);

		html_texts(&t, cases[i].in);
		html_attrs(&a, cases[i].in);
		html_urls(&u, cases[i].in);
		if (strcmp(buf_str(&t), cases[i].text) != 0 ||
		    strcmp(buf_str(&a), cases[i].attr) != 0 ||
		    strcmp(buf_str(&u), cases[i].url) != 0)
			fail_msg("%s: %s %s %s", cases[i].why, buf_str(&t),
			    buf_str(&a), buf_str(&u));
	}
}

static void
test_numbers(void **state)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);

	(void)state;
	html_time(&b, 1700000000000);
	html_lit(&b, " ");
	html_span(&b, 3 * 86400000 + 5);
	html_lit(&b, " ");
	html_span(&b, 3600000);
	html_lit(&b, " ");
	html_span(&b, 0);
	html_lit(&b, " ");
	html_bytes(&b, 1023);
	html_lit(&b, " ");
	html_bytes(&b, 2048);
	assert_string_equal(buf_str(&b),
	    "<time datetime=\"2023-11-14T22:13:20.000Z\">2023-11-14 22:13 UTC"
	    "</time> 3 days 1 hour less than a minute 1023 bytes 2 KiB");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
