#include "outgoing/syslog.h"

#include "base/clock.h"
#include "base/fd.h"
#include "crypto/tls_client.h"
#include "outgoing/datagram.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define MESSAGE_ROOM ((size_t)128 << 10)
#define STREAM_ROOM  ((size_t)256 << 20) /* messages are short, heads not */

/* -- connecting -- */

/* To one address; GG_E_LIMIT past the deadline. */
static int
connect_one(const struct addrinfo *a, int64_t deadline, int *out,
    struct gg_error *err)
{
	GG_AUTO_FD fd = socket(a->ai_family,
	    a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	socklen_t n = sizeof(int);
	int why = 0, rc;

	if (fd < 0)
		return gg_fail(err, GG_E_SYS, "socket");
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		if (errno != EINPROGRESS)
			return gg_fail(err, GG_E_SYS, "connect");
		if ((rc = socket_wait(fd, POLLOUT, deadline, err)) != 0)
			return rc;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0 ||
		    why != 0) {
			errno = why != 0 ? why : errno;
			return gg_fail(err, GG_E_SYS, "connect");
		}
	}
	*out = fd_take(&fd);
	return 0;
}

/* To the first of the host's addresses that takes it. */
static int
connect_host(const struct delivery_target *t, int type, int64_t deadline,
    int *out, struct gg_error *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = type,
		.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
	struct addrinfo *all = NULL;
	char port[8];
	int rc;

	(void)snprintf(port, sizeof(port), "%u", t->port);
	if ((rc = getaddrinfo(t->host, port, &hints, &all)) != 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "%s: %s", t->host,
		    gai_strerror(rc));
	rc = gg_fail(err, GG_E_UNAVAILABLE, "%s: no address", t->host);
	for (const struct addrinfo *a = all; a != NULL && rc != 0;
	     a = a->ai_next)
		rc = connect_one(a, deadline, out, err);
	freeaddrinfo(all);
	return rc;
}

/* -- streams -- */

static int
write_plain(int fd, struct view v, int64_t deadline, struct gg_error *err)
{
	while (v.n > 0) {
		ssize_t n = send(fd, v.p, v.n, MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			view_skip(&v, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return gg_fail(err, GG_E_SYS, "the connection");
		if ((rc = socket_wait(fd, POLLOUT, deadline, err)) != 0)
			return rc;
	}
	return 0;
}

/* Close our side and wait for the other to be closed: what was sent has been
 * read then, for a kernel resets what is closed unread. */
static int
finish_plain(int fd, int64_t deadline, struct gg_error *err)
{
	char heard[4096];

	if (shutdown(fd, SHUT_WR) != 0)
		return gg_fail(err, GG_E_SYS, "the connection");
	for (;;) {
		ssize_t n = recv(fd, heard, sizeof(heard), 0);
		int rc;

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return gg_fail(err, GG_E_SYS, "the connection");
		if ((rc = socket_wait(fd, POLLIN, deadline, err)) != 0)
			return gg_wrap(err, rc,
			    "it keeps the connection open, so that nobody knows what it has read");
	}
}

static void
add_counted(const struct delivery_target *t, const struct record *r,
    const char *host, struct buf *one, struct buf *out)
{
	unsigned part = 1;
	bool more;

	do {
		buf_clear(one);
		more = syslog_format(r, host, t->max_message, part++, one);
		buf_addf(out, "%zu ", one->n);
		buf_addv(out, buf_view(one));
	} while (more);
}

static int
send_stream(const struct delivery_target *t, struct view all, int64_t deadline,
    struct gg_error *err)
{
	GG_AUTO(tls_client) tls = NULL;
	GG_AUTO_FD fd = -1;
	int rc;

	if ((rc = connect_host(t, SOCK_STREAM, deadline, &fd, err)) != 0)
		return rc;
	if (t->way == SYSLOG_TCP) {
		rc = write_plain(fd, all, deadline, err);
		return rc != 0 ? rc : finish_plain(fd, deadline, err);
	}
	if ((rc = tls_client_new(fd, t->host, t->ca_file, deadline, &tls,
		 err)) != 0 ||
	    (rc = tls_client_write(tls, all, deadline, err)) != 0)
		return rc;
	return tls_client_finish(tls, deadline, err);
}

static int
send_counted(const struct delivery_target *t, const struct record *v, size_t n,
    const char *host, int64_t deadline, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) all = BUF_INIT(STREAM_ROOM);
	GG_AUTO_RELEASE(buf) one = BUF_INIT(MESSAGE_ROOM);
	int rc;

	for (size_t i = 0; i < n; i++)
		add_counted(t, &v[i], host, &one, &all);
	if ((rc = buf_check(&all, err)) != 0)
		return rc;
	return send_stream(t, buf_view(&all), deadline, err);
}

/* -- datagrams -- */

static int
send_messages(int fd, const struct delivery_target *t, const struct record *r,
    const char *host, int64_t deadline, struct buf *one, struct gg_error *err)
{
	unsigned part = 1;
	bool more;
	int rc;

	do {
		buf_clear(one);
		more = syslog_format(r, host, t->max_message, part++, one);
		rc = datagram_send(fd, buf_view(one), deadline, NULL, err);
	} while (more && rc == 0);
	return rc;
}

/* Over UDP a closed port is told of by the host it was sent to, if at all. */
static int
send_datagrams(const struct delivery_target *t, const struct record *v,
    size_t n, const char *host, int64_t deadline, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(MESSAGE_ROOM);
	socklen_t size = sizeof(int);
	GG_AUTO_FD fd = -1;
	int rc = 0, why = 0;

	if (t->way == SYSLOG_UNIX)
		fd = datagram_open(t->path, err);
	else
		rc = connect_host(t, SOCK_DGRAM, deadline, &fd, err);
	if (fd < 0)
		return rc != 0 ? rc : fd;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = send_messages(fd, t, &v[i], host, deadline, &one, err);
	if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) == 0 &&
	    why != 0) {
		errno = why;
		rc = gg_fail(err, GG_E_SYS, "it is not there");
	}
	return rc;
}

int
syslog_send(const struct delivery_target *t, const struct record *v, size_t n,
    int64_t deadline_ms, struct gg_error *err)
{
	char host[256] = "";
	int rc;

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	if (t->way == SYSLOG_TLS || t->way == SYSLOG_TCP)
		rc = send_counted(t, v, n, host, deadline_ms, err);
	else
		rc = send_datagrams(t, v, n, host, deadline_ms, err);
	return rc == 0 ? 0 : gg_wrap(err, rc, "%s", t->url);
}
