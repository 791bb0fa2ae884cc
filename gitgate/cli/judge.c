#include "cli/judge.h"

#include "base/fd.h"
#include "base/text.h"
#include "role/kept_policy.h"
#include "role/secret_rules.h"
#include "role/spawn.h"
#include "scan/text.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

void
judge_release(struct judge *j)
{
	ruleset_free(j->rs);
	store_free(j->store);
	config_free(j->config);
	free(j->bin_dir);
	if (j->rules_fd > 0)
		fd_close(j->rules_fd);
}
/* An inspector for one job; it ends when its socket closes. */
static int
start_inspector(const struct judge *j, pid_t *pid, int *sock,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/gitgate-inspector", j->bin_dir);
	GG_AUTO_MEM char *mirrors = path_f("%s/mirrors", j->config->state_dir);
	GG_AUTO_MEM char *quarantine = path_f("%s/quarantine",
	    j->config->state_dir);
	const char *const args[] = { "gitgate-inspector", mirrors, quarantine,
		j->config->sandbox == SANDBOX_REQUIRED ? "required" :
							 "best-effort",
		NULL };

	return spawn_role(path, args, SPAWN_ENV_LEAST, SPAWN_ENDS_WITH_US, pid,
	    sock, err);
}

static int
compile_rules(struct judge *j, struct gg_error *err)
{
	const struct strv *files = ruleset_secret_files(j->rs);
	GG_AUTO_RELEASE(buf) text = BUF_INIT(SCAN_TEXT_MAX);
	GG_AUTO_FD sock = -1;
	pid_t pid;
	int rc;

	if (files->n == 0)
		return 0;
	if ((rc = scan_rules_text(files, &text, err)) != 0 ||
	    (rc = start_inspector(j, &pid, &sock, err)) != 0)
		return rc;
	if ((j->rules_fd = fd_memfile("rules", view_str(""), err)) < 0)
		rc = err->code;
	else
		rc = secret_rules_compile(sock, buf_view(&text),
		    j->config->sandbox == SANDBOX_REQUIRED, j->rules_fd, err);
	fd_close(fd_take(&sock));
	(void)waitpid(pid, NULL, 0);
	return rc;
}

int
judge_begin(struct cli *cli, struct judge *j, struct gg_error *err)
{
	int rc;

	if ((rc = cli_store(cli, &j->config, &j->store, err)) != 0 ||
	    (rc = spawn_find_dir(&j->bin_dir, err)) != 0)
		return rc;
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

int
judge_rules(struct judge *j, const char *policy_dir, struct gg_error *err)
{
	int rc = ruleset_load(policy_dir != NULL ? policy_dir :
						   j->config->policy_dir,
	    &j->rs, NULL, err);

	return rc == 0 ? compile_rules(j, err) : rc;
}

int
judge_rules_then(struct judge *j, const struct stored_push *p,
    struct gg_error *err)
{
	int rc = kept_policy_load(j->config, p->policy_digest, &j->rs, err);

	if (rc == GG_E_NOTFOUND && p->policy_digest[0] != '\0' &&
	    ruleset_load(j->config->policy_dir, &j->rs, NULL, err) == 0) {
		if (strcmp(ruleset_digest(j->rs), p->policy_digest) == 0)
			return compile_rules(j, err);
		return gg_fail(err, GG_E_NOTFOUND,
		    "the policy that judged push %s is not kept: name one by "
		    "--policy DIR",
		    p->id);
	}
	return rc == 0 ? compile_rules(j, err) : rc;
}

int
judge_again(const struct judge *j, const struct stored_push *p, json_t *trace,
    int diff_fd, struct rejudged *out, struct gg_error *err)
{
	GG_AUTO_FD sock = -1;
	pid_t pid;
	int rc;

	if ((rc = start_inspector(j, &pid, &sock, err)) != 0)
		return rc;
	const struct rejudge_fds fds = { sock, j->rules_fd, diff_fd };

	rc = recorded_rejudge(j->config, j->store, j->rs, &fds, p, trace, out,
	    err);
	fd_close(fd_take(&sock));
	(void)waitpid(pid, NULL, 0);
	return rc;
}

void
say_part(const char *label, const char *text)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(8192);

	text_safe_add(&b, text);
	say("%s%s", label, buf_str(&b));
}

static void
say_condition(const json_t *c)
{
	say("      %s ",
	    json_is_true(json_object_get(c, "matched")) ? "yes" : "no ");
	say_part("", json_str(c, "name"));
	say_part(": ", json_str(c, "why"));
	say("\n");
}

void
say_trace(const json_t *trace)
{
	size_t i, k;
	json_t *t, *c;

	json_array_foreach(trace, i, t)
	{
		bool matched = json_is_true(json_object_get(t, "matched"));

		say("  %s ", matched ? "matched    " : "not matched");
		say_part("", json_str(t, "rule"));
		say_part(" (", json_str(t, "file"));
		say(":%lld) on ",
		    (long long)json_integer_value(json_object_get(t, "line")));
		say_part("", json_str(t, "ref"));
		if (matched)
			say_part(" -> ", json_str(t, "verdict"));
		say("\n");
		json_array_foreach(json_object_get(t, "conditions"), k, c)
		    say_condition(c);
	}
}
