/*
 * Asking a hook program (docs/policy-cookbook.md, "External decisions"). It
 * runs in a hook runner; whatever goes wrong is an error, and policy denies
 * on an error.
 */
#include "role/gate_push.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/codec.h"

#include <string.h>

/* Beyond the program's own time: starting it and hearing of its end. */
#define HOOK_SLACK_MS 5000
#define MESSAGE_MAX   500

static bool
name_is_plain(const char *name)
{
	return *name != '\0' && *name != '.' && strchr(name, '/') == NULL &&
	    strlen(name) <= 100;
}

static int
send_job(const struct snapshot *snap, int sock, const char *program,
    struct view input, int output, struct gg_error *err)
{
	const struct config *c = snap->config;
	GG_AUTO_RELEASE(buf) body = BUF_INIT(8192);
	GG_AUTO_MEM char *path = path_f("%s/%s", c->hooks_dir, program);
	GG_AUTO_FD in = fd_memfile("hook-input", input, err);

	if (in < 0)
		return err->code;
	int fds[2] = { in, output };

	enc_str(&body, path);
	enc_u64(&body, c->limits.hook_ms);
	enc_u64(&body, c->limits.hook_bytes);
	if (buf_check(&body, err) != 0)
		return err->code;
	return frame_send(sock, MSG_JOB_HOOK, 0, buf_view(&body), fds, 2, err);
}

static int
wait_done(const struct snapshot *snap, int sock, struct gg_error *err)
{
	const struct limits *l = &snap->config->limits;
	int64_t deadline = clock_mono_ms() + (int64_t)l->hook_ms +
	    HOOK_SLACK_MS;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	int rc = frame_recv_until(sock, ROLE_HOOK, ROLE_GATE, deadline, &f,
	    err);

	if (rc == 0)
		return gg_fail(err, GG_E_UNAVAILABLE, "its runner ended");
	if (rc < 0)
		return rc;
	struct dec d = dec_of(f.body);
	uint32_t code = dec_u32(&d);
	bool late = dec_u8(&d) != 0;
	uint64_t bytes = dec_u64(&d);
	GG_AUTO_MEM char *words = dec_str(&d, 1000);

	if ((rc = dec_end(&d, err)) != 0)
		return rc;
	if (late)
		return gg_fail(err, GG_E_LIMIT,
		    "limit hook-time: no answer in time");
	if (bytes > l->hook_bytes)
		return gg_fail(err, GG_E_LIMIT,
		    "limit hook-output: it says too much");
	if (code != 0)
		return gg_fail(err, GG_E_REFUSED, "it ended with %u%s%.200s",
		    (unsigned)code, *words != '\0' ? ": " : "", words);
	return 0;
}

static int
verdict_of(const char *word, enum verdict *out)
{
	for (enum verdict v = VERDICT_DENY; v <= VERDICT_ALLOW; v++) {
		if (word != NULL && strcmp(word, verdict_name(v)) == 0) {
			*out = v;
			return 0;
		}
	}
	return -1;
}

/* {"verdict": "allow"|"hold"|"deny", "message": "..."} and nothing else. */
static int
read_answer(int fd, size_t max, struct hook_answer *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(max);
	const char *verdict = NULL, *message = "";
	json_error_t where;
	json_t *j;
	int rc;

	if ((rc = fd_pread_all(fd, &text, err)) != 0)
		return rc;
	j = json_loadb(text.n > 0 ? text.p : "", text.n, JSON_REJECT_DUPLICATES,
	    &where);
	if (j == NULL ||
	    json_unpack(j, "{s:s, s?s !}", "verdict", &verdict, "message",
		&message) != 0 ||
	    verdict_of(verdict, &out->verdict) != 0) {
		json_decref(j);
		return gg_fail(err, GG_E_PEER,
		    "its answer is not {\"verdict\": ..., \"message\": ...}");
	}
	out->message = path_f("%.*s", MESSAGE_MAX, message);
	json_decref(j);
	return 0;
}

/* Run it to its end; what it says goes to output. */
static int
run_hook(struct gate *g, const struct snapshot *snap, const char *program,
    struct view input, int output, struct gg_error *err)
{
	GG_AUTO_FD sock = -1;
	int rc;

	if (snap->config->hooks_dir == NULL || !name_is_plain(program))
		return gg_fail(err, GG_E_INPUT, "hooks-dir is not configured");
	if ((rc = hook_runner_take(g, &sock, err)) != 0 ||
	    (rc = send_job(snap, sock, program, input, output, err)) != 0)
		return rc;
	return wait_done(snap, sock, err);
}

int
gate_ask_hook(void *ctx, const char *program, const json_t *input,
    struct hook_answer *out, struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_FD output = fd_memfile("hook-output", view_str(""), err);
	GG_AUTO_MEM char *text = json_dumps(input, JSON_COMPACT);
	int rc;

	if (output < 0)
		return err->code;
	if (text == NULL)
		rc = gg_fail(err, GG_E_NOMEM, "hook input");
	else if ((rc = run_hook(g, snap, program, view_str(text), output,
		      err)) == 0)
		rc = read_answer(output,
		    (size_t)snap->config->limits.hook_bytes, out, err);
	if (rc != 0)
		log_event(EV_hook_failed, kv_str("hook", program), kv_err(err));
	return rc != 0 ? gg_wrap(err, rc, "hook %s", program) : 0;
}

int
gate_tell_hook(struct gate *g, const char *program, struct view input,
    struct gg_error *err)
{
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	GG_AUTO_FD output = fd_memfile("hook-output", view_str(""), err);

	if (output < 0)
		return err->code;
	return run_hook(g, snap, program, input, output, err);
}
