/* The Authorization header: Basic (RFC 7617) and Bearer (RFC 6750). */
#ifndef GITGATE_IDENTITY_AUTH_HEADER_H
#define GITGATE_IDENTITY_AUTH_HEADER_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#define AUTH_HEADER_MAX_BYTES 16384

enum auth_scheme { AUTH_SCHEME_NONE, AUTH_SCHEME_BASIC, AUTH_SCHEME_BEARER };

struct auth_header {
	enum auth_scheme scheme;
	char *user;   /* Basic; may be ""; NULL otherwise */
	char *secret; /* the password or the token; wiped on release */
};

void auth_header_release(struct auth_header *h);
GG_DEFINE_AUTO_RELEASE(auth_header);

/*
 * Parse the header's value. 0 (an empty value gives AUTH_SCHEME_NONE);
 * GG_E_PEER when it is malformed or of another scheme; GG_E_LIMIT over
 * AUTH_HEADER_MAX_BYTES; GG_E_NOMEM. Messages never hold its content. *out
 * is written on success only.
 */
GG_MUST_USE int auth_header_parse(struct view value, struct auth_header *out,
    struct gg_error *err);

#endif
