/* gitgate grant create, list, show, approve, reject, revoke: over the API. */
#include "cli/cli.h"

#include "cli/remote.h"

static void
print_grants(const json_t *answer)
{
	static const char *const cols[] = { "id", "state", "principal",
		"expires" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 3 };
	const json_t *row, *next = json_object_get(answer, "next");
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
	if (json_is_string(next)) {
		(void)fflush(stdout);
		(void)fprintf(stderr, "more: --cursor %s\n",
		    json_string_value(next));
	}
}

static int
list(struct cli *cli, int argc, char **argv, struct gg_error *err)
{
	const char *state = NULL, *who = NULL, *limit = NULL, *cursor = NULL;
	const struct option_spec specs[] = {
		{ "state", OPT_TEXT, &state },
		{ "principal", OPT_TEXT, &who },
		{ "limit", OPT_TEXT, &limit },
		{ "cursor", OPT_TEXT, &cursor },
	};
	GG_AUTO_RELEASE(buf) path = BUF_INIT(8192);
	GG_AUTO(api) a = NULL;
	json_t *answer = NULL;
	struct words w;
	size_t n;
	int rc;

	if ((rc = cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
		 err)) != 0 ||
	    (rc = cli_count(limit, 200, &n, err)) != 0 ||
	    (rc = api_open(cli, NULL, &a, err)) != 0)
		return rc;
	buf_adds(&path, "-/api/v1/grants");
	api_query(&path, "state", state);
	api_query(&path, "principal", who);
	api_query(&path, "limit", limit);
	api_query(&path, "cursor", cursor);
	if ((rc = buf_check(&path, err)) != 0 ||
	    (rc = api_call(a, "GET", buf_str(&path), NULL, &answer, err)) != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		print_grants(answer);
	json_decref(answer);
	return 0;
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

static int
show(struct cli *cli, int argc, char **argv, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	GG_AUTO(api) a = NULL;
	json_t *answer = NULL;
	struct words w;
	int rc;

	if ((rc = cli_options(cli, argc, argv, NULL, 0, 1, 1, &w, err)) != 0 ||
	    (rc = remote_check_id(w.v[0], err)) != 0 ||
	    (rc = api_open(cli, NULL, &a, err)) != 0)
		return rc;
	buf_addf(&path, "-/api/v1/grants/%s", w.v[0]);
	rc = api_call(a, "GET", buf_str(&path), NULL, &answer, err);
	if (rc != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		print_grant(answer);
	json_decref(answer);
	return 0;
}

/* POST, and what became of it. body is taken. */
static int
act(struct cli *cli, const char *path, json_t *body, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) line = BUF_INIT(2000);
	GG_AUTO(api) a = NULL;
	json_t *answer = NULL;
	int rc;

	if (body == NULL)
		return gg_fail(err, GG_E_INPUT, "an argument is not UTF-8");
	if ((rc = api_open(cli, NULL, &a, err)) == 0)
		rc = api_call(a, "POST", path, body, &answer, err);
	json_decref(body);
	if (rc != 0)
		return rc;
	if (cli->json) {
		say_json(answer);
	} else {
		buf_addf(&line, "%s %s until %s", json_str(answer, "id"),
		    json_str(answer, "state"), json_str(answer, "expires"));
		say_safe("grant ", buf_str(&line));
	}
	json_decref(answer);
	return 0;
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
	return act(cli, "-/api/v1/grants", asked_json(&a), err);
}

static int
decide(struct cli *cli, const char *verb, int argc, char **argv,
    struct gg_error *err)
{
	const char *comment = "";
	const struct option_spec specs[] = { { "comment", OPT_TEXT,
	    &comment } };
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	struct words w;
	int rc;

	if ((rc = cli_options(cli, argc, argv, specs, 1, 1, 1, &w, err)) != 0 ||
	    (rc = remote_check_id(w.v[0], err)) != 0)
		return rc;
	buf_addf(&path, "-/api/v1/grants/%s/%s", w.v[0], verb);
	return act(cli, buf_str(&path), json_pack("{s:s}", "comment", comment),
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
	struct gg_error err = { 0 };

	return remote_exit(list(cli, argc, argv, &err), &err);
}

int
cmd_grant_show(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(show(cli, argc, argv, &err), &err);
}

int
cmd_grant_approve(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(decide(cli, "approve", argc, argv, &err), &err);
}

int
cmd_grant_reject(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(decide(cli, "reject", argc, argv, &err), &err);
}

int
cmd_grant_revoke(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(decide(cli, "revoke", argc, argv, &err), &err);
}
