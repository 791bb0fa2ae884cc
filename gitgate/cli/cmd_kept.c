/* gitgate kept list, drop: refs that stay at the gate. On its machine. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/fd.h"

#include <string.h>
#include <unistd.h>

/* Rows of one question. */
#define ROWS_MAX 1000

struct listing {
	json_t *rows;
	char *last; /* name of the last ref */
	size_t n;   /* rows of this question */
};

static int
add_ref(void *ctx, const struct kept_ref *k)
{
	struct listing *l = ctx;
	char hex[OID_HEX + 1];

	oid_format(&k->oid, hex);
	free(l->last);
	l->last = path_f("%s", k->ref);
	l->n++;
	return json_array_append_new(l->rows,
		   json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "repository",
		       k->repository, "ref", k->ref, "oid", hex, "principal",
		       k->principal, "push", k->push, "time",
		       cli_json_time(k->time_ms))) == 0 ?
	    0 :
	    GG_E_NOMEM;
}

static int
list_refs(struct store *s, const char *repository, json_t *rows,
    struct gg_error *err)
{
	struct listing l = { rows, path_f("%s", ""), ROWS_MAX };
	int rc = 0;

	while (rc == 0 && l.n == ROWS_MAX) {
		GG_AUTO_MEM char *after = path_f("%s", l.last);

		l.n = 0;
		rc = store_kept_list(s, repository, after, ROWS_MAX, add_ref,
		    &l, err);
	}
	free(l.last);
	return rc;
}

static int
add_repository(void *ctx, const char *repository, const struct kept_state *st)
{
	return json_array_append_new(ctx,
		   json_pack("{s:s, s:I, s:I}", "repository", repository,
		       "refs", (json_int_t)st->refs, "bytes",
		       (json_int_t)st->bytes)) == 0 ?
	    0 :
	    GG_E_NOMEM;
}

static void
print_rows(const json_t *rows, const char *const *cols, size_t n)
{
	GG_AUTO_RELEASE(table) t = { .n_cols = n };
	const json_t *r, *v;
	size_t i;

	for (i = 0; i < n; i++)
		table_add(&t, cols[i]);
	json_array_foreach(rows, i, r)
	{
		for (size_t k = 0; k < n; k++) {
			char number[32];

			v = json_object_get(r, cols[k]);
			(void)snprintf(number, sizeof(number), "%lld",
			    (long long)json_integer_value(v));
			table_add(&t,
			    json_is_integer(v) ? number : json_str(r, cols[k]));
		}
	}
	table_print(&t);
}

int
cmd_kept_list(struct cli *cli, int argc, char **argv)
{
	static const char *const of_refs[] = { "ref", "oid", "principal",
		"push", "time" };
	static const char *const of_all[] = { "repository", "refs", "bytes" };
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;
	json_t *rows;
	int rc;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0)
		return cli_fail(&err);
	rows = json_array();
	rc = w.n == 1 ? list_refs(s, w.v[0], rows, &err) :
			store_kept_repositories(s, add_repository, rows, &err);
	if (rc == 0 && cli->json)
		say_json(rows);
	else if (rc == 0 && w.n == 1)
		print_rows(rows, of_refs, GG_COUNT(of_refs));
	else if (rc == 0)
		print_rows(rows, of_all, GG_COUNT(of_all));
	json_decref(rows);
	return rc == 0 ? cli_flush() : cli_fail(&err);
}

static int
drop(const struct local *l, struct gg_error *err)
{
	const char *repository = l->words->v[0], *ref = l->words->v[1];
	struct oid was, none = { { 0 } };
	char old[OID_HEX + 1], zero[OID_HEX + 1];
	int rc = store_kept_value(l->store, repository, ref, &was, err);

	if (rc != 0)
		return rc;
	oid_format(&was, old);
	oid_format(&none, zero);
	rc = cli_note_act(l->store, "admin.kept.drop",
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "repository", repository,
		"ref", ref, "old", old, "new", zero, "kind", "delete"),
	    err);
	return rc == 0 ? store_kept_drop(l->store, repository, ref, &was, err) :
			 rc;
}

int
cmd_kept_drop(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 2, NULL, drop);
}

/* -- for gitgate doctor -- */

struct look {
	const struct config *c;
	struct strv *gone, *unserved;
};

static int
look_for(void *ctx, const char *repository, const char *push)
{
	struct look *l = ctx;
	GG_AUTO_MEM char *dir = path_f("%s/kept/%s.git/%s", l->c->state_dir,
	    repository, push);

	if (access(dir, R_OK | X_OK) != 0)
		strv_add(l->gone, dir);
	return 0;
}

static int
look_whether_served(void *ctx, const char *repository,
    const struct kept_state *st)
{
	GG_AUTO_RELEASE(repo_ref) repo = { 0 };
	struct look *l = ctx;

	(void)st;
	if (config_find_repository(l->c, view_str(repository), &repo, NULL) !=
	    0)
		strv_add(l->unserved, repository);
	return 0;
}

int
kept_look(const struct cli *cli, struct strv *gone, struct strv *unserved,
    struct gg_error *err)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct look l = { NULL, gone, unserved };
	int rc = cli_store(cli, &c, &s, err);

	l.c = c;
	if (rc == 0)
		rc = store_kept_pushes(s, look_for, &l, err);
	if (rc == 0)
		rc = store_kept_repositories(s, look_whether_served, &l, err);
	if (rc == 0)
		rc = strv_check(gone, err);
	return rc == 0 ? strv_check(unserved, err) : rc;
}
