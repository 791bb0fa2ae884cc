/*
 * gitgate pushes keep, release, kept: which recordings must not be removed. On
 * the gate's machine.
 */
#include "cli/cli.h"
#include "cli/logged.h"
#include "cli/remote.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Recordings that are being removed are gone soon; then it can be told. */
#define TRY_MS 100
#define TRIES  100

/* -- keep -- */

static int
fill_keep(struct stored_keep *k, const struct words *w, const char *repository,
    const char *reason, struct gg_error *err)
{
	char id[ULID_SIZE];
	int rc;

	if ((w->n == 1) == (repository != NULL))
		return gg_fail(err, GG_E_INPUT,
		    "name one push, or --repository");
	if (w->n == 1 && (k->since_ms != 0 || k->until_ms != 0))
		return gg_fail(err, GG_E_INPUT,
		    "--since and --until are for --repository");
	if ((w->n == 1 && (rc = remote_check_id(w->v[0], err)) != 0) ||
	    (rc = cli_check_reason(reason, err)) != 0)
		return rc;
	ulid_new(id);
	k->id = path_f("%s", id);
	k->push_id = path_f("%s", w->n == 1 ? w->v[0] : "");
	k->repository = path_f("%s", repository != NULL ? repository : "");
	k->reason = path_f("%s", reason);
	k->created_ms = clock_wall_ms();
	return 0;
}

/* A recording that is gone cannot be kept. */
static int
check_there(struct config *c, struct store *s, const struct stored_keep *k,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	int64_t gone = 0;
	int rc;

	if (k->push_id[0] == '\0')
		return config_find_repository(c, view_str(k->repository), &repo,
		    err);
	if ((rc = store_recording_state(s, k->push_id, &gone, err)) != 0)
		return rc;
	return gone == 0 ?
	    0 :
	    gg_fail(err, GG_E_REFUSED,
		"the recording of push %s is removed already", k->push_id);
}

static int
store_when_possible(struct store *s, const struct stored_keep *k,
    struct gg_error *err)
{
	const struct timespec pause = { 0, TRY_MS * 1000000 };
	int rc = store_keep_add(s, k, err);

	for (int i = 0; rc == GG_E_UNAVAILABLE && i < TRIES; i++) {
		(void)nanosleep(&pause, NULL);
		rc = store_keep_add(s, k, err);
	}
	return rc == GG_E_UNAVAILABLE ?
	    gg_wrap(err, rc,
		"nothing is kept yet (is the gate running? it ends what it has "
		"begun): come again") :
	    rc;
}

static int
add_keep(struct config *c, struct store *s, const struct stored_keep *k,
    struct gg_error *err)
{
	json_t *act = json_pack("{s:s, s:s}", "keep", k->id, "reason",
	    k->reason);
	bool push = k->push_id[0] != '\0';
	int rc;

	(void)json_object_set_new(act, push ? "push" : "repository",
	    json_string(push ? k->push_id : k->repository));
	if (k->since_ms != 0)
		(void)json_object_set_new(act, "since",
		    cli_json_time(k->since_ms));
	if (k->until_ms != 0)
		(void)json_object_set_new(act, "until",
		    cli_json_time(k->until_ms));
	if ((rc = check_there(c, s, k, err)) != 0) {
		json_decref(act);
		return rc;
	}
	if ((rc = cli_note_act(s, "retention.keep", act, err)) != 0 ||
	    (rc = store_when_possible(s, k, err)) != 0)
		return rc;
	return check_there(c, s, k, err); /* it may have gone meanwhile */
}

int
cmd_pushes_keep(struct cli *cli, int argc, char **argv)
{
	const char *repository = NULL, *since = NULL, *until = NULL;
	const char *reason = NULL;
	const struct option_spec specs[] = {
		{ "repository", OPT_TEXT, &repository },
		{ "since", OPT_TEXT, &since },
		{ "until", OPT_TEXT, &until },
		{ "reason", OPT_TEXT, &reason },
	};
	GG_AUTO_RELEASE(stored_keep) k = { 0 };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 1, &w,
		&err) != 0 ||
	    cli_time(since, &k.since_ms, &err) != 0 ||
	    cli_time(until, &k.until_ms, &err) != 0 ||
	    fill_keep(&k, &w, repository, reason, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 || add_keep(c, s, &k, &err) != 0)
		return cli_fail(&err);
	say("%s\n", k.id);
	return cli_flush();
}

int
cmd_pushes_release(struct cli *cli, int argc, char **argv)
{
	const char *reason = NULL;
	const struct option_spec specs[] = { { "reason", OPT_TEXT, &reason } };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0 ||
	    remote_check_id(w.v[0], &err) != 0 ||
	    cli_check_reason(reason, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    cli_note_act(s, "retention.release",
		json_pack("{s:s, s:s}", "keep", w.v[0], "reason", reason),
		&err) != 0 ||
	    store_keep_end(s, w.v[0], clock_wall_ms(), &err) != 0)
		return cli_fail(&err);
	return CLI_YES;
}

static int
keep_to_json(void *ctx, const struct stored_keep *k)
{
	json_array_append_new(ctx,
	    json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o}", "id", k->id,
		"push", k->push_id, "repository", k->repository, "since",
		cli_json_time(k->since_ms), "until", cli_json_time(k->until_ms),
		"reason", k->reason, "created", cli_json_time(k->created_ms),
		"released", cli_json_time(k->released_ms)));
	return 0;
}

static void
print_keeps(const json_t *keeps)
{
	static const char *const cols[] = { "id", "push", "repository", "since",
		"until", "released", "reason" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) };
	const json_t *k;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	json_array_foreach(keeps, i, k) for (size_t n = 0; n < GG_COUNT(cols);
					     n++)
	    table_add(&t, json_str(k, cols[n]));
	table_print(&t);
}

static int
list(const struct local *l, struct gg_error *err)
{
	json_t *keeps = json_array();
	int rc = store_keep_list(l->store, NULL, keep_to_json, keeps, err);

	if (rc == 0 && l->cli->json)
		say_json(keeps);
	else if (rc == 0)
		print_keeps(keeps);
	json_decref(keeps);
	return rc;
}

int
cmd_pushes_kept(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 0, NULL, list);
}
