#include "role/supervisor.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "policy/policy.h"
#include "role/hook_check.h"
#include "role/notify.h"
#include "role/saml_files.h"
#include "role/spawn.h"
#include "role/witness_policy.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RESTART_PAUSE_MS 1000
#define RESTART_QUICK_MS 2000
#define STOP_SLACK_MS    10000
#define WORKERS_MAX      256
#define OWED_MAX         64

struct child {
	pid_t pid;          /* 0: not running */
	int sock;           /* our end of its parent socket */
	int64_t started;    /* mono ms */
	int64_t not_before; /* mono ms: when it may be started again */
};

struct supervisor {
	const char *config_file;
	struct config *config; /* owned: the one in force */
	char *bin_dir;
	char *run_dir;
	bool own_run_dir;
	struct child gate, courier, messenger;
	pid_t workers[WORKERS_MAX];
	uint32_t owed;     /* inspectors that the gate waits for */
	int64_t owed_from; /* mono ms: not before */
	uint32_t generation;
	struct buf witness_policy; /* the text of the config's file */
	int signals;
	struct notify notify;
	bool stopping;
	bool fatal; /* a role said that it cannot start */
};

static int
send_fd(int sock, enum msg_type type, uint32_t word, int fd,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);

	enc_u32(&body, word);
	return frame_send(sock, type, 0, buf_view(&body), &fd, fd >= 0 ? 1 : 0,
	    err);
}

/* -- what the roles are told -- */

static int
send_config(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT((size_t)1 << 20);
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_FD fd = -1, policy = -1;
	int rc;

	if ((rc = file_read(s->config_file, &text, err)) != 0)
		return rc;
	if ((fd = fd_memfile("config", buf_view(&text), err)) < 0)
		return err->code;
	if (s->witness_policy.n > 0 &&
	    (policy = fd_memfile("policy", buf_view(&s->witness_policy), err)) <
		0)
		return err->code;
	enc_u32(&body, s->generation);
	return frame_send(s->gate.sock, MSG_CONFIG, 0, buf_view(&body),
	    (const int[]){ fd, policy }, policy >= 0 ? 2 : 1, err);
}

static int
send_courier_config(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) slice = BUF_INIT((size_t)8 << 20);
	GG_AUTO_FD fd = -1;
	int rc;

	config_courier_encode(s->config, &slice);
	if ((rc = buf_check(&slice, err)) != 0)
		return rc;
	if ((fd = fd_memfile("courier-config", buf_view(&slice), err)) < 0)
		return err->code;
	return send_fd(s->courier.sock, MSG_COURIER_CONFIG, s->generation, fd,
	    err);
}

static int
send_messenger_config(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) slice = BUF_INIT((size_t)8 << 20);
	GG_AUTO_FD fd = -1;
	int rc;

	config_messenger_encode(s->config, &slice);
	if ((rc = buf_check(&slice, err)) != 0)
		return rc;
	if ((fd = fd_memfile("messenger-config", buf_view(&slice), err)) < 0)
		return err->code;
	return send_fd(s->messenger.sock, MSG_MESSENGER_CONFIG, s->generation,
	    fd, err);
}

/* A fresh socket pair between gate and another role, one end to each: to_gate
 * is the message that the gate gets, to_peer the other's. */
static int
introduce(struct supervisor *s, const struct child *peer, enum msg_type to_peer,
    enum msg_type to_gate, struct gg_error *err)
{
	int sv[2], rc;

	if (s->gate.pid == 0 || peer->pid == 0)
		return 0;
	if ((rc = frame_pair(sv, err)) != 0)
		return rc;
	GG_AUTO_FD a = sv[0], b = sv[1];

	rc = frame_send(peer->sock, to_peer, 0, view_str(""), &a, 1, err);
	if (rc == 0)
		rc = send_fd(s->gate.sock, to_gate, (uint32_t)peer->pid, b,
		    err);
	return rc;
}

static int
introduce_courier(struct supervisor *s, struct gg_error *err)
{
	return introduce(s, &s->courier, MSG_COURIER_GATE, MSG_COURIER, err);
}

static int
introduce_messenger(struct supervisor *s, struct gg_error *err)
{
	return introduce(s, &s->messenger, MSG_MESSENGER_GATE, MSG_MESSENGER,
	    err);
}

/* -- starting -- */

static int
start_child(struct supervisor *s, struct child *c, const char *name,
    const char *const *args, enum spawn_env env, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", s->bin_dir, name);
	int rc = spawn_role(path, args, env, &c->pid, &c->sock, err);

	if (rc != 0)
		return rc;
	c->started = clock_mono_ms();
	return 0;
}

