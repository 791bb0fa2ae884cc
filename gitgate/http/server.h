/*
 * The HTTP server: libmicrohttpd behind an interface that knows nothing of
 * git or pages. Network threads never block; a handler runs on a worker
 * thread and may. A connection that waits (for a body, a worker, a stream's
 * next bytes) costs no thread.
 *
 * Life of a request: headers in -> route() on a network thread picks a plan
 * -> HTTP_BODY_NONE/BUFFER: body collected (bounded), then handler() on a
 * worker; HTTP_BODY_STREAM: handler() on a worker at once, it either answers
 * without the body or calls http_body_accept() and then gets the bytes by
 * its sink. The handler must answer exactly once: http_reply*(),
 * http_stream_open() or http_reply_fd(). If it returns without, the client
 * gets a 500 and EV_http_error is logged.
 */
#ifndef GITGATE_HTTP_SERVER_H
#define GITGATE_HTTP_SERVER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#include <stdint.h>

struct http_server;
struct http_request;
struct http_stream;

enum http_body_mode { HTTP_BODY_NONE, HTTP_BODY_BUFFER, HTTP_BODY_STREAM };

typedef void (*http_handler)(void *ctx, struct http_request *rq);

struct http_plan {
	enum http_body_mode body;
	size_t max_body; /* BUFFER: more is 413 */
	http_handler handler;
	/* copied to http_request_cookie() */
	void *cookie;
	const char *limit; /* the key of max_body, for the refusal; constant */
};

/* PEM texts, borrowed for the call that takes them; checked before
 * (crypto/x509.h). */
struct http_tls {
	struct view chain; /* leaf first */
	struct view key;
	bool ask; /* clients for a certificate; none is needed */
};

struct http_config {
	const struct http_tls *tls; /* NULL: plain HTTP */
	const char *host;
	uint16_t port;            /* 0: any; see http_server_port() */
	unsigned network_threads; /* 2 */
	unsigned workers;         /* most worker threads, made when needed */
	uint64_t connections, connections_per_address;
	uint64_t header_bytes;
	uint64_t idle_ms; /* a client that should send and does not */
	const struct strv *trusted_proxies; /* borrowed for good */
	/* On a network thread; must not block. Fill the plan. */
	void (*route)(void *ctx, struct http_request *rq,
	    struct http_plan *plan);
	void *ctx; /* given to route and handlers */
};

/*
 * Listen. An address that another process listens on is waited for, for 10 s:
 * it may have been killed a moment ago. GG_E_EXISTS: it still does.
 */
GG_MUST_USE int http_server_start(const struct http_config *c,
    struct http_server **out, struct gg_error *err);
/* Another certificate for handshakes from now on. Only where the server was
 * started with one. GG_E_INPUT: the old one stays. */
GG_MUST_USE int http_server_set_tls(struct http_server *s,
    const struct http_tls *tls, struct gg_error *err);
uint16_t http_server_port(const struct http_server *s);
/* Streams may be written and closed (to no effect) after the stop, too.
 * Refuse new connections, wait (at most grace_ms) for requests in hand, then
 * cut the rest. Frees the server. */
void http_server_stop(struct http_server *s, int64_t grace_ms);
/* Requests in hand / suspended ones / connections: for metrics. */
void http_server_counts(const struct http_server *s, uint64_t *active,
    uint64_t *streams, uint64_t *connections);
/* Run fn(arg) on a worker thread (for forwards, refreshes, ...). 0 or
 * GG_E_LIMIT when the queue is full. */
GG_MUST_USE int http_server_run(struct http_server *s, void (*fn)(void *arg),
    void *arg, struct gg_error *err);

/* -- the request -- */
const char *http_method(const struct http_request *rq);
/* Path with %XX undone, "" components and "." / ".." refused before route()
 * sees it (400); begins with '/'. */
