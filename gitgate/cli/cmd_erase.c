/*
 * gitgate audit erase: personal data goes out of the audit log. The log is the
 * gate's alone, so this leaves a request in the database and waits for what
 * the gate says of it.
 */
#include "cli/cli.h"
#include "cli/remote.h"

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"
#include "http/addr.h"
#include "store/erasure.h"

#include <string.h>
#include <time.h>

#define POLL_MS 100
/* Until the gate has begun, and until it is done. */
#define BEGIN_MS 15000
#define DONE_MS  600000

struct options {
	const char *name, *push, *addr, *before, *reason;
	bool dry, force, recordings;
};

/* "17" or "17-23" */
static int
read_range(const char *word, json_t *ranges, struct gg_error *err)
{
	struct view rest = view_str(word), first;
	uint64_t a, b;

	if (!view_cut(&rest, '-', &first))
		first = rest;
	if (num_parse(first, INT64_MAX, &a, NULL) != 0 ||
	    num_parse(rest, INT64_MAX, &b, NULL) != 0 || a > b)
		return gg_fail(err, GG_E_INPUT,
		    "%s is no number of an entry, nor two of them (17-23)",
		    word);
	return json_array_append_new(ranges,
		   json_pack("[I, I]", (json_int_t)a, (json_int_t)b)) == 0 ?
	    0 :
	    gg_fail(err, GG_E_NOMEM, "erasure");
}

static int
check(const struct options *o, const struct words *w, char clean[ADDR_SIZE],
    struct gg_error *err)
{
	int n = (o->name != NULL) + (o->push != NULL) + (o->addr != NULL) +
	    (w->n > 0);

	if (n != 1)
		return gg_fail(err, GG_E_INPUT,
		    "give one of --principal, --push, --addr, or numbers of "
		    "entries");
	if (o->push != NULL && !ulid_is_valid(view_str(o->push)))
		return gg_fail(err, GG_E_INPUT, "%s is no id of a push",
		    o->push);
	if (o->addr != NULL && !addr_clean(o->addr, clean))
		return gg_fail(err, GG_E_INPUT, "%s is no address", o->addr);
	if (o->recordings && o->push == NULL && o->name == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "--recordings is for --principal and --push");
	return cli_check_reason(o->reason, err);
}

static int
make_request(const struct options *o, const struct words *w, json_t **out,
    struct gg_error *err)
{
	char addr[ADDR_SIZE] = ""; /* as the log writes it */
	const struct {
		const char *key, *text;
	} texts[] = { { "name", o->name }, { "push", o->push },
		{ "addr", o->addr != NULL ? addr : NULL } };
	json_auto_t *x = json_object();
	int64_t before = 0;
	int rc;

	if ((rc = check(o, w, addr, err)) != 0 ||
	    (rc = cli_time(o->before, &before, err)) != 0)
		return rc;
	(void)json_object_set_new(x, "reason", json_string(o->reason));
	for (size_t i = 0; i < GG_COUNT(texts); i++)
		if (texts[i].text != NULL &&
		    json_object_set_new(x, texts[i].key,
			json_string(texts[i].text)) != 0)
			return gg_fail(err, GG_E_INPUT, "%s is not UTF-8",
			    texts[i].key);
	if (w->n > 0)
		(void)json_object_set_new(x, "entries", json_array());
	for (size_t i = 0; i < w->n; i++)
		if ((rc = read_range(w->v[i], json_object_get(x, "entries"),
			 err)) != 0)
			return rc;
	if (before != 0)
		(void)json_object_set_new(x, "before", json_integer(before));
	(void)json_object_set_new(x, "dry", json_boolean(o->dry));
	(void)json_object_set_new(x, "force", json_boolean(o->force));
	(void)json_object_set_new(x, "recordings", json_boolean(o->recordings));
	*out = json_incref(x);
	return 0;
}

