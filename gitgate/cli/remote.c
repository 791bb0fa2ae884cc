/* What the commands over the API have in common. */
#include "cli/remote.h"

#include "cli/cli.h"

#define FILTERS_MAX 8

int
remote_exit(int rc, const struct gg_error *err)
{
	if (rc == 0)
		return cli_flush();
	return rc == GG_E_INPUT ? cli_usage(err) : cli_fail(err);
}

int
remote_check_id(const char *id, struct gg_error *err)
{
	if (ulid_is_valid(view_str(id)))
		return 0;
	return gg_fail(err, GG_E_INPUT, "%s is not an id (26 characters)", id);
}

void
remote_more(const json_t *answer)
{
	const char *next = json_string_value(json_object_get(answer, "next"));

	if (next == NULL)
		return;
	(void)fflush(stdout);
	(void)fprintf(stderr, "more: --cursor %s\n", next);
}

/* One request, and its answer to whom it is for. body is borrowed. */
static int
ask(struct cli *cli, const char *method, const char *path, const json_t *body,
    remote_print *print, struct gg_error *err)
{
	GG_AUTO(api) a = NULL;
	json_t *answer = NULL;
	int rc;

	if ((rc = api_open(cli, NULL, &a, err)) != 0 ||
	    (rc = api_call(a, method, path, body, &answer, err)) != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		print(answer);
	json_decref(answer);
	return 0;
}

static int
list(struct cli *cli, int argc, char **argv, const char *what,
    const char *const *filters, remote_print *print, struct gg_error *err)
{
	const char *values[FILTERS_MAX + 2] = { NULL };
	struct option_spec specs[FILTERS_MAX + 2];
	GG_AUTO_RELEASE(buf) path = BUF_INIT(8192);
	struct words w;
	size_t n = 0, limit;
	int rc;

	for (; filters[n] != NULL; n++) {
		if (n == FILTERS_MAX)
			gg_die("more filters than there is room for");
		specs[n].name = filters[n];
	}
	specs[n++].name = "limit";
	specs[n++].name = "cursor";
	for (size_t i = 0; i < n; i++) {
		specs[i].kind = OPT_TEXT;
		specs[i].to = &values[i];
	}
	if ((rc = cli_options(cli, argc, argv, specs, n, 0, 0, &w, err)) != 0 ||
	    (rc = cli_count(values[n - 2], 200, &limit, err)) != 0)
		return rc;
	buf_addf(&path, "-/api/v1/%s", what);
	for (size_t i = 0; i < n; i++)
		api_query(&path, specs[i].name, values[i]);
	if ((rc = buf_check(&path, err)) != 0)
		return rc;
	return ask(cli, "GET", buf_str(&path), NULL, print, err);
}

int
remote_list(struct cli *cli, int argc, char **argv, const char *what,
    const char *const *filters, remote_print *print)
{
	struct gg_error err = { 0 };

	return remote_exit(list(cli, argc, argv, what, filters, print, &err),
	    &err);
}

static int
show(struct cli *cli, int argc, char **argv, const char *what,
    remote_print *print, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	struct words w;
	int rc;

	if ((rc = cli_options(cli, argc, argv, NULL, 0, 1, 1, &w, err)) != 0 ||
	    (rc = remote_check_id(w.v[0], err)) != 0)
		return rc;
	buf_addf(&path, "-/api/v1/%s/%s", what, w.v[0]);
	return ask(cli, "GET", buf_str(&path), NULL, print, err);
}

int
remote_show(struct cli *cli, int argc, char **argv, const char *what,
    remote_print *print)
{
	struct gg_error err = { 0 };

	return remote_exit(show(cli, argc, argv, what, print, &err), &err);
}

int
remote_post(struct cli *cli, const char *path, json_t *body,
    remote_print *print, struct gg_error *err)
{
	int rc;

	if (body == NULL)
		return gg_fail(err, GG_E_INPUT, "an argument is not UTF-8");
	rc = ask(cli, "POST", path, body, print, err);
	json_decref(body);
	return rc;
}

static int
act(struct cli *cli, int argc, char **argv, const char *what, const char *verb,
    remote_print *print, struct gg_error *err)
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
	buf_addf(&path, "-/api/v1/%s/%s/%s", what, w.v[0], verb);
	return remote_post(cli, buf_str(&path),
	    json_pack("{s:s}", "comment", comment), print, err);
}

int
remote_act(struct cli *cli, int argc, char **argv, const char *what,
    const char *verb, remote_print *print)
{
	struct gg_error err = { 0 };

	return remote_exit(act(cli, argc, argv, what, verb, print, &err), &err);
}
