#include "role/supervisor_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "role/spawn.h"
#include "role/state_dir.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RESTART_QUICK_MS 2000
#define STOP_SLACK_MS    10000
#define OWED_MAX         64

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
		(void)!supervisor_send_messenger(s, &ignored);
	if (s->courier.pid != 0)
		(void)!supervisor_send_courier(s, -1, &ignored);
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
	restart(s, &s->courier, "courier", supervisor_start_courier);
	restart(s, &s->messenger, "messenger", supervisor_start_messenger);
	restart(s, &s->gate, "gate", supervisor_start_gate);
}

/* -- reload -- */

/* The messenger before the gate, which may have an errand by it at once. */
static int
tell_roles(struct supervisor *s, struct gg_error *err)
{
	int rc = 0;

	if (s->messenger.pid != 0)
		rc = supervisor_send_messenger(s, err);
	if (rc == 0 && s->gate.pid != 0)
		rc = supervisor_send_gate(s, err);
	if (rc == 0 && s->courier.pid != 0)
		rc = supervisor_send_courier(s, -1, err);
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
		supervisor_tell(s->gate.sock, MSG_SHUTDOWN, grace, -1, &err) !=
		    0))
		(void)kill(s->gate.pid, SIGKILL);
}

static void
stop_child(struct supervisor *s, const struct child *c, enum msg_type how)
{
	struct gg_error err = { 0 };

	if (c->pid != 0 &&
	    supervisor_tell(c->sock, how,
		(uint32_t)s->now.config->limits.grace_ms, -1, &err) != 0)
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
		if (rc < 0)
			log_event(EV_role_died, kv_str("process", "gate"),
			    kv_err(&err));
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
		supervisor_pay_inspectors(s);
	}
	if (f.type == MSG_HOOK_WANTED && supervisor_start_hook(s, &err) != 0)
		log_event(EV_hook_failed, kv_err(&err));
	if (f.type == MSG_SAML_WANTED &&
	    supervisor_start_saml(s, &f, &err) != 0)
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
		supervisor_pay_inspectors(s);
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
		supervisor_pay_inspectors(s);
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
