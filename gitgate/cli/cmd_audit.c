/* gitgate audit query. */
#include "base/fd.h"
#include "cli/audit_source.h"

/* -- for people -- */

/* What an entry comes down to, as on the page: a result, a verdict or a state,
 * and the reviewer whose it is. */
static void
add_outcome(struct table *t, const json_t *e)
{
	static const char *const keys[] = { "result", "verdict", "state" };
	const char *by = json_str(e, "reviewer"), *what = "";

	for (size_t i = 0; i < GG_COUNT(keys) && what[0] == '\0'; i++)
		what = json_str(e, keys[i]);
	if (by[0] == '\0') {
		table_add(t, what);
	} else {
		GG_AUTO_MEM char *text = path_f("%s%sby %s", what,
		    what[0] == '\0' ? "" : " ", by);

		table_add(t, text);
	}
}

static void
add_row(struct table *t, const json_t *e)
{
	static const char *const texts[] = { "time", "type", "repository",
		"ref", "principal" };
	char seq[24];

	(void)snprintf(seq, sizeof(seq), "%lld",
	    (long long)json_integer_value(json_object_get(e, "seq")));
	table_add(t, seq);
	for (size_t k = 0; k < GG_COUNT(texts); k++)
		table_add(t, json_str(e, texts[k]));
	add_outcome(t, e);
	table_add(t, json_str(e, "push"));
}

static void
print_entries(const json_t *answer)
{
	static const char *const cols[] = { "entry", "time", "type",
		"repository", "ref", "principal", "outcome", "push" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) };
	const json_t *next = json_object_get(answer, "next");
	json_t *e;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	json_array_foreach(json_object_get(answer, "entries"), i, e)
	    add_row(&t, e);
	table_print(&t);
	if (json_is_string(next)) {
		fflush(stdout);
		fprintf(stderr, "more: --cursor %s\n", json_string_value(next));
	}
}

int
cmd_audit_query(struct cli *cli, int argc, char **argv)
{
	struct audit_filter f = { 0 };
	const struct option_spec specs[] = { AUDIT_FILTER_OPTIONS(f),
		{ "limit", OPT_TEXT, &f.limit },
		{ "cursor", OPT_TEXT, &f.cursor } };
	struct gg_error err = { 0 };
	GG_AUTO(audit_source) src = NULL;
	json_t *answer = NULL;
	struct words w;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
		&err) != 0 ||
	    audit_filter_read(&f, &err) != 0)
		return cli_usage(&err);
	if (audit_source_open(cli, &src, &err) != 0 ||
	    audit_source_query(src, &f.q, &answer, &err) != 0)
		return cli_fail(&err);
	if (cli->json)
		say_json(answer);
	else
		print_entries(answer);
	json_decref(answer);
	return cli_flush();
}
