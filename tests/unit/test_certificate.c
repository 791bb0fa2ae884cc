/* From what a certificate says to a principal; headers of proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/certificate.h"

#include <string.h>

#define HEAD                                                            \
	"state-dir: /var/lib/g\npolicy-dir: /etc/g/p\n"                 \
	"public-url: https://h\n"                                       \
	"repositories: [{path: a/b, upstream: /srv/b.git}]\n"           \
	"tls: {certificate: /e/g/c, key: /e/g/k, client-ca: /e/g/ca}\n" \
	"identity:\n  client-certificates:\n"

static const char rules[] = HEAD
    "    - {require: {spiffe: \"spiffe://corp/ci/*\"}, principal: \"ci:{spiffe-domain}/{spiffe-path}\", groups: [{group: ci}, {group: deploy, when: {spiffe-path: \"ci/deploy\"}}]}\n"
    "    - {require: {dns: \"*.build\", issuer: \"CN=a\"}, principal: \"host:{dns}\"}\n"
    "    - {require: {email: \"*@x\"}, principal: \"mail:{email}\", groups: [{from: dns, prefix: \"at-\"}]}\n"
    "    - {require: {spki: ab}, principal: \"key:{spki}-{serial}\"}\n";

/* Names are "u:URI", "d:DNS" and "e:e-mail". */
static const struct {
	const char *why, *names[4];
	const char *issuer;
	int rc;
	const char *principal, *groups;
} cases[] = {
	{ "SPIFFE", { "u:spiffe://corp/ci/a" }, "CN=a", 0, "ci:corp/ci/a",
	    "ci" },
	{ "a group by condition", { "u:spiffe://corp/ci/deploy" }, "CN=a", 0,
	    "ci:corp/ci/deploy", "ci deploy" },
	{ "another trust domain", { "u:spiffe://corp.evil/ci/a" }, "CN=a",
	    GG_E_NOTFOUND, NULL, NULL },
	{ "a star crosses no slash", { "u:spiffe://corp/ci/a/b" }, "CN=a",
	    GG_E_NOTFOUND, NULL, NULL },
	{ "two URIs", { "u:spiffe://corp/ci/a", "u:spiffe://corp/ci/b" },
	    "CN=a", GG_E_REFUSED, NULL, NULL },
	{ "SPIFFE and another URI", { "u:spiffe://corp/ci/a", "u:https://x" },
	    "CN=a", GG_E_REFUSED, NULL, NULL },
	{ "dots", { "u:spiffe://corp/ci/.." }, "CN=a", GG_E_REFUSED, NULL,
	    NULL },
	{ "a slash at the end", { "u:spiffe://corp/ci/" }, "CN=a", GG_E_REFUSED,
	    NULL, NULL },
	{ "a port", { "u:spiffe://corp:1/ci/a" }, "CN=a", GG_E_REFUSED, NULL,
	    NULL },
	{ "a query", { "u:spiffe://corp/ci/a?b" }, "CN=a", GG_E_REFUSED, NULL,
	    NULL },
	{ "escapes", { "u:spiffe://corp/ci/%61" }, "CN=a", GG_E_REFUSED, NULL,
	    NULL },
	{ "the scheme in capitals", { "u:SPIFFE://corp/ci/a" }, "CN=a",
	    GG_E_REFUSED, NULL, NULL },
	{ "no path", { "u:spiffe://corp" }, "CN=a", GG_E_NOTFOUND, NULL, NULL },
	{ "another URI", { "u:https://corp/ci/a" }, "CN=a", GG_E_NOTFOUND, NULL,
	    NULL },
	{ "a host", { "d:a.build" }, "CN=a", 0, "host:a.build", "" },
	{ "capitals", { "d:A.BUILD" }, "CN=a", 0, "host:a.build", "" },
	{ "a wildcard", { "d:*.build" }, "CN=a", GG_E_NOTFOUND, NULL, NULL },
	{ "of another issuer", { "d:a.build" }, "CN=b", GG_E_NOTFOUND, NULL,
	    NULL },
	{ "two hosts", { "d:a.build", "d:b.build" }, "CN=a", GG_E_REFUSED, NULL,
	    NULL },
	{ "an address", { "e:a@x", "d:one", "d:two" }, "CN=z", 0, "mail:a@x",
	    "at-one at-two" },
	{ "a name that is none", { "e:a b@x" }, "CN=z", GG_E_REFUSED, NULL,
	    NULL },
	{ "the first rule counts", { "u:spiffe://corp/ci/a", "e:a@x" }, "CN=z",
	    0, "ci:corp/ci/a", "ci" },
	{ "no names", { NULL }, "CN=a", GG_E_NOTFOUND, NULL, NULL },
};

