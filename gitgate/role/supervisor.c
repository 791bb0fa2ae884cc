#include "role/supervisor.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "ipc/frame.h"
#include "role/loaded.h"
#include "role/notify.h"
#include "role/saml_files.h"
#include "role/spawn.h"
#include "role/state_dir.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RESTART_PAUSE_MS 1000
#define RESTART_QUICK_MS 2000
#define COURIER_RETRY_MS 200
#define STOP_SLACK_MS    10000
#define WORKERS_MAX      256
#define OWED_MAX         64

struct child {
	pid_t pid;          /* 0: not running */
	int sock;           /* our end of its parent socket */
	int64_t started;    /* mono ms */
	int64_t not_before; /* mono ms: when it may be started again */
};

struct worker {
	pid_t pid;        /* 0: a free place */
	bool ends_itself; /* and what it began */
};

struct supervisor {
	const char *config_file;
	struct loaded now; /* owned: what is in force */
	struct loaded old; /* owned: what was, until the gate has taken now */
	int lock;          /* of the state directory */
	int run_lock;      /* of run_dir, where it is our own */
	char *bin_dir;
	char *run_dir;
	bool own_run_dir;
	struct child gate, courier, messenger;
	struct worker workers[WORKERS_MAX];
	bool courier_told; /* that another one is waited for */
	bool gate_ready;
	uint32_t owed;     /* inspectors that the gate waits for */
	int64_t owed_from; /* mono ms: not before */
	uint32_t generation;
	uint32_t gate_began; /* the generation that it was started with */
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
	const struct loaded *l = &s->now;
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_FD fd = -1, policy = -1;

	/* As it was read then: whoever edits the file has not said reload. */
	if ((fd = fd_memfile("config", buf_view(&l->text), err)) < 0)
		return err->code;
	if (l->witness_policy.n > 0 &&
	    (policy = fd_memfile("policy", buf_view(&l->witness_policy), err)) <
		0)
		return err->code;
	enc_u32(&body, s->generation);
	return frame_send(s->gate.sock, MSG_CONFIG, 0, buf_view(&body),
	    (const int[]){ fd, policy }, policy >= 0 ? 2 : 1, err);
}

/* lock: -1, it has it already. */
static int
send_courier_config(struct supervisor *s, int lock, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) slice = BUF_INIT((size_t)8 << 20);
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_FD fd = -1;
	int rc;

	config_courier_encode(s->now.config, &slice);
	if ((rc = buf_check(&slice, err)) != 0)
		return rc;
	if ((fd = fd_memfile("courier-config", buf_view(&slice), err)) < 0)
		return err->code;
	enc_u32(&body, s->generation);
	return frame_send(s->courier.sock, MSG_COURIER_CONFIG, 0,
	    buf_view(&body), (const int[]){ fd, lock }, lock >= 0 ? 2 : 1, err);
}

static int
send_messenger_config(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) slice = BUF_INIT((size_t)8 << 20);
	GG_AUTO_FD fd = -1;
	int rc;

	config_messenger_encode(s->now.config, &slice);
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
    const char *const *args, enum spawn_env env, enum spawn_end end,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", s->bin_dir, name);
	int rc = spawn_role(path, args, env, end, &c->pid, &c->sock, err);

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
		sandbox_word(s->now.config), NULL };
	int rc;

	s->owed = 0; /* that was the last gate's */
	s->gate_ready = false;
	s->gate_began = s->generation;
	if ((rc = start_child(s, &s->gate, args[0], args, SPAWN_ENV_STORE,
		 SPAWN_ENDS_WITH_US, err)) != 0 ||
	    (rc = send_config(s, err)) != 0 ||
	    (rc = introduce_courier(s, err)) != 0)
		return rc;
	return introduce_messenger(s, err);
}

/*
 * Two couriers must not push at a time: what the one still has on its way, the
 * gate would take for lost while it asks the other one.
 */
static int
wait_for_courier(struct supervisor *s, const struct gg_error *why)
{
	if (!s->courier_told)
		log_event(EV_start_waits, kv_str("for", "courier"),
		    kv_err(why));
	s->courier_told = true;
	s->courier.not_before = clock_mono_ms() + COURIER_RETRY_MS;
	return 0;
}

static int
start_courier(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-courier", s->run_dir,
		sandbox_word(s->now.config), NULL };
	GG_AUTO_FD lock = -1;
	int rc = state_dir_courier(s->now.config->state_dir, &lock, err);

	if (rc == GG_E_EXISTS)
		return wait_for_courier(s, err);
	if (rc != 0 ||
	    (rc = start_child(s, &s->courier, args[0], args, SPAWN_ENV_ALL,
		 SPAWN_ENDS_ITSELF, err)) != 0 ||
	    (rc = send_courier_config(s, lock, err)) != 0)
		return rc;
	s->courier_told = false;
	return introduce_courier(s, err);
}

static int
start_messenger(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-messenger",
		sandbox_word(s->now.config), NULL };
	int rc;

	if ((rc = start_child(s, &s->messenger, args[0], args, SPAWN_ENV_LEAST,
		 SPAWN_ENDS_WITH_US, err)) != 0 ||
	    (rc = send_messenger_config(s, err)) != 0)
		return rc;
	return introduce_messenger(s, err);
}

