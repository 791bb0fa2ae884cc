#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/addr.h"
#include "http/form.h"

static void
test_target(void **state)
{
	static const struct {
		const char *why, *in;
		const char *path, *query; /* path NULL: refused */
	} cases[] = {
		{ "plain", "/a/b", "/a/b", "" },
		{ "root", "/", "/", "" },
		{ "a slash at the end is kept", "/a/", "/a/", "" },
		{ "query stays encoded", "/a?b=%20", "/a", "b=%20" },
		{ "only the first ? counts", "/a?b?c", "/a", "b?c" },
		{ "plus is no space in a path", "/a+b", "/a+b", "" },
		{ "escape of either case", "/%7e%7E", "/~~", "" },
		{ "absolute form", "http://h:1/a?b", "/a", "b" },
		{ "absolute form without a path", "https://h", "/", "" },
		{ "empty", "", NULL, NULL },
		{ "asterisk", "*", NULL, NULL },
		{ "relative", "a", NULL, NULL },
		{ "two slashes", "/a//b", NULL, NULL },
		{ "two slashes in front", "//a", NULL, NULL },
		{ "dot", "/a/./b", NULL, NULL },
		{ "dot dot at the end", "/a/..", NULL, NULL },
		{ "escaped dot dot", "/%2E./a", NULL, NULL },
		{ "an escaped slash is a slash", "/..%2fa", NULL, NULL },
		{ "NUL", "/a%00", NULL, NULL },
		{ "line end", "/a%0d%0ab", NULL, NULL },
		{ "short escape", "/a%4", NULL, NULL },
		{ "no hex", "/a%4g", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_MEM char *path = NULL;
		struct view query = { 0 };
		int rc = target_parse(view_str(cases[i].in), &path, &query,
		    NULL);

		if ((rc == 0) != (cases[i].path != NULL))
			fail_msg("%s: %d", cases[i].why, rc);
		if (rc != 0)
			continue;
		assert_string_equal(path, cases[i].path);
		assert_true(view_eq_str(query, cases[i].query));
	}
}

static void
test_fields(void **state)
{
	static const struct {
		const char *why, *in;
		int rc;
		const char *a; /* the value of "a" */
		unsigned n;    /* how often */
	} cases[] = {
		{ "plain", "a=1", 0, "1", 1 },
		{ "escapes and plus", "%61=b+%2B%3d", 0, "b +=", 1 },
		{ "no value", "a", 0, "", 1 },
		{ "value with =", "a=b=c", 0, "b=c", 1 },
		{ "twice: first, and counted", "a=1&b=2&a=3", 0, "1", 2 },
		{ "missing", "b=1", 0, NULL, 0 },
		{ "empty", "", 0, NULL, 0 },
		{ "empty pairs are skipped", "&&a=1&&", 0, "1", 1 },
		{ "NUL", "a=%00", GG_E_PEER, NULL, 0 },
		{ "broken escape in a name", "%=1", GG_E_PEER, NULL, 0 },
	};
	GG_AUTO_RELEASE(buf) many = BUF_INIT(4096);
	GG_AUTO_RELEASE(fields) none = { 0 };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(fields) f = { 0 };
		unsigned n = 99;
		const char *a;
		int rc = fields_parse(view_str(cases[i].in), &f, NULL);

		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].why, rc);
		if (rc != 0)
			continue;
		a = fields_get(&f, "a", &n);
		assert_int_equal(n, cases[i].n);
		if (cases[i].a == NULL)
			assert_null(a);
		else
			assert_string_equal(a, cases[i].a);
	}
	for (int i = 0; i <= FIELDS_MAX; i++)
		buf_adds(&many, "a&");
	assert_int_equal(fields_parse(buf_view(&many), &none, NULL),
	    GG_E_LIMIT);
	assert_int_equal(none.n, 0);
}

static void
test_client_address(void **state)
{
	static const struct {
		const char *why, *peer, *forwarded, *want;
	} cases[] = {
		{ "no proxy", "9.9.9.9", "", "9.9.9.9" },
		{ "a stranger's claim", "9.9.9.9", "1.1.1.1", "9.9.9.9" },
		{ "a proxy's word", "10.1.1.1", "1.1.1.1", "1.1.1.1" },
		{ "the rightmost counts", "10.1.1.1", "1.1.1.1, 2.2.2.2",
		    "2.2.2.2" },
		{ "proxies behind proxies", "10.1.1.1", "3.3.3.3,10.2.2.2",
		    "3.3.3.3" },
		{ "all trusted: the first", "10.1.1.1", "10.3.3.3,10.2.2.2",
		    "10.3.3.3" },
		{ "garbage ends the walk", "10.1.1.1", "1.1.1.1,unknown",
		    "10.1.1.1" },
		{ "IPv6", "fd00::1", "2001:db8::1", "2001:db8::1" },
		{ "IPv4 in IPv6", "::ffff:10.1.1.1", "1.1.1.1", "1.1.1.1" },
		{ "just outside the prefix", "11.0.0.0", "1.1.1.1",
		    "11.0.0.0" },
		{ "a port behind it", "10.1.1.1", "1.1.1.1:8080", "1.1.1.1" },
		{ "IPv6 and a port", "10.1.1.1", "[2001:db8::1]:80",
		    "2001:db8::1" },
		{ "IPv6 in brackets", "10.1.1.1", "[2001:db8::1]",
		    "2001:db8::1" },
		{ "half a bracket", "10.1.1.1", "[2001:db8::1", "10.1.1.1" },
		{ "an empty end", "10.1.1.1", "1.1.1.1,", "10.1.1.1" },
		{ "spaces and tabs", "10.1.1.1", "1.1.1.1 ,\t 2.2.2.2 \t",
		    "2.2.2.2" },
		{ "a zone", "10.1.1.1", "fe80::1%eth0", "10.1.1.1" },
		{ "an IPv6 prefix", "fd12:3456::7", "1.1.1.1", "1.1.1.1" },
		{ "outside of it", "fd13::7", "1.1.1.1", "fd13::7" },
		{ "a short IPv6 prefix is about IPv6", "9.9.9.9", "1.1.1.1",
		    "9.9.9.9" },
		{ "as many bytes as fit no address", "10.1.1.1",
		    "1.1.1.1,22222222222222222222222222222222222222222222222222222222",
		    "10.1.1.1" },
	};
	GG_AUTO_RELEASE(strv) trusted = STRV_INIT;

	(void)state;
	strv_add(&trusted, "10.0.0.0/8");
	strv_add(&trusted, "fd00::1");
	strv_add(&trusted, "fd12::/16");
	strv_add(&trusted, "::/8");
	strv_add(&trusted, "nonsense/99");
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		char out[ADDR_SIZE];

		addr_client(cases[i].peer, view_str(cases[i].forwarded),
		    &trusted, out);
		if (strcmp(out, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].why, out);
	}
}

static void
test_address_groups(void **state)
{
	static const char *const cases[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
		{ "::1", "::/64" },
		{ "?", "?" },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		char out[ADDR_SIZE];

		addr_group(cases[i][0], out);
		assert_string_equal(out, cases[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_client_address),
		cmocka_unit_test(test_address_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
