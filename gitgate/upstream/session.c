#include "upstream/session.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "proto/pktline.h"
#include "upstream/credential.h"
#include "upstream/http.h"
#include "upstream/ssh_command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define GIT_PROGRAM        "/usr/bin/git"
#define HEADER_BYTES       262144
#define CONTROL_HEX        16
#define CONTROL_TEMP_BYTES 20 /* ssh makes the socket under a longer name */

static char *
literal(const char *s)
{
	return (char *)(uintptr_t)s;
}

/*
 * The socket of the shared connection: one per host, user, port and key, so
 * that a repository never speaks with another one's key, and a replaced key
 * counts at once.
 */
static void
control_path(const struct upstream *u, const struct ssh_url *url,
    struct buf *out)
{
	const struct credential *c = &u->credential;
	unsigned char digest[DIGEST_SHA256_BYTES];
	char hex[2 * DIGEST_SHA256_BYTES + 1];
	GG_AUTO_RELEASE(buf) b = BUF_INIT(65536);
	struct stat st = { 0 };

	if (c->ssh_key == NULL || stat(c->ssh_key, &st) != 0)
		return;
	buf_addf(&b, "%s\n%s\n%u\n%s\n%s\n%llu %llu %lld %ld",
	    url->user != NULL ? url->user : "", url->host, url->port,
	    c->ssh_key, c->known_hosts != NULL ? c->known_hosts : "",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
	    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	digest_sha256(b.p, b.n, digest);
	hex_encode(digest, sizeof(digest), hex);
	hex[CONTROL_HEX] = '\0';
	buf_addf(out, "%s/%s", u->run_dir, hex);
	if (out->n + CONTROL_TEMP_BYTES >=
	    sizeof(((struct sockaddr_un *)NULL)->sun_path))
		buf_clear(out);
}

static int
open_ssh(struct session *s, struct gg_error *err)
{
	const struct upstream *u = s->u;
	GG_AUTO_RELEASE(ssh_url) url = { 0 };
	GG_AUTO_RELEASE(strv) argv = STRV_INIT;
	GG_AUTO_RELEASE(buf) control = BUF_INIT(4096);
	char *envp[] = { literal("PATH=/usr/bin:/bin"), literal("LANG=C"),
		s->v2 ? literal("GIT_PROTOCOL=version=2") : NULL, NULL };
	struct ssh_options o = { .key = u->credential.ssh_key,
		.known_hosts = u->credential.known_hosts,
		.service = upstream_service_name(s->service),
		.connect_ms = u->limits.upstream_connect_ms,
		.alive_ms = u->limits.upstream_idle_ms };
	int rc = ssh_url_parse(view_str(u->url), &url, err);

	if (rc != 0)
		return rc;
	control_path(u, &url, &control);
	o.control = control.n > 0 ? buf_str(&control) : NULL;
	if ((rc = ssh_command(&url, &o, &argv, err)) != 0)
		return rc;
	return carrier_start(&s->child, argv.v, envp, err);
}

static int
open_local(struct session *s, struct gg_error *err)
{
	const char *path = s->u->url;
	GG_AUTO_MEM char *real = realpath(path, NULL);
	GG_AUTO_RELEASE(strv) env = STRV_INIT;
	/* after "git-" the service's name is git's command */
	char *argv[] = { literal(GIT_PROGRAM),
		literal(upstream_service_name(s->service) + strlen("git-")),
		literal(path), NULL };
	int rc;

	if (path[0] != '/')
		return gg_fail(err, GG_E_INPUT,
		    "a local upstream needs an absolute path");
	strv_add(&env, "PATH=/usr/bin:/bin");
	strv_add(&env, "LANG=C");
	strv_add(&env, "GIT_CONFIG_NOSYSTEM=1");
	strv_add(&env, "GIT_CONFIG_GLOBAL=/dev/null");
	strv_add(&env, "GIT_CONFIG_COUNT=2");
	strv_add(&env, "GIT_CONFIG_KEY_0=safe.directory");
	strv_addf(&env, "GIT_CONFIG_VALUE_0=%s", path);
	strv_add(&env, "GIT_CONFIG_KEY_1=safe.directory");
	strv_addf(&env, "GIT_CONFIG_VALUE_1=%s", real != NULL ? real : path);
	if (s->v2)
		strv_add(&env, "GIT_PROTOCOL=version=2");
	if ((rc = strv_check(&env, err)) != 0)
		return rc;
	return carrier_start(&s->child, argv, env.v, err);
}

int
session_open(struct session *s, const struct upstream *u,
    enum upstream_service service, bool v2, struct redact *red,
    struct gg_error *err)
{
	*s = (struct session){ .u = u,
		.service = service,
		.v2 = v2,
		.red = red,
		.deadline = clock_mono_ms() +
		    (int64_t)u->limits.upstream_total_ms,
		.authorization = BUF_INIT(HEADER_BYTES),
		.child = CARRIER_INIT };
	switch (u->kind) {
	case UPSTREAM_HTTP:
		return credential_header(u, red, &s->authorization, err);
	case UPSTREAM_SSH:
		return open_ssh(s, err);
	case UPSTREAM_LOCAL:
		return open_local(s, err);
	}
	return gg_fail(err, GG_E_INPUT, "unknown kind of upstream");
}

void
session_release(struct session *s)
{
	carrier_release(&s->child);
	secret_release(&s->authorization);
}

/* Collects an advertisement, and knows where its flush-pkt is. */
struct collector {
	struct buf *out;
	size_t scanned;
	bool stop_at_flush;
	bool whole;
};

static int
collect(void *ctx, struct view bytes, struct gg_error *err)
{
	struct collector *c = ctx;
	enum pkt_kind kind;
	struct view rest, body;
	int rc;

	buf_addv(c->out, bytes);
	if ((rc = buf_check(c->out, err)) != 0 || !c->stop_at_flush)
		return rc;
	rest = view_of(c->out->p + c->scanned, c->out->n - c->scanned);
	while (!c->whole && (rc = pkt_next(&rest, &kind, &body, err)) == 1)
		c->whole = kind == PKT_FLUSH;
	c->scanned = c->out->n - rest.n;
	if (rc < 0)
		return rc;
	if (c->whole && rest.n != 0)
		return gg_fail(err, GG_E_PEER,
		    "upstream speaks out of turn after its refs");
	return c->whole ? 1 : 0;
}

/* What a child that ended early has to say for itself. */
static int
ended_early(struct session *s, struct gg_error *err)
{
	struct view text;

	carrier_end(&s->child, SESSION_END_MS, NULL);
	text = buf_view(&s->child.text);
	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n == 0)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "upstream ended the connection");
	if (text.n > 300)
		text = view_of(text.p + text.n - 300, 300);
	return gg_fail(err, GG_E_UNAVAILABLE, "upstream: %.*s", (int)text.n,
	    text.p);
}