static const char *
sandbox_word(const struct config *c)
{
	return c->sandbox == SANDBOX_REQUIRED ? "required" : "best-effort";
}

static int
start_gate(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-gate", s->config_file,
		sandbox_word(s->config), NULL };
	int rc;

	s->owed = 0; /* that was the last gate's */
	if ((rc = start_child(s, &s->gate, args[0], args, SPAWN_ENV_STORE,
		 err)) != 0 ||
	    (rc = send_config(s, err)) != 0 ||
	    (rc = introduce_courier(s, err)) != 0)
		return rc;
	return introduce_messenger(s, err);
}

static int
start_courier(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-courier", s->run_dir,
		sandbox_word(s->config), NULL };
	int rc;

	if ((rc = start_child(s, &s->courier, args[0], args, SPAWN_ENV_ALL,
		 err)) != 0 ||
	    (rc = send_courier_config(s, err)) != 0)
		return rc;
	return introduce_courier(s, err);
}

static int
start_messenger(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-messenger",
		sandbox_word(s->config), NULL };
	int rc;

	if ((rc = start_child(s, &s->messenger, args[0], args, SPAWN_ENV_LEAST,
		 err)) != 0 ||
	    (rc = send_messenger_config(s, err)) != 0)
		return rc;
	return introduce_messenger(s, err);
}

/* A process for one job. *sock: our end. */
static int
spawn_worker(struct supervisor *s, const char *path, const char *const *args,
    pid_t *pid, int *sock, struct gg_error *err)
{
	size_t slot = 0;
	int rc;

	while (slot < WORKERS_MAX && s->workers[slot] != 0)
		slot++;
	if (slot == WORKERS_MAX)
		return gg_fail(err, GG_E_LIMIT, "too many inspectors");
	if ((rc = spawn_role(path, args, SPAWN_ENV_LEAST, pid, sock, err)) == 0)
		s->workers[slot] = *pid;
	return rc;
}

/* One whose socket goes to the gate. */
static int
start_worker(struct supervisor *s, const char *path, const char *const *args,
    enum msg_type told, struct gg_error *err)
{
	GG_AUTO_FD sock = -1;
	pid_t pid;
	int rc = spawn_worker(s, path, args, &pid, &sock, err);

	if (rc != 0)
		return rc;
	return send_fd(s->gate.sock, told, (uint32_t)pid, sock, err);
}

static int
start_inspector(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-inspector", s->bin_dir);
	GG_AUTO_MEM char *mirrors = path_f("%s/mirrors", s->config->state_dir);
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine",
	    s->config->state_dir);
	const char *const args[] = { "gitgate-inspector", mirrors, quarantine,
		sandbox_word(s->config), NULL };

	return start_worker(s, path, args, MSG_INSPECTOR, err);
}

static int
start_hook(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-hook", s->bin_dir);
	const char *const args[] = { "gitgate-hook", s->config->hooks_dir,
		sandbox_word(s->config), NULL };

	if (s->config->hooks_dir == NULL)
		return gg_fail(err, GG_E_INPUT, "hooks-dir is not configured");
	return start_worker(s, path, args, MSG_HOOK_RUNNER, err);
}

/* It gets its files from here before the gate may speak to it. */
static int
start_saml(struct supervisor *s, const struct frame *wanted,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-saml", s->bin_dir);
	const char *const args[] = { "gitgate-saml", sandbox_word(s->config),
		NULL };
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_FD sock = -1;
	pid_t pid;
	int rc;

	if ((rc = spawn_worker(s, path, args, &pid, &sock, err)) != 0 ||
	    (rc = saml_files_send(sock, s->config, wanted->body, err)) != 0)
		return rc;
	enc_u32(&body, (uint32_t)pid);
	return frame_send(s->gate.sock, MSG_SAML_RUNNER, wanted->id,
	    buf_view(&body), &sock, 1, err);
}

/* Start what is owed. One that fails now (no process, no file) is tried again:
 * the gate asks once for each, and its pool would shrink for good. */
static void
pay_inspectors(struct supervisor *s)
{
	struct gg_error err = { 0 };

	while (s->owed > 0 && s->gate.pid != 0 &&
	    clock_mono_ms() >= s->owed_from) {
		if (start_inspector(s, &err) != 0) {
			log_event(EV_inspector_failed, kv_err(&err));
			s->owed_from = clock_mono_ms() + RESTART_PAUSE_MS;
			return;
		}
		s->owed--;
	}
}

