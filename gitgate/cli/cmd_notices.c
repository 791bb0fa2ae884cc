/* gitgate notices list, replay, test: on the gate's machine. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"

#include <string.h>

static int
to_json(void *ctx, const struct stored_notice *n)
{
	json_array_append_new(ctx,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:s}",
		"id", n->id, "target", n->target, "event", n->event, "hold",
		n->hold_id, "subject", n->subject, "state",
		notice_state_name(n->state), "attempts", (int)n->attempts,
		"created", cli_json_time(n->created_ms), "next",
		n->state == NOTICE_DUE ? cli_json_time(n->next_ms) :
					 json_null(),
		"done", cli_json_time(n->done_ms), "error", n->last_error));
	return 0;
}

static void
print_notices(const json_t *notices, const char *next)
{
	static const char *const cols[] = { "id", "created", "target", "event",
		"state", "error" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 1 };
	json_t *n;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	table_add(&t, "subject");
	json_array_foreach(notices, i, n)
	{
		for (size_t k = 0; k < GG_COUNT(cols); k++)
			table_add(&t, json_str(n, cols[k]));
		table_add(&t, json_str(n, "subject"));
	}
	table_print(&t);
	if (*next != '\0') {
		(void)fflush(stdout);
		(void)fprintf(stderr, "more: --cursor %s\n", next);
	}
}

static int
check_state(const char *state, struct gg_error *err)
{
	enum notice_state s;

	if (state == NULL || notice_state_parse(view_str(state), &s))
		return 0;
	return gg_fail(err, GG_E_INPUT, "--state is due, delivered or failed");
}

int
cmd_notices_list(struct cli *cli, int argc, char **argv)
{
	const char *state = NULL, *limit = NULL, *cursor = NULL;
	const struct option_spec specs[] = {
		{ "state", OPT_TEXT, &state },
		{ "limit", OPT_TEXT, &limit },
		{ "cursor", OPT_TEXT, &cursor },
	};
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	char next[ULID_SIZE];
	json_t *all;
	struct words w;
	size_t n;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
		&err) != 0 ||
	    cli_count(limit, 200, &n, &err) != 0 ||
	    check_state(state, &err) != 0)
		return cli_usage(&err);
	all = json_pack("{s:[]}", "notices");
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    store_notice_list(s, state, cursor, n, to_json,
		json_object_get(all, "notices"), next, &err) != 0) {
		json_decref(all);
		return cli_fail(&err);
	}
	(void)json_object_set_new(all, "next",
	    *next != '\0' ? json_string(next) : json_null());
	if (cli->json)
		say_json(all);
	else
		print_notices(json_object_get(all, "notices"), next);
	json_decref(all);
	return cli_flush();
}

static int
is_id(const struct words *w, struct gg_error *err)
{
	if (ulid_is_valid(view_str(w->v[0])))
		return 0;
	return gg_fail(err, GG_E_INPUT, "%s is not an id", w->v[0]);
}

static int
replay(const struct local *l, struct gg_error *err)
{
	const char *id = l->words->v[0];
	int rc;

	if ((rc = cli_note_act(l->store, "admin.notice.replay",
		 json_pack("{s:s}", "notice", id), err)) != 0 ||
	    (rc = store_notice_replay(l->store, id, clock_wall_ms(), err)) != 0)
		return rc;
	say("due again\n");
	return 0;
}

int
cmd_notices_replay(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, is_id, replay);
}

/* What a receiver gets to try it out: the form of the target's kind. */
static char *
test_body(const struct config *c, const struct notice_target *t)
{
	GG_AUTO_MEM char *text =
	    path_f("This is a test notice of the gate at %s.", c->public_url);
	char now[CLOCK_RFC3339_SIZE];
	json_t *o = NULL;
	char *body;

	clock_format(clock_wall_ms(), now);
	if (t->kind == NOTICE_EMAIL)
		return path_f("%s\n", text);
	if (t->kind == NOTICE_SLACK)
		o = json_pack("{s:s}", "text", text);
	else
		o = json_pack("{s:s, s:s, s:{s:s}}", "type", "test",
		    "timestamp", now, "data", "message", text);
	body = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return body;
}

static int
add_test(struct store *s, const struct config *c, const struct notice_target *t,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_notice)
	n = { .entry = -1, .created_ms = clock_wall_ms() };
	char id[ULID_SIZE];
	int rc;

	ulid_new(id);
	n.id = path_f("%s", id);
	n.target = path_f("%s", t->name);
	n.event = path_f("test");
	n.hold_id = path_f("%s", "");
	n.subject = path_f("test: a notice from gitgate");
	if ((n.body = test_body(c, t)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "notice");
	if ((rc = cli_note_act(s, "admin.notice.test",
		 json_pack("{s:s, s:s}", "notice", id, "subject", t->name),
		 err)) != 0 ||
	    (rc = store_notice_add(s, &n, 1, NULL, NULL, err)) != 0)
		return rc;
	say("%s\n", id);
	return 0;
}

static int
test(const struct local *l, struct gg_error *err)
{
	const char *name = l->words->v[0];
	const struct notice_target *t = config_find_notice(l->config, name);

	if (t == NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    "the configuration has no notice named %s", name);
	return add_test(l->store, l->config, t, err);
}

int
cmd_notices_test(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, NULL, test);
}
