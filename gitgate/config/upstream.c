#include "config/internal.h"

#include "base/fd.h"
#include "base/num.h"

#include <arpa/inet.h>

/* The pieces of scheme://[user[:password]@]host[:port]/path */
struct url {
	struct view user, password, host, port, path;
};

static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static void
cut_userinfo(struct view *authority, struct url *u)
{
	size_t at = authority->n;

	while (at > 0 && authority->p[at - 1] != '@')
		at--;
	if (at == 0)
		return;
	u->user = view_of(authority->p, at - 1);
	view_skip(authority, at);
	u->password = u->user;
	if (!view_cut(&u->password, ':', &u->user))
		u->password = view_of(NULL, 0);
}

static bool
cut_host(struct view authority, struct url *u)
{
	u->host = authority;
	u->port = view_of(NULL, 0);
	if (authority.n > 0 && authority.p[0] == '[') {
		if (!view_cut(&authority, ']', &u->host))
			return false;
		view_skip(&u->host, 1);
		if (authority.n == 0)
			return u->host.n > 0;
		if (authority.p[0] != ':')
			return false;
		u->port = view_of(authority.p + 1, authority.n - 1);
		return u->host.n > 0 && u->port.n > 0;
	}
	if (view_cut(&authority, ':', &u->host))
		u->port = authority;
	else
		return u->host.n > 0;
	return u->host.n > 0 && u->port.n > 0;
}

static bool
host_is_plain(struct view h)
{
	if (h.n == 0 || h.p[0] == '-')
		return false;
	for (size_t i = 0; i < h.n; i++) {
		char c = h.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && strchr(".-_:", c) == NULL)
			return false;
	}
	return true;
}

static int
cut_url(const char *text, const char *scheme, struct url *u,
    struct gg_error *err)
{
	struct view left = view_str(text), authority;
	uint64_t port = 0;

	view_skip(&left, strlen(scheme));
	if (!view_cut(&left, '/', &authority))
		return gg_fail(err, GG_E_INPUT, "the URL has no path");
	u->path = left;
	cut_userinfo(&authority, u);
	if (u->password.n > 0)
		return gg_fail(err, GG_E_INPUT,
		    "a password in a URL is refused: name a file under `credential:`");
	if (!cut_host(authority, u) || !host_is_plain(u->host))
		return gg_fail(err, GG_E_INPUT, "the URL's host is not valid");
	if (u->port.n > 0 &&
	    (num_parse(u->port, UINT16_MAX, &port, NULL) < 0 || port == 0))
		return gg_fail(err, GG_E_INPUT, "the URL's port is not valid");
	if (u->path.n == 0)
		return gg_fail(err, GG_E_INPUT, "the URL has no path");
	return 0;
}

static bool
host_is_loopback(struct view host)
{
	char text[64];
	struct in_addr v4;
	struct in6_addr v6;

	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (strcmp(text, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, text, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int
check_http(const char *text, const char *scheme, bool allow_plain,
    struct gg_error *err)
{
	struct url u = { 0 };
	int rc = cut_url(text, scheme, &u, err);

	if (rc < 0)
		return rc;
	if (u.user.n > 0)
		return gg_fail(err, GG_E_INPUT,
		    "a user name in a URL is refused: put it under `credential:`");
	if (memchr(u.path.p, '?', u.path.n) || memchr(u.path.p, '#', u.path.n))
		return gg_fail(err, GG_E_INPUT,
		    "the URL has a query or a fragment");
	if (strcmp(scheme, "http://") == 0 && !allow_plain &&
	    !host_is_loopback(u.host))
		return gg_fail(err, GG_E_INPUT,
		    "http:// to another machine sends the credential in clear: use https://, or set `allow-plain-http: true`");
	return 0;
}

int
service_url_check(const char *text, struct gg_error *err)
{
	bool plain = strncmp(text, "http://", 7) == 0;
	GG_AUTO_MEM char *with_path = path_f("%s/-", text);
	struct url u = { 0 };
	int rc;

	if (!plain && strncmp(text, "https://", 8) != 0)
		return gg_fail(err, GG_E_INPUT, "is not https://...");
	if (!is_printable(text) || strpbrk(text, "?#@\\\"") != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "has a user, a query or characters that a URL may not have");
	rc = cut_url(with_path, plain ? "http://" : "https://", &u, err);
	if (rc < 0)
		return rc;
	if (plain && !host_is_loopback(u.host))
		return gg_fail(err, GG_E_INPUT,
		    "http:// to another machine: anybody between could answer instead; use https://");
	return 0;
}

static bool
user_is_plain(struct view u)
{
	return u.n == 0 || host_is_plain(u);
}

static int
check_ssh(const char *text, struct gg_error *err)
{
	struct url u = { 0 };
	int rc = cut_url(text, "ssh://", &u, err);

	if (rc < 0)
		return rc;
	if (!user_is_plain(u.user))
		return gg_fail(err, GG_E_INPUT, "the URL's user is not valid");
	return 0;
}

/* [user@]host:path; a '-' in front would be an option to ssh or git */
static int
check_scp(const char *text, struct gg_error *err)
{
	struct view path = view_str(text), where = { 0 };
	struct url u = { 0 };

	if (!view_cut(&path, ':', &where) ||
	    (where.n > 0 && memchr(where.p, '/', where.n) != NULL))
		return gg_fail(err, GG_E_INPUT,
		    "is neither https://, ssh://, user@host:path nor an absolute path");
	cut_userinfo(&where, &u);
	if (!host_is_plain(where) || !user_is_plain(u.user) || path.n == 0 ||
	    path.p[0] == '-' || path.p[0] == ':' || view_has_prefix(path, "//"))
		return gg_fail(err, GG_E_INPUT,
		    "is neither https://, ssh://, user@host:path nor an absolute path");
	return 0;
}

static bool
path_is_plain(const char *text)
{
	struct view left = view_str(text), head;

	view_skip(&left, 1);
	while (view_cut(&left, '/', &head))
		if (view_eq_str(head, "..") || view_eq_str(head, "."))
			return false;
	return !view_eq_str(left, "..") && !view_eq_str(left, ".");
}

int
upstream_classify(const char *text, bool allow_plain_http,
    enum upstream_kind *kind, struct gg_error *err)
{
	struct view v = view_str(text);

	if (text[0] == '/') {
		*kind = UPSTREAM_LOCAL;
		if (v.n > 1 && path_is_plain(text))
			return 0;
		return gg_fail(err, GG_E_INPUT,
		    "a local path may not have \".\" or \"..\" in it");
	}
	if (!is_printable(text))
		return gg_fail(err, GG_E_INPUT,
		    "a URL may not hold spaces or characters outside ASCII");
	*kind = UPSTREAM_HTTP;
	if (view_has_prefix(v, "https://"))
		return check_http(text, "https://", allow_plain_http, err);
	if (view_has_prefix(v, "http://"))
		return check_http(text, "http://", allow_plain_http, err);
	*kind = UPSTREAM_SSH;
	if (view_has_prefix(v, "ssh://"))
		return check_ssh(text, err);
	if (strstr(text, "://") != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "is neither https://, ssh://, user@host:path nor an absolute path");
	return check_scp(text, err);
}
