#include "crypto/tls_client.h"

#include "base/clock.h"
#include "base/fd.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_AT_ONCE 65536

struct tls_client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

void
tls_client_free(struct tls_client *c)
{
	if (c == NULL)
		return;
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	ERR_clear_error();
	free(c);
}

static bool
is_address(const char *host)
{
	unsigned char a[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, a) == 1 ||
	    inet_pton(AF_INET6, host, a) == 1;
}

/* Whom to believe, and who it must be. */
static int
set_trust(struct tls_client *c, const char *host, const char *ca_file,
    struct gg_error *err)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(c->ssl);
	GG_AUTO_MEM char *sni = strdup(host); /* its macro casts const away */
	int ok;

	if (sni == NULL)
		return gg_fail(err, GG_E_NOMEM, "TLS");
	if (ca_file != NULL)
		ok = SSL_CTX_load_verify_locations(c->ctx, ca_file, NULL);
	else
		ok = SSL_CTX_set_default_verify_paths(c->ctx);
	if (ok != 1)
		return gg_fail(err, GG_E_INPUT,
		    "%s: no certificates can be read from it",
		    ca_file != NULL ? ca_file : "the system's authorities");
	X509_VERIFY_PARAM_set_hostflags(p,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(host))
		ok = X509_VERIFY_PARAM_set1_ip_asc(p, host);
	else
		ok = X509_VERIFY_PARAM_set1_host(p, host, 0) == 1 &&
		    SSL_set_tlsext_host_name(c->ssl, sni) == 1;
	SSL_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	return ok == 1 ? 0 : gg_fail(err, GG_E_INPUT, "%s: no host", host);
}

static int
set_up(struct tls_client *c, struct gg_error *err)
{
	if ((c->ctx = SSL_CTX_new(TLS_client_method())) == NULL ||
	    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1)
		return gg_fail(err, GG_E_NOMEM, "TLS");
	/* Receivers of syslog close without a word (RFC 5425 4.4 asks for one):
	 * that they closed is all that is asked. */
	SSL_CTX_set_options(c->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if ((c->ssl = SSL_new(c->ctx)) == NULL ||
	    SSL_set_fd(c->ssl, c->fd) != 1)
		return gg_fail(err, GG_E_NOMEM, "TLS");
	return 0;
}

static int
broken(struct tls_client *c, struct gg_error *err)
{
	long verified = SSL_get_verify_result(c->ssl);
	unsigned long e = ERR_peek_last_error();
	const char *why = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	if (verified != X509_V_OK)
		return gg_fail(err, GG_E_PEER, "its certificate: %s",
		    X509_verify_cert_error_string(verified));
	return gg_fail(err, GG_E_UNAVAILABLE, "TLS: %s",
	    why != NULL ? why : "the connection was cut");
}

/* After a call that returned rc: 0 it may be done again, else why not. */
static int
again(struct tls_client *c, int rc, int64_t deadline, struct gg_error *err)
{
	struct pollfd p = { .fd = c->fd };
	int64_t left = deadline - clock_mono_ms();

	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		p.events = POLLIN;
		break;
	case SSL_ERROR_WANT_WRITE:
		p.events = POLLOUT;
		break;
	default:
		return broken(c, err);
	}
	if (left <= 0)
		return gg_fail(err, GG_E_LIMIT,
		    "limit delivery-timeout: it does not answer in time");
	(void)poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);
	return 0;
}

int
tls_client_new(int fd, const char *host, const char *ca_file,
    int64_t deadline_ms, struct tls_client **out, struct gg_error *err)
{
	GG_AUTO(tls_client) c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return gg_fail(err, GG_E_NOMEM, "TLS");
	c->fd = fd;
	ERR_clear_error();
	if ((rc = fd_nonblock(fd, true, err)) != 0 ||
	    (rc = set_up(c, err)) != 0 ||
	    (rc = set_trust(c, host, ca_file, err)) != 0)
		return rc;
	while ((rc = SSL_connect(c->ssl)) != 1)
		if ((rc = again(c, rc, deadline_ms, err)) != 0)
			return rc;
	*out = gg_take(c);
	return 0;
}

int
tls_client_write(struct tls_client *c, struct view v, int64_t deadline_ms,
    struct gg_error *err)
{
	while (v.n > 0) {
		int n = (int)(v.n < WRITE_AT_ONCE ? v.n : WRITE_AT_ONCE);
		int rc = SSL_write(c->ssl, v.p, n);

		if (rc > 0)
			view_skip(&v, (size_t)rc);
		else if ((rc = again(c, rc, deadline_ms, err)) != 0)
			return rc;
	}
	return 0;
}

int
tls_client_finish(struct tls_client *c, int64_t deadline_ms,
    struct gg_error *err)
{
	char heard[4096];
	int rc;

	while ((rc = SSL_shutdown(c->ssl)) < 0)
		if ((rc = again(c, rc, deadline_ms, err)) != 0)
			return rc;
	for (;;) {
		rc = SSL_read(c->ssl, heard, sizeof(heard));
		if (rc > 0 && clock_mono_ms() >= deadline_ms)
			return gg_fail(err, GG_E_LIMIT,
			    "limit delivery-timeout: it does not stop talking");
		if (rc > 0)
			continue;
		if (SSL_get_error(c->ssl, rc) == SSL_ERROR_ZERO_RETURN)
			return 0;
		if ((rc = again(c, rc, deadline_ms, err)) != 0)
			return rc;
	}
}
