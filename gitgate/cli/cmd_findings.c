/* gitgate findings list, allow, revoke: over the API. */
#include "cli/cli.h"

#include "cli/remote.h"

static void
print_findings(const json_t *answer)
{
	static const char *const cols[] = { "id", "repository", "reviewer",
		"expires" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 3 };
	const json_t *row, *next = json_object_get(answer, "next");
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	table_add(&t, "state");
	table_add(&t, "fingerprint");
	table_add(&t, "comment");
	json_array_foreach(json_object_get(answer, "findings"), i, row)
	{
		for (size_t k = 0; k < GG_COUNT(cols); k++)
			table_add(&t, json_str(row, cols[k]));
		table_add(&t,
		    json_is_true(json_object_get(row, "in_force")) ?
			"in force" :
			json_str(row, "revoked")[0] ? "revoked" :
						      "expired");
		table_add(&t, json_str(row, "fingerprint"));
		table_add(&t, json_str(row, "comment"));
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
	const char *repository = NULL, *limit = NULL, *cursor = NULL;
	const struct option_spec specs[] = {
		{ "repository", OPT_TEXT, &repository },
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
	buf_adds(&path, "-/api/v1/findings");
	api_query(&path, "repository", repository);
	api_query(&path, "limit", limit);
	api_query(&path, "cursor", cursor);
	if ((rc = buf_check(&path, err)) != 0 ||
	    (rc = api_call(a, "GET", buf_str(&path), NULL, &answer, err)) != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		print_findings(answer);
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
		const char *revoked = json_str(answer, "revoked");

		buf_addf(&line, "%s %s %s", json_str(answer, "id"),
		    *revoked != '\0' ? "revoked" : "allowed until",
		    *revoked != '\0' ? revoked : json_str(answer, "expires"));
		say_safe("finding ", buf_str(&line));
	}
	json_decref(answer);
	return 0;
}

static int
allow(struct cli *cli, int argc, char **argv, struct gg_error *err)
{
	const char *repository = NULL, *comment = NULL, *expires = "30d";
	const struct option_spec specs[] = {
		{ "repository", OPT_TEXT, &repository },
		{ "comment", OPT_TEXT, &comment },
		{ "expires", OPT_TEXT, &expires },
	};
	struct words w;
	int rc;

	rc = cli_options(cli, argc, argv, specs, GG_COUNT(specs), 1, 1, &w,
	    err);
	if (rc != 0)
		return rc;
	if (repository == NULL || comment == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "--repository and --comment are needed");
	return act(cli, "-/api/v1/findings",
	    json_pack("{s:s, s:s, s:s, s:s}", "fingerprint", w.v[0],
		"repository", repository, "comment", comment, "expires",
		expires),
	    err);
}

static int
take_back(struct cli *cli, int argc, char **argv, struct gg_error *err)
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
	buf_addf(&path, "-/api/v1/findings/%s/revoke", w.v[0]);
	return act(cli, buf_str(&path), json_pack("{s:s}", "comment", comment),
	    err);
}

int
cmd_findings_list(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(list(cli, argc, argv, &err), &err);
}

int
cmd_findings_allow(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(allow(cli, argc, argv, &err), &err);
}

int
cmd_findings_revoke(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(take_back(cli, argc, argv, &err), &err);
}