/* What came of it. GG_E_UNAVAILABLE: nothing yet. */
static int
wait_for(struct store *s, const char *id, json_t **result, struct gg_error *err)
{
	const struct timespec pause = { 0, (long)POLL_MS * 1000000 };
	int64_t start = clock_mono_ms();

	for (;;) {
		json_auto_t *data = NULL;
		int64_t waited = clock_mono_ms() - start;
		bool done = false;
		int rc = store_erasure_get(s, id, &done, &data, err);

		if (rc != 0)
			return rc;
		if (done) {
			*result = json_incref(json_object_get(data, "result"));
			return 0;
		}
		if (waited > DONE_MS ||
		    (waited > BEGIN_MS &&
			json_object_get(data, "result") == NULL))
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "it is noted, and the gate has not done it yet: it "
			    "does as soon as it runs");
		(void)nanosleep(&pause, NULL);
	}
}

static void
say_count(const json_t *result, const char *key, const char *text)
{
	json_int_t n = json_integer_value(json_object_get(result, key));

	if (n > 0)
		say("%lld %s\n", (long long)n, text);
}

static void
print_result(const json_t *r, bool dry)
{
	GG_AUTO_RELEASE(buf) places = BUF_INIT(1024);
	const json_t *logged = json_object_get(r, "redactions"), *x;
	size_t i;

	json_join(&places, json_object_get(r, "places"), NULL);
	say("%s %lld values in %lld entries%s%s\n",
	    dry ? "would erase" : "erased",
	    (long long)json_integer_value(json_object_get(r, "values")),
	    (long long)json_integer_value(json_object_get(r, "entries")),
	    places.n > 0 ? ": " : "", buf_str(&places));
	json_array_foreach(json_object_get(r, "ranges"), i, x)
	{
		json_int_t a = json_integer_value(json_array_get(x, 0));
		json_int_t b = json_integer_value(json_array_get(x, 1));

		if (dry && a == b)
			say("  entry %lld\n", (long long)a);
		else if (dry)
			say("  entries %lld-%lld\n", (long long)a,
			    (long long)b);
	}
	json_array_foreach(logged, i, x)
	    say("logged as entry %lld\n", (long long)json_integer_value(x));
	say_count(r, "kept",
	    "entries stay: their pushes are under a legal hold (--force)");
	say_count(r, "open",
	    "entries stay: their pushes have not ended; ask again when they "
	    "have");
	say_count(r, "clear",
	    "entries are of an older version and cannot be erased");
}

int
cmd_audit_erase(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	const struct option_spec specs[] = {
		{ "principal", OPT_TEXT, &o.name },
		{ "push", OPT_TEXT, &o.push },
		{ "addr", OPT_TEXT, &o.addr },
		{ "before", OPT_TEXT, &o.before },
		{ "reason", OPT_TEXT, &o.reason },
		{ "dry-run", OPT_FLAG, &o.dry },
		{ "force", OPT_FLAG, &o.force },
		{ "recordings", OPT_FLAG, &o.recordings },
	};
	GG_AUTO(config) c = NULL;
	GG_AUTO(store) s = NULL;
	json_auto_t *request = NULL, *result = NULL;
	struct gg_error err = { 0 };
	char id[ULID_SIZE];
	struct words w;
	int rc;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 8, &w,
		&err) != 0 ||
	    make_request(&o, &w, &request, &err) != 0)
		return cli_usage(&err);
	ulid_new(id);
	if (cli_store(cli, &c, &s, &err) != 0)
		return cli_fail(&err);
	(void)json_object_set_new(request, "principal", cli_actor());
	if (store_erasure_add(s, id, request, &err) != 0)
		return cli_fail(&err);
	rc = wait_for(s, id, &result, &err);
	if (rc == GG_E_UNAVAILABLE) {
		(void)cli_fail(&err);
		return CLI_PENDING;
	}
	if (rc != 0)
		return cli_fail(&err);
	if (cli->json)
		say_json(result);
	else
		print_result(result, o.dry);
	return cli_flush();
}