/* A process for one job. *sock: our end. */
static int
spawn_worker(struct supervisor *s, const char *path, const char *const *args,
    enum spawn_end end, pid_t *pid, int *sock, struct gg_error *err)
{
	size_t slot = 0;
	int rc;

	while (slot < WORKERS_MAX && s->workers[slot].pid != 0)
		slot++;
	if (slot == WORKERS_MAX)
		return gg_fail(err, GG_E_LIMIT, "too many inspectors");
	rc = spawn_role(path, args, SPAWN_ENV_LEAST, end, pid, sock, err);
	if (rc == 0)
		s->workers[slot] = (struct worker){ *pid,
			end == SPAWN_ENDS_ITSELF };
	return rc;
}

/* One whose socket goes to the gate. */
static int
start_worker(struct supervisor *s, const char *path, const char *const *args,
    enum spawn_end end, enum msg_type told, struct gg_error *err)
{
	GG_AUTO_FD sock = -1;
	pid_t pid;
	int rc = spawn_worker(s, path, args, end, &pid, &sock, err);

	if (rc != 0)
		return rc;
	return send_fd(s->gate.sock, told, (uint32_t)pid, sock, err);
}

static int
start_inspector(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-inspector", s->bin_dir);
	GG_AUTO_MEM char *mirrors = path_f("%s/mirrors",
	    s->now.config->state_dir);
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine",
	    s->now.config->state_dir);
	const char *const args[] = { "gitgate-inspector", mirrors, quarantine,
		sandbox_word(s->now.config), NULL };

	return start_worker(s, path, args, SPAWN_ENDS_WITH_US, MSG_INSPECTOR,
	    err);
}

static int
start_hook(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-hook", s->bin_dir);
	const char *const args[] = { "gitgate-hook", s->now.config->hooks_dir,
		sandbox_word(s->now.config), NULL };

	if (s->now.config->hooks_dir == NULL)
		return gg_fail(err, GG_E_INPUT, "hooks-dir is not configured");
	return start_worker(s, path, args, SPAWN_ENDS_ITSELF, MSG_HOOK_RUNNER,
	    err);
}

/* It gets its files from here before the gate may speak to it. */
static int
start_saml(struct supervisor *s, const struct frame *wanted,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-saml", s->bin_dir);
	const char *const args[] = { "gitgate-saml",
		sandbox_word(s->now.config), NULL };
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);
	GG_AUTO_FD sock = -1;
	pid_t pid;
	int rc;

	if ((rc = spawn_worker(s, path, args, SPAWN_ENDS_WITH_US, &pid, &sock,
		 err)) != 0 ||
	    (rc = saml_files_send(sock, s->now.config, wanted->body, err)) != 0)
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

/* -- the configuration that the gate takes, or does not -- */

/* The other roles have it already: they get the old one again. One that
 * cannot be told is ending, and the next gets it. */
static void
take_back(struct supervisor *s)
{
	struct gg_error ignored;

	if (s->old.config == NULL)
		return;
	loaded_release(&s->now);
	s->now = s->old;
	s->old = (struct loaded){ 0 };
	s->generation++;
	if (s->messenger.pid != 0)
		(void)!send_messenger_config(s, &ignored);
	if (s->courier.pid != 0)
		(void)!send_courier_config(s, -1, &ignored);
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
		    WIFSIGNALED(status) ?
			kv_u64("signal", (uint64_t)WTERMSIG(status)) :
			kv_u64("exit", (uint64_t)WEXITSTATUS(status)));
	schedule_restart(c);
	if (clean)
		c->not_before = 0;
}

/* The next gate finds nobody who writes where it cleans up. */
static void
kill_workers(const struct supervisor *s)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (s->workers[i].pid != 0 && !s->workers[i].ends_itself)
			(void)kill(s->workers[i].pid, SIGKILL);
}

static void
gate_ended(struct supervisor *s, int status)
{
	child_ended(s, &s->gate, "gate", status);
	kill_workers(s);
}

static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->gate.pid)
			gate_ended(s, status);
		else if (pid == s->courier.pid)
			child_ended(s, &s->courier, "courier", status);
		else if (pid == s->messenger.pid)
			child_ended(s, &s->messenger, "messenger", status);
		for (size_t i = 0; i < WORKERS_MAX; i++)
			if (s->workers[i].pid == pid)
				s->workers[i].pid = 0;
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

