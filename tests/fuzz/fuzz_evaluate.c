/*
 * Policy on a report: the first half of the input is a rule file, the second
 * an encoded report (made to fit the rules). Oracles: some decision for any
 * report that decodes; the push's verdict is the strictest of its refs'; one
 * more deny rule never allows more, one more hold rule neither; a trace
 * changes nothing, and says "matched" of just those rules that gave a reason;
 * records of provenance, of this push or earlier ones, only ever let through.
 */
#include "fuzz.h"

#include "policy/policy.h"

#include <string.h>

static const char *const more[] = {
	"rules: [{name: zz-more, then: deny, when: {paths: [\"**/a*\"]}}]",
	"rules: [{name: zz-more, then: deny, when: {updates: [force, create]}}]",
	"rules: [{name: zz-more, then: hold, when: {changes: [add]}}]",
	"rules: [{name: zz-more, then: deny, when: {secrets: true}}]",
	"rules: [{name: zz-more, then: deny, when: {commits: {author-email: [\"!*@a.b\"]}, blob-larger-than: 5}}]",
	"rules: [{name: zz-more, then: hold, approvals: {from-codeowners: true}, when: {more-than: {files: 1, lines: 20}}}]",
	"rules: [{name: zz-more, when: {hook: x, paths: [\"**\"]}}]",
	"rules: [{name: zz-more, then: deny, when: {provenance: {require: session, verified: true}}}]",
	"rules: [{name: zz-more, then: hold, when: {provenance: {require: prompt}}}]",
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

static void
add_finding(struct change_report *r, unsigned x)
{
	struct finding *f = change_report_add_finding(r);

	if (f == NULL)
		return;
	f->rule = strdup("key");
	f->path = strdup("a");
	f->fingerprint = strdup(x & 4 ? "allowed" : "other");
	f->update = x & 1;
	f->commit = (x & 2) && r->n_commits > 0 ? (uint32_t)(x % r->n_commits) :
						  UINT32_MAX;
	if (x > 250)
		r->scan_incomplete = r->scan_incomplete != NULL ?
		    r->scan_incomplete :
		    strdup("time");
}

/* Answers from the rule's own name, or not at all. */
static int
hook(void *ctx, const char *program, const json_t *input,
    struct hook_answer *out, struct gg_error *err)
{
	(void)ctx;
	FUZZ_CHECK(json_is_object(input));
	FUZZ_CHECK(json_integer_value(json_object_get(input, "version")) == 1);
	if (program[0] == 'f')
		return gg_fail(err, GG_E_REFUSED, "no answer");
	out->verdict = (enum verdict)((unsigned char)program[0] % 3);
	out->message = strdup("said");
	return 0;
}

static bool
has_reason(const struct ref_decision *r, const char *rule)
{
	for (size_t i = 0; i < r->n_reasons; i++)
		if (strcmp(r->reasons[i].rule, rule) == 0)
			return true;
	return false;
}

static void
check_trace(const json_t *trace, const struct ruleset *rs,
    const struct decision *d)
{
	const json_t *o;
	size_t i;

	FUZZ_CHECK(json_array_size(trace) == ruleset_n_rules(rs) * d->n_refs);
	json_array_foreach(trace, i, o)
	{
		bool matched = json_is_true(json_object_get(o, "matched"));
		const json_t *list = json_object_get(o, "conditions"), *c;
		bool all = true;
		size_t k;

		FUZZ_CHECK(has_reason(&d->refs[i % d->n_refs],
			       json_string_value(json_object_get(o, "rule"))) ==
		    matched);
		json_array_foreach(list, k, c)
		{
			all = all &&
			    json_is_true(json_object_get(c, "matched"));
			FUZZ_CHECK(json_string_value(json_object_get(c,
			    "why")));
		}
		FUZZ_CHECK(all == matched);
	}
}

/* Two bytes a step: a small report of any shape. */
static struct change_report *
make_report(struct view in, size_t n_scopes)
{
	static const char *const paths[] = { "a", "migrations/1.sql",
		"Migrations/2", "src/a.c", "x\xff/y", "MIGRAT~1/x", "", "b" };
	static const char *const emails[] = { "x@a.b", "X@A.B", "", "y@c",
		"\xff" };
	struct change_report *r = change_report_new(2, n_scopes);

	for (size_t u = 0; u < 2; u++) {
		r->updates[u].kind = UPDATE_FAST_FORWARD;
		r->updates[u].too_large_why = strdup("walk-commits");
	}
	for (size_t i = 0; i + 1 < in.n && i < 200; i += 2) {
		unsigned op = (unsigned char)in.p[i] % 7;
		unsigned x = (unsigned char)in.p[i + 1];
		struct update_report *u = &r->updates[x & 1];
		struct path_changes *to = &u->net;
		struct path_change *change;

		if (op == 0) {
			struct commit_info *c = change_report_add_commit(r);

			c->author_email = strdup(emails[x % 5]);
			c->message = strdup(x & 64 ?
				"a\n\nEntire-Checkpoint: 0123456789ab\n" :
				emails[x / 5 % 5]);
		} else if (op == 1 && r->n_commits > 0 && n_scopes > 0)
			commit_list_add(&u->scopes[(x >> 1) % n_scopes],
			    (uint32_t)(x % r->n_commits));
		else if (op == 2)
			u->kind = x & 2 ? UPDATE_FORCE : UPDATE_TAG_MOVE;
		else if (op == 3)
			u->too_large = (x & 2) != 0;
		else if (op == 5)
			add_finding(r, x);
		else if (op == 6 && u->owners == NULL) {
			u->owners = strdup(x & 2 ? "* @ann @o/t\nsrc/ b@c\n" :
						   "[S][2] @d\na\nb\n");
			u->owners_n = strlen(u->owners);
		}
		if (op != 4)
			continue;
		if (r->n_commits > 0 && (x & 2) == 0)
			to = &r->commits[r->n_commits - 1].paths;
		change = path_changes_add(to, view_str(paths[x >> 5]));
		change->kinds = 1 + x % CHANGE_ALL;
		change->new_bytes = x % 13;
		change->lines_added = x;
	}
	return r;
}

/* Two bytes a record: of a commit or a checkpoint, with a text somewhere. */
static json_t *
make_records(struct view in, size_t from)
{
	static const char *const keys[] = {
		"commit:0000000000000000000000000000000000000000",
		"checkpoint:0123456789ab", "commit:", ""
	};
	static const char *const members[] = { "session", "prompt", "model",
		"tool", "link", "prompt_sha256", "unreadable", "commit" };
	json_t *all = json_array();

	for (size_t i = from; i + 1 < in.n && i < 200; i += 4) {
		unsigned op = (unsigned char)in.p[i];
		unsigned x = (unsigned char)in.p[i + 1];
		json_t *o = json_object(), *part = json_object();

		(void)json_object_set_new(part, members[x % 8],
		    json_stringn(x & 8 ? "run-7" : "", x & 8 ? 5 : 0));
		if (op % 4 == 0)
			(void)json_object_update(o, part);
		else if (op % 4 == 3)
			(void)json_object_set_new(o, "sessions", json_true());
		else
			(void)json_object_set_new(o,
			    op % 4 == 1 ? "sessions" : "files",
			    json_pack("[{}, O]", part));
		(void)json_object_set_new(o, "key",
		    x & 128 ? json_null() : json_string(keys[x >> 5]));
		(void)json_array_append_new(all, o);
		json_decref(part);
	}
	return all;
}

static const struct ref_decision *
denied_for(const struct decision *d, size_t i)
{
	return d->refs[i].verdict == VERDICT_DENY ? &d->refs[i] : NULL;
}

/* More that is said lets through more, never less: what these rules deny is
 * only that it is missing. */
static void
check_records(struct policy_input *input, json_t *records, json_t *earlier)
{
	static const char rules[] =
	    "rules: [{name: a, then: deny, when: {provenance: {require: session, verified: true}}},"
	    " {name: b, then: deny, when: {provenance: {require: prompt}}},"
	    " {name: c, then: deny, when: {provenance: {require: any}}}]";
	GG_AUTO(ruleset) rs = ruleset_new();
	GG_AUTO(decision) less = NULL;
	GG_AUTO(decision) more_said = NULL;
	GG_AUTO(decision) swapped = NULL;
	struct policy_input in = *input;

	FUZZ_CHECK(ruleset_parse(rs, "p", view_str(rules), NULL) >= 0);
	if (ruleset_n_scopes(rs) != in.report->n_scopes)
		return;
	in.trace = NULL;
	in.records = records;
	in.earlier = NULL;
	FUZZ_CHECK(policy_evaluate(rs, &in, &less, NULL) == 0);
	in.earlier = earlier;
	FUZZ_CHECK(policy_evaluate(rs, &in, &more_said, NULL) == 0);
	in.records = earlier;
	in.earlier = records;
	FUZZ_CHECK(policy_evaluate(rs, &in, &swapped, NULL) == 0);
	for (size_t i = 0; i < less->n_refs; i++) {
		FUZZ_CHECK(more_said->refs[i].n_reasons <=
		    less->refs[i].n_reasons);
		FUZZ_CHECK(swapped->refs[i].n_reasons ==
		    more_said->refs[i].n_reasons);
		FUZZ_CHECK(denied_for(more_said, i) == NULL ||
		    denied_for(less, i) != NULL);
	}
}

static struct decision *
judge(const struct ruleset *rs, struct view in)
{
	GG_AUTO(change_report) report = make_report(in, ruleset_n_scopes(rs));
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	GG_AUTO_RELEASE(principal) who = { .method = AUTH_TOKEN };
	GG_AUTO_RELEASE(strv) allowed = STRV_INIT;
	const char *targets[] = { NULL, "refs/heads/main" };
	struct policy_input input = { .repository = "acme/app",
		.principal = &who,
		.updates = &updates,
		.symref_targets = targets,
		.report = report,
		.now_wall_ms = INT64_C(1795176000000),
		.allowed_findings = &allowed,
		.hook = hook };
	struct decision *again = NULL;
	json_t *updates_json[2];
	struct oid one = { { 1 } }, two = { { 2 } };
	struct decision *d = NULL;

	json_t *records = make_records(in, 0), *earlier = make_records(in, 2);

	input.records = records;
	input.earlier = earlier;
	who.name = strdup("bot");
	who.verified = strdup("{\"session\":\"run-7\"}");
	strv_add(&who.groups, "agents");
	FUZZ_CHECK(ref_updates_add(&updates, &one, &two,
		       view_str("refs/heads/main"), 2, NULL) == 0);
	FUZZ_CHECK(ref_updates_add(&updates, &one, &two,
		       view_str("refs/tags/v1"), 2, NULL) == 0);
	strv_add(&allowed, "allowed");
	FUZZ_CHECK(policy_evaluate(rs, &input, &again, NULL) == 0);
	input.trace = json_array();
	FUZZ_CHECK(policy_evaluate(rs, &input, &d, NULL) == 0);
	check_trace(input.trace, rs, d);
	updates_json[0] = decision_updates_json(again);
	updates_json[1] = decision_updates_json(d);
	FUZZ_CHECK(json_equal(updates_json[0], updates_json[1]));
	FUZZ_CHECK(again->n_needs == d->n_needs);
	json_decref(updates_json[0]);
	json_decref(updates_json[1]);
	json_decref(input.trace);
	check_records(&input, records, earlier);
	json_decref(records);
	json_decref(earlier);
	decision_free(again);
	return d;
}

static bool
holds_by(const struct ref_decision *r, const char *rule)
{
	for (size_t i = 0; i < r->n_reasons; i++)
		if (r->reasons[i].verdict == VERDICT_HOLD &&
		    strcmp(r->reasons[i].rule, rule) == 0)
			return true;
	return false;
}

static void
check_decision(const struct decision *d)
{
	enum verdict strictest = VERDICT_ALLOW;

	for (size_t i = 0; i < d->n_refs; i++) {
		strictest = verdict_strictest(strictest, d->refs[i].verdict);
		for (size_t k = 0; k < d->refs[i].n_reasons; k++) {
			FUZZ_CHECK(d->refs[i].verdict <=
			    d->refs[i].reasons[k].verdict);
		}
	}
	FUZZ_CHECK(d->verdict == strictest);
	/* each need is that of a rule that holds */
	for (size_t n = 0; n < d->n_needs; n++) {
		bool held = false;

		for (size_t i = 0; i < d->n_refs; i++)
			held = held || holds_by(&d->refs[i], d->needs[n].rule);
		FUZZ_CHECK(held);
	}
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
