#include "identity/auth_header.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
auth_header_release(struct auth_header *h)
{
	if (h->secret != NULL)
		explicit_bzero(h->secret, strlen(h->secret));
	free(h->secret);
	free(h->user);
	*h = (struct auth_header){ 0 };
}

/* The scheme and the blanks behind it, without regard to case. */
static bool
cut_scheme(struct view *v, const char *scheme)
{
	size_t n = strlen(scheme);

	if (v->n <= n || strncasecmp(v->p, scheme, n) != 0 || v->p[n] != ' ')
		return false;
	view_skip(v, n);
	while (v->n > 0 && v->p[0] == ' ')
		view_skip(v, 1);
	return true;
}

static bool
has_control(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

static int
take_pair(struct view text, struct auth_header *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(auth_header) h = { .scheme = AUTH_SCHEME_BASIC };
	struct view user;

	if (has_control(text) || !view_cut(&text, ':', &user))
		return gg_fail(err, GG_E_PEER, "malformed Basic credentials");
	h.user = view_dup(user);
	h.secret = view_dup(text);
	if (h.user == NULL || h.secret == NULL)
		return gg_fail(err, GG_E_NOMEM, "credentials");
	*out = h;
	h = (struct auth_header){ 0 };
	return 0;
}

static int
parse_basic(struct view v, struct auth_header *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUTH_HEADER_MAX_BYTES);
	int rc;

	if (base64_decode(&text, v, NULL) != 0)
		rc = gg_fail(err, GG_E_PEER, "malformed Basic credentials");
	else
		rc = take_pair(buf_view(&text), out, err);
	if (text.p != NULL)
		explicit_bzero(text.p, text.alloc);
	return rc;
}

/* b64token of RFC 6750 section 2.1. */
static bool
is_b64token(struct view v)
{
	size_t n = 0;

	while (n < v.n && v.p[n] != '\0' &&
	    strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		   "0123456789-._~+/",
		v.p[n]) != NULL)
		n++;
	if (n == 0)
		return false;
	while (n < v.n && v.p[n] == '=')
		n++;
	return n == v.n;
}

static int
parse_bearer(struct view v, struct auth_header *out, struct gg_error *err)
{
	struct auth_header h = { .scheme = AUTH_SCHEME_BEARER };

	if (!is_b64token(v))
		return gg_fail(err, GG_E_PEER, "malformed Bearer token");
	if ((h.secret = view_dup(v)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "credentials");
	*out = h;
	return 0;
}

int
auth_header_parse(struct view value, struct auth_header *out,
    struct gg_error *err)
{
	if (value.n > AUTH_HEADER_MAX_BYTES)
		return gg_fail(err, GG_E_LIMIT,
		    "the Authorization header has more than %d bytes",
		    AUTH_HEADER_MAX_BYTES);
	if (value.n == 0) {
		*out = (struct auth_header){ 0 };
		return 0;
	}
	if (cut_scheme(&value, "Basic"))
		return parse_basic(value, out, err);
	if (cut_scheme(&value, "Bearer"))
		return parse_bearer(value, out, err);
	return gg_fail(err, GG_E_PEER,
	    "only Basic and Bearer authorization are known here");
}
