/*
 * gitgate-witness: signs what logs say, as long as it continues what they said
 * before (C2SP tlog-witness). For another machine than the gate's, run by other
 * people: it needs nothing of gitgate but the log's public key.
 *
 *	gitgate-witness keygen --key FILE --state DIR NAME
 *	gitgate-witness check --state DIR [--max-age DURATION]
 *	gitgate-witness --key FILE --state DIR --log VKEY|--policy FILE
 *	    [--listen ADDRESS:PORT] [--follow URL]... (man/gitgate-witness.1)
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "crypto/x509.h"
#include "role/notify.h"
#include "role/walls.h"
#include "role/witness_follow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAUSE_MS_DEFAULT   60000
#define PAUSE_MS_MIN       50
#define PAUSE_MS_MAX       ((int64_t)24 * 3600 * 1000)
#define CONNECTIONS        256
#define CONNECTIONS_OF_ONE 32
#define HEADER_BYTES       16384
#define IDLE_MS            20000
#define WORKERS            8
#define GRACE_MS           5000

struct options {
	const char *key, *state, *policy, *listen, *listen_file, *ca_file;
	const char *tls_certificate, *tls_key;
	struct strv logs, follow;
	int64_t pause_ms, max_age_ms;
	bool best_effort;
};

static int
fail(const struct gg_error *err, int code)
{
	(void)fprintf(stderr, "gitgate-witness: %s\n", err->msg);
	return code;
}

/* -- options -- */

enum {
	O_KEY = 1,
	O_STATE,
	O_POLICY,
	O_LOG,
	O_LISTEN,
	O_LISTEN_FILE,
	O_FOLLOW,
	O_PAUSE,
	O_CA_FILE,
	O_TLS_CERTIFICATE,
	O_TLS_KEY,
	O_SANDBOX,
	O_MAX_AGE,
	O_HELP
};

static int
usage(FILE *to, int code)
{
	(void)fputs(
	    "usage: gitgate-witness keygen --key FILE --state DIR NAME\n"
	    "       gitgate-witness check --state DIR [--max-age DURATION]\n"
	    "       gitgate-witness --key FILE --state DIR --log VKEY... | "
	    "--policy FILE\n"
	    "           [--listen ADDRESS:PORT [--tls-certificate FILE "
	    "--tls-key FILE]]\n"
	    "           [--follow URL... [--interval DURATION] [--ca-file "
	    "FILE]]\n\n"
	    "The manual is gitgate-witness(1).\n",
	    to);
	return code;
}

static int
take_duration(const char *name, const char *text, int64_t *ms,
    struct gg_error *err)
{
	int rc = num_parse_duration(view_str(text), ms, err);

	if (rc == 0 && (*ms < PAUSE_MS_MIN || *ms > 366 * PAUSE_MS_MAX))
		rc = gg_fail(err, GG_E_INPUT, "not a time that makes sense");
	return rc == 0 ? 0 : gg_wrap(err, rc, "--%s", name);
}

static int
take_option(int what, struct options *o, struct gg_error *err)
{
	switch (what) {
	case O_KEY:
		o->key = optarg;
		return 0;
	case O_STATE:
		o->state = optarg;
		return 0;
	case O_POLICY:
		o->policy = optarg;
		return 0;
	case O_LOG:
		strv_add(&o->logs, optarg);
		return 0;
	case O_LISTEN:
		o->listen = optarg;
		return 0;
	case O_LISTEN_FILE:
		o->listen_file = optarg;
		return 0;
	case O_FOLLOW:
		strv_add(&o->follow, optarg);
		return 0;
	case O_PAUSE:
		return take_duration("interval", optarg, &o->pause_ms, err);
	case O_CA_FILE:
		o->ca_file = optarg;
		return 0;
	case O_TLS_CERTIFICATE:
		o->tls_certificate = optarg;
		return 0;
	case O_TLS_KEY:
		o->tls_key = optarg;
		return 0;
	case O_MAX_AGE:
		return take_duration("max-age", optarg, &o->max_age_ms, err);
	case O_SANDBOX:
		o->best_effort = strcmp(optarg, "best-effort") == 0;
		if (!o->best_effort && strcmp(optarg, "required") != 0)
			return gg_fail(err, GG_E_INPUT,
			    "--sandbox is required or best-effort");
		return 0;
	default:
		return gg_fail(err, GG_E_INPUT, "see gitgate-witness --help");
	}
}

