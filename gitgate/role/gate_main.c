/* The gate's process: start, the supervisor's frames, routes, stop. */
#include "role/gate_erasure.h"
#include "role/gate_grants.h"
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "proto/smart_path.h"
#include "role/gate_delivery.h"
#include "role/gate_issuers.h"
#include "role/gate_limits.h"
#include "role/gate_log.h"
#include "role/gate_metrics.h"
#include "role/gate_notices.h"
#include "role/gate_retention.h"
#include "role/gate_saml.h"
#include "role/gate_signin.h"
#include "role/gate_tls.h"
#include "role/gate_walls.h"
#include "role/gate_witness.h"
#include "role/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TICK_MS         250
#define HOLDS_TICKS     8
#define RECOVER_TICKS   20
#define DRAIN_TICKS     4
#define HEAL_TICKS      4
#define HEAL_GRACE_MS   2000
#define TLS_TICKS       8
#define RETENTION_TICKS 8
#define ROOM_BYTES      ((uint64_t)4 << 20)
#define NETWORK_THREADS 2
#define LAST_WORDS_MS   2000

/* -- routes -- */

static void
not_for_dumb_clients(void *ctx, struct http_request *rq)
{
	(void)ctx;
	http_reply_text(rq, 403,
	    "gitgate: the dumb protocol is not served; use a git client with "
	    "smart HTTP");
}

static void
wrong_method(void *ctx, struct http_request *rq)
{
	(void)ctx;
	http_reply_text(rq, 405, "gitgate: method not allowed");
}

static void
plan_git(struct http_request *rq, enum smart_kind kind, const struct limits *l,
    struct http_plan *plan)
{
	bool post = strcmp(http_method(rq), "POST") == 0;
	bool get = strcmp(http_method(rq), "GET") == 0;

	plan->body = HTTP_BODY_NONE;
	switch (kind) {
	case SMART_INFO_REFS_UPLOAD:
		plan->handler = get ? gate_info_refs_upload : wrong_method;
		return;
	case SMART_INFO_REFS_RECEIVE:
		plan->handler = get ? gate_info_refs_receive : wrong_method;
		return;
	case SMART_UPLOAD_PACK:
		plan->handler = post ? gate_upload_pack : wrong_method;
		plan->body = post ? HTTP_BODY_BUFFER : HTTP_BODY_NONE;
		plan->max_body = (size_t)l->fetch_request_bytes;
		plan->limit = "fetch-request-size";
		return;
	case SMART_RECEIVE_PACK:
		plan->handler = post ? gate_receive_pack : wrong_method;
		plan->body = post ? HTTP_BODY_STREAM : HTTP_BODY_NONE;
		return;
	case SMART_DUMB:
		plan->handler = not_for_dumb_clients;
		return;
	case SMART_NONE:
		return;
	}
}

/* A POST of git goes on: its handler refuses it in git's words, for an HTTP
 * error at that point would not be shown. */
static void
limit(struct gate *g, const struct snapshot *snap, struct http_request *rq,
    struct http_plan *plan)
{
	unsigned wait = gate_limit_address(g, &snap->config->limits, rq);

	if (wait == 0)
		return;
	http_retry_after(rq, wait);
	if (plan->handler != gate_receive_pack &&
	    plan->handler != gate_upload_pack)
		plan->handler = gate_limited;
}

static void
route(void *ctx, struct http_request *rq, struct http_plan *plan)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(ctx);
	const char *path = http_path(rq), *service = http_query(rq, "service");
	char name[REPOSITORY_MAX_BYTES + 1];
	char query[64];

	if (strcmp(path, "/healthz") == 0) {
		plan->handler = gate_healthz;
	} else if (strcmp(path, "/readyz") == 0) {
		plan->handler = gate_readyz;
	} else if (strcmp(path, "/metrics") == 0) {
		plan->handler = gate_metrics;
	} else if (strcmp(path, "/") == 0 || strncmp(path, "/-/", 3) == 0) {
		web_route(rq, plan);
		limit(ctx, snap, rq, plan);
	} else {
		(void)snprintf(query, sizeof(query), "service=%.40s",
		    service ? service : "");
		plan_git(rq,
		    smart_path_parse(view_str(path), view_str(query), name),
		    &snap->config->limits, plan);
		limit(ctx, snap, rq, plan);
	}
}

/* -- services for pages and API -- */

static const struct config *
ops_config(void *ctx)
{
	return gate_snapshot(ctx)->config;
}

static const struct ruleset *
ops_ruleset(void *ctx)
{
	return gate_snapshot(ctx)->ruleset;
}

