/* gitgate holds list, show, approve, reject, withdraw: over the API. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/text.h"
#include "cli/remote.h"

#include <string.h>

int
remote_list(struct cli *cli, int argc, char **argv, const char *what,
    void (*print)(const json_t *answer), struct gg_error *err)
{
	const char *state = NULL, *repository = NULL, *principal = NULL;
	const char *ref = NULL, *limit = NULL, *cursor = NULL;
	const struct option_spec specs[] = { { "state", OPT_TEXT, &state },
		{ "repository", OPT_TEXT, &repository },
		{ "principal", OPT_TEXT, &principal },
		{ "ref", OPT_TEXT, &ref }, { "limit", OPT_TEXT, &limit },
		{ "cursor", OPT_TEXT, &cursor } };
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
	buf_addf(&path, "-/api/v1/%s", what);
	api_query(&path, "state", state);
	api_query(&path, "repository", repository);
	api_query(&path, "principal", principal);
	api_query(&path, "ref", ref);
	api_query(&path, "limit", limit);
	api_query(&path, "cursor", cursor);
	if ((rc = buf_check(&path, err)) != 0 ||
	    (rc = api_call(a, "GET", buf_str(&path), NULL, &answer, err)) != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		print(answer);
	json_decref(answer);
	return 0;
}

int
remote_exit(int rc, const struct gg_error *err)
{
	if (rc == 0)
		return cli_flush();
	return rc == GG_E_INPUT ? cli_usage(err) : cli_fail(err);
}

void
remote_table(const json_t *rows, const json_t *next)
{
	static const char *const cols[] = { "id", "state", "repository",
		"principal", "created" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 1 };
	json_t *row;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	table_add(&t, "refs");
	json_array_foreach(rows, i, row)
	{
		GG_AUTO_RELEASE(buf) refs = BUF_INIT(1u << 20);

		for (size_t k = 0; k < GG_COUNT(cols); k++)
			table_add(&t, json_str(row, cols[k]));
		json_join(&refs, json_object_get(row, "updates"), "ref");
		table_add(&t, buf_str(&refs));
	}
	table_print(&t);
	if (json_is_string(next)) {
		fflush(stdout);
		fputs("more: --cursor ", stderr);
		fputs(json_string_value(next), stderr);
		fputc('\n', stderr);
	}
}

static void
print_reason(const json_t *r)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);
	const json_t *p;
	size_t i;

	buf_addf(&b, "%s by rule %s", json_str(r, "verdict"),
	    json_str(r, "rule"));
	if (json_str(r, "message")[0] != '\0')
		buf_addf(&b, ": %s", json_str(r, "message"));
	say_safe("    ", buf_str(&b));
	json_array_foreach(json_object_get(r, "paths"), i, p)
	{
		buf_clear(&b);
		buf_addf(&b, "%s (%s, commit %.12s)", json_str(p, "path"),
		    json_str(p, "change"), json_str(p, "commit"));
		say_safe("      ", buf_str(&b));
	}
}

void
remote_updates(const json_t *updates)
{
	const json_t *u, *r;
	size_t i, k;

	json_array_foreach(updates, i, u)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);

		buf_addf(&b, "%s %.12s..%.12s %s %s", json_str(u, "ref"),
		    json_str(u, "old"), json_str(u, "new"), json_str(u, "kind"),
		    json_str(u, "verdict"));
		say_safe("  ", buf_str(&b));
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		    print_reason(r);
	}
}

static void
print_need(const json_t *need)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);
	const json_t *r;
	size_t i;

	buf_addf(&b, "%lld from ",
	    (long long)json_integer_value(json_object_get(need, "required")));
	json_join(&b, json_object_get(need, "from"), NULL);
	if (json_object_get(need, "people") != NULL) {
		buf_adds(&b, " ");
		json_join(&b, json_object_get(need, "people"), NULL);
	}
	buf_addf(&b, " (rule %s)", json_str(need, "rule"));
	say_safe("needs:      ", buf_str(&b));
	json_array_foreach(json_object_get(need, "reviews"), i, r)
	{
		buf_clear(&b);
		buf_addf(&b, "%s %s %s: %s", json_str(r, "time"),
		    json_str(r, "reviewer"), json_str(r, "verdict"),
		    json_str(r, "comment"));
		say_safe("            ", buf_str(&b));
	}
}

static void
print_timeline(const json_t *moments)
{
	static const char *const more[] = { "who", "hold", "state", "message" };
	const json_t *m;
	size_t i;

	json_array_foreach(moments, i, m)
	{
		GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);

		buf_addf(&b, "%s %s", json_str(m, "time"),
		    json_str(m, "event"));
		for (size_t k = 0; k < GG_COUNT(more); k++)
			if (json_str(m, more[k])[0] != '\0')
				buf_addf(&b, " %s", json_str(m, more[k]));
		say_safe("  ", buf_str(&b));
	}
}

void
remote_details(const json_t *o)
{
	static const char *const fields[][2] = { { "id", "id:         " },
		{ "state", "state:      " }, { "url", "url:        " },
		{ "repository", "repository: " },
		{ "principal", "principal:  " }, { "created", "created:    " },
		{ "expires", "expires:    " }, { "push", "push:       " },
		{ "hold", "hold:       " } };
	const json_t *outcome = json_object_get(o, "outcome"), *need;
	size_t i;

	for (i = 0; i < GG_COUNT(fields); i++)
		if (json_str(o, fields[i][0])[0] != '\0')
			say_safe(fields[i][1], json_str(o, fields[i][0]));
	if (json_str(outcome, "message")[0] != '\0')
		say_safe("outcome:    ", json_str(outcome, "message"));
	json_array_foreach(json_object_get(o, "needs"), i, need)
	    print_need(need);
	remote_updates(json_object_get(o, "updates"));
	print_timeline(json_object_get(o, "timeline"));
}

int
remote_check_id(const char *id, struct gg_error *err)
{
	if (ulid_is_valid(view_str(id)))
		return 0;
	return gg_fail(err, GG_E_INPUT, "%s is not an id (26 characters)", id);
}

int
remote_show(struct cli *cli, int argc, char **argv, const char *what,
    struct gg_error *err)
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
	buf_addf(&path, "-/api/v1/%s/%s", what, w.v[0]);
	rc = api_call(a, "GET", buf_str(&path), NULL, &answer, err);
	if (rc != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		remote_details(answer);
	json_decref(answer);
	return 0;
}

static void
print_holds(const json_t *answer)
{
	remote_table(json_object_get(answer, "holds"),
	    json_object_get(answer, "next"));
}

int
cmd_holds_list(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(remote_list(cli, argc, argv, "holds", print_holds,
			       &err),
	    &err);
}

int
cmd_holds_show(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(remote_show(cli, argc, argv, "holds", &err), &err);
}

/* -- deciding -- */

