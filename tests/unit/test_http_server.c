/* The HTTP server with real sockets, against clients good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "http/server.h"
#include "rawhttp.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define MIB ((size_t)1024 * 1024)

/* What the handlers share with the tests. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct http_stream *streams[1024];
	size_t n_streams;
	uint64_t bytes;
	unsigned sum, ends, cuts, dones, complete, handled;
	int pipe_write;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

static void
changed(void)
{
	(void)pthread_cond_broadcast(&seen.changed);
	(void)pthread_mutex_unlock(&seen.lock);
}

/* Wait (with a deadline) until *counter reaches n. */
static bool
await(const unsigned *counter, unsigned n)
{
	struct timespec until;
	int rc = 0;
	bool ok;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	(void)pthread_mutex_lock(&seen.lock);
	while (*counter < n && rc == 0)
		rc = pthread_cond_timedwait(&seen.changed, &seen.lock, &until);
	ok = *counter >= n;
	(void)pthread_mutex_unlock(&seen.lock);
	return ok;
}

static void
on_plain(void *ctx, struct http_request *rq)
{
	const char *q = http_query(rq, "q"), *c = http_cookie(rq, "k");

	(void)ctx;
	http_reply_text(rq, 200, "%s %s q=%s k=%s auth=%u from=%s",
	    http_method(rq), http_path(rq), q ? q : "-", c ? c : "-",
	    http_header_count(rq, "authorization"), http_client_addr(rq));
}

static void
on_echo(void *ctx, struct http_request *rq)
{
	static const struct http_headers extra[] = { { "X-Test", "1" },
		{ "Cache-Control", "max-age=9" }, { NULL, NULL } };
	const char *f = http_form(rq, "f");

	(void)ctx;
	if (f != NULL)
		http_reply_text(rq, 200, "form %s", f);
	else
		http_reply(rq, 201, "application/x-echo", http_body(rq), extra);
}

static void
on_silent(void *ctx, struct http_request *rq)
{
	(void)ctx;
	(void)rq;
}

static void
on_deny(void *ctx, struct http_request *rq)
{
	static const struct http_headers extra[] = {
		{ "WWW-Authenticate", "Basic realm=\"x\"" }, { NULL, NULL }
	};

	(void)ctx;
	http_reply(rq, 401, "text/plain", view_str("no\n"), extra);
}

struct upload {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint64_t bytes;
	unsigned sum;
	int end; /* 1 whole, -1 cut */
	bool refuse;
};

static bool
on_piece(void *arg, struct view piece, bool end)
{
	struct upload *u = arg;
	bool refuse = u->refuse;

	(void)pthread_mutex_lock(&u->lock);
	u->bytes += piece.n;
	for (size_t i = 0; i < piece.n; i += 4096)
		u->sum += (unsigned char)piece.p[i];
	if (piece.n == 0 || refuse)
		u->end = end ? 1 : -1;
	(void)pthread_cond_signal(&u->ended);
	/* with the last unlock the handler may go, and u with it */
	(void)pthread_mutex_unlock(&u->lock);
	return !refuse;
}

static void
on_upload(void *ctx, struct http_request *rq)
{
	struct upload u = { .refuse = http_query(rq, "refuse") != NULL };

	(void)ctx;
	(void)pthread_mutex_init(&u.lock, NULL);
	(void)pthread_cond_init(&u.ended, NULL);
	http_body_accept(rq, on_piece, &u, MIB);
	(void)pthread_mutex_lock(&u.lock);
	while (u.end == 0)
		(void)pthread_cond_wait(&u.ended, &u.lock);
	(void)pthread_mutex_unlock(&u.lock);
	http_reply_text(rq, 200, "%llu bytes end %d",
	    (unsigned long long)u.bytes, u.end);
	(void)pthread_mutex_lock(&seen.lock);
	seen.bytes = u.bytes;
	if (u.end > 0)
		seen.ends++;
	else
		seen.cuts++;
	changed();
}

