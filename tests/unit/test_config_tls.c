/* `tls:`, `client-certificates:` and `trusted-proxies:`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"

#include <string.h>

#define HEAD  "state-dir: /s\npolicy-dir: /p\n"
#define REPO  "repositories: [{path: a/b, upstream: /srv/b.git}]\n"
#define OK    HEAD REPO
#define HTTPS OK "public-url: https://h\n"
#define TLS   "tls: {certificate: /e/g/c, key: /e/g/k, client-ca: /e/g/ca}\n"
#define CERTS HTTPS TLS "identity:\n  client-certificates:\n    - "

/* Every message begins with file and line, so the rows say the rest. */
static const struct {
	const char *why, *text, *msg; /* NULL: accepted */
} cases[] = {
	{ "a proxy prefix", OK "trusted-proxies: [10.0.0.0/8, \"fd00::/8\"]\n",
	    NULL },
	{ "a proxy prefix that is too long",
	    OK "trusted-proxies: [10.0.0.0/33]\n",
	    "c.yaml:4: trusted-proxies: \"10.0.0.0/33\" is neither a numeric address nor a prefix like 10.0.0.0/8" },
	{ "everybody a proxy", OK "trusted-proxies: [0.0.0.0/0]\n",
	    "c.yaml:4: trusted-proxies: \"0.0.0.0/0\" is neither a numeric address nor a prefix like 10.0.0.0/8" },
	{ "tls", HTTPS "tls: {certificate: /e/g/c, key: /e/g/k}\n", NULL },
	{ "tls with nothing in it", HTTPS "tls: {}\n",
	    "c.yaml:5: tls: certificate and key are missing; a gate behind a proxy that does TLS needs no tls section" },
	{ "tls without a key", HTTPS "tls: {certificate: /e/g/c}\n",
	    "c.yaml:5: tls: certificate and key belong together: one is missing" },
	{ "tls with a plain public-url",
	    OK "tls: {certificate: /e/g/c, key: /e/g/k}\n",
	    "c.yaml:4: tls: with a certificate, public-url must begin with https://" },
	{ "tls and a typing mistake", HTTPS "tls: {cert: /e/g/c}\n",
	    "c.yaml:5: unknown key \"cert\"" },
	{ "tls in /etc", HTTPS "tls: {certificate: /etc/c, key: /e/g/k}\n",
	    "c.yaml:5: tls: /etc/c: the gate may read the whole directory that the file is in, and /etc is too much: use a directory like /etc/gitgate/tls" },
	{ "tls in /", HTTPS "tls: {certificate: /e/g/c, key: /k}\n",
	    "c.yaml:5: tls: /k: the gate may read the whole directory that the file is in, and / is too much: use a directory like /etc/gitgate/tls" },
	{ "tls beside an upstream's key",
	    HEAD
	    "public-url: https://h\n"
	    "tls: {certificate: /e/g/c, key: /e/g/k}\n"
	    "repositories:\n"
	    "  - path: a/b\n"
	    "    upstream: ssh://g@h/a.git\n"
	    "    credential: {ssh-key: /e/g/keys/id, known-hosts: /e/g/kh}\n",
	    "c.yaml:4: tls: /e/g/c: the gate may read the whole directory that the file is in, and it must not read /e/g/keys/id: use a directory of its own like /etc/gitgate/tls" },
	{ "tls beside a provider's key of ours",
	    HTTPS
	    "tls: {certificate: /e/g/c, key: /e/g/k}\n"
	    "identity: {providers: [{name: corp, kind: saml, idp-metadata-file: /m/x, sp-key-file: /e/g/sp, sp-certificate-file: /m/c}]}\n",
	    "c.yaml:5: tls: /e/g/c: the gate may read the whole directory that the file is in, and it must not read /e/g/sp: use a directory of its own like /etc/gitgate/tls" },
	{ "a CRL without a CA",
	    HTTPS
	    "tls: {certificate: /e/g/c, key: /e/g/k, client-crl: [/e/g/r]}\n",
	    "c.yaml:5: tls: client-crl needs client-ca" },
	{ "a header without a CA",
	    HTTPS "tls: {client-certificate-header: true}\n",
	    "c.yaml:5: tls: client-certificate-header needs client-ca" },
	{ "a header from nobody",
	    HTTPS
	    "tls: {client-ca: /e/g/ca, client-certificate-header: true}\n",
	    "c.yaml:5: tls: client-certificate-header needs trusted-proxies: from others the header is ignored" },
	{ "a header of a proxy",
	    HTTPS "tls: {client-ca: /e/g/ca, client-certificate-header: true}\n"
		  "trusted-proxies: [127.0.0.1]\n",
	    NULL },
	{ "client certificates without a CA",
	    HTTPS "identity:\n  client-certificates:\n"
		  "    - {require: {dns: a}, principal: x}\n",
	    "c.yaml:7: client-certificates needs tls: client-ca" },
	{ "a machine with a name of people",
	    HTTPS TLS
	    "identity:\n  providers: [{name: corp, kind: oidc, issuer: \"https://o\", client-id: x}]\n"
	    "  client-certificates:\n    - {require: {dns: a}, principal: \"Corp:{dns}\"}\n",
	    "c.yaml:9: client-certificates: principal may be a name of provider corp's people: begin it with a text of its own" },
	{ "a machine with a name of an issuer's job",
	    HTTPS TLS
	    "identity:\n  issuers: [{name: i, issuer: \"https://i\", audience: x, principal: \"ci:{sub}\", require: {sub: x}}]\n"
	    "  client-certificates:\n    - {require: {dns: a}, principal: \"c{dns}\"}\n",
	    "c.yaml:9: client-certificates: principal may be a name of issuer i's jobs: begin it with a text of its own" },
	{ "client certificates",
	    CERTS
	    "{require: {spiffe: \"spiffe://c/*\"}, principal: \"ci:{spiffe-path}\", groups: [{group: ci}]}\n",
	    NULL },
	{ "a client certificate's name",
	    CERTS "{require: {cn: a}, principal: x}\n",
	    "c.yaml:8: client-certificates: a certificate has no \"cn\"; there are spiffe, spiffe-domain, spiffe-path, dns, email, spki, serial and issuer" },
	{ "a client certificate of an issuer",
	    CERTS "{require: {issuer: a}, principal: x}\n",
	    "c.yaml:8: client-certificates: require needs one of spiffe, spiffe-path, dns, email and spki" },
	{ "a client certificate of anybody", CERTS "{principal: x}\n",
	    "c.yaml:8: client-certificates: require needs one of spiffe, spiffe-path, dns, email and spki" },
	{ "a client certificate of nobody", CERTS "{require: {dns: a}}\n",
	    "c.yaml:8: client-certificates: principal is missing" },
};

