/* gitgate audit export, timeline. */
#include "cli/audit_source.h"

#include "audit/export.h"
#include "base/num.h"

#include <string.h>
#include <time.h>

#define RECORDS_BYTES ((size_t)256 << 20)
#define FOLLOW_MS     1000
/* So long a gate that is away is asked again before we give up. */
#define AWAY_ROUNDS 300

/* -- export -- */

struct export
{
	struct audit_source *source;
	enum export_format format;
	struct audit_query q;
	bool follow;
};

/* One page; *more: there is another one at once. Then q.cursor is where to go
 * on. */
static int
export_page(struct export *x, bool *more, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) out = BUF_INIT(RECORDS_BYTES);
	json_t *answer = NULL;
	const json_t *entries, *e;
	size_t i;
	int rc = audit_source_query(x->source, &x->q, &answer, err);

	if (rc != 0)
		return rc;
	entries = json_object_get(answer, "entries");
	*more = json_is_string(json_object_get(answer, "next"));
	json_array_foreach(entries, i, e)
	{
		if (rc != 0)
			break;
		rc = export_entry(x->format, e, &out, err);
		x->q.cursor = (uint64_t)json_integer_value(json_object_get(e,
				  "seq")) +
		    1;
	}
	/* A page of what is not ours to see may be empty. */
	if (rc == 0 && *more && json_array_size(entries) == 0)
		rc = num_parse(view_str(json_str(answer, "next")), INT64_MAX,
		    &x->q.cursor, err);
	json_decref(answer);
	if (rc == 0 && out.n > 0 && fwrite(out.p, 1, out.n, stdout) != out.n)
		rc = gg_fail(err, GG_E_SYS, "standard output");
	return rc;
}

static int
export_all(struct export *x, struct gg_error *err)
{
	const struct timespec pause = { FOLLOW_MS / 1000, 0 };
	bool more = true;
	int rc, away = 0;

	for (;;) {
		rc = export_page(x, &more, err);
		if (rc == GG_E_UNAVAILABLE && x->follow &&
		    ++away < AWAY_ROUNDS) {
			more = false; /* it comes back */
		} else if (rc != 0) {
			return rc;
		} else {
			away = 0;
		}
		if (!more) {
			if (fflush(stdout) != 0)
				return gg_fail(err, GG_E_SYS,
				    "standard output");
			if (!x->follow)
				return 0;
			(void)nanosleep(&pause, NULL);
		}
	}
}

int
cmd_audit_export(struct cli *cli, int argc, char **argv)
{
	struct audit_filter f = { 0 };
	const char *format = "jsonl";
	struct export x = { 0 };
	const struct option_spec specs[] = { AUDIT_FILTER_OPTIONS(f),
		{ "format", OPT_TEXT, &format },
		{ "cursor", OPT_TEXT, &f.cursor },
		{ "follow", OPT_FLAG, &x.follow } };
	GG_AUTO(audit_source) src = NULL;
	GG_AUTO_RELEASE(buf) head = BUF_INIT(4096);
	struct gg_error err = { 0 };
	struct words w;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 0, 0, &w,
		&err) != 0 ||
	    audit_filter_read(&f, &err) != 0)
		return cli_usage(&err);
	if (!export_format_parse(view_str(format), &x.format)) {
		gg_fail(&err, GG_E_INPUT,
		    "--format is one of jsonl, csv, ecs, ocsf and github");
		return cli_usage(&err);
	}
	if (audit_source_open(cli, &src, &err) != 0)
		return cli_fail(&err);
	x.source = src;
	x.q = f.q;
	x.q.oldest_first = true;
	x.q.limit = 500;
	if (f.cursor == NULL)
		export_head(x.format, &head);
	say("%s", head.n > 0 ? buf_str(&head) : "");
	if (export_all(&x, &err) != 0)
		return cli_fail(&err);
	return cli_flush();
}

/* -- timeline -- */

static void
print_by(struct table *t, const json_t *step)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)1 << 20);
	const json_t *r;
	size_t i;

	if (strcmp(json_str(step, "how"), "out-of-band") == 0) {
		table_add(t, "without the gate");
		return;
	}
	buf_adds(&b, json_str(step, "principal"));
	json_array_foreach(json_object_get(step, "reviewers"), i, r)
	{
		buf_adds(&b, i == 0 ? ", approved by " : ", ");
		buf_adds(&b, json_string_value(r) ? json_string_value(r) : "");
	}
	if (strcmp(json_str(step, "how"), "kept") == 0)
		buf_adds(&b, ", kept at the gate");
	if (strcmp(json_str(step, "how"), "dropped") == 0)
		buf_adds(&b, ", dropped at the gate");
	table_add(t, buf_str(&b));
}

static void
print_steps(const json_t *answer)
{
	static const char *const cols[] = { "time", "old", "new", "kind",
		"push" };
	GG_AUTO_RELEASE(table) t = { .n_cols = GG_COUNT(cols) + 2 };
	const json_t *next = json_object_get(answer, "next"), *step;
	size_t i;

	for (i = 0; i < GG_COUNT(cols); i++)
		table_add(&t, cols[i]);
	table_add(&t, "by");
	table_add(&t, "before");
	json_array_foreach(json_object_get(answer, "steps"), i, step)
	{
		for (size_t k = 0; k < GG_COUNT(cols); k++)
			table_add(&t, json_str(step, cols[k]));
		print_by(&t, step);
		table_add(&t,
		    json_is_true(json_object_get(step, "gap")) ?
			"not in the log" :
			"");
	}
	table_print(&t);
	if (json_is_string(next)) {
		(void)fflush(stdout);
		(void)fprintf(stderr, "more: --cursor %s\n",
		    json_string_value(next));
	}
}

int
cmd_audit_timeline(struct cli *cli, int argc, char **argv)
{
	struct audit_filter f = { 0 };
	const struct option_spec specs[] = { { "limit", OPT_TEXT, &f.limit },
		{ "cursor", OPT_TEXT, &f.cursor } };
	GG_AUTO(audit_source) src = NULL;
	struct gg_error err = { 0 };
	json_t *answer = NULL;
	struct words w;

	if (cli_options(cli, argc, argv, specs, GG_COUNT(specs), 2, 2, &w,
		&err) != 0 ||
	    audit_filter_read(&f, &err) != 0)
		return cli_usage(&err);
	if (audit_source_open(cli, &src, &err) != 0 ||
	    audit_source_timeline(src, w.v[0], w.v[1], f.q.cursor, f.q.limit,
		&answer, &err) != 0)
		return cli_fail(&err);
	if (cli->json)
		say_json(answer);
	else
		print_steps(answer);
	json_decref(answer);
	return cli_flush();
}