static void
on_stream(void *ctx, struct http_request *rq)
{
	struct http_stream *st;

	(void)ctx;
	st = http_stream_open(rq, 200, "text/event-stream", MIB,
	    view_str("keep\n"), http_query(rq, "slow") ? 60000 : 250);
	http_stream_write(st, view_str("hello\n"));
	(void)pthread_mutex_lock(&seen.lock);
	seen.streams[seen.n_streams++] = st;
	seen.handled++;
	changed();
}

static void
on_done(void *arg, bool complete)
{
	(void)arg;
	(void)pthread_mutex_lock(&seen.lock);
	seen.dones++;
	seen.complete += complete;
	changed();
}

static void
on_pipe(void *ctx, struct http_request *rq)
{
	int fds[2];

	(void)ctx;
	if (pipe2(fds, O_CLOEXEC) != 0)
		gg_die("pipe");
	(void)pthread_mutex_lock(&seen.lock);
	seen.pipe_write = fds[1];
	seen.handled++;
	changed();
	http_reply_fd(rq, 200, "application/x-pipe", view_str("head:"), fds[0],
	    on_done, NULL);
}

static void
route(void *ctx, struct http_request *rq, struct http_plan *plan)
{
	static const struct {
		const char *path;
		struct http_plan plan;
	} routes[] = {
		{ "/plain", { HTTP_BODY_NONE, 0, on_plain, NULL, NULL } },
		{ "/a b/c", { HTTP_BODY_NONE, 0, on_plain, NULL, NULL } },
		{ "/echo", { HTTP_BODY_BUFFER, 1000, on_echo, NULL, NULL } },
		{ "/silent", { HTTP_BODY_NONE, 0, on_silent, NULL, NULL } },
		{ "/deny", { HTTP_BODY_STREAM, 0, on_deny, NULL, NULL } },
		{ "/upload", { HTTP_BODY_STREAM, 0, on_upload, NULL, NULL } },
		{ "/stream", { HTTP_BODY_NONE, 0, on_stream, NULL, NULL } },
		{ "/pipe", { HTTP_BODY_NONE, 0, on_pipe, NULL, NULL } },
	};

	(void)ctx;
	for (size_t i = 0; i < GG_COUNT(routes); i++)
		if (strcmp(http_path(rq), routes[i].path) == 0)
			*plan = routes[i].plan;
}

static struct strv proxies;

static struct http_server *
start_with(struct http_config c)
{
	struct http_server *s = NULL;
	struct gg_error err = { 0 };

	c.host = c.host ? c.host : "127.0.0.1";
	c.network_threads = 2;
	c.workers = 8;
	c.connections = c.connections ? c.connections : 2000;
	c.connections_per_address = c.connections;
	c.header_bytes = 32768;
	c.idle_ms = c.idle_ms ? c.idle_ms : 30000;
	c.route = route;
	if (http_server_start(&c, &s, &err) != 0)
		fail_msg("%s", err.msg);
	seen.n_streams = 0;
	seen.handled = seen.ends = seen.cuts = seen.dones = seen.complete = 0;
	return s;
}

static struct http_server *
start(void)
{
	return start_with((struct http_config){ 0 });
}

#define BODY_OF(a) buf_str(&(a).body)

