/*
 * gitgate policy explain and policy test: what a rule set says, or would have
 * said, to recorded pushes. Each is inspected again in a sandboxed inspector
 * that this command starts itself.
 */
#include "cli/judge.h"

#include "base/clock.h"

#include <string.h>

/* -- explain -- */

int
cmd_policy_explain(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(judge) j = { 0 };
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	GG_AUTO_RELEASE(rejudged) r = { 0 };
	struct gg_error err = { 0 };
	const char *dir = NULL;
	json_t *trace, *e;
	struct words w;
	const struct option_spec specs[] = { { "policy", OPT_TEXT, &dir } };

	if (cli_options(cli, argc, argv, specs, 1, 1, 1, &w, &err) != 0)
		return cli_usage(&err);
	if (!ulid_is_valid(view_str(w.v[0]))) {
		gg_fail(&err, GG_E_INPUT, "%s is no push id", w.v[0]);
		return cli_usage(&err);
	}
	trace = json_array();
	if (judge_begin(cli, &j, &err) != 0 ||
	    judge_rules(&j, dir, &err) != 0 ||
	    store_push_get(j.store, w.v[0], &p, &err) != 0 ||
	    judge_again(&j, &p, trace, -1, &r, &err) != 0) {
		json_decref(trace);
		return cli_fail(&err);
	}
	e = recorded_explanation(j.rs, &p, &r, trace);
	if (cli->json) {
		say_json(e);
	} else {
		say_part("push ", p.id);
		say_part(" to ", p.repository);
		say_part(" by ", p.principal);
		say("\nverdict: %s%s\n", verdict_name(r.decision->verdict),
		    json_is_true(json_object_get(e, "same_policy")) ?
			"" :
			" (by another policy than it was judged by)");
		say_trace(trace);
	}
	json_decref(e);
	json_decref(trace);
	return cli_flush();
}

/* -- test -- */

struct tally {
	struct judge *judge;
	struct cli *cli;
	json_t *rows; /* with --json */
	int64_t since_ms;
	size_t n, changed, failed, skipped;
};

static void
say_row(struct tally *t, const struct stored_push *p, const char *was,
    const char *now, const char *why)
{
	if (t->cli->json) {
		(void)json_array_append_new(t->rows,
		    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "push", p->id,
			"repository", p->repository, "principal", p->principal,
			"recorded", was, "now", now, "why", why));
		return;
	}
	say_part("", p->id);
	say("  %-5s -> %-5s  ", was, now);
	say_part("", p->repository);
	say_part("  ", p->principal);
	if (*why != '\0')
		say_part("  ", why);
	say("\n");
}

/* The rules that decide, in few words. */
static void
deciding_rules(const struct decision *d, struct buf *out)
{
	for (size_t i = 0; i < d->n_refs; i++)
		for (size_t k = 0; k < d->refs[i].n_reasons; k++)
			if (d->refs[i].reasons[k].verdict == d->verdict &&
			    d->verdict != VERDICT_ALLOW)
				buf_addf(out, "%s%s",
				    out->n > 0 ? ", " : "rule ",
				    d->refs[i].reasons[k].rule);
}

static int
test_one(void *ctx, const struct stored_push *p)
{
	struct tally *t = ctx;
	GG_AUTO_RELEASE(rejudged) r = { 0 };
	GG_AUTO_RELEASE(buf) why = BUF_INIT(2000);
	struct gg_error err = { 0 };
	enum verdict was;
	int rc;

	if (p->created_ms < t->since_ms || !recorded_verdict(p, &was)) {
		t->skipped++;
		return 0;
	}
	t->n++;
	rc = judge_again(t->judge, p, NULL, -1, &r, &err);
	if (rc != 0) {
		t->failed++;
		say_row(t, p, verdict_name(was), "?", err.msg);
		return 0;
	}
	deciding_rules(r.decision, &why);
	if (r.decision->verdict != was) {
		t->changed++;
		say_row(t, p, verdict_name(was),
		    verdict_name(r.decision->verdict), buf_str(&why));
	} else if (t->cli->json) {
		say_row(t, p, verdict_name(was), verdict_name(was),
		    buf_str(&why));
	}
	if (!t->cli->json && t->n % 50 == 0)
		(void)fprintf(stderr, "%zu pushes judged\n", t->n);
	return 0;
}

static int
test_all(struct tally *t, const char *repository, struct gg_error *err)
{
	char next[ULID_SIZE] = "", cursor[ULID_SIZE];
	int rc;

	do {
		struct store_query q = { .repository = repository,
			.since_ms = t->since_ms,
			.limit = 200 };

		memcpy(cursor, next, sizeof(cursor));
		q.cursor = *cursor != '\0' ? cursor : NULL;
		rc = store_push_list(t->judge->store, &q, test_one, t, next,
		    err);
	} while (rc == 0 && *next != '\0');
	return rc;
}

int
cmd_policy_test(struct cli *cli, int argc, char **argv)
{
	GG_AUTO_RELEASE(judge) j = { 0 };
	struct tally t = { .judge = &j, .cli = cli };
	struct gg_error err = { 0 };
	const char *dir = NULL, *since = "30d", *repository = NULL;
	struct words w;
	const struct option_spec specs[] = {
		{ "policy", OPT_TEXT, &dir },
		{ "since", OPT_TEXT, &since },
		{ "repository", OPT_TEXT, &repository },
	};

	if (cli_options(cli, argc, argv, specs, 3, 0, 0, &w, &err) != 0 ||
	    cli_time(since, &t.since_ms, &err) != 0)
		return cli_usage(&err);
	t.rows = json_array();
	if (judge_begin(cli, &j, &err) != 0 ||
	    judge_rules(&j, dir, &err) != 0 ||
	    test_all(&t, repository, &err) != 0) {
		json_decref(t.rows);
		return cli_fail(&err);
	}
	if (cli->json) {
		json_t *o = json_pack("{s:O, s:I, s:I, s:I}", "pushes", t.rows,
		    "judged", (json_int_t)t.n, "changed", (json_int_t)t.changed,
		    "failed", (json_int_t)t.failed);

		say_json(o);
		json_decref(o);
	} else {
		say("%zu pushes judged, %zu would change, %zu could not be "
		    "judged again\n",
		    t.n, t.changed, t.failed);
	}
	json_decref(t.rows);
	if (cli_flush() != CLI_YES)
		return CLI_NO;
	return t.changed + t.failed == 0 ? CLI_YES : CLI_NO;
}