static int
ops_audit(void *ctx, json_t *entry, struct gg_error *err)
{
	json_t *mine = json_incref(entry);

	return audit_write(ctx, &mine, 1, err);
}

static void
ops_unref(void *ctx, const struct config *c, const struct ruleset *rs)
{
	if (c != NULL)
		snapshot_unref(gate_snapshot_of(ctx, c, NULL));
	if (rs != NULL)
		snapshot_unref(gate_snapshot_of(ctx, NULL, rs));
}

static void
fill_web(struct gate *g)
{
	g->web = (struct web_ops){
		.ctx = g,
		.config = ops_config,
		.ruleset = ops_ruleset,
		.unref = ops_unref,
		.store = g->store,
		.log = g->log,
		.review = gate_review,
		.may_review = gate_may_review,
		.may_review_listed = gate_may_review_listed,
		.mirror_names = gate_mirror_names,
		.mirror_state = gate_mirror_state,
		.withdraw = gate_withdraw,
		.preview = gate_preview,
		.verify_certificate = gate_tls_identify,
		.verify_token = issuers_verify,
		.oidc_site = gate_oidc_site,
		.oidc_code = gate_oidc_code,
		.limit_principal = gate_limit_principal,
		.limit_failed = gate_limit_failed,
		.view = gate_view,

		.review_granting = gate_review_granting,
		.grant_ask = gate_grant_ask,
		.grant_review = gate_grant_review,
		.may_review_grant = gate_may_review_grant,
		.grant_end = gate_grant_end,
		.saml_begin = saml_begin,
		.saml_finish = saml_finish,
		.saml_metadata = saml_our_metadata,
		.audit = ops_audit,
	};
	web_init(&g->web);
}

/* -- start and stop -- */

/* Before the walls, and when this is the one gate. */
static int
open_listen_file(const struct config *c, int *fd, struct gg_error *err)
{
	if (c->listen_file != NULL &&
	    (*fd = open(c->listen_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) <
		0)
		return gg_fail(err, GG_E_SYS, "%s", c->listen_file);
	return 0;
}

static int
write_listen_file(int fd, const struct config *c, uint16_t port,
    struct gg_error *err)
{
	GG_AUTO_MEM char *line = path_f("%s:%u\n", c->listen_host,
	    (unsigned)port);

	if (fd < 0)
		return 0;
	if (ftruncate(fd, 0) != 0)
		return gg_fail(err, GG_E_SYS, "listen-file");
	return fd_write_all(fd, view_str(line), err);
}

static int
start_http(struct gate *g, const struct config *c, int listen_fd,
    struct gg_error *err)
{
	struct http_config h = {
		.host = c->listen_host,
		.port = c->listen_port,
		.network_threads = NETWORK_THREADS,
		.workers = (unsigned)(c->limits.pushes + 32),
		.connections = c->limits.connections,
		.connections_per_address = c->limits.connections_per_address,
		.header_bytes = c->limits.header_bytes,
		.idle_ms = c->limits.request_ms,
		.trusted_proxies = &c->trusted_proxies,
		.route = route,
		.ctx = g,
	};
	int rc = gate_tls_open(g, c, &h.tls, err);

	if (rc != 0 || (rc = http_server_start(&h, &g->http, err)) != 0)
		return rc;
	gate_tls_started(g);
	return write_listen_file(listen_fd, c, http_server_port(g->http), err);
}

static void
drain(struct gate *g)
{
	audit_drain(g);
	web_tick();
}

/* Is there room for what a start writes, and may we write there? */
static bool
has_room(struct gate *g)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_MEM char *path = path_f("%s/log/.room",
	    snap->config->state_dir);
	struct gg_error err = { 0 };
	struct statvfs st;
	bool ok = !FAILPOINT_FAILS("log.write") &&
	    statvfs(snap->config->state_dir, &st) == 0 &&
	    (uint64_t)st.f_bavail * st.f_frsize >= ROOM_BYTES &&
	    file_write(path, view_str("room\n"), 0600, true, &err) == 0;

	(void)unlink(path);
	return ok;
}

/*
 * A log that could not be written takes nothing more, for what is on disk has
 * to be read again to know where it stands. A fresh process does that: it is
 * asked for once the disk takes writes. What is in hand is closed by recovery,
 * as after a crash.
 */
static void
heal_log(struct gate *g)
{
	if (auditlog_is_writable(g->log) || !has_room(g))
		return;
	log_event(EV_audit_failed,
	    kv_str("what", "the disk takes writes: the gate starts afresh"));
	atomic_store(&g->stopping, true);
	waiters_stop(g);
	notices_stop(g); /* it uses the server */
	web_stop();
	http_server_stop(g->http, HEAL_GRACE_MS);
	_exit(ROLE_EXIT_RESTART);
}