static int
read_options(int argc, char **argv, struct options *o, bool *help,
    struct gg_error *err)
{
	static const struct option longs[] = { { "key", required_argument, NULL,
						   O_KEY },
		{ "state", required_argument, NULL, O_STATE },
		{ "policy", required_argument, NULL, O_POLICY },
		{ "log", required_argument, NULL, O_LOG },
		{ "listen", required_argument, NULL, O_LISTEN },
		{ "listen-file", required_argument, NULL, O_LISTEN_FILE },
		{ "follow", required_argument, NULL, O_FOLLOW },
		{ "interval", required_argument, NULL, O_PAUSE },
		{ "ca-file", required_argument, NULL, O_CA_FILE },
		{ "tls-certificate", required_argument, NULL,
		    O_TLS_CERTIFICATE },
		{ "tls-key", required_argument, NULL, O_TLS_KEY },
		{ "sandbox", required_argument, NULL, O_SANDBOX },
		{ "max-age", required_argument, NULL, O_MAX_AGE },
		{ "help", no_argument, NULL, O_HELP }, { NULL, 0, NULL, 0 } };
	int what, rc;

	while ((what = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		*help = *help || what == O_HELP;
		if (what != O_HELP && (rc = take_option(what, o, err)) != 0)
			return rc;
	}
	if ((rc = strv_check(&o->logs, err)) != 0)
		return rc;
	return strv_check(&o->follow, err);
}

/* -- keygen, check -- */

static int
keygen(const struct options *o, int argc, char **argv)
{
	GG_AUTO_RELEASE(buf) vkey = BUF_INIT(4096);
	struct gg_error err = { 0 };

	if (argc - optind != 1 || o->key == NULL || o->state == NULL)
		return usage(stderr, 2);
	(void)umask(077);
	if (witness_keygen(o->key, o->state, argv[optind], &vkey, &err) != 0)
		return fail(&err, 1);
	(void)fputs(buf_str(&vkey), stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}

struct checking {
	const struct options *o;
	int code;
};

static void
print_log(void *ctx, const char *origin, uint64_t size, uint64_t time_s,
    bool is_forked)
{
	int64_t age = clock_wall_ms() - (int64_t)(time_s * 1000);
	struct checking *c = ctx;
	char at[CLOCK_RFC3339_SIZE];
	bool is_old = c->o->max_age_ms > 0 && age > c->o->max_age_ms;

	clock_format((int64_t)(time_s * 1000), at);
	/* an origin is a key's name: no white space, no control characters */
	(void)printf("%s %llu %s%s%s\n", origin, (unsigned long long)size, at,
	    is_forked ? " FORKED" : "", is_old ? " OLD" : "");
	if (is_forked || is_old)
		c->code = 1;
}

static int
check(const struct options *o, int argc)
{
	struct checking c = { .o = o };
	struct gg_error err = { 0 };

	if (argc != optind || o->state == NULL)
		return usage(stderr, 2);
	if (witness_book_check(o->state, print_log, &c, &err) != 0)
		return fail(&err, 1);
	return fflush(stdout) == 0 ? c.code : 1;
}

/* -- serving -- */

struct witness {
	struct options *o;
	struct tlog_policy *logs;
	struct witness_service service;
	struct buf chain, key;
	struct http_tls tls;
	struct http_server *http;
	struct witness_follower *follower;
	struct notify notify;
	char host[INET6_ADDRSTRLEN];
	uint16_t port;
};

static int
read_logs(const struct options *o, struct tlog_policy **out,
    struct gg_error *err)
{
	GG_AUTO(tlog_policy) p = NULL;
	int rc = 0;

	if (o->policy != NULL)
		rc = tlog_policy_load(o->policy, &p, err);
	else if ((p = tlog_policy_new()) == NULL)
		rc = gg_fail(err, GG_E_NOMEM, "policy");
	for (size_t i = 0; rc == 0 && i < o->logs.n; i++) {
		rc = tlog_policy_add_log(p, view_str(o->logs.v[i]),
		    view_str(""), err);
		if (rc != 0)
			(void)gg_wrap(err, rc, "--log");
	}
	if (rc == 0 && p->n_logs == 0)
		rc = gg_fail(err, GG_E_INPUT,
		    "no log to watch: --log VKEY, or a log line in --policy");
	if (rc == 0)
		*out = gg_take(p);
	return rc;
}

static int
read_listen(struct witness *w, struct gg_error *err)
{
	const char *text = w->o->listen, *colon = strrchr(text, ':');
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;
	bool in_brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
	unsigned char raw[16];
	uint64_t port = 0;

	if (in_brackets) {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(w->host) ||
	    num_parse(view_str(colon + 1), UINT16_MAX, &port, NULL) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "--listen is ADDRESS:PORT with a numeric address");
	memcpy(w->host, text, n);
	w->host[n] = '\0';
	w->port = (uint16_t)port;
	if (inet_pton(in_brackets ? AF_INET6 : AF_INET, w->host, raw) != 1)
		return gg_fail(err, GG_E_INPUT,
		    "--listen is ADDRESS:PORT with a numeric address");
	return 0;
}

static void
tls_release(struct witness *w)
{
	if (w->key.p != NULL)
		explicit_bzero(w->key.p, w->key.alloc);
	buf_release(&w->key);
	buf_release(&w->chain);
}

static int
read_tls(struct witness *w, struct gg_error *err)
{
	const struct options *o = w->o;
	GG_AUTO_RELEASE(buf) chain = BUF_INIT(X509_FILE_MAX_BYTES);
	GG_AUTO_RELEASE(buf) key = BUF_INIT(X509_FILE_MAX_BYTES);
	struct x509_server facts;
	int rc;

	if (o->tls_certificate == NULL)
		return 0;
	if ((rc = file_read(o->tls_certificate, &chain, err)) != 0 ||
	    (rc = file_read_secret(o->tls_key, &key, err)) != 0 ||
	    (rc = x509_server_check(buf_view(&chain), buf_view(&key), NULL,
		 &facts, err)) != 0)
		return gg_wrap(err, rc, "--tls-certificate, --tls-key");
	tls_release(w);
	w->chain = chain;
	w->key = key;
	chain = key = (struct buf){ 0 };
	w->tls = (struct http_tls){ .chain = buf_view(&w->chain),
		.key = buf_view(&w->key) };
	return 0;
}

static int
check_options(const struct options *o, struct gg_error *err)
{
	if (o->key == NULL || o->state == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "--key FILE and --state DIR are needed");
	if (o->listen == NULL && o->follow.n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "--listen ADDRESS:PORT or --follow URL is needed");
	if ((o->tls_certificate == NULL) != (o->tls_key == NULL) ||
	    (o->tls_certificate != NULL && o->listen == NULL))
		return gg_fail(err, GG_E_INPUT,
		    "--tls-certificate, --tls-key and --listen go together");
	return 0;
}

static void
add_wall(struct walls *w, const char *path, unsigned rights)
{
	GG_AUTO_MEM char *real = path ? realpath(path, NULL) : NULL;

	walls_add(w, real, rights);
}

/* A directory's files may be replaced; a key that was read is not needed. */
static int
enter_walls(const struct options *o, struct gg_error *err)
{
	GG_AUTO_RELEASE(walls) w = { 0 };
	const char *tls[] = { o->tls_certificate, o->tls_key };
	int rc;

	add_wall(&w, o->state, SANDBOX_READ | SANDBOX_WRITE);
	if (o->follow.n > 0) {
		walls_add_network(&w);
		add_wall(&w, o->ca_file, SANDBOX_READ);
	}
	for (size_t i = 0; i < GG_COUNT(tls); i++) {
		const char *slash = tls[i] ? strrchr(tls[i], '/') : NULL;
		int n = slash ? (int)(slash - tls[i]) : 0;
		GG_AUTO_MEM char *dir = path_f("%.*s/.", n > 0 ? n : 1,
		    slash ? tls[i] : ".");

		if (tls[i] != NULL)
			add_wall(&w, dir, SANDBOX_READ);
	}
	rc = walls_enter(&w, !o->best_effort, err);
	return rc == 0 ? 0 : gg_wrap(err, rc, "sandbox");
}

static int
start_http(struct witness *w, int listen_fd, struct gg_error *err)
{
	static const struct strv nobody = { 0 };
	struct http_config h = { .tls = w->tls.chain.n > 0 ? &w->tls : NULL,
		.host = w->host,
		.port = w->port,
		.network_threads = 1,
		.workers = WORKERS,
		.connections = CONNECTIONS,
		.connections_per_address = CONNECTIONS_OF_ONE,
		.header_bytes = HEADER_BYTES,
		.idle_ms = IDLE_MS,
		.trusted_proxies = &nobody,
		.route = witness_route,
		.ctx = &w->service };
	GG_AUTO_RELEASE(buf) at = BUF_INIT(128);
	int rc;

	if (w->o->listen == NULL)
		return 0;
	if ((rc = http_server_start(&h, &w->http, err)) != 0)
		return rc;
	if (listen_fd >= 0 && ftruncate(listen_fd, 0) != 0)
		return gg_fail(err, GG_E_SYS, "%s", w->o->listen_file);
	w->port = http_server_port(w->http);
	buf_addf(&at, strchr(w->host, ':') ? "[%s]:%u\n" : "%s:%u\n", w->host,
	    (unsigned)w->port);
	return listen_fd < 0 ? 0 : fd_write_all(listen_fd, buf_view(&at), err);
}

static int
start(struct witness *w, struct gg_error *err)
{
	const struct options *o = w->o;
	GG_AUTO_FD listen_fd = -1;
	int rc;

	if ((rc = notify_open(&w->notify, err)) != 0 ||
	    (rc = read_logs(o, &w->logs, err)) != 0 ||
	    (rc = o->listen != NULL ? read_listen(w, err) : 0) != 0 ||
	    (rc = read_tls(w, err)) != 0 ||
	    (rc = witness_book_open(o->state, o->key, w->logs, &w->service.book,
		 err)) != 0)
		return rc;
	if (o->listen_file != NULL &&
	    (listen_fd = open(o->listen_file, O_WRONLY | O_CREAT | O_CLOEXEC,
		 0644)) < 0)
		return gg_fail(err, GG_E_SYS, "%s", o->listen_file);
	if ((rc = enter_walls(o, err)) != 0 ||
	    (rc = start_http(w, listen_fd, err)) != 0)
		return rc;
	if (o->follow.n == 0)
		return 0;
	return witness_follow_start(
	    &(struct witness_follow_config){ .urls = &o->follow,
		.logs = w->logs,
		.ca_file = o->ca_file,
		.pause_ms = o->pause_ms,
		.service = &w->service },
	    &w->follower, err);
}

static void
reload_tls(struct witness *w)
{
	struct gg_error err = { 0 };

	if (w->tls.chain.n == 0)
		return;
	if (read_tls(w, &err) == 0 &&
	    http_server_set_tls(w->http, &w->tls, &err) == 0)
		log_event(EV_tls_loaded, kv_str("file", w->o->tls_certificate));
	else
		log_event(EV_tls_reload_failed, kv_err(&err));
}

static void
stop(struct witness *w)
{
	notify_stopping(&w->notify);
	witness_follow_stop(w->follower);
	if (w->http != NULL)
		http_server_stop(w->http, GRACE_MS);
	witness_book_free(w->service.book);
	tlog_policy_free(w->logs);
	notify_close(&w->notify);
	tls_release(w);
}

static int
serve(struct options *o)
{
	struct witness w = { .o = o, .notify = NOTIFY_INIT };
	struct gg_error err = { 0 };
	sigset_t set;
	int sig = 0, rc;

	if (check_options(o, &err) != 0)
		return fail(&err, 2);
	log_setup("witness", LOG_INFO);
	(void)umask(077);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	if ((rc = start(&w, &err)) == 0) {
		log_event(EV_started, kv_u64("port", w.port));
		notify_ready(&w.notify, "watching");
		while (sigwait(&set, &sig) == 0 && sig == SIGHUP)
			reload_tls(&w);
		log_event(EV_stopping, kv_u64("grace_ms", GRACE_MS));
	}
	stop(&w);
	return rc == 0 ? 0 : fail(&err, rc == GG_E_INPUT ? 2 : 1);
}

int
main(int argc, char **argv)
{
	struct options o = { .pause_ms = PAUSE_MS_DEFAULT };
	const char *command = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
	struct gg_error err = { 0 };
	bool help = false;
	int code;

	fd_fill_standard();
	if (command[0] != '\0') {
		argc--;
		argv++;
	}
	if (read_options(argc, argv, &o, &help, &err) != 0)
		code = fail(&err, 2);
	else if (help)
		code = usage(stdout, 0);
	else if (strcmp(command, "keygen") == 0)
		code = keygen(&o, argc, argv);
	else if (strcmp(command, "check") == 0)
		code = check(&o, argc);
	else if (command[0] != '\0' || optind != argc)
		code = usage(stderr, 2);
	else
		code = serve(&o);
	strv_release(&o.logs);
	strv_release(&o.follow);
	return code;
}
