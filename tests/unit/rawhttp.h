/* A small HTTP client over raw sockets, for tests that need to be rude. */
#ifndef GITGATE_TESTS_RAWHTTP_H
#define GITGATE_TESTS_RAWHTTP_H

#include "base/buf.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAW_TIMEOUT_MS 20000

static inline int
raw_connect(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		gg_die("test client cannot connect");
	return fd;
}

/* False when the server closed meanwhile. */
static inline bool
raw_send(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n > 0) {
		ssize_t w = send(fd, c, n, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		c += w;
		n -= (size_t)w;
	}
	return true;
}

static inline bool
raw_sends(int fd, const char *s)
{
	return raw_send(fd, s, strlen(s));
}

/* More bytes into b; false at the end, on a reset or when nothing comes. */
static inline bool
raw_more(int fd, struct buf *b)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char piece[65536];
	ssize_t n;

	if (poll(&p, 1, RAW_TIMEOUT_MS) <= 0)
		return false;
	n = recv(fd, piece, sizeof(piece), 0);
	if (n <= 0)
		return false;
	buf_add(b, piece, (size_t)n);
	return true;
}

/* Read until text is in b. */
static inline bool
raw_until(int fd, struct buf *b, const char *text)
{
	while (b->n == 0 || memmem(b->p, b->n, text, strlen(text)) == NULL)
		if (!raw_more(fd, b))
			return false;
	return true;
}

/* An answer: status line and headers in head, the body as it was sent. */
struct raw_answer {
	int status;
	char head[16384];
	struct buf body;
};

static inline const char *
raw_header(const struct raw_answer *a, const char *name)
{
	static _Thread_local char value[4096];
	size_t n = strlen(name);

	for (const char *p = strstr(a->head, "\r\n"); p != NULL;
	     p = strstr(p, "\r\n")) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			const char *v = p + n + 1, *e = strstr(v, "\r\n");
			size_t len = e != NULL ? (size_t)(e - v) : strlen(v);

			while (len > 0 && *v == ' ') {
				v++;
				len--;
			}
			(void)snprintf(value, sizeof(value), "%.*s", (int)len,
			    v);
			return value;
		}
	}
	return NULL;
}

static inline size_t
raw_hex(const char *p)
{
	size_t n = 0;

	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			n = n * 16 + (size_t)(*p - '0');
		else if ((*p | 32) >= 'a' && (*p | 32) <= 'f')
			n = n * 16 + (size_t)((*p | 32) - 'a' + 10);
		else
			return n;
	}
}

/* Undo chunks as they stand in b; true when the last one was there. */
static inline bool
raw_unchunk(const struct buf *b, size_t from, struct buf *out)
{
	size_t at = from;

	buf_clear(out);
	for (;;) {
		const char *e;
		size_t n;

		if (at >= b->n ||
		    (e = memmem(b->p + at, b->n - at, "\r\n", 2)) == NULL)
			return false;
		n = raw_hex(b->p + at);
		at = (size_t)(e - b->p) + 2;
		if (n == 0)
			return b->n >= at + 2;
		if (b->n < at + n + 2)
			return false;
		buf_add(out, b->p + at, n);
		at += n + 2;
	}
}

/*
 * Read one whole answer (chunked, by length, or to the end); what follows it
 * stays in rest, which also brings what was read before. 0 status: none came.
 */
static inline void
raw_answer(int fd, struct buf *rest, bool head_only, struct raw_answer *a)
{
	size_t from, n;
	const char *e, *v;

	a->status = 0;
	buf_clear(&a->body);
	if (!raw_until(fd, rest, "\r\n\r\n"))
		return;
	e = memmem(rest->p, rest->n, "\r\n\r\n", 4);
	from = (size_t)(e - rest->p) + 4;
	(void)snprintf(a->head, sizeof(a->head), "%.*s", (int)from, rest->p);
	a->status = (rest->p[9] - '0') * 100 + (rest->p[10] - '0') * 10 +
	    (rest->p[11] - '0');
	v = raw_header(a, "Content-Length");
	if (a->status == 100 || head_only) {
		buf_drop(rest, from);
	} else if (v != NULL) {
		for (n = 0; *v >= '0' && *v <= '9'; v++)
			n = n * 10 + (size_t)(*v - '0');
		while (rest->n < from + n)
			if (!raw_more(fd, rest))
				break;
		if (rest->n < from + n)
			n = rest->n - from;
		buf_add(&a->body, rest->p + from, n);
		buf_drop(rest, from + n);
	} else if (raw_header(a, "Transfer-Encoding") != NULL) {
		while (!raw_unchunk(rest, from, &a->body))
			if (!raw_more(fd, rest)) {
				a->status = -a->status; /* cut */
				break;
			}
		buf_drop(rest, rest->n);
	} else {
		while (raw_more(fd, rest))
			;
		buf_add(&a->body, rest->p + from, rest->n - from);
		buf_drop(rest, rest->n);
	}
}

/* One request on a connection of its own. */
static inline void
raw_request(uint16_t port, const char *text, size_t n, struct raw_answer *a)
{
	struct buf rest = BUF_INIT((size_t)1 << 30);
	int fd = raw_connect(port);

	a->body.max = (size_t)1 << 30;
	(void)raw_send(fd, text, n);
	raw_answer(fd, &rest, strncmp(text, "HEAD ", 5) == 0, a);
	(void)close(fd);
	buf_release(&rest);
}

#endif
