/*
 * Secret rules in force: read with the policy, compiled by an inspector, and
 * passed along with each push that some rule wants scanned. An error in
 * them is an error of the start or the reload.
 */
#include "role/gate.h"
#include "role/gate_saml.h"

#include "base/clock.h"
#include "base/fd.h"
#include "crypto/digest.h"
#include "role/secret_rules.h"
#include "scan/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSPECTOR_WAIT_MS 15000

bool
gate_take_socket(struct gate *g, struct frame *f)
{
	if (f->type != MSG_INSPECTOR && f->type != MSG_HOOK_RUNNER &&
	    f->type != MSG_COURIER && f->type != MSG_MESSENGER &&
	    f->type != MSG_SAML_RUNNER)
		return false;
	if (f->n_fds != 1)
		return true;
	if (f->type == MSG_INSPECTOR)
		inspectors_add(g->inspectors, frame_take_fd(f, 0));
	else if (f->type == MSG_HOOK_RUNNER)
		inspectors_add(g->hooks, frame_take_fd(f, 0));
	else if (f->type == MSG_SAML_RUNNER)
		saml_connected(g, f->id, frame_take_fd(f, 0));
	else if (f->type == MSG_COURIER)
		courier_connected(g, frame_take_fd(f, 0));
	else
		messenger_connected(g, frame_take_fd(f, 0));
	return true;
}

/*
 * This is the thread that hears the supervisor, so no inspector comes by
 * itself while it waits for one. What is no socket is kept for later.
 */
static int
wait_inspector(struct gate *g, struct gg_error *err)
{
	int64_t until = clock_mono_ms() + INSPECTOR_WAIT_MS;
	GG_AUTO_RELEASE(frame) f = FRAME_INIT;
	int rc;

	while (!inspectors_idle(g)) {
		rc = frame_recv_until(g->supervisor, ROLE_SUPERVISOR, ROLE_GATE,
		    until, &f, err);
		if (rc <= 0)
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "no inspector is there to compile secret rules");
		if (gate_take_socket(g, &f))
			continue;
		g->late = f;
		f = FRAME_INIT;
		return gg_fail(err, GG_E_UNAVAILABLE,
		    "interrupted while secret rules were compiled");
	}
	return 0;
}

static int
compile_to(struct gate *g, struct view text, const char *path,
    struct gg_error *err)
{
	GG_AUTO_FD out = open(path,
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	GG_AUTO_FD sock = -1;
	int rc;

	if (out < 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	if ((rc = wait_inspector(g, err)) != 0 ||
	    (rc = inspectors_take(g, &sock, err)) != 0)
		return rc;
	return secret_rules_compile(sock, text, g->sandbox_required, out, err);
}

static int
compile(struct gate *g, struct snapshot *fresh, const struct snapshot *old,
    struct view text, struct gg_error *err)
{
	const char *state = fresh->config->state_dir;
	GG_AUTO_MEM char *path = path_f("%s/rules/%s.db", state,
	    fresh->rules_digest);
	GG_AUTO_MEM char *temp = path_f("%s/rules/new.db", state);
	int rc = compile_to(g, text, temp, err);

	if (rc == 0 && rename(temp, path) != 0)
		rc = gg_fail(err, GG_E_SYS, "%s", path);
	if (rc != 0) {
		(void)unlink(temp);
		return rc;
	}
	if ((fresh->rules_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) <
	    0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	/* Pushes that began under the old rules have them open. */
	if (old != NULL && old->rules_fd > 0) {
		GG_AUTO_MEM char *gone = path_f("%s/rules/%s.db", state,
		    old->rules_digest);

		(void)unlink(gone);
	}
	return 0;
}

int
gate_rules_load(struct gate *g, struct snapshot *fresh,
    const struct snapshot *old, struct gg_error *err)
{
	const struct strv *files = ruleset_secret_files(fresh->ruleset);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SCAN_TEXT_MAX);
	int rc;

	if (files->n == 0)
		return 0;
	if ((rc = scan_rules_text(files, &text, err)) != 0)
		return rc;
	digest_sha256_hex(buf_view(&text), fresh->rules_digest);
	if (old == NULL || old->rules_fd <= 0 ||
	    strcmp(old->rules_digest, fresh->rules_digest) != 0)
		return compile(g, fresh, old, buf_view(&text), err);
	fresh->rules_fd = fcntl(old->rules_fd, F_DUPFD_CLOEXEC, 3);
	if (fresh->rules_fd < 0)
		return gg_fail(err, GG_E_SYS, "secret rules");
	return 0;
}

/* What an earlier gate compiled may be for another processor or library. */
static void
remove_compiled(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (view_has_suffix(view_str(e->d_name), ".db"))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
}

int
gate_rules_begin(struct gate *g, const char *state_dir, struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/rules", state_dir);
	int rc = secret_rules_salt(state_dir, g->salt, err);

	if (rc == 0)
		remove_compiled(dir);
	return rc;
}
