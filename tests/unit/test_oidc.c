/* identity/oidc: what is sent to a provider and how its answers are read. */
#include "identity/oidc.h"

#include "base/text.h"
#include "model/push.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#define ISS "https://op.example/t"

static const char *const scopes[] = { "openid", "a b&c" };
static const char *const algorithms[] = { "ES256", "EdDSA" };

static struct provider
provider(void)
{
	return (struct provider){ .name = (char *)(uintptr_t) "corp",
		.title = (char *)(uintptr_t) "Corp",
		.principal = (char *)(uintptr_t) "{preferred_username}",
		.email_claim = (char *)(uintptr_t) "email",
		.issuer = (char *)(uintptr_t)ISS,
		.client_id = (char *)(uintptr_t) "us & co",
		.scopes = { .v = (char **)(uintptr_t)scopes, .n = 2 },
		.algorithms = { .v = (char **)(uintptr_t)algorithms, .n = 2 } };
}

#define SITE(iss, auth, token, jwks)                                       \
	"{\"issuer\":\"" iss "\",\"authorization_endpoint\":\"" auth "\"," \
	"\"token_endpoint\":\"" token "\",\"jwks_uri\":\"" jwks "\""
#define A "https://op.example/a?x=1"
#define T "https://op.example/t"
#define K "https://keys.example/k"

static const struct {
	const char *json;
	bool good;
} sites[] = {
	{ SITE(ISS, A, T, K) "}", true },
	{ SITE(ISS, A, T, K) ",\"more\":[1]}", true },
	{ SITE(ISS "/", A, T, K) "}", false },
	{ SITE("https://OP.example/t", A, T, K) "}", false },
	{ SITE(ISS, "http://op.example/a", T, K) "}", false },
	{ SITE(ISS, "javascript:alert(1)", T, K) "}", false },
	{ SITE(ISS, "https://op.example/\\\"><b>", T, K) "}", false },
	{ SITE(ISS, "https://op.example/a b", T, K) "}", false },
	{ SITE(ISS, "https://op.example/a#f", T, K) "}", false },
	{ SITE(ISS, A, "", K) "}", false },
	{ SITE(ISS, A, T, "file:///k") "}", false },
	{ SITE(ISS, A, T, K) ",\"issuer\":\"" ISS "\"}", false },
	{ "{\"issuer\":\"" ISS "\"}", false },
	{ "[]", false },
	{ "", false },
	{ SITE(ISS, A, T, K), false },
};

static void
discovery(void **state)
{
	struct provider p = provider();
	GG_AUTO_RELEASE(buf) url = BUF_INIT(1024);
	(void)state;

	for (size_t i = 0; i < GG_COUNT(sites); i++) {
		GG_AUTO_RELEASE(oidc_site) s = { 0 };
		struct gg_error err = { 0 };
		int rc = oidc_site_read(&p, view_str(sites[i].json), &s, &err);

		if (rc != (sites[i].good ? 0 : GG_E_REFUSED))
			fail_msg("%s: %d", sites[i].json, rc);
		assert_true(sites[i].good == (s.token != NULL));
		assert_false(s.names_issuer);
	}
	oidc_discovery_url(&p, &url);
	assert_string_equal(buf_str(&url),
	    ISS "/.well-known/openid-configuration");
	p.issuer = (char *)(uintptr_t) "https://op.example/";
	buf_clear(&url);
	oidc_discovery_url(&p, &url);
	assert_string_equal(buf_str(&url),
	    "https://op.example/.well-known/openid-configuration");
}

