#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/wait.h"
#include "http/server_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

/* Handlers that are still running when all was cut may take so long. */
#define END_MS       5000
#define PORT_WAIT_MS 10000

struct listen_addr {
	struct sockaddr_storage sa;
	bool v6;
};

static int
listen_address(const struct http_config *c, struct listen_addr *a,
    struct gg_error *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons(c->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(c->port) };

	*a = (struct listen_addr){ 0 };
	if (inet_pton(AF_INET, c->host, &v4.sin_addr) == 1) {
		memcpy(&a->sa, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, c->host, &v6.sin6_addr) == 1) {
		memcpy(&a->sa, &v6, sizeof(v6));
		a->v6 = true;
	} else {
		return gg_fail(err, GG_E_INPUT,
		    "listen address %s is no numeric address", c->host);
	}
	return 0;
}

/* The library would undo escapes in place, and lose what is behind a %00. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *conn, char *s)
{
	(void)cls;
	(void)conn;
	return strlen(s);
}

static void
be_quiet(void *cls, const char *fmt, va_list ap)
{
	(void)cls;
	(void)fmt;
	(void)ap;
}

static unsigned
as_unsigned(uint64_t x, unsigned least)
{
	if (x > INT32_MAX)
		return INT32_MAX;
	return x < least ? least : (unsigned)x;
}

static int
start_daemon(struct http_server *s, struct gg_error *err)
{
	const struct http_config *c = &s->c;
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
		    (void *)(uintptr_t)tls_priorities },
		{ MHD_OPTION_HTTPS_CERT_CALLBACK2, 0,
		    (void *)(uintptr_t)tls_give_pair },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	struct listen_addr a;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD |
	    MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	unsigned threads = c->network_threads > 1 ? c->network_threads : 0;
	int rc = listen_address(c, &a, err);

	if (rc != 0)
		return rc;
	if (a.v6)
		flags |= MHD_USE_IPv6;
	if (s->tls != NULL)
		flags |= MHD_USE_TLS;
	s->daemon = MHD_start_daemon(flags, c->port, NULL, NULL, access_handle,
	    s, MHD_OPTION_EXTERNAL_LOGGER, be_quiet, NULL, MHD_OPTION_SOCK_ADDR,
	    (struct sockaddr *)&a.sa, MHD_OPTION_THREAD_POOL_SIZE, threads,
	    MHD_OPTION_CONNECTION_LIMIT, as_unsigned(c->connections, 4),
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    as_unsigned(c->connections_per_address, 1),
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)c->header_bytes + POOL_EXTRA_BYTES,
	    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)16 * 1024,
	    MHD_OPTION_CONNECTION_TIMEOUT,
	    as_unsigned((c->idle_ms + 999) / 1000, 1),
	    MHD_OPTION_URI_LOG_CALLBACK, access_begin, s,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
	    MHD_OPTION_NOTIFY_COMPLETED, access_end, s,
	    MHD_OPTION_NOTIFY_CONNECTION, access_connection, s,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_LISTEN_BACKLOG_SIZE,
	    1024u, MHD_OPTION_ARRAY, s->tls != NULL ? tls : none,
	    MHD_OPTION_END);
	if (s->daemon == NULL)
		return gg_fail(err,
		    errno == EADDRINUSE ? GG_E_EXISTS : GG_E_SYS,
		    "cannot listen on %s port %u%s", c->host, (unsigned)c->port,
		    errno == EADDRINUSE ? ": another process does" : "");
	return 0;
}

static int
start_threads(struct http_server *s, struct gg_error *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct rlimit most;

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.fd = s->wake;
	if (s->epoll < 0 || s->wake < 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->wake, &ev) != 0)
		return gg_fail(err, GG_E_SYS, "epoll");
	if (getrlimit(RLIMIT_NOFILE, &most) != 0 || most.rlim_max > 1048576)
		most.rlim_max = 1048576;
	s->n_waiters = (size_t)most.rlim_max;
	s->waiters = calloc(s->n_waiters, sizeof(struct http_request *));
	if (s->waiters == NULL)
		return gg_fail(err, GG_E_NOMEM, "table of descriptors");
	s->has_ticker = pthread_create(&s->ticker, NULL, stream_ticker, s) == 0;
	s->has_waiter = pthread_create(&s->waiter, NULL, stream_waiter, s) == 0;
	if (!s->has_ticker || !s->has_waiter)
		return gg_fail(err, GG_E_NOMEM, "cannot start a thread");
	return 0;
}

static void
stop_threads(struct http_server *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->stop_threads = true;
	(void)pthread_cond_broadcast(&s->tick);
	(void)pthread_mutex_unlock(&s->lock);
	if (s->has_waiter) {
		(void)eventfd_write(s->wake, 1);
		(void)pthread_join(s->waiter, NULL);
	}
	if (s->has_ticker)
		(void)pthread_join(s->ticker, NULL);
}

void
server_unref(struct http_server *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	fd_close(s->epoll);
	fd_close(s->wake);
	tls_pair_free(s->tls);
	free(s->waiters);
	free(s);
}

static int
wait_for_port(struct http_server *s, struct gg_error *err)
{
	int64_t deadline = clock_mono_ms() + PORT_WAIT_MS;
	const struct timespec nap = { .tv_nsec = 50 * 1000 * 1000 };
	bool told = false;
	int rc;

	while ((rc = start_daemon(s, err)) == GG_E_EXISTS &&
	    clock_mono_ms() < deadline) {
		if (!told)
			log_event(EV_start_waits, kv_str("for", "port"),
			    kv_err(err));
		told = true;
		(void)nanosleep(&nap, NULL);
	}
	return rc;
}

int
http_server_start(const struct http_config *c, struct http_server **out,
    struct gg_error *err)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return gg_fail(err, GG_E_NOMEM, "http server");
	s->c = *c;
	s->epoll = s->wake = -1;
	atomic_init(&s->refs, 1);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_mutex_init(&s->tls_lock, NULL);
	cond_init(&s->tick);
	workers_init(&s->workers, c->workers);
	if ((c->tls != NULL && (rc = tls_set(s, c->tls, err)) != 0) ||
	    (rc = start_threads(s, err)) != 0 ||
	    (rc = wait_for_port(s, err)) != 0) {
		stop_threads(s);
		server_unref(s);
		return rc;
	}
	*out = s;
	return 0;
}

uint16_t
http_server_port(const struct http_server *s)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon,
	    MHD_DAEMON_INFO_BIND_PORT);

	return info != NULL ? info->port : 0;
}

void
http_server_counts(const struct http_server *s, uint64_t *active,
    uint64_t *streams, uint64_t *connections)
{
	*active = s->n_active;
	*streams = s->n_streams;
	*connections = s->n_connections;
}

int
http_server_run(struct http_server *s, void (*fn)(void *arg), void *arg,
    struct gg_error *err)
{
	return workers_run(&s->workers, fn, arg, err);
}

/* Wake every request; with s->cut set they end. */
static void
cut_all(struct http_server *s)
{
	s->cut = true;
	(void)pthread_mutex_lock(&s->lock);
	for (struct http_request *rq = s->requests; rq; rq = rq->next) {
		(void)pthread_mutex_lock(&rq->lock);
		request_resume(rq);
		(void)pthread_mutex_unlock(&rq->lock);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void
http_server_stop(struct http_server *s, int64_t grace_ms)
{
	int64_t until = clock_mono_ms() + grace_ms;
	const struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };
	MHD_socket listening;

	s->quiet = true;
	listening = MHD_quiesce_daemon(s->daemon);
	while (s->n_active > 0 && clock_mono_ms() < until)
		(void)nanosleep(&nap, NULL);
	cut_all(s);
	MHD_stop_daemon(s->daemon);
	if (listening != MHD_INVALID_SOCKET)
		fd_close(listening);
	stop_threads(s);
	/* A handler that hangs keeps the memory; the process ends soon. */
	if (workers_stop(&s->workers, clock_mono_ms() + END_MS))
		server_unref(s);
	else
		log_event(EV_http_error,
		    kv_str("error", "a handler does not end"));
}