static int
act(struct cli *cli, int argc, char **argv, const char *verb,
    struct gg_error *err)
{
	const char *comment = "";
	const struct option_spec specs[] = { { "comment", OPT_TEXT,
	    &comment } };
	GG_AUTO_RELEASE(buf) path = BUF_INIT(200);
	GG_AUTO(api) a = NULL;
	json_t *answer = NULL, *body;
	struct words w;
	int rc;

	if ((rc = cli_options(cli, argc, argv, specs, 1, 1, 1, &w, err)) != 0 ||
	    (rc = remote_check_id(w.v[0], err)) != 0 ||
	    (rc = api_open(cli, NULL, &a, err)) != 0)
		return rc;
	if ((body = json_pack("{s:s}", "comment", comment)) == NULL)
		return gg_fail(err, GG_E_INPUT, "the comment is not UTF-8");
	buf_addf(&path, "-/api/v1/holds/%s/%s", w.v[0], verb);
	rc = api_call(a, "POST", buf_str(&path), body, &answer, err);
	json_decref(body);
	if (rc != 0)
		return rc;
	if (cli->json)
		say_json(answer);
	else
		remote_state(answer);
	json_decref(answer);
	return 0;
}

void
remote_state(const json_t *hold)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1u << 20);
	const char *message = json_str(json_object_get(hold, "outcome"),
	    "message");

	buf_addf(&b, "%s %s%s%s", json_str(hold, "id"), json_str(hold, "state"),
	    message[0] ? ": " : "", message);
	say_safe("hold ", buf_str(&b));
}

int
cmd_holds_approve(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(act(cli, argc, argv, "approve", &err), &err);
}

int
cmd_holds_reject(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(act(cli, argc, argv, "reject", &err), &err);
}

int
cmd_holds_withdraw(struct cli *cli, int argc, char **argv)
{
	struct gg_error err = { 0 };

	return remote_exit(act(cli, argc, argv, "withdraw", &err), &err);
}