static void
what_is_sent(void **state)
{
	struct provider p = provider();
	struct oidc_site s = { .authorization = (char *)(uintptr_t)A };
	GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
	(void)state;

	/* RFC 7636, appendix B */
	oidc_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", &b);
	assert_string_equal(buf_str(&b),
	    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	buf_clear(&b);
	oidc_authorization_url(&p, &s, "https://g.example/back", "st", "no",
	    "ch", &b);
	assert_string_equal(buf_str(&b),
	    A "&response_type=code&client_id=us%20%26%20co"
	      "&redirect_uri=https%3A%2F%2Fg.example%2Fback"
	      "&scope=openid%20a%20b%26c&state=st&nonce=no"
	      "&code_challenge=ch&code_challenge_method=S256");
	buf_clear(&b);
	oidc_token_form("c&d=e", "ver", "https://g.example/back", &b);
	assert_string_equal(buf_str(&b),
	    "grant_type=authorization_code&code=c%26d%3De"
	    "&redirect_uri=https%3A%2F%2Fg.example%2Fback"
	    "&code_verifier=ver");
	assert_int_equal(oidc_algorithms(&p),
	    1U << JWS_ES256 | 1U << JWS_EDDSA);
}

/* The answer of the token endpoint is read, or nothing is. */
static void
tokens(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "{\"id_token\":1}",
		"{\"id_token\":\"a\",\"id_token\":\"b\"}",
		"{\"id_token\":\"a\"" };
	GG_AUTO_RELEASE(oidc_tokens) t = { 0 };
	(void)state;

	for (size_t i = 0; i < GG_COUNT(bad); i++)
		assert_int_equal(oidc_tokens_read(view_str(bad[i]), &t, NULL),
		    GG_E_REFUSED);
	assert_int_equal(
	    oidc_tokens_read(view_str("{\"id_token\":\"a\",\"x\":{}}"), &t,
		NULL),
	    0);
	assert_string_equal(t.id_token, "a");
	assert_null(t.access_token);
}

/* Left halves of SHA-256, SHA-384 and SHA-512 of "at". */
#define AT_256 "sda5G2fCr6XjIpiNlGJjjQ"
#define AT_384 "4hulEO2T04y86FsZK2pA8fxDcRCCi6uc"
#define AT_512 "dTR5nNqNrsxqjWP_lCTH2ESWpeTv9f1yZraJ_wsSjjE"

/* Claims beside the usual ones. */
static const struct {
	const char *claims;
	enum jws_alg alg;
	bool good;
} checks[] = {
	{ "\"aud\":\"us & co\"", JWS_ES256, true },
	{ "\"aud\":[\"us & co\"]", JWS_ES256, true },
	{ "\"aud\":[\"us & co\",\"x\"],\"azp\":\"us & co\"", JWS_ES256, true },
	{ "\"aud\":[\"us & co\",\"x\"]", JWS_ES256, false },
	{ "\"aud\":[\"us & co\",\"x\"],\"azp\":\"x\"", JWS_ES256, false },
	{ "\"aud\":\"us & co\",\"azp\":\"x\"", JWS_ES256, false },
	{ "\"aud\":\"x\"", JWS_ES256, false },
	{ "\"aud\":\"us & co\",\"at_hash\":\"6ePrrHwuVJMOuKP01A8tkg\"",
	    JWS_ES256, false },
	{ "\"aud\":\"us & co\",\"at_hash\":\"" AT_256 "\"", JWS_ES256, true },
	{ "\"aud\":\"us & co\",\"at_hash\":\"" AT_256 "\"", JWS_EDDSA, false },
	{ "\"aud\":\"us & co\",\"at_hash\":\"" AT_512 "\"", JWS_EDDSA, true },
	{ "\"aud\":\"us & co\",\"at_hash\":\"" AT_384 "\"", JWS_PS384, true },
	{ "\"aud\":\"us & co\",\"at_hash\":7", JWS_ES256, false },
};

