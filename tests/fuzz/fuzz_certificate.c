/*
 * RFC 9440's headers, and the certificate in them: lines of the input are
 * Client-Cert and Client-Cert-Chain. What is taken encodes to what came; and
 * without the CA's key nothing verifies.
 */
#include "base/text.h"
#include "identity/certificate.h"

#include <stdint.h>
#include <string.h>

/* Its key was thrown away. */
static const char ca[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBSTCB76ADAgECAhRokl4gUVU/za+05fMdg1S3kezoVzAKBggqhkjOPQQDAjAS\n"
    "MRAwDgYDVQQDDAdGdXp6IENBMB4XDTI2MTExMjE2NDkzMloXDTI3MDMwMjE2NDkz\n"
    "MlowEjEQMA4GA1UEAwwHRnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\n"
    "BL1WA7LblZsrcT+1Ukx7+RnVlalIf1s1C6XCXEmFfyhadSJLv9R3pm+UPgJyovkY\n"
    "iJN4Eqszzbr3eS+HaDQExVCjIzAhMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/\n"
    "BAQDAgGGMAoGCCqGSM49BAMCA0kAMEYCIQCoKw3Z5JNq0fRvcjVkk8lJgto8RcU1\n"
    "ez1VkXTuTsVxTQIhAMPy6tQqSwCKJL7O341Q2xInBv1nwFvrpvDHwYrF875c\n"
    "-----END CERTIFICATE-----\n";

static void
check_encoding(struct view header, const struct certificate_chain *c, size_t i)
{
	GG_AUTO_RELEASE(buf) again = BUF_INIT((size_t)1 << 20);

	buf_addc(&again, ':');
	base64_encode(&again, c->v[i]);
	buf_addc(&again, ':');
	while (header.n > 0 && (header.p[0] == ' ' || header.p[0] == '\t'))
		view_skip(&header, 1);
	while (header.n > 0 &&
	    (header.p[header.n - 1] == ' ' || header.p[header.n - 1] == '\t'))
		header.n--;
	if (!view_eq(header, buf_view(&again)))
		gg_die("another certificate than the header's");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct x509_trust *trust;
	GG_AUTO_RELEASE(certificate_chain) chain = { 0 };
	GG_AUTO_RELEASE(x509_client) who = { 0 };
	struct view all = view_of(p, n), leaf = { 0 };
	struct gg_error err = { 0 };

	if (trust == NULL &&
	    x509_trust_new(view_str(ca), NULL, 0, &trust, &err) != 0)
		gg_die("%s", err.msg);
	if (!view_cut(&all, '\n', &leaf)) {
		leaf = all;
		all = view_of("", 0);
	}
	if (certificate_header_parse(leaf, all, &chain, &err) != 0)
		return 0;
	if (chain.n == 0 || chain.n > X509_CHAIN_MAX)
		gg_die("a chain of %zu", chain.n);
	check_encoding(leaf, &chain, 0);
	if (x509_client_verify(trust, chain.v, chain.n, 1800000000000, &who,
		&err) == 0)
		gg_die("it verifies");
	return 0;
}