/* -- what ended -- */

static void
schedule_restart(struct child *c)
{
	int64_t now = clock_mono_ms();
	bool quick = now - c->started < RESTART_QUICK_MS;

	fd_close(fd_take(&c->sock));
	c->pid = 0;
	c->not_before = now + (quick ? RESTART_PAUSE_MS : 0);
}

static void
child_ended(struct supervisor *s, struct child *c, const char *name, int status)
{
	bool clean = WIFEXITED(status) &&
	    (WEXITSTATUS(status) == ROLE_EXIT_OK ||
		WEXITSTATUS(status) == ROLE_EXIT_RESTART);

	if (WIFEXITED(status) && WEXITSTATUS(status) == ROLE_EXIT_CONFIG)
		s->fatal = true;
	if (!s->stopping && !clean)
		log_event(EV_role_died, kv_str("process", name),
		    kv_u64("status", (uint64_t)status));
	schedule_restart(c);
	if (clean)
		c->not_before = 0;
}

static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->gate.pid)
			child_ended(s, &s->gate, "gate", status);
		else if (pid == s->courier.pid)
			child_ended(s, &s->courier, "courier", status);
		else if (pid == s->messenger.pid)
			child_ended(s, &s->messenger, "messenger", status);
		for (size_t i = 0; i < WORKERS_MAX; i++)
			if (s->workers[i] == pid)
				s->workers[i] = 0;
	}
}

static void
restart(struct supervisor *s, const struct child *c, const char *name,
    int (*start)(struct supervisor *s, struct gg_error *err))
{
	struct gg_error err = { 0 };

	if (c->pid == 0 && clock_mono_ms() >= c->not_before &&
	    start(s, &err) != 0)
		log_event(EV_role_died, kv_str("process", name), kv_err(&err));
}

static void
restart_missing(struct supervisor *s)
{
	if (s->stopping || s->fatal)
		return;
	restart(s, &s->courier, "courier", start_courier);
	restart(s, &s->messenger, "messenger", start_messenger);
	restart(s, &s->gate, "gate", start_gate);
}

/* -- reload -- */

static int
check_policy(const struct config *c, struct gg_error *err)
{
	GG_AUTO(ruleset) rs = NULL;

	int rc = ruleset_load(c->policy_dir, &rs, NULL, err);

	return rc != 0 ? rc : hooks_check(c, rs, err);
}

static bool
same_place(const struct config *a, const struct config *b)
{
	return strcmp(a->state_dir, b->state_dir) == 0 &&
	    strcmp(a->policy_dir, b->policy_dir) == 0 &&
	    strcmp(a->store, b->store) == 0 &&
	    strcmp(a->listen_host, b->listen_host) == 0 &&
	    a->listen_port == b->listen_port && a->sandbox == b->sandbox;
}

static void
log_doubts(const struct config *c)
{
	for (size_t i = 0; i < c->warnings.n; i++)
		log_event(EV_config_doubtful, kv_str("why", c->warnings.v[i]));
}

/* The configuration, and what the witness policy that it names says. */
static int
load_config(const char *file, struct config **out, struct buf *policy,
    struct gg_error *err)
{
	GG_AUTO(config) c = NULL;
	int rc;

	buf_init(policy, TLOG_POLICY_MAX_BYTES + 1);
	if ((rc = config_load(file, &c, err)) != 0 ||
	    (rc = witness_policy_read(c, policy, err)) != 0 ||
	    (rc = witness_policy_apply(c, buf_view(policy), NULL, err)) != 0)
		return rc;
	*out = gg_take(c);
	return 0;
}

static int
load_again(struct supervisor *s, struct config **out, struct buf *policy,
    struct gg_error *err)
{
	GG_AUTO(config) c = NULL;
	int rc;

	if ((rc = load_config(s->config_file, &c, policy, err)) != 0 ||
	    (rc = check_policy(c, err)) != 0)
		return rc;
	if (!same_place(s->config, c))
		return gg_fail(err, GG_E_INPUT,
		    "listen, state-dir, policy-dir, store and sandbox change "
		    "only with a restart");
	log_doubts(c);
	*out = gg_take(c);
	return 0;
}

static void
reload_refused(struct supervisor *s, const struct gg_error *err)
{
	log_event(EV_reload_failed, kv_err(err));
	notify_ready(&s->notify,
	    "reload refused, the old configuration is in force (see the log)");
}

