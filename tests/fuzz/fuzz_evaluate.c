/*
 * Policy on a report: the first half of the input is a rule file, the second
 * an encoded report (made to fit the rules). Oracles: some decision for any
 * report that decodes; the push's verdict is the strictest of its refs'; one
 * more deny rule never allows more, one more hold rule neither.
 */
#include "fuzz.h"

#include "policy/policy.h"

#include <string.h>

static const char *const more[] = {
	"rules: [{name: zz-more, then: deny, when: {paths: [\"**/a*\"]}}]",
	"rules: [{name: zz-more, then: deny, when: {updates: [force, create]}}]",
	"rules: [{name: zz-more, then: hold, when: {changes: [add]}}]",
};

/* Where the file ends and the report begins: a line "%%". */
static bool
split(struct view all, struct view *rules, struct view *report)
{
	const char *at = memmem(all.p, all.n, "\n%%\n", 4);

	if (at == NULL)
		return false;
	*rules = view_of(all.p, (size_t)(at - all.p) + 1);
	*report = view_of(at + 4, (size_t)(all.p + all.n - at) - 4);
	return true;
}

/* Two bytes a step: a small report of any shape. */
static struct change_report *
make_report(struct view in, size_t n_scopes)
{
	static const char *const paths[] = { "a", "migrations/1.sql",
		"Migrations/2", "src/a.c", "x\xff/y", "MIGRAT~1/x", "", "b" };
	struct change_report *r = change_report_new(2, n_scopes);

	for (size_t u = 0; u < 2; u++) {
		r->updates[u].kind = UPDATE_FAST_FORWARD;
		r->updates[u].too_large_why = strdup("walk-commits");
	}
	for (size_t i = 0; i + 1 < in.n && i < 200; i += 2) {
		unsigned op = (unsigned char)in.p[i] % 5;
		unsigned x = (unsigned char)in.p[i + 1];
		struct update_report *u = &r->updates[x & 1];
		struct path_changes *to = &u->net;

		if (op == 0)
			(void)change_report_add_commit(r);
		else if (op == 1 && r->n_commits > 0 && n_scopes > 0)
			commit_list_add(&u->scopes[(x >> 1) % n_scopes],
			    (uint32_t)(x % r->n_commits));
		else if (op == 2)
			u->kind = x & 2 ? UPDATE_FORCE : UPDATE_TAG_MOVE;
		else if (op == 3)
			u->too_large = (x & 2) != 0;
		if (op != 4)
			continue;
		if (r->n_commits > 0 && (x & 2) == 0)
			to = &r->commits[r->n_commits - 1].paths;
		path_changes_add(to, view_str(paths[x >> 5]))->kinds = 1 +
		    x % CHANGE_ALL;
	}
	return r;
}

static struct decision *
judge(const struct ruleset *rs, struct view in)
{
	GG_AUTO(change_report) report = make_report(in, ruleset_n_scopes(rs));
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	GG_AUTO_RELEASE(principal) who = { .method = AUTH_TOKEN };
	const char *targets[] = { NULL, "refs/heads/main" };
	struct policy_input input = { .repository = "acme/app",
		.principal = &who,
		.updates = &updates,
		.symref_targets = targets,
		.report = report };
	struct oid one = { { 1 } }, two = { { 2 } };
	struct decision *d = NULL;

	who.name = strdup("bot");
	strv_add(&who.groups, "agents");
	FUZZ_CHECK(ref_updates_add(&updates, &one, &two,
		       view_str("refs/heads/main"), 2, NULL) == 0);
	FUZZ_CHECK(ref_updates_add(&updates, &one, &two,
		       view_str("refs/tags/v1"), 2, NULL) == 0);
	FUZZ_CHECK(policy_evaluate(rs, &input, &d, NULL) == 0);
	return d;
}

static void
check_decision(const struct decision *d)
{
	enum verdict strictest = VERDICT_ALLOW;
	size_t holds = 0;

	for (size_t i = 0; i < d->n_refs; i++) {
		strictest = verdict_strictest(strictest, d->refs[i].verdict);
		for (size_t k = 0; k < d->refs[i].n_reasons; k++) {
			FUZZ_CHECK(d->refs[i].verdict <=
			    d->refs[i].reasons[k].verdict);
			holds += d->refs[i].reasons[k].verdict == VERDICT_HOLD;
		}
	}
	FUZZ_CHECK(d->verdict == strictest);
	FUZZ_CHECK(d->n_needs <= holds);
	/* nothing is held that nobody could release */
	FUZZ_CHECK(d->verdict != VERDICT_HOLD || d->n_needs > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rules, report;
	GG_AUTO(decision) d = NULL;

	if (!split(view_of(data, size), &rules, &report))
		return 0;
	for (size_t m = 0; m <= GG_COUNT(more); m++) {
		GG_AUTO(ruleset) rs = ruleset_new();
		GG_AUTO(decision) stricter = NULL;

		if (ruleset_parse(rs, "f", rules, NULL) < 0)
			return 0;
		if (m > 0 &&
		    ruleset_parse(rs, "g", view_str(more[m - 1]), NULL) < 0)
			return 0;
		stricter = judge(rs, report);
		check_decision(stricter);
		for (size_t i = 0; d != NULL && i < d->n_refs; i++)
			FUZZ_CHECK(stricter->refs[i].verdict <=
			    d->refs[i].verdict);
		if (m == 0)
			d = gg_take(stricter);
	}
	return 0;
}
