/* gitgate findings list, allow, revoke: over the API. */
#include "cli/cli.h"

#include "cli/remote.h"

static void
print_findings(const json_t *answer)
{
	static const char *const cols[] = { "id", "repository", "reviewer",
		"expires" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 3 };
	const json_t *row;
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
	remote_more(answer);
}

static void
print_finding(const json_t *f)
{
	GG_AUTO_RELEASE(buf) line = BUF_INIT(2000);
	const char *revoked = json_str(f, "revoked");

	buf_addf(&line, "%s %s %s", json_str(f, "id"),
	    *revoked != '\0' ? "revoked" : "allowed until",
	    *revoked != '\0' ? revoked : json_str(f, "expires"));
	say_safe("finding ", buf_str(&line));
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
	return remote_post(cli, "-/api/v1/findings",
	    json_pack("{s:s, s:s, s:s, s:s}", "fingerprint", w.v[0],
		"repository", repository, "comment", comment, "expires",
		expires),
	    print_finding, err);
}

int
cmd_findings_list(struct cli *cli, int argc, char **argv)
{
	static const char *const filters[] = { "repository", NULL };

	return remote_list(cli, argc, argv, "findings", filters,
	    print_findings);
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
	return remote_act(cli, argc, argv, "findings", "revoke", print_finding);
}