/* The messenger before the gate, which may have an errand by it at once. */
static int
tell_roles(struct supervisor *s, struct gg_error *err)
{
	int rc = 0;

	if (s->messenger.pid != 0)
		rc = send_messenger_config(s, err);
	if (rc == 0 && s->gate.pid != 0)
		rc = send_config(s, err);
	if (rc == 0 && s->courier.pid != 0)
		rc = send_courier_config(s, -1, err);
	return rc;
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
	GG_AUTO_RELEASE(loaded) fresh = { 0 };
	struct gg_error err = { 0 };
	int rc;

	notify_reloading(&s->notify);
	if ((rc = loaded_again(s->config_file, s->now.config, &fresh, &err)) ==
	    0) {
		loaded_release(&s->old);
		s->old = s->now;
		s->now = fresh;
		fresh = (struct loaded){ 0 };
		s->generation++;
		rc = tell_roles(s, &err);
	}
	if (rc != 0)
		reload_refused(s, &err);
	else if (s->gate.pid == 0) /* the next one starts with it */
		log_event(EV_reloaded, kv_u64("generation", s->generation));
}

/* -- the loop -- */

static void
stop(struct supervisor *s)
{
	uint32_t grace = (uint32_t)s->now.config->limits.grace_ms;
	struct gg_error err = { 0 };

	if (s->stopping)
		return;
	s->stopping = true;
	notify_stopping(&s->notify);
	log_event(EV_stopping, kv_u64("grace_ms", grace));
	/* One that has not started yet has nothing in hand, and may wait. */
	if (s->gate.pid != 0 &&
	    (!s->gate_ready ||
		send_fd(s->gate.sock, MSG_SHUTDOWN, grace, -1, &err) != 0))
		(void)kill(s->gate.pid, SIGKILL);
}

static void
stop_child(struct supervisor *s, const struct child *c, enum msg_type how)
{
	struct gg_error err = { 0 };

	if (c->pid != 0 &&
	    send_fd(c->sock, how, (uint32_t)s->now.config->limits.grace_ms, -1,
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
		else if (si.ssi_signo != SIGHUP)
			stop(s);
		else if (!s->stopping)
			reload(s);
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
		take_back(s);
		reload_refused(s, &err);
		return;
	}
	loaded_release(&s->old);
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
	if (f.type == MSG_READY) {
		s->gate_ready = true;
		if (s->gate_began == s->generation)
			loaded_release(&s->old);
		notify_ready(&s->notify, "serving");
	}
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

	on_signals(s); /* what came before there was anything to stop */
	while (!s->stopping && !s->fatal) {
		restart_missing(s);
		pay_inspectors(s);
		poll_once(s);
	}
	stop(s);
	deadline = clock_mono_ms() + (int64_t)s->now.config->limits.grace_ms +
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

/* Sockets of shared ssh connections need a short path. */
static int
make_run_dir(struct supervisor *s, struct gg_error *err)
{
	const char *given = getenv("RUNTIME_DIRECTORY");

	if (given != NULL && *given == '/') {
		s->run_dir = path_f("%s/ssh", given);
		return dir_make(s->run_dir, 0700, err);
	}
	s->own_run_dir = true;
	return state_dir_make_run(s->now.config->state_dir, &s->run_dir,
	    &s->run_lock, err);
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

/* As state_dir_take(). */
static int
set_up(struct supervisor *s, struct gg_error *err)
{
	const struct config *c = s->now.config;
	int rc;

	if ((rc = check_kernel(c, err)) != 0 ||
	    (rc = loaded_check_policy(&s->now, err)) != 0 ||
	    (rc = state_dir_take(c->state_dir, &s->lock, err)) != 0 ||
	    (rc = spawn_find_dir(&s->bin_dir, err)) != 0 ||
	    (rc = make_run_dir(s, err)) != 0)
		return rc;
	return notify_open(&s->notify, err);
}

/* Signals first: one that comes while we start must not be lost, nor end us
 * with something half made. */
static int
begin(struct supervisor *s, struct gg_error *err)
{
	int rc;

	if ((rc = block_signals(s, err)) != 0 ||
	    (rc = loaded_read(s->config_file, &s->now, err)) != 0)
		return rc;
	loaded_log_doubts(&s->now);
	return set_up(s, err);
}

int
supervisor_run(const char *config_file, struct gg_error *err)
{
	struct supervisor s = { .config_file = config_file,
		.gate.sock = -1,
		.courier.sock = -1,
		.messenger.sock = -1,
		.signals = -1,
		.lock = -1,
		.run_lock = -1,
		.notify = NOTIFY_INIT };
	struct gg_error ignored;
	int rc;

	log_setup("supervisor", LOG_INFO);
	(void)umask(077);
	rc = begin(&s, err);
	if (rc > 0) {
		rc = 0; /* it was to stop while it waited */
	} else if (rc == 0) {
		log_event(EV_started, kv_str("version", GG_VERSION));
		run(&s);
		if (s.fatal)
			rc = gg_fail(err, GG_E_INPUT,
			    "the gate could not start; its message is above");
	}
	if (s.own_run_dir && s.run_dir != NULL)
		(void)dir_remove(s.run_dir, &ignored);
	free(s.run_dir);
	free(s.bin_dir);
	notify_close(&s.notify);
	fd_close(s.signals);
	fd_close(s.gate.sock);
	fd_close(s.courier.sock);
	fd_close(s.messenger.sock);
	loaded_release(&s.now);
	loaded_release(&s.old);
	fd_close(s.run_lock);
	fd_close(s.lock);
	return rc;
}
