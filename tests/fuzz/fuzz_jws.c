/*
 * A token: what verifies has the bytes that were signed, and reading it again
 * gives the same. The keys are those of RFC 7515 A.2, Wycheproof and RFC 8037.
 */
#include "fuzz.h"

#include "base/text.h"
#include "identity/jws.h"

#define ALL_ALGS ((1U << JWS_ALG_COUNT) - 1)

static const char keys_text[] =
    "{\"keys\":["
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"kid-ec-sign\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\",\"y\":\"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

/* What was signed with them, as the corpus has it. */
static const char *const known[] = {
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImtpZC1lYy1zaWduIn0.Zm9v",
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
};

static bool
is_known(struct view signed_bytes)
{
	for (size_t i = 0; i < GG_COUNT(known); i++)
		if (view_eq_str(signed_bytes, known[i]))
			return true;
	return false;
}

/* One way to write it: header and payload as signed, the signature again. */
static void
check_same(struct view token, const struct jws *j)
{
	GG_AUTO_RELEASE(buf) again = BUF_INIT((size_t)4 * JWS_MAX_BYTES);

	buf_addv(&again, j->signed_bytes);
	buf_addc(&again, '.');
	base64url_encode(&again, buf_view(&j->sig));
	FUZZ_CHECK(view_eq(buf_view(&again), token));
	buf_clear(&again);
	base64url_encode(&again, buf_view(&j->payload));
	FUZZ_CHECK(j->signed_bytes.n > again.n);
	FUZZ_CHECK(memcmp(j->signed_bytes.p + j->signed_bytes.n - again.n,
		       buf_str(&again), again.n) == 0);
	FUZZ_CHECK(json_is_object(j->header));
	FUZZ_CHECK(j->claims == NULL || json_is_object(j->claims));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "JWT", NULL };
	static struct jwks *keys;
	GG_AUTO_RELEASE(jws) j = { 0 };
	struct gg_error err = { 0 };
	struct view token = view_of(data, size);
	int rc;

	if (keys == NULL)
		FUZZ_CHECK(jwks_parse(view_str(keys_text), "sig", &keys,
			       NULL) == 0 &&
		    jwks_n(keys) == 3);
	rc = jws_parse(token, types, &j, &err);
	if (rc != 0) {
		FUZZ_CHECK(rc == GG_E_REFUSED || rc == GG_E_LIMIT);
		FUZZ_CHECK(j.header == NULL && err.msg[0] != '\0');
		return 0;
	}
	FUZZ_CHECK(size <= JWS_MAX_BYTES);
	check_same(token, &j);
	rc = jws_verify(&j, keys, ALL_ALGS, NULL);
	FUZZ_CHECK(rc == 0 || rc == GG_E_REFUSED || rc == GG_E_NOTFOUND);
	FUZZ_CHECK(rc != 0 || is_known(j.signed_bytes));
	FUZZ_CHECK(jws_verify(&j, keys, 0, NULL) == GG_E_REFUSED);
	return 0;
}
