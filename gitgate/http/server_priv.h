/*
 * Inside of http/: one struct per request, shared by the network thread that
 * owns its connection, the worker that runs its handler, and whoever writes
 * its stream.
 *
 * Locks: server->lock before request->lock, never the other way round.
 * Suspending and resuming happen under request->lock, so that nobody can
 * resume a connection that is not suspended or is gone: a suspended one
 * cannot end before it is resumed.
 */
#ifndef GITGATE_HTTP_SERVER_PRIV_H
#define GITGATE_HTTP_SERVER_PRIV_H

#include "http/addr.h"
#include "http/form.h"
#include "http/server.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/* An answer given before the body was read lets so much of it pass, so that
 * a client which only reads after it wrote still sees the answer. */
#define DRAIN_MAX_BYTES ((uint64_t)16 * 1024 * 1024)
/* A body that nobody asked for. */
#define UNASKED_BODY_BYTES ((size_t)64 * 1024)
/* Beside the headers, for reading bodies and writing answers. */
#define POOL_EXTRA_BYTES ((size_t)24 * 1024)

struct task {
	void (*fn)(void *arg);
	void *arg;
	struct task *next;
	bool owned; /* freed by the worker */
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work, ended;
	struct task *first, **last;
	size_t queued, extra; /* extra: queued by http_server_run() */
	unsigned most, running, idle;
	bool stop;
};

void workers_init(struct workers *w, unsigned most);
/* t->owned false: the caller keeps it until fn ran. */
void workers_put(struct workers *w, struct task *t);
int workers_run(struct workers *w, void (*fn)(void *), void *arg,
    struct gg_error *err);
/* True when all threads have ended by the deadline. */
bool workers_stop(struct workers *w, int64_t mono_deadline_ms);

enum phase {
	PHASE_HEAD, /* headers are in, the plan is not */
	PHASE_ASK,  /* STREAM: the handler decides */
	PHASE_BODY, /* the body arrives */
	PHASE_DONE, /* the request is in whole, the answer is awaited */
	PHASE_OVER, /* the answer was given to the connection */
};

struct header {
	char *name, *value;
};

struct http_stream {
	struct http_request *rq;
	struct buf out;
	struct buf keepalive;
	int64_t keepalive_ms, last_ms;
	size_t max;
	bool closed, overflow;
	struct http_stream *prev, *next; /* in server->streams */
};

struct http_request {
	struct http_server *s;
	struct MHD_Connection *conn; /* network thread, or while suspended */
	atomic_uint refs;
	pthread_mutex_t lock;
	bool suspended, gone, answered, accepted, sink_over;
	enum phase phase;
	/* what came */
	char *method, *target, *path;
	struct fields query, form;
	struct header *headers;
	size_t n_headers;
	struct strv kept; /* decoded cookies */
	char peer[ADDR_SIZE], client[ADDR_SIZE];
	bool peer_trusted;
	struct buf certificates; /* DER, one behind the other */
	struct view certificate[HTTP_CERTIFICATES_MAX];
	size_t n_certificates;
	unsigned retry_after;
	uint64_t content_length;
	bool has_body, chunked, expects, bad_head;
	/* what is done with it */
	struct http_plan plan;
	struct task task;
	struct buf body;
	bool form_parsed;
	http_sink sink;
	void *sink_arg;
	uint64_t drained, drain_max;
	/* the answer */
	struct MHD_Response *response;
	unsigned status;
	struct http_stream stream;
	struct buf head;
	size_t head_sent;
	int fd;
	bool fd_armed, fd_ended;
	void (*done)(void *arg, bool complete);
	void *done_arg;
	struct http_request *prev, *next; /* in server->requests */
};

struct tls_pair;

struct http_server {
	pthread_mutex_t tls_lock;
	struct tls_pair *tls; /* NULL: plain HTTP */
	atomic_bool tls_ask;
	atomic_uint refs; /* the owner and every open stream */
	struct http_config c;
	struct MHD_Daemon *daemon;
	struct workers workers;
	pthread_mutex_t lock;
	pthread_cond_t tick;
	struct http_request *requests;
	struct http_stream *streams;
	struct http_request **waiters; /* by descriptor */
	size_t n_waiters;
	int epoll, wake;
	pthread_t ticker, waiter;
	bool has_ticker, has_waiter, stop_threads;
	atomic_bool quiet, cut;
	atomic_uint_fast64_t n_active, n_streams, n_connections;
};

/* request.c */
struct http_request *request_new(struct http_server *s, const char *target,
    struct MHD_Connection *conn);
void request_ref(struct http_request *rq);
void request_unref(struct http_request *rq);
/* Copy what the handler may look at; fills bad_head. */
void request_read_head(struct http_request *rq, const char *method);

/* access.c: callbacks of libmicrohttpd */
void *access_begin(void *cls, const char *uri, struct MHD_Connection *conn);
enum MHD_Result access_handle(void *cls, struct MHD_Connection *conn,
    const char *url, const char *method, const char *version, const char *data,
    size_t *size, void **con_cls);
void access_end(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode why);
void access_connection(void *cls, struct MHD_Connection *conn,
    void **socket_context, enum MHD_ConnectionNotificationCode code);

/* Under rq->lock. */
void request_suspend(struct http_request *rq);
void request_resume(struct http_request *rq);

/* server.c: memory only; threads have ended before the last one. */
void server_unref(struct http_server *s);

/* tls.c */
/* What start needs beside an http_server_set_tls() that went well. */
extern const char tls_priorities[];
int
tls_give_pair(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certs, unsigned *n_certs, gnutls_ocsp_data_st **ocsp,
    unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags);
int tls_set(struct http_server *s, const struct http_tls *tls,
    struct gg_error *err);
/* A connection has begun, its handshake not. */
void tls_begin(struct http_server *s, struct MHD_Connection *conn);
void tls_read_peer(struct http_request *rq);
void tls_pair_free(struct tls_pair *p);

/* answer.c */
/* Build a text answer without a handler (network thread). */
struct MHD_Response *answer_text(const char *text);
/* Store the answer r (taken; NULL: no memory) and wake the connection. */
void answer_give(struct http_request *rq, unsigned status, const char *type,
    struct MHD_Response *r);
/* stream.c: threads' bodies; the argument is the server. */
void *stream_ticker(void *server);
void *stream_waiter(void *server);
/* Sleep until rq->fd is readable (from the content reader); -1 on failure. */
int stream_await_fd(struct http_request *rq);
/* Close rq->fd for good. */
void stream_forget_fd(struct http_request *rq);

#endif
