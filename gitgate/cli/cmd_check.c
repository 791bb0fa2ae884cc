/* gitgate check, gitgate policy check: would the gate start with this? */
#include "cli/cli.h"

#include "config/limits.h"
#include "policy/policy.h"
#include "role/hook_check.h"

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
	if (load_rules(c->policy_dir, &rs, &err) != 0 ||
	    hooks_check(c, rs, &err) != 0)
		return cli_fail(&err);
	say("ok: %zu repositories, %zu rules in %zu files\n", c->n_repositories,
	    ruleset_n_rules(rs), ruleset_n_files(rs));
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
