/*
 * git's question to a credential helper, behind a line with the gate's URL.
 * Whatever is asked: a gate's token goes to its own scheme, host and port
 * only, and a URL's origin is always its own gate. A token's claims are read
 * from any bytes.
 */
#include "fuzz.h"

#include "cli/credential.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The host of a URL as it stands there, with its port. */
static const char *
host_of(const char *origin)
{
	return strstr(origin, "://") + 3;
}

/* The part of a host that has no port: numbers may be written in two ways. */
static size_t
name_length(const char *host)
{
	return host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
}

static void
check_answered(const struct credential_question *q, const char *origin)
{
	const char *host = host_of(origin);
	size_t n = name_length(host), m = name_length(q->host);

	FUZZ_CHECK(n == m || host[0] != q->host[0]);
	if (n == m && host[0] == q->host[0])
		FUZZ_CHECK(strncasecmp(host, q->host, n) == 0);
	FUZZ_CHECK(strncasecmp(origin, q->protocol, strlen(q->protocol)) == 0);
	FUZZ_CHECK(strpbrk(q->host, "@/\\?# ") == NULL);
}

static void
check_own(char *origin)
{
	struct credential_question q = { .protocol = origin,
		.host = strstr(origin, "://") + 3 };
	char copy[4096];

	if (strlen(origin) >= sizeof(copy))
		return;
	memcpy(copy, origin, strlen(origin) + 1);
	*strstr(origin, "://") = '\0';
	FUZZ_CHECK(credential_is_for(&q, copy));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GG_AUTO_RELEASE(credential_question) q = { 0 };
	GG_AUTO_RELEASE(token_claims) claims = { 0 };
	struct view rest = view_of(data, size), line;
	GG_AUTO_MEM char *url = NULL;
	GG_AUTO_MEM char *origin = NULL;

	(void)!token_claims_read(rest, &claims, NULL);
	if (!view_cut(&rest, '\n', &line) ||
	    memchr(line.p, '\0', line.n) != NULL)
		return 0;
	if ((url = view_dup(line)) == NULL)
		return 0;
	origin = credential_origin(url);
	if (credential_question_parse(rest, &q, NULL) == 0 &&
	    credential_is_for(&q, url)) {
		FUZZ_CHECK(origin != NULL);
		check_answered(&q, origin);
	}
	if (origin != NULL)
		check_own(origin);
	return 0;
}