static void *
tick(void *arg)
{
	struct gate *g = arg;
	struct timespec pause = { 0, (long)TICK_MS * 1000000 };
	bool first = true;

	for (unsigned n = 0; !atomic_load(&g->stopping); n++) {
		if (first || n % RECOVER_TICKS == 0)
			recover(g, first);
		first = false;
		atomic_store(&g->recovered, true);
		waiters_tick(g);
		web_tick_events();
		if (n % HOLDS_TICKS == 0) {
			waiters_poll(g);
			holds_tick(g);
			grants_tick(g);
		}
		if (n % DRAIN_TICKS == 0)
			drain(g);
		if (n % RETENTION_TICKS == 0)
			retention_tick(g);
		if (n % TLS_TICKS == 0)
			gate_tls_tick(g);
		if (n % HEAL_TICKS == 0) {
			heal_log(g);
			gate_log_heal(g);
		}
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

static int
ask_for_inspectors(struct gate *g, const struct config *c, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8);

	enc_u32(&body, c->inspectors);
	return frame_send(g->supervisor, MSG_INSPECTOR_WANTED, 0,
	    buf_view(&body), NULL, 0, err);
}

static int
start(struct gate *g, struct gg_error *err)
{
	struct snapshot *snap = gate_snapshot(g); /* kept: http borrows it */
	const struct config *c = snap->config;
	GG_AUTO_FD listen_fd = -1;
	int rc;

	if ((rc = gate_log_open(g, c, err)) != 0 ||
	    (rc = open_listen_file(c, &listen_fd, err)) != 0 ||
	    (rc = store_open(c->store, c->state_dir, &g->store, err)) != 0 ||
	    (rc = gate_log_fit(g, c, err)) != 0 ||
	    (rc = gate_walls_enter(c, g->sandbox_required, err)) != 0 ||
	    (rc = inspectors_new(&g->inspectors, err)) != 0 ||
	    (rc = inspectors_new(&g->hooks, err)) != 0 ||
	    (rc = saml_new(g, err)) != 0 ||
	    (rc = waiters_new(&g->waiters, err)) != 0 ||
	    (rc = gate_limits_new(g, err)) != 0 ||
	    (rc = courier_new(g, err)) != 0 || (rc = signin_new(g, err)) != 0 ||
	    (rc = messenger_new(g, err)) != 0 ||
	    (rc = issuers_new(g, err)) != 0 ||
	    (rc = ask_for_inspectors(g, c, err)) != 0 ||
	    (rc = gate_rules_begin(g, c->state_dir, err)) != 0 ||
	    (rc = gate_rules_load(g, snap, NULL, err)) != 0)
		return rc;
	fill_web(g);
	gate_log_note(g, "log.start");
	kept_warn(g);
	if ((rc = witness_start(g, err)) != 0 ||
	    (rc = start_http(g, c, listen_fd, err)) != 0 ||
	    (rc = notices_start(g, err)) != 0 ||
	    (rc = erasure_start(g, err)) != 0 ||
	    (rc = deliveries_start(g, err)) != 0)
		return rc;
	if (pthread_create(&g->ticker, NULL, tick, g) != 0)
		return gg_fail(err, GG_E_SYS, "thread");
	return frame_send(g->supervisor, MSG_READY, 0, view_str(""), NULL, 0,
	    err);
}

struct patience {
	struct gate *gate;
	int64_t ms;
};

static void *
lose_patience(void *arg)
{
	const struct patience *p = arg;
	struct timespec t = { p->ms / 1000, (long)(p->ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
	courier_abandon(p->gate);
	messenger_abandon(p->gate);
	return NULL;
}

static void
stop(struct gate *g, int64_t grace_ms)
{
	static struct patience patience; /* outlives this call */
	pthread_t t;

	atomic_store(&g->stopping, true);
	log_event(EV_stopping, kv_u64("grace_ms", (uint64_t)grace_ms));
	waiters_stop(g);
	notices_stop(g); /* it uses the server */
	web_stop();
	patience = (struct patience){ g, grace_ms };
	if (pthread_create(&t, NULL, lose_patience, &patience) == 0)
		(void)pthread_detach(t);
	/* Who is let go then has something to say to its client. */
	http_server_stop(g->http, grace_ms + LAST_WORDS_MS);
	(void)pthread_join(g->ticker, NULL);
	erasure_stop();
	messenger_abandon(g); /* nobody else asks it any more */
	witness_stop(g);
	deliveries_stop(g);
	gate_log_note(g, "log.stop");
	auditlog_close(g->log);
	store_free(g->store);
}

/* -- the supervisor's frames -- */

static void
answer_config(struct gate *g, uint32_t generation, int rc,
    const struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(600);
	struct gg_error ignored;

	enc_u32(&body, generation);
	enc_u8(&body, rc == 0 ? 1 : 0);
	enc_str(&body, rc == 0 ? "" : err->msg);
	(void)!frame_send(g->supervisor, MSG_CONFIG_TAKEN, 0, buf_view(&body),
	    NULL, 0, &ignored);
}

static int
on_config(struct gate *g, struct frame *f, bool *started)
{
	GG_AUTO_FD fd = frame_take_fd(f, 0), policy = frame_take_fd(f, 1);
	struct dec d = dec_of(f->body);
	uint32_t generation = dec_u32(&d);
	struct gg_error err = { 0 };
	int rc = gate_load(g, fd, policy, &err);

	if (*started) {
		answer_config(g, generation, rc, &err);
		if (rc == 0) {
			gate_log_note(g, "config.loaded");
			kept_warn(g);
		}
		return 0;
	}
	if (rc == 0)
		rc = start(g, &err);
	if (rc != 0) {
		log_event(EV_role_died, kv_err(&err));
		return ROLE_EXIT_CONFIG;
	}
	*started = true;
	log_event(EV_started, kv_u64("port", http_server_port(g->http)));
	return 0;
}

/* What a push in hand needs to go on arrives while the gate stops, too. */
static void *
serve_the_last(void *arg)
{
	struct gate *g = arg;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err;

	while (frame_recv(g->supervisor, ROLE_SUPERVISOR, ROLE_GATE, &f, &err) >
	    0) {
		if (f.type == MSG_INSPECTOR || f.type == MSG_COURIER)
			(void)gate_take_socket(g, &f);
	}
	_exit(1); /* without a supervisor there is no gate */
}

static void
on_shutdown(struct gate *g, int64_t grace_ms)
{
	pthread_t t;

	if (pthread_create(&t, NULL, serve_the_last, g) == 0)
		(void)pthread_detach(t);
	stop(g, grace_ms);
}

/* 0: go on; else the exit code + 1. */
static int
on_frame(struct gate *g, struct frame *f, bool *started)
{
	struct dec d = dec_of(f->body);
	int code;

	switch ((int)f->type) {
	case MSG_CONFIG:
		code = on_config(g, f, started);
		return code == 0 ? 0 : code + 1;
	case MSG_INSPECTOR:
	case MSG_HOOK_RUNNER:
	case MSG_COURIER:
	case MSG_MESSENGER:
	case MSG_SAML_RUNNER:
		if (*started)
			(void)gate_take_socket(g, f);
		return 0;
	case MSG_SHUTDOWN:
		if (*started)
			on_shutdown(g, (int64_t)dec_u32(&d));
		return ROLE_EXIT_OK + 1;
	default:
		return 0;
	}
}

static int
next_frame(struct gate *g, struct frame *f, struct gg_error *err)
{
	if (g->late.type == MSG_NONE)
		return frame_recv(g->supervisor, ROLE_SUPERVISOR, ROLE_GATE, f,
		    err);
	frame_release(f);
	*f = g->late;
	g->late = FRAME_INIT;
	return 1;
}

int
main(int argc, char **argv)
{
	struct gate g = { .supervisor = FRAME_PARENT_FD, .late = FRAME_INIT };
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err = { 0 };
	bool started = false;
	int code = 0;

	if (argc != 3)
		gg_die("gitgate-gate is started by `gitgate serve`");
	log_setup("gate", LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	/* librnp would print hostile bytes to our log. */
	(void)setenv("RNP_LOG_CONSOLE", "0", 1);
	g.config_file = argv[1];
	g.sandbox_required = strcmp(argv[2], "best-effort") != 0;
	pthread_mutex_init(&g.mutex, NULL);
	pthread_mutex_init(&g.review_mutex, NULL);
	pthread_mutex_init(&g.grant_mutex, NULL);
	pthread_mutex_init(&g.index_mutex, NULL);
	(void)fcntl(FRAME_PARENT_FD, F_SETFD, FD_CLOEXEC);
	while (code == 0 && next_frame(&g, &f, &err) > 0)
		code = on_frame(&g, &f, &started);
	/* Without a supervisor there is no gate: at once, as after a crash. */
	_exit(code == 0 ? 1 : code - 1);
}
