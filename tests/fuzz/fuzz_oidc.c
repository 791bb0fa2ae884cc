/* A provider's document and its token answer: whatever it says, what is taken
 * from it is a place to go to, or a token, and nothing that breaks a page. */
#include "fuzz.h"

#include "identity/oidc.h"

#include <string.h>

static bool
is_place(const char *url)
{
	if (url == NULL || strlen(url) > OIDC_URL_MAX_BYTES)
		return false;
	for (const char *p = url; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '<' ||
		    *p == '\'' || *p == '#')
			return false;
	return strncmp(url, "https://", 8) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct provider p = { .issuer = (char *)(uintptr_t) "https://op",
		.client_id = (char *)(uintptr_t) "us" };
	GG_AUTO_RELEASE(oidc_site) s = { 0 };
	GG_AUTO_RELEASE(oidc_tokens) t = { 0 };
	GG_AUTO_RELEASE(buf) url = BUF_INIT(65536);
	struct view in = view_of(data, size);
	int rc = oidc_site_read(&p, in, &s, NULL);

	FUZZ_CHECK(rc == 0 || rc == GG_E_REFUSED);
	FUZZ_CHECK(rc == 0 || s.authorization == NULL);
	if (rc == 0) {
		FUZZ_CHECK(is_place(s.authorization));
		FUZZ_CHECK(is_place(s.token) && is_place(s.jwks));
		oidc_authorization_url(&p, &s, "https://us/back", "s", "n", "c",
		    &url);
		FUZZ_CHECK(url.failed == 0);
		FUZZ_CHECK(strpbrk(buf_str(&url), "\r\n\"<> ") == NULL);
	}
	rc = oidc_tokens_read(in, &t, NULL);
	FUZZ_CHECK(rc == 0 || rc == GG_E_REFUSED);
	FUZZ_CHECK((rc == 0) == (t.id_token != NULL));
	FUZZ_CHECK(rc != 0 || strlen(t.id_token) <= JWS_MAX_BYTES);
	return 0;
}