static int
carrier_advert(struct session *s, struct collector *c, struct gg_error *err)
{
	struct carrier_io io = { .file = -1,
		.take = collect,
		.ctx = c,
		.idle_ms = (int64_t)s->u->limits.upstream_idle_ms,
		.deadline = s->deadline };
	int rc;

	c->stop_at_flush = true;
	rc = carrier_pump(&s->child, &io, err);
	if (rc < 0)
		return rc;
	return c->whole ? 0 : ended_early(s, err);
}

/* Cut "# service=<name>" and its flush-pkt off; version 2 has none. */
static int
cut_service(const struct session *s, struct buf *out, struct gg_error *err)
{
	struct view v = buf_view(out), body;
	GG_AUTO_RELEASE(buf) want = BUF_INIT(64);
	enum pkt_kind kind;

	buf_addf(&want, "# service=%s", upstream_service_name(s->service));
	if (pkt_next(&v, &kind, &body, NULL) == 1 && kind == PKT_DATA) {
		body = pkt_text(body);
		if (s->v2 && view_eq_str(body, "version 2"))
			return 0;
		if (view_eq_str(body, buf_str(&want)) &&
		    pkt_next(&v, &kind, &body, NULL) == 1 &&
		    kind == PKT_FLUSH) {
			buf_drop(out, out->n - v.n);
			return 0;
		}
	}
	return gg_fail(err, GG_E_PEER,
	    "upstream's answer does not begin with its service");
}

static int
http_advert(struct session *s, struct collector *c, struct gg_error *err)
{
	struct http_request r = { .service = s->service,
		.v2 = s->v2,
		.file = -1,
		.authorization = buf_str(&s->authorization),
		.take = collect,
		.ctx = c,
		.deadline = s->deadline };
	int rc = http_request(s->u, &r, err);

	return rc != 0 ? rc : cut_service(s, c->out, err);
}

int
session_advert(struct session *s, struct buf *out, struct gg_error *err)
{
	struct collector c = { .out = out };

	return s->u->kind == UPSTREAM_HTTP ? http_advert(s, &c, err) :
					     carrier_advert(s, &c, err);
}

static int
carrier_exchange(struct session *s, const struct session_body *b,
    struct gg_error *err)
{
	struct carrier_io io = { .head = b->head,
		.file = b->file,
		.end = b->file_bytes,
		.close_in = true,
		.take = b->take,
		.ctx = b->ctx,
		.begun = b->begun,
		.idle_ms = (int64_t)s->u->limits.upstream_idle_ms,
		.deadline = s->deadline };
	int rc = carrier_pump(&s->child, &io, err);

	if (rc >= 0)
		carrier_end(&s->child, SESSION_END_MS, NULL);
	return rc < 0 ? rc : 0;
}

int
session_exchange(struct session *s, const struct session_body *b,
    struct gg_error *err)
{
	struct http_request r = { .service = s->service,
		.post = true,
		.v2 = s->v2,
		.head = b->head,
		.file = b->file,
		.file_bytes = b->file_bytes,
		.authorization = buf_str(&s->authorization),
		.take = b->take,
		.ctx = b->ctx,
		.begun = b->begun,
		.deadline = s->deadline };

	return s->u->kind == UPSTREAM_HTTP ? http_request(s->u, &r, err) :
					     carrier_exchange(s, b, err);
}

static int
ignore(void *ctx, struct view bytes, struct gg_error *err)
{
	(void)ctx;
	(void)bytes;
	(void)err;
	return 0;
}

void
session_leave(struct session *s)
{
	struct carrier_io io = { .head = view_str("0000"),
		.file = -1,
		.close_in = true,
		.take = ignore,
		.idle_ms = SESSION_END_MS,
		.deadline = clock_mono_ms() + SESSION_END_MS };

	if (s->child.pid == 0)
		return;
	(void)!carrier_pump(&s->child, &io, NULL);
	carrier_end(&s->child, SESSION_END_MS, NULL);
}