static void
claims_of_a_token(void **state)
{
	struct provider p = provider();
	(void)state;

	for (size_t i = 0; i < GG_COUNT(checks); i++) {
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
		GG_AUTO_RELEASE(jws) j = { .alg = checks[i].alg };
		int rc;

		buf_addf(&b,
		    "{\"iss\":\"" ISS "\",\"sub\":\"s\",\"nonce\":\"n\","
		    "\"iat\":1000,\"exp\":2000,%s}",
		    checks[i].claims);
		j.claims = json_loads(buf_str(&b), 0, NULL);
		assert_non_null(j.claims);
		rc = oidc_check(&p, &j, "at", "n", 1500 * 1000, NULL);
		if (rc != (checks[i].good ? 0 : GG_E_REFUSED))
			fail_msg("%s: %d", checks[i].claims, rc);
		assert_int_equal(oidc_check(&p, &j, "at", "m", 1500 * 1000,
				     NULL),
		    GG_E_REFUSED);
	}
}

static const struct {
	const char *claims;
	bool trusted;
	const char *name, *email; /* NULL: refused; "": none */
} persons[] = {
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\"", false, "ann", "" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a@b.c\"",
	    false, "ann", "" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a@b.c\","
	  "\"email_verified\":true",
	    false, "ann", "a@b.c" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a@b.c\","
	  "\"email_verified\":\"true\"",
	    false, "ann", "a@b.c" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a@b.c\","
	  "\"email_verified\":\"false\"",
	    false, "ann", "" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a@b.c\","
	  "\"email_verified\":1",
	    false, "ann", "" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a@b.c\"",
	    true, "ann", "a@b.c" },
	{ "\"sub\":\"s\",\"preferred_username\":\"ann\",\"email\":\"a b\"",
	    true, "ann", "" },
	{ "\"sub\":\"s\",\"preferred_username\":\"a b\"", false, NULL, "" },
	{ "\"sub\":\"s\",\"preferred_username\":\"\"", false, NULL, "" },
	{ "\"sub\":\"s\"", false, NULL, "" },
	{ "\"sub\":\"\",\"preferred_username\":\"ann\"", false, NULL, "" },
	{ "\"preferred_username\":\"ann\"", false, NULL, "" },
};

static void
people(void **state)
{
	(void)state;

	for (size_t i = 0; i < GG_COUNT(persons); i++) {
		struct provider p = provider();
		GG_AUTO_RELEASE(oidc_person) x = { 0 };
		GG_AUTO_RELEASE(buf) b = BUF_INIT(4096);
		json_t *claims;
		int rc;

		p.trust_email = persons[i].trusted;
		buf_addf(&b, "{\"auth_time\":5,%s}", persons[i].claims);
		claims = json_loads(buf_str(&b), 0, NULL);
		assert_non_null(claims);
		rc = oidc_person_of(&p, claims, &x, NULL);
		json_decref(claims);
		if (rc != (persons[i].name != NULL ? 0 : GG_E_REFUSED))
			fail_msg("%s: %d", persons[i].claims, rc);
		if (rc != 0)
			continue;
		assert_string_equal(x.name, persons[i].name);
		assert_int_equal(x.signed_in_ms, 5000);
		assert_int_equal(x.emails.n, persons[i].email[0] != '\0');
		if (x.emails.n > 0)
			assert_string_equal(x.emails.v[0], persons[i].email);
	}
}

static void
addresses(void **state)
{
	static const char *const good[] = { "a@b", "ann+x@example.org",
		"a'b@c" };
	static const char *const bad[] = { "", "a", "@b", "a@", "a@b@c",
		"a b@c", "<a@b>", "a@b\n", "\xc3\xa4@b", "a,b@c" };
	(void)state;

	for (size_t i = 0; i < GG_COUNT(good); i++)
		assert_true(email_is_valid(view_str(good[i])));
	for (size_t i = 0; i < GG_COUNT(bad); i++)
		assert_false(email_is_valid(view_str(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(discovery),
		cmocka_unit_test(what_is_sent),
		cmocka_unit_test(tokens),
		cmocka_unit_test(claims_of_a_token),
		cmocka_unit_test(people),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
