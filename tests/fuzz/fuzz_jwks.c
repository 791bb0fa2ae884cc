/* A key set: it has no more than it may, says the same of itself twice, and
 * no key that somebody else wrote makes an unsigned token a good one. */
#include "fuzz.h"

#include "identity/jws.h"

#define ALL_ALGS ((1U << JWS_ALG_COUNT) - 1)

/* Tokens whose signature is nobody's. */
static const char *const unsigned_tokens[] = {
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIn0.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ",
	"eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
	"eyJhbGciOiJFZERTQSJ9.e30.AAAA",
};

static void
never_verifies(const struct jwks *s, const char *token)
{
	static const char *const types[] = { "JWT", NULL };
	GG_AUTO_RELEASE(jws) j = { 0 };

	FUZZ_CHECK(jws_parse(view_str(token), types, &j, NULL) == 0);
	FUZZ_CHECK(jws_verify(&j, s, ALL_ALGS, NULL) < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO(jwks) s = NULL;
	GG_AUTO(jwks) svid = NULL;
	struct view in = view_of(data, size);
	int rc = jwks_parse(in, "sig", &s, NULL);

	FUZZ_CHECK(rc == 0 || rc == GG_E_INPUT || rc == GG_E_LIMIT);
	FUZZ_CHECK(jwks_parse(in, "jwt-svid", &svid, NULL) == rc);
	if (rc != 0)
		return 0;
	FUZZ_CHECK(size <= JWKS_MAX_BYTES);
	/* a key is of one use, or of none, which is "sig" */
	FUZZ_CHECK(jwks_n(s) + jwks_n(svid) <= JWKS_MAX_KEYS);
	FUZZ_CHECK(jwks_has(s, NULL) == (jwks_n(s) == 1));
	for (size_t i = 0; i < GG_COUNT(unsigned_tokens); i++)
		never_verifies(s, unsigned_tokens[i]);
	return 0;
}