static void
test_principals(void **state)
{
	GG_AUTO(config) c = NULL;
	struct gg_error err = { 0 };

	(void)state;
	if (config_parse(view_str(rules), "c.yaml", &c, &err) != 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO_RELEASE(x509_client) x = { .spki = "cd" };
		GG_AUTO_RELEASE(principal) p = { 0 };
		GG_AUTO_RELEASE(buf) groups = BUF_INIT(1000);
		int rc;

		x.serial = view_dup(view_str("01"));
		x.issuer = view_dup(view_str(cases[i].issuer));
		for (size_t j = 0; j < 4 && cases[i].names[j] != NULL; j++) {
			const char *n = cases[i].names[j];

			strv_add(n[0] == 'u' ? &x.uris :
				n[0] == 'd'  ? &x.dns :
					       &x.emails,
			    n + 2);
		}
		rc = certificate_principal(c->identity.certificates,
		    c->identity.n_certificates, &x, &p, &err);
		if (rc != cases[i].rc)
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
		if (rc != 0)
			continue;
		for (size_t j = 0; j < p.groups.n; j++)
			buf_addf(&groups, "%s%s", j ? " " : "", p.groups.v[j]);
		assert_string_equal(p.name, cases[i].principal);
		assert_string_equal(buf_str(&groups), cases[i].groups);
		assert_int_equal(p.method, AUTH_CERTIFICATE);
		assert_string_equal(p.credential_id, "cd");
		assert_non_null(strstr(p.verified, "\"spki\":\"cd\""));
	}
}

static void
test_headers(void **state)
{
	static const struct {
		const char *leaf, *chain;
		size_t n; /* 0: refused */
	} rows[] = {
		{ ":QUJD:", "", 1 },
		{ " :QUJD:\t", "", 1 },
		{ ":QUJD:", ":REVG:", 2 },
		{ ":QUJD:", ":REVG:, :REVG:,:REVG:", 4 },
		{ "", "", 0 },
		{ ":", "", 0 },
		{ "::", "", 0 },
		{ "QUJD", "", 0 },
		{ ":QUJD", "", 0 },
		{ ":QUJD:,", "", 0 },
		{ ":QUJD:;a=1", "", 0 },
		{ ":QUI:", "", 0 },
		{ ":QU-D:", "", 0 },
		{ ":QU JD:", "", 0 },
		{ ":QUJD:", ",", 0 },
		{ ":QUJD:", ":REVG:,", 0 },
		{ ":QUJD:", ":REVG: :REVG:", 0 },
		{ ":QUJD:", ":QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:",
		    8 },
		{ ":QUJD:",
		    ":QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:",
		    0 },
	};

	(void)state;
	for (size_t i = 0; i < GG_COUNT(rows); i++) {
		GG_AUTO_RELEASE(certificate_chain) c = { 0 };
		int rc = certificate_header_parse(view_str(rows[i].leaf),
		    view_str(rows[i].chain), &c, NULL);

		if ((rc == 0) != (rows[i].n > 0) || c.n != rows[i].n)
			fail_msg("%s %s: %zu", rows[i].leaf, rows[i].chain,
			    c.n);
		if (rc == 0)
			assert_true(view_eq_str(c.v[0], "ABC"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_principals),
		cmocka_unit_test(test_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
