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

/* New reference. */
static int
look(struct store *s, struct looking *l, struct gg_error *err)
{
	int rc;

	l->found = json_array();
	rc = store_delivery_each(s, take, l, err);
	if (rc == 0 && l->name != NULL && json_array_size(l->found) == 0)
		rc = gg_fail(err, GG_E_NOTFOUND,
		    "nothing is known of a delivery named %s", l->name);
	if (rc != 0) {
		json_decref(l->found);
		l->found = NULL;
	}
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

int
cmd_delivery_list(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct looking l = { 0 };
	struct words w;
	json_t *all;

	if (cli_options(cli, argc, argv, NULL, 0, 0, 0, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0)
		return cli_fail(&err);
	l.config = c;
	if (look(s, &l, &err) != 0)
		return cli_fail(&err);
	if (cli->json) {
		all = json_pack("{s:o}", "deliveries", l.found);
		say_json(all);
		json_decref(all);
	} else {
		print_all(l.found);
		json_decref(l.found);
	}
	return cli_flush();
}

int
cmd_delivery_show(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct looking l = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 1, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0)
		return cli_fail(&err);
	l.config = c;
	l.name = w.v[0];
	if (look(s, &l, &err) != 0)
		return cli_fail(&err);
	if (cli->json)
		say_json(json_array_get(l.found, 0));
	else
		print_one(json_array_get(l.found, 0));
	json_decref(l.found);
	return cli_flush();
}

/* Where the cursor is; seq may be anywhere in the log, or at its end. */
static int
check_seq(struct store *s, const struct config *c, const char *name,
    uint64_t seq, uint64_t *was, struct gg_error *err)
{
	struct looking l = { .config = c, .name = name };
	uint64_t size;
	int rc = look(s, &l, err);

	if (rc != 0)
		return rc;
	*was = (uint64_t)
	    json_integer_value(json_object_get(json_array_get(l.found, 0),
		"cursor"));
	size = *was +
	    (uint64_t)json_integer_value(json_object_get(json_array_get(l.found,
							     0),
		"behind"));
	json_decref(l.found);
	if (seq > size)
		return gg_fail(err, GG_E_INPUT,
		    "the log has %llu entries: the cursor is 0 to %llu",
		    (unsigned long long)size, (unsigned long long)size);
	return 0;
}

/* The act is in the log whatever happens next. */
static int
move(struct store *s, const struct config *c, const char *name, uint64_t seq,
    struct gg_error *err)
{
	uint64_t was = 0;
	int rc;

	if ((rc = check_seq(s, c, name, seq, &was, err)) != 0 ||
	    (rc = cli_note_act(s, "admin.delivery.cursor",
		 json_pack("{s:s, s:I, s:I}", "delivery", name, "from",
		     (json_int_t)was, "to", (json_int_t)seq),
		 err)) != 0)
		return rc;
	return store_delivery_set(s, name, seq, err);
}

int
cmd_delivery_set_cursor(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	uint64_t seq = 0;
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 2, 2, &w, &err) != 0)
		return cli_usage(&err);
	if (num_parse(view_str(w.v[1]), INT64_MAX, &seq, NULL) != 0) {
		gg_fail(&err, GG_E_INPUT, "%s is not the number of an entry",
		    w.v[1]);
		return cli_usage(&err);
	}
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    move(s, c, w.v[0], seq, &err) != 0)
		return cli_fail(&err);
	say("%s goes on with entry %llu\n", w.v[0], (unsigned long long)seq);
	return cli_flush();
}

int
cmd_delivery_retry(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 1, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    store_delivery_retry(s, w.v[0], &err) != 0)
		return cli_fail(&err);
	say("due now\n");
	return cli_flush();
}

/* Of a target that is configured it would begin from the start again. */
static int
forget(struct store *s, const struct config *c, const char *name,
    struct gg_error *err)
{
	struct looking l = { .config = c, .name = name };
	int rc;

	if (config_find_delivery(c, name) != NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "%s is configured: take it out of the configuration first, or use set-cursor",
		    name);
	if ((rc = look(s, &l, err)) != 0)
		return rc;
	rc = cli_note_act(s, "admin.delivery.forget",
	    json_pack("{s:s, s:O}", "delivery", name, "from",
		json_object_get(json_array_get(l.found, 0), "cursor")),
	    err);
	json_decref(l.found);
	return rc != 0 ? rc : store_delivery_forget(s, name, err);
}

int
cmd_delivery_forget(struct cli *cli, int argc, char **argv)
{
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, NULL, 0, 1, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (cli_store(cli, &c, &s, &err) != 0 ||
	    forget(s, c, w.v[0], &err) != 0)
		return cli_fail(&err);
	say("forgotten\n");
	return cli_flush();
}