static void
test_requests(void **state)
{
	static const struct {
		const char *why, *request;
		int status;
		const char *body; /* a part of it */
	} cases[] = {
		{ "plain",
		    "GET /plain?q=a%20b+c&q=2 HTTP/1.1\r\nHost: x\r\n\r\n", 200,
		    "GET /plain q=a b c k=-" },
		{ "escapes in a path are undone",
		    "GET /a%20b/%63 HTTP/1.1\r\nHost: x\r\n\r\n", 200,
		    "GET /a b/c " },
		{ "absolute form",
		    "GET http://x/plain HTTP/1.1\r\nHost: x\r\n\r\n", 200,
		    "GET /plain" },
		{ "cookie",
		    "GET /plain HTTP/1.1\r\nHost: x\r\nCookie: a=1; k=v\r\n\r\n",
		    200, " k=v " },
		{ "a cookie given twice is none",
		    "GET /plain HTTP/1.1\r\nHost: x\r\nCookie: k=1; k=v\r\n\r\n",
		    200, " k=- " },
		{ "two Authorization headers are seen",
		    "GET /plain HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\n"
		    "authorization: b\r\n\r\n",
		    200, "auth=2" },
		{ "X-Forwarded-For of a stranger is not believed",
		    "GET /plain HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9"
		    "\r\n\r\n",
		    200, "from=127.0.0.1" },
		{ "unknown path", "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404,
		    "not found" },
		{ "dot dot", "GET /a/../plain HTTP/1.1\r\nHost: x\r\n\r\n", 400,
		    "" },
		{ "escaped dot dot",
		    "GET /a/%2e%2e/plain HTTP/1.1\r\nHost: x\r\n\r\n", 400,
		    "" },
		{ "empty component", "GET //plain HTTP/1.1\r\nHost: x\r\n\r\n",
		    400, "" },
		{ "NUL", "GET /plain%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "" },
		{ "broken escape", "GET /plain%2 HTTP/1.1\r\nHost: x\r\n\r\n",
		    400, "" },
		{ "buffered body",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
		    "12345",
		    201, "12345" },
		{ "buffered chunked body",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		    "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		    201, "abcde" },
		{ "form",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/"
		    "x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nf=%41+b",
		    200, "form A b" },
		{ "a field given twice is none",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/"
		    "x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nf=1&f=2",
		    201, "f=1&f=2" },
		{ "body over its limit is refused",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
		    "Expect: 100-continue\r\n\r\n",
		    413, "too large" },
		{ "length and chunks together are refused",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		    400, "" },
		{ "two lengths are refused",
		    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
		    "Content-Length: 5\r\n\r\n12345",
		    400, "" },
		{ "unknown transfer encoding is refused",
		    "POST /echo HTTP/1.1\r\nHost: x\r\n"
		    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		    400, "" },
		{ "a handler that gives no answer is a 500",
		    "GET /silent HTTP/1.1\r\nHost: x\r\n\r\n", 500,
		    "internal error" },
		{ "an early refusal lets a small body pass",
		    "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
		    "12345",
		    401, "no" },
		{ "an early refusal needs no body where one is only announced",
		    "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
		    "Expect: 100-continue\r\n\r\n",
		    401, "no" },
		{ "an empty upload",
		    "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
		    "\r\n",
		    200, "0 bytes end 1" },
	};
	struct http_server *s = start();

	(void)state;
	for (size_t i = 0; i < GG_COUNT(cases); i++) {
		struct raw_answer a = { 0 };

		raw_request(http_server_port(s), cases[i].request,
		    strlen(cases[i].request), &a);
		if (a.status != cases[i].status ||
		    strstr(BODY_OF(a), cases[i].body) == NULL)
			fail_msg("%s: %d %s", cases[i].why, a.status,
			    BODY_OF(a));
		assert_string_equal(raw_header(&a, "X-Content-Type-Options"),
		    "nosniff");
		buf_release(&a.body);
	}
	http_server_stop(s, 1000);
}

static void
test_headers(void **state)
{
	struct http_server *s = start();
	struct raw_answer a = { 0 };
	GG_AUTO_RELEASE(buf) big = BUF_INIT(MIB);
	static const char head[] = "HEAD /plain HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char echo[] = "POST /echo HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 0\r\n\r\n";

	(void)state;
	raw_request(http_server_port(s), head, strlen(head), &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(raw_header(&a, "Cache-Control"), "no-store");
	assert_non_null(raw_header(&a, "Content-Length"));
	raw_request(http_server_port(s), echo, strlen(echo), &a);
	assert_int_equal(a.status, 201);
	assert_string_equal(raw_header(&a, "Cache-Control"), "max-age=9");
	assert_string_equal(raw_header(&a, "X-Test"), "1");
	assert_string_equal(raw_header(&a, "Content-Type"),
	    "application/x-echo");

	/* 20 KiB of headers are fine, 40 KiB are not */
	for (size_t kib = 20; kib <= 80; kib += 20) {
		buf_clear(&big);
		buf_adds(&big, "GET /plain HTTP/1.1\r\nHost: x\r\n");
		for (size_t i = 0; i < kib; i++)
			buf_addf(&big, "X-%zu: %01000d\r\n", i, 7);
		buf_adds(&big, "\r\n");
		raw_request(http_server_port(s), big.p, big.n, &a);
		assert_int_equal(a.status, kib == 20 ? 200 : 431);
	}
	buf_release(&a.body);
	http_server_stop(s, 1000);
}

static void
test_pipelined(void **state)
{
	static const char three[] =
	    "GET /plain?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
	    "GET /plain?q=3 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct http_server *s = start();
	struct raw_answer a = { .body = BUF_INIT(MIB) };
	struct buf rest = BUF_INIT(MIB);
	int fd = raw_connect(http_server_port(s));

	(void)state;
	assert_true(raw_sends(fd, three));
	raw_answer(fd, &rest, false, &a);
	assert_non_null(strstr(BODY_OF(a), "q=1"));
	raw_answer(fd, &rest, false, &a);
	assert_string_equal(BODY_OF(a), "hi");
	raw_answer(fd, &rest, false, &a);
	assert_non_null(strstr(BODY_OF(a), "q=3"));
	(void)close(fd);
	buf_release(&rest);
	buf_release(&a.body);
	http_server_stop(s, 1000);
}

static void
send_chunks(int fd, size_t total)
{
	static char piece[65536 + 16];
	size_t n = 65536;

	(void)snprintf(piece, 8, "%zx\r\n", n);
	memset(piece + 7, 'x', n);
	memcpy(piece + 7 + n, "\r\n", 2);
	for (size_t sent = 0; sent < total; sent += n)
		assert_true(raw_send(fd, piece, n + 9));
}

static void
test_upload(void **state)
{
	struct http_server *s = start();
	struct raw_answer a = { .body = BUF_INIT(MIB) };
	struct buf rest = BUF_INIT(MIB);
	int fd = raw_connect(http_server_port(s));

	(void)state;
	assert_true(raw_sends(fd,
	    "POST /upload HTTP/1.1\r\nHost: x\r\n"
	    "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"));
	raw_answer(fd, &rest, false, &a);
	assert_int_equal(a.status, 100);
	send_chunks(fd, 64 * MIB);
	assert_true(raw_sends(fd, "0\r\n\r\n"));
	raw_answer(fd, &rest, false, &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(BODY_OF(a), "67108864 bytes end 1\n");

	/* the same connection again: a sink that had enough, small rest */
	assert_true(raw_sends(fd,
	    "POST /upload?refuse=1 HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"));
	send_chunks(fd, MIB / 2);
	assert_true(raw_sends(fd, "0\r\n\r\n"));
	raw_answer(fd, &rest, false, &a);
	assert_int_equal(a.status, 200);
	(void)close(fd);

	/* a client that goes in the middle */
	fd = raw_connect(http_server_port(s));
	assert_true(raw_sends(fd,
	    "POST /upload HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 1000\r\n\r\nabc"));
	(void)close(fd);
	assert_true(await(&seen.cuts, 2));
	assert_int_equal(seen.bytes, 3);
	buf_release(&rest);
	buf_release(&a.body);
	http_server_stop(s, 1000);
}

static void
test_early_refusal_of_large_body(void **state)
{
	struct http_server *s = start();
	struct raw_answer a = { .body = BUF_INIT(MIB) };
	struct buf rest = BUF_INIT(MIB);
	int fd = raw_connect(http_server_port(s));

	(void)state;
	assert_true(raw_sends(fd,
	    "POST /deny HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"));
	/* writes all, and only then reads */
	send_chunks(fd, 8 * MIB);
	assert_true(raw_sends(fd, "0\r\n\r\n"));
	raw_answer(fd, &rest, false, &a);
	assert_int_equal(a.status, 401);
	assert_non_null(raw_header(&a, "WWW-Authenticate"));
	(void)close(fd);
	buf_release(&rest);
	buf_release(&a.body);
	http_server_stop(s, 1000);
}

static void
test_stream(void **state)
{
	struct http_server *s = start();
	struct buf b = BUF_INIT(MIB);
	int fd = raw_connect(http_server_port(s));
	uint64_t active, streams, connections;

	(void)state;
	assert_true(raw_sends(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(raw_until(fd, &b, "hello\n"));
	assert_true(raw_until(fd, &b, "keep\n"));
	http_server_counts(s, &active, &streams, &connections);
	assert_int_equal(active, 1);
	assert_int_equal(streams, 1);
	assert_int_equal(connections, 1);
	http_stream_write(seen.streams[0], view_str("news\n"));
	assert_true(raw_until(fd, &b, "news\n"));
	assert_false(http_stream_gone(seen.streams[0]));
	http_stream_write(seen.streams[0], view_str("last\n"));
	http_stream_close(seen.streams[0]);
	assert_true(raw_until(fd, &b, "last\n\r\n0\r\n\r\n"));

	/* a client that goes is noticed by the keepalives */
	assert_true(raw_sends(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(await(&seen.handled, 2));
	(void)close(fd);
	for (int64_t until = clock_mono_ms() + 20000;
	     !http_stream_gone(seen.streams[1]) && clock_mono_ms() < until;)
		(void)poll(NULL, 0, 10);
	assert_true(http_stream_gone(seen.streams[1]));
	http_stream_write(seen.streams[1], view_str("into the void"));
	http_stream_close(seen.streams[1]);

	/* one that does not read is gone when its buffer is full */
	fd = raw_connect(http_server_port(s));
	assert_true(raw_sends(fd,
	    "GET /stream?slow=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(await(&seen.handled, 3));
	for (size_t i = 0; i < 200 && !http_stream_gone(seen.streams[2]); i++) {
		static char much[MIB / 2];

		http_stream_write(seen.streams[2], view_of(much, sizeof(much)));
	}
	assert_true(http_stream_gone(seen.streams[2]));
	http_stream_close(seen.streams[2]);
	(void)close(fd);
	buf_release(&b);
	http_server_stop(s, 1000);
}

#define MANY 500

static unsigned
threads_now(void)
{
	struct buf b = BUF_INIT(65536);
	unsigned n = 0;
	const char *p;

	assert_int_equal(file_read("/proc/self/status", &b, NULL), 0);
	p = strstr(b.p, "Threads:");
	for (p += 8; *p == ' ' || *p == '\t'; p++)
		;
	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (unsigned)(*p - '0');
	buf_release(&b);
	return n;
}

static void
test_many_streams(void **state)
{
	struct http_server *s = start();
	static int fds[MANY];

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = raw_connect(http_server_port(s));
		assert_true(raw_sends(fds[i],
		    "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	}
	assert_true(await(&seen.handled, MANY));
	assert_true(threads_now() < 20);
	for (size_t i = 0; i < MANY; i++) {
		struct buf b = BUF_INIT(MIB);

		assert_true(raw_until(fds[i], &b, "keep\n"));
		buf_release(&b);
	}
	for (size_t i = 0; i < MANY; i++) {
		assert_false(http_stream_gone(seen.streams[i]));
		http_stream_write(seen.streams[i], view_str("end\n"));
		http_stream_close(seen.streams[i]);
	}
	for (size_t i = 0; i < MANY; i++) {
		struct buf b = BUF_INIT(MIB);

		assert_true(raw_until(fds[i], &b, "end\n\r\n0\r\n\r\n"));
		(void)close(fds[i]);
		buf_release(&b);
	}
	http_server_stop(s, 1000);
}

static void
test_pipe(void **state)
{
	struct http_server *s = start();
	struct buf b = BUF_INIT(4 * MIB);
	int fd = raw_connect(http_server_port(s));
	static char much[MIB];

	(void)state;
	assert_true(raw_sends(fd, "GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(raw_until(fd, &b, "head:"));
	assert_true(await(&seen.handled, 1));
	assert_int_equal(write(seen.pipe_write, "one", 3), 3);
	assert_true(raw_until(fd, &b, "one"));
	assert_int_equal(write(seen.pipe_write, "two", 3), 3);
	assert_true(raw_until(fd, &b, "two"));
	memset(much, 'm', sizeof(much));
	assert_int_equal(fd_write_all(seen.pipe_write,
			     view_of(much, sizeof(much) / 16), NULL),
	    0);
	(void)close(seen.pipe_write);
	assert_true(raw_until(fd, &b, "\r\n0\r\n\r\n"));
	assert_true(await(&seen.dones, 1));
	assert_int_equal(seen.complete, 1);

	/* the client goes first */
	assert_true(raw_sends(fd, "GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(await(&seen.handled, 2));
	(void)close(fd);
	(void)signal(SIGPIPE, SIG_IGN);
	while (write(seen.pipe_write, much, 4096) > 0)
		;
	assert_true(await(&seen.dones, 2));
	assert_int_equal(seen.complete, 1);
	(void)close(seen.pipe_write);
	buf_release(&b);
	http_server_stop(s, 1000);
}

static void
test_stop(void **state)
{
	struct http_server *s = start();
	int fd = raw_connect(http_server_port(s)),
	    up = raw_connect(http_server_port(s)),
	    pipe_fd = raw_connect(http_server_port(s));
	struct buf b = BUF_INIT(MIB);
	int64_t before = clock_mono_ms();

	(void)state;
	assert_true(raw_sends(fd,
	    "GET /stream?slow=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(raw_sends(pipe_fd,
	    "GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(raw_sends(up,
	    "POST /upload HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 1000\r\n\r\nabc"));
	assert_true(await(&seen.handled, 2));
	http_server_stop(s, 200);
	assert_true(clock_mono_ms() - before < 10000);
	assert_true(http_stream_gone(seen.streams[0]));
	http_stream_close(seen.streams[0]); /* late, and harmless */
	while (raw_more(fd, &b))
		; /* ends: the connection was cut */
	(void)close(fd);
	(void)close(up);
	(void)close(pipe_fd);
	(void)close(seen.pipe_write);
	buf_release(&b);
}

static void
bump(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&seen.lock);
	seen.handled++;
	changed();
}

static void
test_run_and_proxy(void **state)
{
	static const char rq[] = "GET /plain HTTP/1.1\r\nHost: x\r\n"
				 "X-Forwarded-For: 1.1.1.1, 8.8.8.8\r\n"
				 "X-Forwarded-For: 10.1.2.3\r\n\r\n";
	struct raw_answer a = { 0 };
	struct http_server *s;

	(void)state;
	strv_add(&proxies, "127.0.0.1");
	strv_add(&proxies, "10.0.0.0/8");
	s = start_with((struct http_config){ .trusted_proxies = &proxies });
	for (int i = 0; i < 100; i++)
		assert_int_equal(http_server_run(s, bump, NULL, NULL), 0);
	assert_true(await(&seen.handled, 100));
	raw_request(http_server_port(s), rq, strlen(rq), &a);
	assert_non_null(strstr(BODY_OF(a), "from=8.8.8.8"));
	buf_release(&a.body);
	http_server_stop(s, 1000);
	strv_release(&proxies);
}

static void
test_idle_client(void **state)
{
	struct http_server *s = start_with((struct http_config){
	    .idle_ms = 1000 });
	int fd = raw_connect(http_server_port(s));
	struct buf b = BUF_INIT(MIB);

	(void)state;
	assert_true(raw_sends(fd, "GET /plain HTT"));
	while (raw_more(fd, &b))
		;
	(void)close(fd);
	buf_release(&b);
	http_server_stop(s, 1000);
}

static void
test_bad_address(void **state)
{
	struct http_config c = { .host = "localhost", .route = route };
	struct http_server *s = NULL;
	struct gg_error err = { 0 };

	(void)state;
	assert_int_equal(http_server_start(&c, &s, &err), GG_E_INPUT);
	assert_null(s);
	s = start_with((struct http_config){ .host = "::1" });
	assert_true(http_server_port(s) != 0);
	http_server_stop(s, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_early_refusal_of_large_body),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_run_and_proxy),
		cmocka_unit_test(test_idle_client),
		cmocka_unit_test(test_bad_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
