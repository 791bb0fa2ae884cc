/* Where the messenger may go: addresses, schemes, origins, Cache-Control. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "outgoing/address.h"
#include "outgoing/outgoing.h"
#include "outgoing/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <cmocka.h>

static void
test_addresses(void **state)
{
	static const struct {
		const char *text;
		enum address_class class;
	} cases[] = {
		{ "127.0.0.1", ADDRESS_LOOPBACK },
		{ "127.255.255.255", ADDRESS_LOOPBACK },
		{ "126.255.255.255", ADDRESS_PUBLIC },
		{ "128.0.0.0", ADDRESS_PUBLIC },
		{ "0.0.0.0", ADDRESS_PRIVATE },
		{ "0.255.255.255", ADDRESS_PRIVATE },
		{ "1.0.0.0", ADDRESS_PUBLIC },
		{ "9.255.255.255", ADDRESS_PUBLIC },
		{ "10.0.0.0", ADDRESS_PRIVATE },
		{ "10.255.255.255", ADDRESS_PRIVATE },
		{ "11.0.0.0", ADDRESS_PUBLIC },
		{ "100.63.255.255", ADDRESS_PUBLIC },
		{ "100.64.0.0", ADDRESS_PRIVATE },
		{ "100.127.255.255", ADDRESS_PRIVATE },
		{ "100.128.0.0", ADDRESS_PUBLIC },
		{ "169.253.255.255", ADDRESS_PUBLIC },
		{ "169.254.169.254", ADDRESS_PRIVATE },
		{ "169.255.0.0", ADDRESS_PUBLIC },
		{ "172.15.255.255", ADDRESS_PUBLIC },
		{ "172.16.0.0", ADDRESS_PRIVATE },
		{ "172.31.255.255", ADDRESS_PRIVATE },
		{ "172.32.0.0", ADDRESS_PUBLIC },
		{ "192.0.0.1", ADDRESS_PRIVATE },
		{ "192.0.1.1", ADDRESS_PUBLIC },
		{ "192.0.2.1", ADDRESS_PRIVATE },
		{ "192.88.99.1", ADDRESS_PRIVATE },
		{ "192.167.255.255", ADDRESS_PUBLIC },
		{ "192.168.0.0", ADDRESS_PRIVATE },
		{ "192.169.0.0", ADDRESS_PUBLIC },
		{ "198.17.255.255", ADDRESS_PUBLIC },
		{ "198.18.0.0", ADDRESS_PRIVATE },
		{ "198.19.255.255", ADDRESS_PRIVATE },
		{ "198.51.100.1", ADDRESS_PRIVATE },
		{ "203.0.113.1", ADDRESS_PRIVATE },
		{ "223.255.255.255", ADDRESS_PUBLIC },
		{ "224.0.0.1", ADDRESS_PRIVATE },
		{ "240.0.0.1", ADDRESS_PRIVATE },
		{ "255.255.255.255", ADDRESS_PRIVATE },
		{ "::1", ADDRESS_LOOPBACK },
		{ "::", ADDRESS_PRIVATE },
		{ "::2", ADDRESS_PRIVATE },
		{ "::127.0.0.1", ADDRESS_PRIVATE },
		{ "::ffff:127.0.0.1", ADDRESS_LOOPBACK },
		{ "::ffff:10.0.0.1", ADDRESS_PRIVATE },
		{ "::ffff:8.8.8.8", ADDRESS_PUBLIC },
		{ "64:ff9b::127.0.0.1", ADDRESS_LOOPBACK },
		{ "64:ff9b::8.8.8.8", ADDRESS_PUBLIC },
		{ "64:ff9b:1::1", ADDRESS_PRIVATE },
		{ "100::1", ADDRESS_PRIVATE },
		{ "2000::1", ADDRESS_PUBLIC },
		{ "2001::1", ADDRESS_PRIVATE },
		{ "2001:1ff::1", ADDRESS_PRIVATE },
		{ "2001:200::1", ADDRESS_PUBLIC },
		{ "2001:db8::1", ADDRESS_PRIVATE },
		{ "2001:db9::1", ADDRESS_PUBLIC },
		{ "2002:7f00:1::1", ADDRESS_PRIVATE },
		{ "2003::1", ADDRESS_PUBLIC },
		{ "2a00:1450::1", ADDRESS_PUBLIC },
		{ "3fff::1", ADDRESS_PRIVATE },
		{ "3fff:1000::1", ADDRESS_PUBLIC },
		{ "4000::1", ADDRESS_PRIVATE },
		{ "fc00::1", ADDRESS_PRIVATE },
		{ "fdff::1", ADDRESS_PRIVATE },
		{ "fe80::1", ADDRESS_PRIVATE },
		{ "fec0::1", ADDRESS_PRIVATE },
		{ "ff02::1", ADDRESS_PRIVATE },
		{ "", ADDRESS_PRIVATE },
		{ "example.com", ADDRESS_PRIVATE },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++)
		if (address_class_text(cases[i].text) != cases[i].class)
			fail_msg("%s", cases[i].text);
}

static void
test_socket_addresses(void **state)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr other = { .sa_family = AF_UNIX };

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "10.1.2.3", &in4.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET6, "::1", &in6.sin6_addr), 1);
	assert_int_equal(address_class((struct sockaddr *)&in4),
	    ADDRESS_PRIVATE);
	assert_int_equal(address_class((struct sockaddr *)&in6),
	    ADDRESS_LOOPBACK);
	assert_int_equal(address_class(&other), ADDRESS_PRIVATE);
}

static void
test_places(void **state)
{
	static const struct {
		const char *scheme, *host;
		bool mail, named, ok, plain;
	} cases[] = {
		{ "https", "example.com", false, false, true, false },
		{ "HTTPS", "127.0.0.1", false, true, true, false },
		{ "http", "127.0.0.1", false, true, true, true },
		{ "http", "localhost", false, true, true, true },
		{ "http", "[::1]", false, true, true, true },
		{ "http", "127.0.0.1", false, false, false, false },
		{ "http", "example.com", false, true, false, false },
		{ "http", "localhost.example.com", false, true, false, false },
		{ "http", "10.0.0.1", false, true, false, false },
		{ "ftp", "127.0.0.1", false, true, false, false },
		{ "file", "", false, true, false, false },
		{ "smtp", "127.0.0.1", false, true, false, false },
		{ "smtp", "mail.example.com", true, true, true, false },
		{ "smtp", "127.0.0.1", true, true, true, true },
		{ "smtps", "mail.example.com", true, true, true, false },
		{ "https", "mail.example.com", true, true, false, false },
		{ "http", "127.0.0.1", true, true, false, false },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct place p;
		int rc = place_of(cases[i].scheme, cases[i].host, cases[i].mail,
		    cases[i].named, &p, NULL);

		assert_int_equal(rc, cases[i].ok ? 0 : GG_E_REFUSED);
		if (rc == 0)
			assert_int_equal(p.plain, cases[i].plain);
	}
}

static void
test_permits(void **state)
{
	const struct place public = { 0 }, named = { .named = true },
			   plain = { .named = true, .plain = true };

	(void)state;
	assert_true(place_permits(&public, ADDRESS_PUBLIC));
	assert_false(place_permits(&public, ADDRESS_LOOPBACK));
	assert_false(place_permits(&public, ADDRESS_PRIVATE));
	assert_true(place_permits(&named, ADDRESS_PUBLIC));
	assert_true(place_permits(&named, ADDRESS_LOOPBACK));
	assert_true(place_permits(&named, ADDRESS_PRIVATE));
	/* a name that says loopback and resolves elsewhere */
	assert_false(place_permits(&plain, ADDRESS_PUBLIC));
	assert_true(place_permits(&plain, ADDRESS_LOOPBACK));
	assert_false(place_permits(&plain, ADDRESS_PRIVATE));
}