static void
reload(struct supervisor *s)
{
	GG_AUTO_RELEASE(buf) policy = { 0 };
	GG_AUTO(config) c = NULL;
	struct gg_error err = { 0 };
	struct config *old;
	int rc;

	notify_reloading(&s->notify);
	if ((rc = load_again(s, &c, &policy, &err)) == 0) {
		old = s->config;
		s->config = gg_take(c);
		config_free(old);
		buf_release(&s->witness_policy);
		s->witness_policy = policy;
		policy = (struct buf){ 0 };
		s->generation++;
		/* Before the gate, which may have an errand by it at once. */
		if (s->messenger.pid != 0)
			rc = send_messenger_config(s, &err);
		if (rc == 0 && s->gate.pid != 0)
			rc = send_config(s, &err);
		if (rc == 0 && s->courier.pid != 0)
			rc = send_courier_config(s, &err);
	}
	if (rc != 0)
		reload_refused(s, &err);
}

/* -- the loop -- */

static void
stop(struct supervisor *s)
{
	uint32_t grace = (uint32_t)s->config->limits.grace_ms;
	struct gg_error err = { 0 };

	if (s->stopping)
		return;
	s->stopping = true;
	notify_stopping(&s->notify);
	log_event(EV_stopping, kv_u64("grace_ms", grace));
	if (s->gate.pid != 0 &&
	    send_fd(s->gate.sock, MSG_SHUTDOWN, grace, -1, &err) != 0)
		(void)kill(s->gate.pid, SIGKILL);
}

static void
stop_child(struct supervisor *s, const struct child *c, enum msg_type how)
{
	struct gg_error err = { 0 };

	if (c->pid != 0 &&
	    send_fd(c->sock, how, (uint32_t)s->config->limits.grace_ms, -1,
		&err) != 0)
		(void)kill(c->pid, SIGKILL);
}

static void
on_signals(struct supervisor *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(s);
		else if (si.ssi_signo == SIGHUP)
			reload(s);
		else
			stop(s);
	}
}

static void
on_config_taken(struct supervisor *s, const struct frame *f)
{
	struct dec d = dec_of(f->body);
	uint32_t generation = dec_u32(&d);
	bool ok = dec_u8(&d) != 0;
	GG_AUTO_MEM char *why = dec_str(&d, 500);

	if (d.failed || generation != s->generation)
		return;
	struct gg_error err = { 0 };

	if (!ok) {
		gg_fail(&err, GG_E_INPUT, "%s", why);
		reload_refused(s, &err);
		return;
	}
	log_event(EV_reloaded, kv_u64("generation", generation));
	notify_ready(&s->notify, "serving, configuration reloaded");
}

static void
on_gate(struct supervisor *s)
{
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	struct gg_error err = { 0 };
	int rc = frame_recv(s->gate.sock, ROLE_GATE, ROLE_SUPERVISOR, &f, &err);

	if (rc <= 0) {
		/* Gone, or it broke the protocol: end it; reap() goes on. */
		if (s->gate.pid != 0)
			(void)kill(s->gate.pid, SIGKILL);
		fd_close(fd_take(&s->gate.sock));
		return;
	}
	if (f.type == MSG_READY)
		notify_ready(&s->notify, "serving");
	if (f.type == MSG_CONFIG_TAKEN)
		on_config_taken(s, &f);
	if (f.type == MSG_INSPECTOR_WANTED) {
		struct dec d = dec_of(f.body);
		uint32_t n = dec_u32(&d);

		s->owed += n < OWED_MAX ? n : OWED_MAX;
		pay_inspectors(s);
	}
	if (f.type == MSG_HOOK_WANTED && start_hook(s, &err) != 0)
		log_event(EV_hook_failed, kv_err(&err));
	if (f.type == MSG_SAML_WANTED && start_saml(s, &f, &err) != 0)
		log_event(EV_saml_failed, kv_err(&err));
}

static void
poll_once(struct supervisor *s)
{
	struct pollfd p[2] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->gate.sock, .events = POLLIN },
	};

	if (poll(p, 2, 200) <= 0)
		return;
	if (p[1].revents != 0)
		on_gate(s);
	if (p[0].revents != 0)
		on_signals(s);
}

static void
kill_all(const struct supervisor *s)
{
	const struct child *all[] = { &s->gate, &s->courier, &s->messenger };

	for (size_t i = 0; i < GG_COUNT(all); i++)
		if (all[i]->pid != 0)
			(void)kill(all[i]->pid, SIGKILL);
}

