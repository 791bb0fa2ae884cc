/* The roles below the supervisor: started, told, introduced to each other. */
#include "role/supervisor_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"
#include "role/saml_files.h"
#include "role/spawn.h"
#include "role/state_dir.h"

#define COURIER_RETRY_MS 200

int
supervisor_tell(int sock, enum msg_type type, uint32_t word, int fd,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) body = BUF_INIT(16);

	enc_u32(&body, word);
	return frame_send(sock, type, 0, buf_view(&body), &fd, fd >= 0 ? 1 : 0,
	    err);
}

/* -- what the roles are told -- */

int
supervisor_send_gate(struct supervisor *s, struct gg_error *err)
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

int
supervisor_send_courier(struct supervisor *s, int lock, struct gg_error *err)
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

int
supervisor_send_messenger(struct supervisor *s, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) slice = BUF_INIT((size_t)8 << 20);
	GG_AUTO_FD fd = -1;
	int rc;

	config_messenger_encode(s->now.config, &slice);
	if ((rc = buf_check(&slice, err)) != 0)
		return rc;
	if ((fd = fd_memfile("messenger-config", buf_view(&slice), err)) < 0)
		return err->code;
	return supervisor_tell(s->messenger.sock, MSG_MESSENGER_CONFIG,
	    s->generation, fd, err);
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
		rc = supervisor_tell(s->gate.sock, to_gate, (uint32_t)peer->pid,
		    b, err);
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

int
supervisor_start_gate(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-gate", s->config_file,
		sandbox_word(s->now.config), NULL };
	int rc;

	s->owed = 0; /* that was the last gate's */
	s->gate_ready = false;
	s->gate_began = s->generation;
	if ((rc = start_child(s, &s->gate, args[0], args, SPAWN_ENV_STORE,
		 SPAWN_ENDS_WITH_US, err)) != 0 ||
	    (rc = supervisor_send_gate(s, err)) != 0 ||
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

int
supervisor_start_courier(struct supervisor *s, struct gg_error *err)
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
	    (rc = supervisor_send_courier(s, lock, err)) != 0)
		return rc;
	s->courier_told = false;
	return introduce_courier(s, err);
}

int
supervisor_start_messenger(struct supervisor *s, struct gg_error *err)
{
	const char *const args[] = { "gitgate-messenger",
		sandbox_word(s->now.config), NULL };
	int rc;

	if ((rc = start_child(s, &s->messenger, args[0], args, SPAWN_ENV_LEAST,
		 SPAWN_ENDS_WITH_US, err)) != 0 ||
	    (rc = supervisor_send_messenger(s, err)) != 0)
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
	return supervisor_tell(s->gate.sock, told, (uint32_t)pid, sock, err);
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

int
supervisor_start_hook(struct supervisor *s, struct gg_error *err)
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
int
supervisor_start_saml(struct supervisor *s, const struct frame *wanted,
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

void
supervisor_pay_inspectors(struct supervisor *s)
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