static void
test_max_age(void **state)
{
	static const struct {
		const char *value;
		uint64_t age;
	} cases[] = {
		{ "max-age=60", 60 },
		{ " public , MAX-AGE=60\r\n", 60 },
		{ "max-age=60, must-revalidate", 60 },
		{ "max-age=60, no-store", 0 },
		{ "no-cache, max-age=60", 0 },
		{ "s-maxage=60", 0 },
		{ "max-age", 0 },
		{ "max-age=", 0 },
		{ "max-age=-1", 0 },
		{ "max-age=1e9", 0 },
		{ "max-age=99999999999999999999999", 0 },
		{ "max-age=1000000", 1000 },
		{ "", 0 },
		{ ",,,", 0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++)
		if (place_max_age(view_str(cases[i].value), 1000) !=
		    cases[i].age)
			fail_msg("%s", cases[i].value);
}

static void
test_origins(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "https://a.example", "https://a.example/x?y#z", true },
		{ "https://a.example:443/", "https://A.EXAMPLE/", true },
		{ "http://127.0.0.1:80", "http://127.1/", true },
		{ "https://a.example", "http://a.example", false },
		{ "https://a.example", "https://a.example:444", false },
		{ "https://a.example", "https://a.example.evil", false },
		{ "https://a.example", "https://u@a.example", false },
		{ "https://a.example", "https://evil\\@a.example", false },
		{ "", "", false },
		{ "https://", "https://", false },
		{ "spiffe://a.example", "https://a.example", false },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++)
		if (outgoing_same_origin(cases[i].a, cases[i].b) !=
		    cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	assert_false(outgoing_same_origin(NULL, NULL));
	assert_false(outgoing_same_origin("https://a", NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_socket_addresses),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_permits),
		cmocka_unit_test(test_max_age),
		cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