static void
run(struct supervisor *s)
{
	int64_t deadline = 0;
	bool told = false;

	while (!s->stopping && !s->fatal) {
		restart_missing(s);
		pay_inspectors(s);
		poll_once(s);
	}
	stop(s);
	deadline = clock_mono_ms() + (int64_t)s->config->limits.grace_ms +
	    STOP_SLACK_MS;
	while (s->gate.pid != 0 || s->courier.pid != 0 ||
	    s->messenger.pid != 0) {
		/* The gate has finished: nobody needs the others any more. */
		if (s->gate.pid == 0 && !told) {
			stop_child(s, &s->courier, MSG_COURIER_SHUTDOWN);
			stop_child(s, &s->messenger, MSG_MESSENGER_SHUTDOWN);
			told = true;
		}
		if (clock_mono_ms() > deadline)
			kill_all(s);
		pay_inspectors(s);
		poll_once(s);
	}
}

/* -- setting up -- */

static int
block_signals(struct supervisor *s, struct gg_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return gg_fail(err, GG_E_SYS, "sigprocmask");
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return gg_fail(err, GG_E_SYS, "signalfd");
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int
make_state(const struct config *c, struct gg_error *err)
{
	static const char *const dirs[] = { "", "/mirrors", "/quarantine",
		"/pushes", "/log" };
	int rc = 0;

	for (size_t i = 0; i < GG_COUNT(dirs) && rc == 0; i++) {
		GG_AUTO_MEM char *d = path_f("%s%s", c->state_dir, dirs[i]);

		rc = dir_make(d, 0700, err);
	}
	return rc;
}

/* Sockets of shared ssh connections need a short path. */
static int
make_run_dir(struct supervisor *s, struct gg_error *err)
{
	const char *given = getenv("RUNTIME_DIRECTORY");
	char tmp[] = "/tmp/gitgate-XXXXXX";

	if (given != NULL && *given == '/') {
		s->run_dir = path_f("%s/ssh", given);
		return dir_make(s->run_dir, 0700, err);
	}
	if (mkdtemp(tmp) == NULL)
		return gg_fail(err, GG_E_SYS, "directory for ssh sockets");
	s->run_dir = path_f("%s", tmp);
	s->own_run_dir = true;
	return 0;
}

static int
check_kernel(const struct config *c, struct gg_error *err)
{
	if (sandbox_landlock_abi() > 0 && sandbox_has_seccomp())
		return 0;
	if (c->sandbox == SANDBOX_REQUIRED)
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "this kernel lacks %s; set `sandbox: best-effort` to run "
		    "with weaker walls",
		    sandbox_landlock_abi() > 0 ? "seccomp" : "Landlock");
	log_event(EV_sandbox_weak,
	    kv_u64("landlock_abi", (uint64_t)sandbox_landlock_abi()));
	return 0;
}

static int
set_up(struct supervisor *s, struct gg_error *err)
{
	int rc;

	if ((rc = check_kernel(s->config, err)) != 0 ||
	    (rc = check_policy(s->config, err)) != 0 ||
	    (rc = make_state(s->config, err)) != 0 ||
	    (rc = spawn_find_dir(&s->bin_dir, err)) != 0 ||
	    (rc = make_run_dir(s, err)) != 0 ||
	    (rc = notify_open(&s->notify, err)) != 0)
		return rc;
	return block_signals(s, err);
}

int
supervisor_run(const char *config_file, struct gg_error *err)
{
	struct supervisor s = { .config_file = config_file,
		.gate.sock = -1,
		.courier.sock = -1,
		.messenger.sock = -1,
		.signals = -1,
		.notify = NOTIFY_INIT };
	struct gg_error ignored;
	int rc;

	log_setup("supervisor", LOG_INFO);
	(void)umask(077);
	rc = load_config(config_file, &s.config, &s.witness_policy, err);
	if (rc != 0) {
		buf_release(&s.witness_policy);
		return rc;
	}
	log_doubts(s.config);
	rc = set_up(&s, err);
	if (rc == 0) {
		log_event(EV_started, kv_str("version", GG_VERSION));
		run(&s);
		if (s.fatal)
			rc = gg_fail(err, GG_E_INPUT,
			    "the gate could not start; its message is above");
	}
	if (s.own_run_dir)
		(void)dir_remove(s.run_dir, &ignored);
	free(s.run_dir);
	free(s.bin_dir);
	notify_close(&s.notify);
	fd_close(s.signals);
	fd_close(s.gate.sock);
	fd_close(s.courier.sock);
	fd_close(s.messenger.sock);
	buf_release(&s.witness_policy);
	config_free(s.config);
	return rc;
}
