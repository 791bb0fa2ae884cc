#include "upstream/ssh_command.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define SSH_PROGRAM     "/usr/bin/ssh"
#define PATH_MAX_BYTES  4096
#define NAME_MAX_BYTES  255
#define PERSIST_SECONDS 60

void
ssh_url_release(struct ssh_url *u)
{
	free(u->user);
	free(u->host);
	free(u->path);
	*u = (struct ssh_url){ 0 };
}

/* Bytes that a user or host name may have; it may not look like an option. */
static bool
name_is_valid(struct view v, const char *more)
{
	if (v.n == 0 || v.n > NAME_MAX_BYTES || v.p[0] == '-')
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9'))
			continue;
		if (c == '\0' || strchr(more, c) == NULL)
			return false;
	}
	return true;
}

static bool
path_is_valid(struct view v)
{
	if (v.n == 0 || v.n > PATH_MAX_BYTES || v.p[0] == '-')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return false;
	return true;
}

static int
take_host(struct view v, struct ssh_url *out, struct gg_error *err)
{
	bool bracket = v.n > 2 && v.p[0] == '[' && v.p[v.n - 1] == ']';

	if (bracket)
		v = view_of(v.p + 1, v.n - 2);
	if (!name_is_valid(v, bracket ? ":.%" : "._-"))
		return gg_fail(err, GG_E_INPUT, "not a host name in ssh URL");
	if ((out->host = view_dup(v)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "ssh URL");
	return 0;
}

static int
take_port(struct view v, struct ssh_url *out, struct gg_error *err)
{
	uint64_t port;

	if (num_parse(v, UINT16_MAX, &port, NULL) != 0 || port == 0)
		return gg_fail(err, GG_E_INPUT, "not a port in ssh URL");
	out->port = (uint16_t)port;
	return 0;
}

/* "[user@]host", and with may_port "[:port]". */
static int
take_authority(struct view v, bool may_port, struct ssh_url *out,
    struct gg_error *err)
{
	struct view user, host;
	const char *bracket;

	if (view_cut(&v, '@', &user)) {
		if (!name_is_valid(user, "._-+"))
			return gg_fail(err, GG_E_INPUT,
			    "not a user name in ssh URL");
		if ((out->user = view_dup(user)) == NULL)
			return gg_fail(err, GG_E_NOMEM, "ssh URL");
	}
	host = v;
	bracket = v.n > 0 && v.p[0] == '[' ? memchr(v.p, ']', v.n) : NULL;
	if (bracket != NULL) {
		host = view_of(v.p, (size_t)(bracket + 1 - v.p));
		view_skip(&v, host.n);
		if (v.n == 0 || !may_port)
			return v.n == 0 ? take_host(host, out, err) :
					  gg_fail(err, GG_E_INPUT,
					      "not a host name in ssh URL");
		if (v.p[0] != ':')
			return gg_fail(err, GG_E_INPUT,
			    "not a host name in ssh URL");
		view_skip(&v, 1);
	} else if (!may_port || !view_cut(&v, ':', &host)) {
		return take_host(v, out, err);
	}
	if (take_port(v, out, err) != 0)
		return GG_E_INPUT;
	return take_host(host, out, err);
}

/* Where the ':' of "host:path" stands, behind an IPv6 address. */
static const char *
scp_colon(struct view v)
{
	const char *at = memchr(v.p, '[', v.n);
	const char *from = at != NULL ? memchr(v.p, ']', v.n) : v.p;

	if (from == NULL || (at != NULL && from < at))
		return NULL;
	return memchr(from, ':', v.n - (size_t)(from - v.p));
}

static int
parse(struct view v, struct ssh_url *out, struct gg_error *err)
{
	static const char scheme[] = "ssh://";
	bool url = view_has_prefix(v, scheme);
	const char *cut;
	struct view head, path;

	if (url)
		view_skip(&v, sizeof(scheme) - 1);
	cut = v.n == 0 ? NULL : url ? memchr(v.p, '/', v.n) : scp_colon(v);
	if (cut == NULL)
		return gg_fail(err, GG_E_INPUT, "ssh URL without a path");
	head = view_of(v.p, (size_t)(cut - v.p));
	path = v;
	view_skip(&path, head.n + (url ? 0 : 1));
	/* ssh://host/~user/x is the path ~user/x, as git reads it */
	if (url && view_has_prefix(path, "/~"))
		view_skip(&path, 1);
	if (!path_is_valid(path))
		return gg_fail(err, GG_E_INPUT, "not a path in ssh URL");
	if ((out->path = view_dup(path)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "ssh URL");
	return take_authority(head, url, out, err);
}

int
ssh_url_parse(struct view v, struct ssh_url *out, struct gg_error *err)
{
	struct ssh_url u = { 0 };
	int rc = parse(v, &u, err);

	if (rc != 0) {
		ssh_url_release(&u);
		return rc;
	}
	*out = u;
	return 0;
}

void
shell_quote(struct buf *out, const char *s)
{
	buf_addc(out, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '!')
			buf_addf(out, "'\\%c'", *s);
		else
			buf_addc(out, *s);
	}
	buf_addc(out, '\'');
}

/* A file name as an ssh option's value: blanks, quotes and '%' would be read
 * by ssh's own config parser. */
static int
check_file(const char *file, struct gg_error *err)
{
	if (file == NULL || file[0] != '/')
		return gg_fail(err, GG_E_INPUT,
		    "ssh needs absolute file names for key and known hosts");
	for (const char *p = file; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f ||
		    strchr("\"'%$\\,", *p) != NULL)
			return gg_fail(err, GG_E_INPUT,
			    "a file name that ssh would misread");
	return 0;
}

static void
add_fixed(struct strv *argv)
{
	static const char *const options[] = { "BatchMode=yes",
		"StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null",
		"UpdateHostKeys=no", "IdentitiesOnly=yes", "IdentityAgent=none",
		"PreferredAuthentications=publickey", "ForwardAgent=no",
		"ForwardX11=no", "ClearAllForwardings=yes",
		"PermitLocalCommand=no", "ProxyCommand=none", "ProxyJump=none",
		"CanonicalizeHostname=no", "Tunnel=no", "LogLevel=ERROR",
		"SendEnv=GIT_PROTOCOL" };

	strv_add(argv, SSH_PROGRAM);
	strv_add(argv, "-F");
	strv_add(argv, "none");
	strv_add(argv, "-T");
	for (size_t i = 0; i < GG_COUNT(options); i++) {
		strv_add(argv, "-o");
		strv_add(argv, options[i]);
	}
}

static void
add_control(struct strv *argv, const char *socket)
{
	strv_add(argv, "-o");
	strv_addf(argv, "ControlMaster=%s", socket != NULL ? "auto" : "no");
	strv_add(argv, "-o");
	strv_addf(argv, "ControlPath=%s", socket != NULL ? socket : "none");
	strv_add(argv, "-o");
	if (socket != NULL)
		strv_addf(argv, "ControlPersist=%d", PERSIST_SECONDS);
	else
		strv_add(argv, "ControlPersist=no");
}

static void
add_times(struct strv *argv, const struct ssh_options *o)
{
	uint64_t connect = (o->connect_ms + 999) / 1000;
	uint64_t alive = (o->alive_ms + 2999) / 3000;

	strv_add(argv, "-o");
	strv_addf(argv, "ConnectTimeout=%llu",
	    (unsigned long long)(connect ? connect : 1));
	strv_add(argv, "-o");
	strv_addf(argv, "ServerAliveInterval=%llu",
	    (unsigned long long)(alive ? alive : 1));
	strv_add(argv, "-o");
	strv_add(argv, "ServerAliveCountMax=3");
}

static int
check(const struct ssh_url *u, const struct ssh_options *o,
    struct gg_error *err)
{
	int rc = check_file(o->key, err);

	if (rc == 0 && o->known_hosts != NULL)
		rc = check_file(o->known_hosts, err);
	if (rc == 0 && o->control != NULL)
		rc = check_file(o->control, err);
	if (rc == 0 && strcmp(o->service, "git-receive-pack") != 0 &&
	    strcmp(o->service, "git-upload-pack") != 0)
		rc = gg_fail(err, GG_E_INPUT, "unknown service");
	if (rc == 0 &&
	    (!name_is_valid(view_str(u->host), "._-:%") ||
		!path_is_valid(view_str(u->path)) ||
		(u->user != NULL && !name_is_valid(view_str(u->user), "._-+"))))
		rc = gg_fail(err, GG_E_INPUT, "not an ssh URL");
	return rc;
}

int
ssh_command(const struct ssh_url *u, const struct ssh_options *o,
    struct strv *argv, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) remote = BUF_INIT(PATH_MAX_BYTES * 5);
	int rc = check(u, o, err);

	if (rc != 0)
		return rc;
	add_fixed(argv);
	add_control(argv, o->control);
	add_times(argv, o);
	strv_add(argv, "-o");
	strv_addf(argv, "UserKnownHostsFile=%s",
	    o->known_hosts != NULL ? o->known_hosts : "/dev/null");
	strv_add(argv, "-i");
	strv_add(argv, o->key);
	if (u->port != 0) {
		strv_add(argv, "-p");
		strv_addf(argv, "%u", (unsigned)u->port);
	}
	if (u->user != NULL) {
		strv_add(argv, "-l");
		strv_add(argv, u->user);
	}
	strv_add(argv, "--");
	strv_add(argv, u->host);
	buf_adds(&remote, o->service);
	buf_addc(&remote, ' ');
	shell_quote(&remote, u->path);
	if ((rc = buf_check(&remote, err)) != 0)
		return rc;
	strv_add(argv, buf_str(&remote));
	return strv_check(argv, err);
}
