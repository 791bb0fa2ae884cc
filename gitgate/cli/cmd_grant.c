/* gitgate grant create, list, show, approve, reject, revoke: over the API. */
#include "cli/cli.h"

#include "cli/remote.h"

static void
print_grants(const json_t *answer)
{
	static const char *const cols[] = { "id", "state", "principal",
		"expires" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 3 };
	const json_t *row;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	table_add(&t, "verbs");
	table_add(&t, "repositories");
	table_add(&t, "reason");
	json_array_foreach(json_object_get(answer, "grants"), i, row)
	{
		GG_AUTO_RELEASE(buf) verbs = BUF_INIT(1000);
		GG_AUTO_RELEASE(buf) repos = BUF_INIT(100000);

		for (size_t k = 0; k < GG_COUNT(cols); k++)
			table_add(&t, json_str(row, cols[k]));
		json_join(&verbs, json_object_get(row, "verbs"), NULL);
		json_join(&repos, json_object_get(row, "repositories"), NULL);
		table_add(&t, buf_str(&verbs));
		table_add(&t, buf_str(&repos));
		table_add(&t, json_str(row, "reason"));
	}
	table_print(&t);
	remote_more(answer);
}

static void
say_list(const json_t *g, const char *label, const char *name, const char *none)
{
	const json_t *v = json_object_get(g, name);
	GG_AUTO_RELEASE(buf) line = BUF_INIT(100000);

	if (json_array_size(v) > 0)
		json_join(&line, v, NULL);
	else
		buf_adds(&line, none);
	say_safe(label, buf_str(&line));
}

static void
print_grant(const json_t *g)
{
	static const struct {
		const char *label, *name;
	} facts[] = { { "grant        ", "id" }, { "state        ", "state" },
		{ "principal    ", "principal" },
		{ "asked by     ", "asked_by" }, { "reason       ", "reason" },
		{ "until        ", "expires" }, { "page         ", "url" } };
	const json_t *r;
	size_t i;

	for (i = 0; i < GG_COUNT(facts); i++)
		say_safe(facts[i].label, json_str(g, facts[i].name));
	say_list(g, "may          ", "verbs", "nothing");
	say_list(g, "repositories ", "repositories", "none");
	say_list(g, "refs         ", "refs", "every ref");
	say_list(g, "paths        ", "paths", "any path");
	say_list(g, "rules        ", "rules", "any rule");
	say_list(g, "approved by  ", "from", "the hold's reviewers");
	json_array_foreach(json_object_get(g, "reviews"), i, r)
	{
		GG_AUTO_RELEASE(buf) line = BUF_INIT(100000);

		buf_addf(&line, "%s by %s%s%s", json_str(r, "verdict"),
		    json_str(r, "reviewer"),
		    *json_str(r, "comment") != '\0' ? ": " : "",
		    json_str(r, "comment"));
		say_safe("  ", buf_str(&line));
	}
}

static void
print_state(const json_t *g)
{
	GG_AUTO_RELEASE(buf) line = BUF_INIT(2000);

	buf_addf(&line, "%s %s until %s", json_str(g, "id"),
	    json_str(g, "state"), json_str(g, "expires"));
	say_safe("grant ", buf_str(&line));
}

struct asked {
	const char *principal, *how_long, *reason;
	struct strv repositories, refs, paths, verbs;
};

static void
asked_release(struct asked *a)
{
	strv_release(&a->repositories);
	strv_release(&a->refs);
	strv_release(&a->paths);
	strv_release(&a->verbs);
}
GG_DEFINE_AUTO_RELEASE(asked);

static json_t *
asked_json(const struct asked *a)
{
	json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:s, s:s}", "repositories",
	    cli_json_strv(&a->repositories), "refs", cli_json_strv(&a->refs),
	    "paths", cli_json_strv(&a->paths), "verbs",
	    cli_json_strv(&a->verbs), "for", a->how_long, "reason", a->reason);

	if (o != NULL && a->principal != NULL)
		(void)json_object_set_new(o, "principal",
		    json_string(a->principal));
	return o;
}

static int
create(struct cli *cli, int argc, char **argv, struct gg_error *err)
{
	GG_AUTO_RELEASE(asked) a = { .how_long = "30m" };
	const struct option_spec specs[] = {
		{ "principal", OPT_TEXT, &a.principal },
		{ "repository", OPT_LIST, &a.repositories },
		{ "ref", OPT_LIST, &a.refs },
		{ "path", OPT_LIST, &a.paths },
		{ "verb", OPT_LIST, &a.verbs },
		{ "for", OPT_TEXT, &a.how_long },
		{ "reason", OPT_TEXT, &a.reason },
	};
	struct words w;
	int rc;

	rc = cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
	    err);
	if (rc != 0)
		return rc;
	if (a.repositories.n == 0 || a.verbs.n == 0 || a.reason == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "--repository, --verb and --reason are needed");
	return remote_post(cli, "-/api/v1/grants", asked_json(&a), print_state,
	    err);
}

int
cmd_grant_create(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(create(cli, argc, argv, &err), &err);
}

int
cmd_grant_list(struct cli *cli, int argc, char **argv)
{
	static const char *const filters[] = { "state", "principal", NULL };

	return remote_list(cli, argc, argv, "grants", filters, print_grants);
}

int
cmd_grant_show(struct cli *cli, int argc, char **argv)
{
	return remote_show(cli, argc, argv, "grants", print_grant);
}

int
cmd_grant_approve(struct cli *cli, int argc, char **argv)
{
	return remote_act(cli, argc, argv, "grants", "approve", print_state);
}

int
cmd_grant_reject(struct cli *cli, int argc, char **argv)
{
	return remote_act(cli, argc, argv, "grants", "reject", print_state);
}

int
cmd_grant_revoke(struct cli *cli, int argc, char **argv)
{
	return remote_act(cli, argc, argv, "grants", "revoke", print_state);
}
