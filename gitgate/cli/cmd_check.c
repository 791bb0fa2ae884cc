/* gitgate check, gitgate policy check: would the gate start with this? */
#include "cli/judge.h"

#include "config/limits.h"
#include "policy/policy.h"
#include "role/hook_check.h"
#include "role/witness_policy.h"

static void
limit_row(const struct limit_info *i, void *arg)
{
	GG_AUTO_RELEASE(buf) value = BUF_INIT(64);

	(void)arg;
	limits_format(i, i->value, &value);
	say("| `%s` | %s | %s |\n", i->key, buf_str(&value), i->doc);
}

static int
print_limits(void)
{
	say("| limit | default | reached when |\n| --- | --- | --- |\n");
	limits_each(limit_row, NULL);
	return cli_flush();
}

static void
print_warnings(const struct strv *warnings)
{
	struct gg_error w = { 0 };

	for (size_t i = 0; i < warnings->n; i++) {
		gg_fail(&w, GG_E_INPUT, "warning: %s", warnings->v[i]);
		(void)cli_fail(&w);
	}
}

static int
load_rules(const char *dir, struct ruleset **rs, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) warnings = STRV_INIT;
	int rc = ruleset_load(dir, rs, &warnings, err);

	print_warnings(&warnings);
	return rc;
}

/* "recordings: forwarded 90d, ..." where some go at all. */
static void
say_times(const char *whose, const int64_t *ms)
{
	bool any = false;

	for (size_t i = 0; i < RETAIN_COUNT; i++)
		any = any || ms[i] >= 0;
	if (!any)
		return;
	say_part("recordings of ", whose);
	for (size_t i = 0; i < RETAIN_COUNT; i++) {
		if (ms[i] < 0)
			continue;
		say(" %s ", retain_kind_name((enum retain_kind)i));
		if (ms[i] == 0)
			say("forever");
		else
			say("%llds", (long long)(ms[i] / 1000));
	}
	say("\n");
}

static void
say_retention(const struct config *c)
{
	for (size_t i = 0; i < c->retention.n_rules; i++)
		say_times(c->retention.rules[i].path, c->retention.rules[i].ms);
	say_times("all others", c->retention.all.ms);
}

int
cmd_check(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(ruleset) rs = NULL;
	struct gg_error err = { 0 };
	bool limits = false;
	struct words w;
	const struct option_spec specs[] = { { "limits", OPT_FLAG, &limits } };

	if (cli_options(cli, argc, argv, specs, 1, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	if (limits)
		return print_limits();
	if (cli_config(cli, &c, &err) != 0)
		return cli_fail(&err);
	print_warnings(&c->warnings);
	if (witness_policy_check(c, &err) != 0 ||
	    load_rules(c->policy_dir, &rs, &err) != 0 ||
	    hooks_check(c, rs, &err) != 0)
		return cli_fail(&err);
	say("ok: %zu repositories, %zu rules in %zu files\n", c->n_repositories,
	    ruleset_n_rules(rs), ruleset_n_files(rs));
	say_retention(c);
	return cli_flush();
}

int
cmd_policy_check(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(ruleset) rs = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (w.n == 0 && cli_config(cli, &c, &err) != 0)
		return cli_fail(&err);
	if (load_rules(w.n ? w.v[0] : c->policy_dir, &rs, &err) != 0)
		return cli_fail(&err);
	say("ok: %zu rules in %zu files, digest %s\n", ruleset_n_rules(rs),
	    ruleset_n_files(rs), ruleset_digest(rs));
	return cli_flush();
}