const char *http_path(const struct http_request *rq);
/* Query argument, %XX and '+' undone; NULL when missing; first of several. */
const char *http_query(const struct http_request *rq, const char *name);
/* Header, case-insensitive; NULL when missing. */
const char *http_header(const struct http_request *rq, const char *name);
unsigned http_header_count(const struct http_request *rq, const char *name);
/* Cookie value or NULL. */
const char *http_cookie(const struct http_request *rq, const char *name);
/* The peer, or what a trusted proxy says of it. */
const char *http_client_addr(const struct http_request *rq);
/* Is the peer itself, not the client behind it, a trusted proxy? */
bool http_peer_is_trusted(const struct http_request *rq);
/*
 * The certificates that the peer sent in the TLS handshake (DER, the one
 * whose key it has first); *n 0: none. Not verified here. Borrowed.
 */
#define HTTP_CERTIFICATES_MAX 8
const struct view *
http_peer_certificates(const struct http_request *rq, size_t *n);
/* The answer, if it is a 429 or 503, says Retry-After: so many seconds. Before
 * the answer; 0: says nothing. */
void http_retry_after(struct http_request *rq, unsigned seconds);
unsigned http_retry_seconds(const struct http_request *rq);
/* The plan's cookie. */
void *http_request_cookie(const struct http_request *rq);
/* BUFFER: the whole body, borrowed until the handler's answer. */
struct view http_body(const struct http_request *rq);
/* application/x-www-form-urlencoded field of the body, decoded, or NULL;
 * a field given twice is NULL. Borrowed from the request. */
const char *http_form(struct http_request *rq, const char *name);

/*
 * STREAM: take the body. sink runs on a network thread with each piece and
 * must not block for long; at the end once with n == 0 and end true. When the
 * client goes before the end: n == 0 and end false, once (perhaps before this
 * function returns). arg must live until the sink's last call has let go of
 * it: what wakes the handler must be the last thing the sink does with it.
 * After the sink returned false it is not called again;
 * the rest of the body is read and dropped, up to drain_max bytes, then the
 * connection is cut. Chunked, Content-Length and Expect:
 * 100-continue are handled.
 */
typedef bool (*http_sink)(void *arg, struct view piece, bool end);
void http_body_accept(struct http_request *rq, http_sink sink, void *arg,
    uint64_t drain_max);

/* -- answers -- */
struct http_headers {
	const char *name, *value;
}; /* lists end with { NULL, NULL } */

/* Whole answer; body is copied. extra may be NULL. Adds no-store,
 * nosniff and Content-Type; web adds its own CSP through extra. HEAD is
 * answered as GET without body. */
void http_reply(struct http_request *rq, unsigned status, const char *type,
    struct view body, const struct http_headers *extra);
/* text/plain with one line and a newline. */
void http_reply_text(struct http_request *rq, unsigned status, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
/*
 * Send what is read from fd (a pipe or file, taken over, made non-blocking)
 * until its end. head is sent first (copied). done(arg, complete) runs once,
 * on any thread, when all was sent (true) or the client went (false); may be
 * NULL.
 */
void http_reply_fd(struct http_request *rq, unsigned status, const char *type,
    struct view head, int fd, void (*done)(void *arg, bool complete),
    void *arg);

/*
 * An answer written piece by piece from any thread. Refcounted: open gives
 * one reference; http_stream_close() ends the answer and gives it back.
 * Writes are buffered (at most max_buffered bytes beyond what the client has
 * taken; further ones mark the stream gone).
 * keepalive: when nothing was written for keepalive_ms, these bytes are sent
 * (copied; n 0: none).
 */
struct http_stream *
http_stream_open(struct http_request *rq, unsigned status, const char *type,
    size_t max_buffered, struct view keepalive, int64_t keepalive_ms);
void http_stream_write(struct http_stream *st, struct view piece);
/* Has the client gone (or did it not keep up)? */
bool http_stream_gone(struct http_stream *st);
void http_stream_close(struct http_stream *st);

#endif
