/* gitgate audit delivery: how far the log went, and moving that by hand. On
 * the gate's machine. */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/num.h"

#include <string.h>

struct looking {
	const struct config *config;
	const char *name; /* NULL: all */
	json_t *found;
};

static int
take(void *ctx, const struct stored_delivery *d)
{
	struct looking *l = ctx;

	if (l->name == NULL || strcmp(l->name, d->name) == 0)
		json_array_append_new(l->found,
		    stored_delivery_json(d,
			config_find_delivery(l->config, d->name)));
	return 0;
}

/* The delivery that the first word names; *out: a new reference. */
static int
look(const struct local *l, json_t **out, struct gg_error *err)
{
	struct looking k = { .config = l->config,
		.name = l->words->v[0],
		.found = json_array() };
	int rc = store_delivery_each(l->store, take, &k, err);

	*out = json_incref(json_array_get(k.found, 0));
	json_decref(k.found);
	if (rc == 0 && *out == NULL)
		rc = gg_fail(err, GG_E_NOTFOUND,
		    "nothing is known of a delivery named %s", k.name);
	return rc;
}

static void
add_count(struct table *t, const json_t *d, const char *key)
{
	char n[24];

	(void)snprintf(n, sizeof(n), "%lld",
	    (long long)json_integer_value(json_object_get(d, key)));
	table_add(t, n);
}

static void
print_all(const json_t *all)
{
	static const char *const cols[] = { "name", "kind", "state", "cursor",
		"behind", "delivered", "error" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) };
	const json_t *d;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	json_array_foreach(all, i, d)
	{
		table_add(&t, json_str(d, "name"));
		table_add(&t, json_str(d, "kind"));
		table_add(&t, json_str(d, "state"));
		add_count(&t, d, "cursor");
		add_count(&t, d, "behind");
		table_add(&t, json_str(d, "delivered"));
		table_add(&t, json_str(d, "error"));
	}
	table_print(&t);
}

static void
print_one(const json_t *d)
{
	static const char *const texts[] = { "name", "kind", "state" };
	static const char *const counts[] = { "cursor", "behind", "attempts" };
	static const char *const times[] = { "oldest", "delivered",
		"failing_since", "next_try", "error" };
	GG_AUTO_RELEASE(table) t = { .n_cols = 2 };

	for (size_t i = 0; i < GG_COUNT(texts); i++) {
		table_add(&t, texts[i]);
		table_add(&t, json_str(d, texts[i]));
	}
	for (size_t i = 0; i < GG_COUNT(counts); i++) {
		table_add(&t, counts[i]);
		add_count(&t, d, counts[i]);
	}
	for (size_t i = 0; i < GG_COUNT(times); i++) {
		table_add(&t, times[i]);
		table_add(&t, json_str(d, times[i]));
	}
	table_print(&t);
}

static int
fill(const struct local *l, json_t *rows, struct gg_error *err)
{
	struct looking k = { .config = l->config, .found = rows };

	return store_delivery_each(l->store, take, &k, err);
}

int
cmd_delivery_list(struct cli *cli, int argc, char **argv)
{
	return cli_list(cli, argc, argv, "deliveries", fill, print_all);
}

static int
show(const struct local *l, struct gg_error *err)
{
	json_t *d;
	int rc = look(l, &d, err);

	if (rc != 0)
		return rc;
	if (l->cli->json)
		say_json(d);
	else
		print_one(d);
	json_decref(d);
	return 0;
}

int
cmd_delivery_show(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, NULL, show);
}

/* -- moving the cursor -- */

static int
entry_of(const struct words *w, uint64_t *seq, struct gg_error *err)
{
	if (num_parse(view_str(w->v[1]), INT64_MAX, seq, NULL) == 0)
		return 0;
	return gg_fail(err, GG_E_INPUT, "%s is not the number of an entry",
	    w->v[1]);
}

static int
check_entry(const struct words *w, struct gg_error *err)
{
	uint64_t seq;

	return entry_of(w, &seq, err);
}

static uint64_t
count_of(const json_t *d, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(d, key));
}

/* Where the cursor is; seq may be anywhere in the log, or at its end. */
static int
check_seq(const struct local *l, uint64_t seq, uint64_t *was,
    struct gg_error *err)
{
	uint64_t size;
	json_t *d;
	int rc = look(l, &d, err);

	if (rc != 0)
		return rc;
	*was = count_of(d, "cursor");
	size = *was + count_of(d, "behind");
	json_decref(d);
	if (seq > size)
		return gg_fail(err, GG_E_INPUT,
		    "the log has %llu entries: the cursor is 0 to %llu",
		    (unsigned long long)size, (unsigned long long)size);
	return 0;
}

/* The act is in the log whatever happens next. */
static int
move(const struct local *l, struct gg_error *err)
{
	const char *name = l->words->v[0];
	uint64_t was = 0, seq;
	int rc;

	if ((rc = entry_of(l->words, &seq, err)) != 0 ||
	    (rc = check_seq(l, seq, &was, err)) != 0 ||
	    (rc = cli_note_act(l->store, "admin.delivery.cursor",
		 json_pack("{s:s, s:I, s:I}", "delivery", name, "from",
		     (json_int_t)was, "to", (json_int_t)seq),
		 err)) != 0 ||
	    (rc = store_delivery_set(l->store, name, seq, err)) != 0)
		return rc;
	say("%s goes on with entry %llu\n", name, (unsigned long long)seq);
	return 0;
}

int
cmd_delivery_set_cursor(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 2, check_entry, move);
}

static int
retry(const struct local *l, struct gg_error *err)
{
	int rc = store_delivery_retry(l->store, l->words->v[0], err);

	if (rc == 0)
		say("due now\n");
	return rc;
}

int
cmd_delivery_retry(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, NULL, retry);
}

/* Of a target that is configured it would begin from the start again. */
static int
forget(const struct local *l, struct gg_error *err)
{
	const char *name = l->words->v[0];
	json_t *d;
	int rc;

	if (config_find_delivery(l->config, name) != NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "%s is configured: take it out of the configuration first, or use set-cursor",
		    name);
	if ((rc = look(l, &d, err)) != 0)
		return rc;
	rc = cli_note_act(l->store, "admin.delivery.forget",
	    json_pack("{s:s, s:O}", "delivery", name, "from",
		json_object_get(d, "cursor")),
	    err);
	json_decref(d);
	if (rc == 0)
		rc = store_delivery_forget(l->store, name, err);
	if (rc == 0)
		say("forgotten\n");
	return rc;
}

int
cmd_delivery_forget(struct cli *cli, int argc, char **argv)
{
	return cli_act(cli, argc, argv, 1, NULL, forget);
}