static void
test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		GG_AUTO(config) c = NULL;
		struct gg_error err = { 0 };
		int rc = config_parse(view_str(cases[i].text), "c.yaml", &c,
		    &err);

		if ((rc == 0) != (cases[i].msg == NULL) ||
		    (rc != 0 && strcmp(err.msg, cases[i].msg) != 0))
			fail_msg("%s: %d %s", cases[i].why, rc, err.msg);
	}
}

static void
test_values(void **state)
{
	static const char text[] = CERTS
	    "{require: {spiffe: [\"spiffe://c/a\", \"spiffe://c/b/*\"], issuer: \"CN=x\"}, principal: \"ci:{spiffe-path}\"}\n"
	    "trusted-proxies: [10.0.0.0/8]\n";
	GG_AUTO(config) c = NULL;
	GG_AUTO_RELEASE(strv) dirs = { 0 };
	struct gg_error err = { 0 };

	(void)state;
	assert_int_equal(config_parse(view_str(text), "c.yaml", &c, &err), 0);
	assert_string_equal(c->tls.certificate_file, "/e/g/c");
	assert_string_equal(c->tls.key_file, "/e/g/k");
	assert_string_equal(c->tls.client_ca_file, "/e/g/ca");
	assert_false(c->tls.client_certificate_header);
	assert_int_equal(c->identity.n_certificates, 1);
	assert_int_equal(c->identity.certificates[0].n_require, 2);
	assert_int_equal(c->identity.certificates[0].require[0].values.n, 2);
	assert_int_equal(config_tls_dirs(c, &dirs, &err), 0);
	assert_int_equal(dirs.n, 1);
	assert_string_equal(dirs.v[0], "/e/g");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
