#include "base/auto.h"
#include "base/fd.h"
#include "model/job.h"
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAIN "refs/heads/main"

/* A push of one update with one commit of one path, unless told otherwise. */
/* A 0 in a table means "as in plain": it needs another name there. */
#define CREATE_TOO 100

struct push {
	const char *repository, *name, *group;
	const char *refname, *target; /* of a symbolic ref, or NULL */
	unsigned kind; /* of enum update_kind; modulo CREATE_TOO in a table */
	const char *path; /* NULL: the commit changes nothing */
	unsigned kinds;
	bool in_net; /* the path is in the net difference instead */
	bool too_large;
};

static const struct push plain = {
	.repository = "acme/app",
	.name = "bot",
	.group = "agents",
	.refname = MAIN,
	.kind = UPDATE_FAST_FORWARD,
	.path = "migrations/1.sql",
	.kinds = CHANGE_ADD,
};

static struct oid
oid_of(unsigned char x)
{
	struct oid o;

	memset(o.b, x, sizeof(o.b));
	return o;
}

static struct ruleset *
parse(const char *text)
{
	struct ruleset *rs = ruleset_new();
	struct gg_error err = { 0 };

	if (ruleset_parse(rs, "p.yaml", view_str(text), &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return rs;
}

static struct change_report *
report_of(const struct ruleset *rs, const struct push *p)
{
	struct change_report *r = change_report_new(1, ruleset_n_scopes(rs));
	struct update_report *u = &r->updates[0];
	struct commit_info *c = change_report_add_commit(r);
	struct path_changes *to = p->in_net ? &u->net : &c->paths;

	c->oid = oid_of(7);
	u->kind = (enum update_kind)p->kind;
	u->object = OBJECT_COMMIT;
	u->too_large = p->too_large;
	u->too_large_why = strdup(p->too_large ? "listed-paths" : "");
	if (p->path != NULL)
		path_changes_add(to, view_str(p->path))->kinds = p->kinds;
	for (size_t s = 0; p->kind != UPDATE_DELETE && s < r->n_scopes; s++)
		if (ruleset_scope_covers(rs, s, p->refname) ||
		    (p->target && ruleset_scope_covers(rs, s, p->target)))
			commit_list_add(&u->scopes[s], 0);
	return r;
}

static struct decision *
judge(const struct ruleset *rs, const struct push *p)
{
	GG_AUTO(change_report) report = report_of(rs, p);
	GG_AUTO_RELEASE(principal) who = { .method = AUTH_TOKEN };
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct oid old_oid = oid_of(p->kind == UPDATE_CREATE ? 0 : 1);
	struct oid new_oid = oid_of(p->kind == UPDATE_DELETE ? 0 : 2);
	struct policy_input in = { .repository = p->repository,
		.principal = &who,
		.updates = &updates,
		.symref_targets = &p->target,
		.report = report };
	struct decision *d = NULL;
	struct gg_error err = { 0 };

	who.name = strdup(p->name);
	strv_add(&who.groups, p->group);
	assert_int_equal(ref_updates_add(&updates, &old_oid, &new_oid,
			     view_str(p->refname), 10, NULL),
	    0);
	if (policy_evaluate(rs, &in, &d, &err) < 0)
		fail_msg("%s", err.msg);
	return d;
}

/* One rule that denies under a condition: is it met by the push? */
static const struct {
	const char *why, *when;
	struct push push; /* what differs from the plain one */
	bool want;
} conditions[] = {
	{ "no condition", "", { 0 }, true },
	{ "repository", "repositories: [acme/*]", { 0 }, true },
	{ "repository without regard to case", "repositories: [ACME/*]",
	    { .repository = "Acme/App" }, true },
	{ "another repository", "repositories: [other/*]", { 0 }, false },
	{ "repository taken away", "repositories: [\"**\", \"!acme/app\"]",
	    { 0 }, false },
	{ "ref", "refs: [refs/heads/*]", { 0 }, true },
	{ "another ref", "refs: [refs/heads/dev]", { 0 }, false },
	{ "refs have case", "refs: [refs/heads/Main]", { 0 }, false },
	{ "ref taken away", "refs: [\"!refs/heads/main\"]", { 0 }, false },
	{ "symbolic ref by its name", "refs: [refs/heads/alias]",
	    { .refname = "refs/heads/alias", .target = MAIN }, true },
	{ "symbolic ref by its target", "refs: [refs/heads/main]",
	    { .refname = "refs/heads/alias", .target = MAIN }, true },
	{ "symbolic ref, its name taken away",
	    "refs: [\"**\", \"!refs/heads/alias\"]",
	    { .refname = "refs/heads/alias", .target = MAIN }, true },
	{ "symbolic ref by its target's paths",
	    "refs: [refs/heads/main], paths: [migrations/**]",
	    { .refname = "refs/heads/alias", .target = MAIN }, true },
	{ "create", "updates: [create]", { .kind = UPDATE_CREATE + CREATE_TOO },
	    true },
	{ "fast-forward", "updates: [fast-forward]", { 0 }, true },
	{ "fast-forward is not force", "updates: [force]", { 0 }, false },
	{ "force", "updates: [create, force]", { .kind = UPDATE_FORCE }, true },
	{ "delete", "updates: [delete]", { .kind = UPDATE_DELETE }, true },
	{ "tag-move", "updates: [tag-move]", { .kind = UPDATE_TAG_MOVE },
	    true },
	{ "delete is no force", "updates: [force]", { .kind = UPDATE_DELETE },
	    false },
	{ "group", "principals: {groups: [agents]}", { 0 }, true },
	{ "another group", "principals: {groups: [dba]}", { 0 }, false },
	{ "name", "principals: {names: [bot]}", { 0 }, true },
	{ "name or group", "principals: {names: [x], groups: [agents]}", { 0 },
	    true },
	{ "empty lists mean everyone", "principals: {names: [], groups: []}",
	    { 0 }, true },
	{ "excepted", "principals: {except-groups: [agents]}", { 0 }, false },
	{ "excepted though named",
	    "principals: {names: [bot], except-groups: [agents]}", { 0 },
	    false },
	{ "another excepted", "principals: {except-groups: [dba]}", { 0 },
	    true },
	{ "only anonymous", "principals: {anonymous: true}", { 0 }, false },
	{ "path", "paths: [migrations/**]", { 0 }, true },
	{ "another path", "paths: [db/**]", { 0 }, false },
	{ "path taken away", "paths: [\"**\", \"!migrations/**\"]", { 0 },
	    false },
	{ "path's twin", "paths: [migrations/**]",
	    { .path = "Migrations/1.sql" }, true },
	{ "path in the net difference", "paths: [migrations/**]",
	    { .kind = UPDATE_FORCE, .in_net = true }, true },
	{ "a blob without a path", "paths: [\"**\"]", { .path = "" }, true },
	{ "paths of a delete", "paths: [\"**\"]", { .kind = UPDATE_DELETE },
	    false },
	{ "change", "changes: [add]", { 0 }, true },
	{ "another change", "changes: [modify, delete]", { 0 }, false },
	{ "one of several changes", "changes: [mode]",
	    { .kinds = CHANGE_MODIFY | CHANGE_MODE }, true },
	{ "symlink", "changes: [symlink]",
	    { .kinds = CHANGE_ADD | CHANGE_SYMLINK }, true },
	{ "submodule", "changes: [submodule]",
	    { .kinds = CHANGE_MODIFY | CHANGE_SUBMODULE }, true },
	{ "path and change", "paths: [migrations/**], changes: [add]", { 0 },
	    true },
	{ "path, but not the change",
	    "paths: [migrations/**], changes: [delete]", { 0 }, false },
	{ "change, but not the path", "paths: [db/**], changes: [add]", { 0 },
	    false },
	{ "all conditions",
	    "repositories: [acme/app], refs: [refs/heads/main], updates: [fast-forward], principals: {groups: [agents]}, paths: [migrations/**], changes: [add]",
	    { 0 }, true },
	{ "all but one",
	    "repositories: [acme/app], refs: [refs/heads/main], updates: [force], principals: {groups: [agents]}, paths: [migrations/**], changes: [add]",
	    { 0 }, false },
};

static struct push
differing(const struct push *p)
{
	struct push out = plain;

	if (p->repository != NULL)
		out.repository = p->repository;
	if (p->refname != NULL)
		out.refname = p->refname;
	if (p->path != NULL)
		out.path = p->path;
	if (p->kinds != 0)
		out.kinds = p->kinds;
	if (p->kind != 0)
		out.kind = p->kind % CREATE_TOO;
	out.target = p->target;
	out.in_net = p->in_net;
	out.too_large = p->too_large;
	return out;
}

static void
test_conditions(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(conditions); i++) {
		GG_AUTO_MEM char *text = path_f(
		    "rules: [{name: r, then: deny, message: stop, when: {%s}}]",
		    conditions[i].when);
		GG_AUTO(ruleset) rs = parse(text);
		struct push p = differing(&conditions[i].push);
		GG_AUTO(decision) d = judge(rs, &p);

		if ((d->verdict == VERDICT_DENY) != conditions[i].want ||
		    d->refs[0].n_reasons != conditions[i].want)
			fail_msg("%s", conditions[i].why);
		if (!conditions[i].want) {
			assert_int_equal(d->verdict, VERDICT_ALLOW);
			continue;
		}
		assert_string_equal(d->refs[0].reasons[0].rule, "r");
		assert_string_equal(d->refs[0].reasons[0].message, "stop");
		assert_int_equal(d->n_needs, 0);
	}
}

/*
 * Two commits: ann@corp.example adds a/x of 100 bytes with 7 lines, and
 * Bob@Evil.example changes b/y of 5000 bytes with 40 lines; "key" is found in
 * b/y. Judged on Friday, 2026-11-20, noon.
 */
static struct change_report *
rich_report(const struct ruleset *rs)
{
	static const char *const emails[] = { "ann@corp.example",
		"Bob@Evil.example" };
	static const char *const messages[] = { "PROJ-1: a\n\nlong/x\ny\n",
		"fixup! b" };
	static const char *const paths[] = { "a/x", "b/y" };
	struct change_report *r = change_report_new(1, ruleset_n_scopes(rs));
	struct finding *f = change_report_add_finding(r);

	r->updates[0].kind = UPDATE_FAST_FORWARD;
	for (uint32_t i = 0; i < 2; i++) {
		struct commit_info *c = change_report_add_commit(r);
		struct path_change *p = path_changes_add(&c->paths,
		    view_str(paths[i]));

		c->oid = oid_of((unsigned char)(7 + i));
		c->author_email = strdup(emails[i]);
		c->committer_email = strdup("ann@corp.example");
		c->message = strdup(messages[i]);
		p->kinds = i == 0 ? CHANGE_ADD : CHANGE_MODIFY;
		p->new_mode = 0100644;
		p->new_bytes = i == 0 ? 100 : 5000;
		p->lines_added = i == 0 ? 7 : 40;
		for (size_t s = 0; s < r->n_scopes; s++)
			commit_list_add(&r->updates[0].scopes[s], i);
	}
	f->rule = strdup("key");
	f->path = strdup("b/y");
	f->fingerprint = strdup("print");
	f->line = 3;
	f->masked = strdup("AKIA...");
	f->commit = 1;
	return r;
}

static struct decision *
judge_rich(const struct ruleset *rs, const struct change_report *report,
    const struct strv *allowed, json_t *trace)
{
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct principal who = { .method = AUTH_ANONYMOUS };
	struct oid one = oid_of(1), two = oid_of(2);
	struct policy_input in = { .repository = "acme/app",
		.principal = &who,
		.updates = &updates,
		.report = report,
		.now_wall_ms = INT64_C(1795176000000),
		.allowed_findings = allowed,
		.trace = trace };
	struct decision *d = NULL;
	struct gg_error err = { 0 };

	assert_int_equal(ref_updates_add(&updates, &one, &two, view_str(MAIN),
			     1, NULL),
	    0);
	if (policy_evaluate(rs, &in, &d, &err) < 0)
		fail_msg("%s", err.msg);
	return d;
}

static const struct {
	const char *why, *when;
	bool want;
} contents[] = {
	{ "a larger blob", "blob-larger-than: 4999", true },
	{ "as large", "blob-larger-than: 5000", false },
	{ "a larger blob of that path",
	    "blob-larger-than: 1kB, paths: [\"b/**\"]", true },
	{ "the larger blob is another path's",
	    "blob-larger-than: 1kB, paths: [\"a/**\"]", false },
	{ "the larger blob is changed another way",
	    "blob-larger-than: 1kB, changes: [add]", false },
	{ "a secret", "secrets: true", true },
	{ "a secret, and a path of another commit",
	    "secrets: true, paths: [\"a/**\"]", true },
	{ "a secret, but no such path", "secrets: true, paths: [\"c/**\"]",
	    false },
	{ "an author", "commits: {author-email: [\"ann@*\"]}", true },
	{ "an author in other letters",
	    "commits: {author-email: [\"BOB@evil.EXAMPLE\"]}", true },
	{ "no such author", "commits: {author-email: [\"eve@*\"]}", false },
	{ "an author that is not one of ours",
	    "commits: {author-email: [\"!*@corp.example\"]}", true },
	{ "all authors are some of ours",
	    "commits: {author-email: [\"!*@corp.example\", \"!*@evil.example\"]}",
	    false },
	{ "a committer", "commits: {committer-email: [\"ann@*\"]}", true },
	{ "no such committer", "commits: {committer-email: [\"bob@*\"]}",
	    false },
	{ "a message over lines", "commits: {message: [\"PROJ**long**y**\"]}",
	    true },
	{ "a message with a slash", "commits: {message: [\"**long/x**\"]}",
	    true },
	{ "no such message", "commits: {message: [\"**Y**\"]}", false },
	{ "a subject", "commits: {subject: [\"PROJ-[0-9]: a\"]}", true },
	{ "a subject ends with its line", "commits: {subject: [\"**long**\"]}",
	    false },
	{ "of one commit",
	    "commits: {author-email: [\"bob@*\"], subject: [\"fixup*\"]}",
	    true },
	{ "of two commits",
	    "commits: {author-email: [\"ann@*\"], subject: [\"fixup*\"]}",
	    false },
	{ "not signed", "commits: {signed-by: {openpgp: k}}", true },
	{ "signed", "commits: {signed-by: {openpgp: k, require: false}}",
	    false },
	{ "more commits", "more-than: {commits: 1}", true },
	{ "as many commits", "more-than: {commits: 2}", false },
	{ "more files", "more-than: {files: 1}", true },
	{ "as many files", "more-than: {files: 2}", false },
	{ "more lines", "more-than: {lines: 46}", true },
	{ "as many lines", "more-than: {lines: 47}", false },
	{ "any of them", "more-than: {commits: 9, lines: 9}", true },
	{ "none of them", "more-than: {commits: 9, files: 9, lines: 99}",
	    false },
	{ "no session", "provenance: {require: session}", true },
	{ "no prompt", "provenance: {require: prompt}", true },
	{ "no model", "provenance: {require: model}", true },
	{ "no provenance", "provenance: {require: any}", true },
	{ "during", "during: [{days: [fri]}]", true },
	{ "not during", "during: [{days: [sat]}]", false },
	{ "outside", "outside: [{days: [sat]}]", true },
	{ "not outside", "outside: [{days: [sat]}, {days: [fri]}]", false },
	{ "during and outside",
	    "during: [{days: [fri]}], outside: [{to: \"13:00\"}]", false },
	{ "all of them",
	    "blob-larger-than: 1kB, secrets: true, commits: {subject: [\"fixup*\"]}, more-than: {files: 1}, during: [{days: [fri]}]",
	    true },
	{ "all but one",
	    "blob-larger-than: 1kB, secrets: true, commits: {subject: [\"nope*\"]}, more-than: {files: 1}, during: [{days: [fri]}]",
	    false },
};

/* And the trace says the same, condition by condition. */
static void
test_contents(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(contents); i++) {
		GG_AUTO_MEM char *text =
		    path_f("rules: [{name: r, then: deny, when: {%s}}]",
			contents[i].when);
		GG_AUTO(ruleset) rs = parse(text);
		GG_AUTO(change_report) report = rich_report(rs);
		GG_AUTO(decision) d = NULL;
		json_t *trace = json_array(), *c;
		bool all = true;
		size_t k;

		d = judge_rich(rs, report, NULL, trace);
		if ((d->verdict == VERDICT_DENY) != contents[i].want)
			fail_msg("%s", contents[i].why);
		json_array_foreach(json_object_get(json_array_get(trace, 0),
				       "conditions"),
		    k, c)
		{
			all = all &&
			    json_is_true(json_object_get(c, "matched"));
			assert_string_not_equal(
			    json_string_value(json_object_get(c, "why")), "");
		}
		if (all != contents[i].want || json_array_size(trace) != 1)
			fail_msg("the trace of %s", contents[i].why);
		json_decref(trace);
	}
}

static void
test_findings(void **state)
{
	GG_AUTO(ruleset) rs =
	    parse("rules: [{name: r, then: deny, when: {secrets: true}}]");
	GG_AUTO(ruleset) hold = parse(
	    "rules: [{name: r, then: hold, approvals: {from: [sec]}, when: {secrets: true}}]");
	GG_AUTO(change_report) report = rich_report(rs);
	GG_AUTO_RELEASE(strv) allowed = STRV_INIT;
	GG_AUTO(decision) d = judge_rich(rs, report, &allowed, NULL);
	GG_AUTO(decision) e = NULL;
	GG_AUTO(decision) f = NULL;
	GG_AUTO(decision) g = NULL;
	GG_AUTO(decision) h = NULL;

	(void)state;
	assert_int_equal(d->refs[0].reasons[0].n_matches, 1);
	assert_string_equal(d->refs[0].reasons[0].matches[0].path, "b/y");
	assert_string_equal(d->refs[0].reasons[0].matches[0].change,
	    "secret key, line 3: AKIA...");
	/* a reviewer has allowed it */
	strv_add(&allowed, "print");
	e = judge_rich(rs, report, &allowed, NULL);
	assert_int_equal(e->verdict, VERDICT_ALLOW);
	/* but there was more than is listed */
	report->findings_all = 2;
	f = judge_rich(rs, report, &allowed, NULL);
	assert_int_equal(f->verdict, VERDICT_HOLD);
	assert_int_equal(f->n_needs, 1);
	assert_int_equal(f->needs[0].from.n, 0);
	report->findings_all = 1;
	/* or not everything was scanned */
	free(report->scan_incomplete);
	report->scan_incomplete = strdup("time");
	g = judge_rich(rs, report, &allowed, NULL);
	assert_int_equal(g->verdict, VERDICT_HOLD);
	assert_string_equal(g->refs[0].reasons[0].message,
	    "not everything could be looked at: time");
	h = judge_rich(hold, report, &allowed, NULL);
	assert_int_equal(h->verdict, VERDICT_HOLD);
	assert_int_equal(h->n_needs, 1);
	assert_string_equal(h->needs[0].from.v[0], "sec");
}

/* A size that nobody knows may be any; a message that was cut too. */
static void
test_unknown_parts(void **state)
{
	GG_AUTO(ruleset) rs = parse(
	    "rules: [{name: b, then: deny, when: {blob-larger-than: 1GiB}}, {name: m, then: deny, when: {commits: {message: [nope]}}}]");
	GG_AUTO(change_report) report = rich_report(rs);
	GG_AUTO(decision) d = judge_rich(rs, report, NULL, NULL);
	GG_AUTO(decision) e = NULL;
	char *message = calloc(1, 65537);

	(void)state;
	assert_int_equal(d->verdict, VERDICT_ALLOW);
	assert_non_null(message);
	memset(message, 'a', 65536);
	report->commits[0].paths.v[0].new_bytes = 0;
	free(report->commits[0].message);
	report->commits[0].message = message;
	e = judge_rich(rs, report, NULL, NULL);
	assert_int_equal(e->refs[0].n_reasons, 2);
}

struct asked {
	unsigned n;
	bool fails;
};

static int
count_hook(void *ctx, const char *program, const json_t *input,
    struct hook_answer *out, struct gg_error *err)
{
	struct asked *a = ctx;

	assert_string_equal(program, "x");
	assert_string_equal(json_string_value(json_object_get(input, "rule")),
	    "r");
	a->n++;
	if (a->fails)
		return gg_fail(err, GG_E_REFUSED, "late");
	out->verdict = VERDICT_ALLOW;
	return 0;
}

/* Asked once per ref, a hundred times in all, and not again once it failed. */
static void
test_hook_calls(void **state)
{
	GG_AUTO(ruleset) rs = parse(
	    "rules: [{name: r, when: {hook: x, refs: [\"!refs/heads/0\"]}}]");
	struct principal who = { .method = AUTH_ANONYMOUS };
	struct oid one = oid_of(1), two = oid_of(2);

	(void)state;
	for (int fails = 0; fails < 2; fails++) {
		GG_AUTO(change_report) report = change_report_new(103,
		    ruleset_n_scopes(rs));
		GG_AUTO_RELEASE(ref_updates) updates = { 0 };
		GG_AUTO(decision) d = NULL;
		struct asked asked = { 0, fails == 1 };
		struct policy_input in = { .repository = "a",
			.principal = &who,
			.updates = &updates,
			.report = report,
			.hook = count_hook,
			.hook_ctx = &asked };

		for (size_t i = 0; i < 103; i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "refs/heads/%zu", i);
			assert_int_equal(ref_updates_add(&updates, &one, &two,
					     view_str(name), 200, NULL),
			    0);
			report->updates[i].kind = UPDATE_FAST_FORWARD;
		}
		assert_int_equal(policy_evaluate(rs, &in, &d, NULL), 0);
		assert_int_equal(asked.n, fails ? 1 : 100);
		assert_int_equal(d->refs[0].n_reasons, 0);
		assert_int_equal(d->refs[1].verdict,
		    fails ? VERDICT_DENY : VERDICT_ALLOW);
		assert_int_equal(d->refs[100].verdict,
		    fails ? VERDICT_DENY : VERDICT_ALLOW);
		assert_int_equal(d->refs[101].verdict, VERDICT_DENY);
		assert_string_equal(d->refs[102].reasons[0].message,
		    fails ? "hook x: it failed for another ref of this push" :
			    "hook x: a push may ask hooks 100 times");
	}
}

static void
test_wants(void **state)
{
	static const struct {
		const char *rule;
		unsigned want;
	} wants[] = {
		{ "{name: r, then: deny}", 0 },
		{ "{name: r, then: deny, when: {secrets: true}}",
		    JOB_WANT_SECRETS },
		{ "{name: r, then: deny, when: {more-than: {files: 1}}}", 0 },
		{ "{name: r, then: deny, when: {more-than: {lines: 1}}}",
		    JOB_WANT_LINES },
		{ "{name: r, then: deny, when: {commits: {subject: [x]}}}", 0 },
		{ "{name: r, then: deny, when: {commits: {signed-by: {openpgp: k}}}}",
		    JOB_WANT_SIGNATURES },
		{ "{name: r, then: hold, approvals: {from-codeowners: true}}",
		    JOB_WANT_OWNERS },
		{ "{name: r, then: deny, when: {secrets: true, repositories: [x]}}",
		    0 },
		{ "{name: r, then: deny, when: {secrets: true, principals: {groups: [x]}}}",
		    0 },
	};
	static const struct principal who = { .method = AUTH_ANONYMOUS };

	(void)state;
	for (size_t i = 0; i < GG_COUNT(wants); i++) {
		GG_AUTO_MEM char *text = path_f("rules: [%s]", wants[i].rule);
		GG_AUTO(ruleset) rs = parse(text);

		if (ruleset_wants(rs, &who, "acme/app") != wants[i].want)
			fail_msg("%s", wants[i].rule);
		/* what it needs of a scope is computed */
		if (wants[i].want != 0)
			assert_true(ruleset_scope_needed(rs, 0, &who,
			    "acme/app"));
	}
}

#define D "{name: d, then: deny}"
#define H \
	"{name: h, then: hold, approvals: {required: 2, from: [dba], allow-self: true}, wait: 15m, expires: 1h}"
#define I "{name: i, then: hold}"
#define A "{name: a, then: allow}"
#define P "{name: p, then: hold, when: {paths: [secret/**]}}"
#define Q "{name: q, then: deny, when: {paths: [secret/**]}}"

static const struct {
	const char *why, *rules;
	bool too_large;
	enum verdict want;
	size_t reasons, needs;
} combined[] = {
	{ "no rule", "", false, VERDICT_ALLOW, 0, 0 },
	{ "allow", A, false, VERDICT_ALLOW, 1, 0 },
	{ "hold", H, false, VERDICT_HOLD, 1, 1 },
	{ "deny", D, false, VERDICT_DENY, 1, 0 },
	{ "hold over allow", A "," H, false, VERDICT_HOLD, 2, 1 },
	{ "allow does not undo a hold", H "," A, false, VERDICT_HOLD, 2, 1 },
	{ "deny over hold", D "," H, false, VERDICT_DENY, 2, 1 },
	{ "deny over hold, the other order", H "," D, false, VERDICT_DENY, 2,
	    1 },
	{ "needs add up", H "," I, false, VERDICT_HOLD, 2, 2 },
	{ "too large is held", "", true, VERDICT_HOLD, 1, 1 },
	{ "too large, allowed by a rule, is held", A, true, VERDICT_HOLD, 2,
	    1 },
	{ "too large and held needs no more", H, true, VERDICT_HOLD, 2, 1 },
	{ "too large and denied", D, true, VERDICT_DENY, 2, 0 },
	{ "not looked at whole, a hold on paths counts", P, true, VERDICT_HOLD,
	    2, 1 },
	{ "looked at whole, it does not", P, false, VERDICT_ALLOW, 0, 0 },
	{ "not looked at whole, a deny on paths is held", Q, true, VERDICT_HOLD,
	    1, 1 },
};

static void
test_combined(void **state)
{
	(void)state;
	for (size_t i = 0; i < GG_COUNT(combined); i++) {
		GG_AUTO_MEM char *text = path_f("rules: [%s]",
		    combined[i].rules);
		GG_AUTO(ruleset) rs = parse(text);
		struct push p = plain;
		GG_AUTO(decision) d = NULL;

		p.too_large = combined[i].too_large;
		d = judge(rs, &p);
		if (d->verdict != combined[i].want ||
		    d->refs[0].verdict != combined[i].want ||
		    d->refs[0].n_reasons != combined[i].reasons ||
		    d->n_needs != combined[i].needs)
			fail_msg("%s: verdict %d, %zu reasons, %zu needs",
			    combined[i].why, (int)d->verdict,
			    d->refs[0].n_reasons, d->n_needs);
		assert_string_equal(d->policy_digest, ruleset_digest(rs));
	}
}

static void
test_too_large_need(void **state)
{
	GG_AUTO(ruleset) rs = parse("");
	struct push p = plain;
	GG_AUTO(decision) d = NULL;

	(void)state;
	p.too_large = true;
	d = judge(rs, &p);
	assert_string_equal(d->needs[0].rule, "too-large");
	assert_int_equal(d->needs[0].required, 1);
	assert_int_equal(d->needs[0].from.n, 0);
	assert_false(d->needs[0].allow_self);
	assert_int_equal(d->needs[0].expires_ms, 72 * 3600000);
	assert_string_equal(d->refs[0].reasons[0].message,
	    "the change is too large to be looked at whole (limit listed-paths)");
}

/* Two refs, two rules: one need per rule, however many refs it holds. */
static void
test_many_refs(void **state)
{
	GG_AUTO(ruleset) rs =
	    parse("rules: [" H
		  ", {name: tags, then: deny, when: {refs: [refs/tags/**]}}]");
	GG_AUTO(change_report) report = change_report_new(3,
	    ruleset_n_scopes(rs));
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct principal who = { .method = AUTH_ANONYMOUS };
	struct policy_input in = { .repository = "a",
		.principal = &who,
		.updates = &updates,
		.report = report };
	static const char *const names[] = { MAIN, "refs/heads/x",
		"refs/tags/v1" };
	struct oid one = oid_of(1), two = oid_of(2);
	GG_AUTO(decision) d = NULL;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ref_updates_add(&updates, &one, &two,
				     view_str(names[i]), 10, NULL),
		    0);
		report->updates[i].kind = i == 2 ? UPDATE_TAG_MOVE :
						   UPDATE_FAST_FORWARD;
	}
	assert_int_equal(policy_evaluate(rs, &in, &d, NULL), 0);
	assert_int_equal(d->verdict, VERDICT_DENY);
	assert_int_equal(d->refs[0].verdict, VERDICT_HOLD);
	assert_int_equal(d->refs[1].verdict, VERDICT_HOLD);
	assert_int_equal(d->refs[2].verdict, VERDICT_DENY);
	assert_int_equal(d->n_needs, 1);
	assert_int_equal(d->needs[0].required, 2);
	assert_true(d->needs[0].allow_self);
	assert_string_equal(d->needs[0].from.v[0], "dba");
	assert_int_equal(d->needs[0].wait_ms, 900000);
	assert_int_equal(d->needs[0].expires_ms, 3600000);
}

static void
test_unfit(void **state)
{
	GG_AUTO(ruleset) rs = parse("rules: [" D "]");
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct principal who = { .method = AUTH_ANONYMOUS };
	struct policy_input in = {
		.repository = "a", .principal = &who, .updates = &updates
	};
	struct oid zero = { { 0 } }, one = oid_of(1);
	struct decision *d = NULL;

	(void)state;
	assert_int_equal(ref_updates_add(&updates, &zero, &one, view_str(MAIN),
			     1, NULL),
	    0);
	for (int i = 0; i < 5; i++) {
		GG_AUTO(change_report) r = change_report_new(i == 0 ? 2 : 1,
		    i == 1 ? 0 : 1);

		in.report = r;
		r->updates[0].kind = UPDATE_CREATE;
		if (i == 2)
			r->updates[0].kind = UPDATE_FAST_FORWARD;
		if (i == 3)
			r->updates[0].kind = UPDATE_DELETE;
		if (i == 4)
			commit_list_add(&r->updates[0].scopes[0], 0);
		assert_int_equal(policy_evaluate(rs, &in, &d, NULL),
		    GG_E_CORRUPT);
		assert_null(d);
	}
}

static void
test_json(void **state)
{
	static const char want[] =
	    "[{\"kind\":\"fast-forward\","
	    "\"new\":\"0202020202020202020202020202020202020202\","
	    "\"old\":\"0101010101010101010101010101010101010101\","
	    "\"reasons\":[{\"message\":\"Ask a DBA.\",\"paths\":["
	    "{\"change\":\"added\",\"commit\":\"0707070707070707070707070707070707070707\","
	    "\"path\":\"migrations/\xef\xbf\xbd.sql\"}],\"paths_total\":1,"
	    "\"rule\":\"r\",\"same\":[\"migrations/**\"],"
	    "\"verdict\":\"hold\"}],"
	    "\"ref\":\"refs/heads/main\",\"verdict\":\"hold\"}]";
	static const char needs[] =
	    "[{\"allow_self\":false,\"expires_ms\":259200000,\"from\":[\"dba\"],"
	    "\"required\":1,\"rule\":\"r\",\"wait_ms\":0}]";
	GG_AUTO(ruleset) rs = parse(
	    "rules: [{name: r, then: hold, message: Ask a DBA., when: {paths: [migrations/**]}, approvals: {from: [dba]}}]");
	struct push p = plain;
	GG_AUTO(decision) d = NULL;
	json_t *j;
	char *text;

	(void)state;
	p.path = "migrations/\xff.sql";
	d = judge(rs, &p);
	j = decision_updates_json(d);
	text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, want);
	free(text);
	json_decref(j);
	j = decision_needs_json(d);
	text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, needs);
	free(text);
	json_decref(j);
}

/* What matched is counted to the end and listed to the cut. */
static void
test_match_counts(void **state)
{
	GG_AUTO(ruleset) rs =
	    parse("rules: [{name: r, then: deny, when: {paths: [a/**]}}]");
	GG_AUTO(change_report) report = report_of(rs, &plain);
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct principal who = { .method = AUTH_ANONYMOUS };
	struct policy_input in = { .repository = "a",
		.principal = &who,
		.updates = &updates,
		.report = report };
	struct oid one = oid_of(1), two = oid_of(2);
	GG_AUTO(decision) d = NULL;

	(void)state;
	for (int i = 0; i < 150; i++) {
		GG_AUTO_MEM char *path = path_f("%s/%d", i < 140 ? "a" : "b",
		    i);

		path_changes_add(&report->commits[0].paths, view_str(path))
		    ->kinds = CHANGE_MODIFY;
	}
	assert_int_equal(ref_updates_add(&updates, &one, &two, view_str(MAIN),
			     1, NULL),
	    0);
	assert_int_equal(policy_evaluate(rs, &in, &d, NULL), 0);
	assert_int_equal(d->refs[0].reasons[0].n_matches_all, 140);
	assert_int_equal(d->refs[0].reasons[0].n_matches, REASON_MAX_MATCHES);
}

/* Every ref that brings a commit is told what is in it. */
static void
test_shared_commit(void **state)
{
	GG_AUTO(ruleset) rs = parse(
	    "rules: [{name: r, then: deny, when: {paths: [migrations/**]}}]");
	GG_AUTO(change_report) report = change_report_new(2, 1);
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct principal who = { .method = AUTH_ANONYMOUS };
	struct policy_input in = { .repository = "a",
		.principal = &who,
		.updates = &updates,
		.report = report };
	struct oid one = oid_of(1), two = oid_of(2);
	GG_AUTO(decision) d = NULL;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct commit_info *c = change_report_add_commit(report);

		c->oid = oid_of((unsigned char)(8 + i));
		path_changes_add(&c->paths, view_str("migrations/1"))->kinds =
		    CHANGE_ADD;
		report->updates[i].kind = UPDATE_FAST_FORWARD;
		assert_int_equal(ref_updates_add(&updates, &one, &two,
				     view_str(i ? "refs/heads/b" : MAIN), 10,
				     NULL),
		    0);
	}
	commit_list_add(&report->updates[0].scopes[0], 0);
	commit_list_add(&report->updates[1].scopes[0], 1);
	commit_list_add(&report->updates[1].scopes[0], 0);
	assert_int_equal(policy_evaluate(rs, &in, &d, NULL), 0);
	assert_int_equal(d->refs[0].reasons[0].n_matches_all, 1);
	assert_int_equal(d->refs[1].reasons[0].n_matches_all, 2);
	assert_int_equal(d->refs[1].reasons[0].n_matches, 2);
	assert_int_equal(d->refs[1].reasons[0].matches[0].commit.b[0], 9);
	assert_int_equal(d->refs[1].reasons[0].matches[1].commit.b[0], 8);
}

/* A push of one commit, its message, and the records that come with it, or that
 * an earlier push brought. */
static enum verdict
judge_records(const char *when, const char *message, const char *verified,
    const char *records, bool earlier)
{
	GG_AUTO_MEM char *text = NULL;
	GG_AUTO(ruleset) rs = NULL;
	GG_AUTO(change_report) report = NULL;
	GG_AUTO(decision) d = NULL;
	GG_AUTO_RELEASE(principal) who = { .method = AUTH_OIDC };
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	struct push p = { .refname = "refs/heads/x",
		.kind = UPDATE_FAST_FORWARD };
	struct oid old_oid = oid_of(1), new_oid = oid_of(2);
	json_t *list = json_loads(records, 0, NULL);
	struct policy_input in = { .repository = "demo/app",
		.principal = &who,
		.updates = &updates,
		.symref_targets = &p.target,
		.records = earlier ? NULL : list,
		.earlier = earlier ? list : NULL };
	enum verdict verdict;

	assert_non_null(list);
	assert_true(asprintf(&text,
			"rules: [{name: r, when: {provenance: {%s}}, "
			"then: deny, message: m}]",
			when) > 0);
	rs = parse(text);
	in.report = report = report_of(rs, &p);
	report->commits[0].message = strdup(message);
	who.name = strdup("bot");
	who.verified = strdup(verified);
	assert_int_equal(ref_updates_add(&updates, &old_oid, &new_oid,
			     view_str(p.refname), 10, NULL),
	    0);
	assert_int_equal(policy_evaluate(rs, &in, &d, NULL), 0);
	verdict = d->verdict;
	json_decref(list);
	return verdict;
}

/* The commit's id is 20 bytes of 7. */
#define ABOUT "\"key\":\"commit:0707070707070707070707070707070707070707\","

static void
records_speak_for_commits(void **state)
{
	static const struct {
		const char *when, *message, *records;
		bool said;
	} rows[] = {
		{ "require: session", "", "[{" ABOUT "\"session\":\"s\"}]",
		    true },
		{ "require: session", "",
		    "[{" ABOUT "\"files\":[{},{\"session\":\"s\"}]}]", true },
		{ "require: session", "",
		    "[{" ABOUT "\"sessions\":[{\"session\":\"s\"}]}]", true },
		{ "require: session", "", "[{" ABOUT "\"model\":\"m\"}]",
		    false },
		{ "require: session", "", "[{\"session\":\"s\"}]", false },
		{ "require: session", "",
		    "[{" ABOUT "\"session\":\"s\",\"unreadable\":\"x\"}]",
		    false },
		{ "require: session", "",
		    "[{\"commit\":\"0707070707070707070707070707070707070707\","
		    "\"session\":\"s\"}]",
		    true },
		{ "require: session", "",
		    "[{\"key\":\"checkpoint:0123456789ab\",\"session\":\"s\"}]",
		    false },
		{ "require: session", "a\n\nEntire-Checkpoint: 0123456789ab\n",
		    "[{\"key\":\"checkpoint:0123456789ab\",\"session\":\"s\"}]",
		    true },
		{ "require: prompt", "a\n\nEntire-Checkpoint: 0123456789ab\n",
		    "[{\"key\":\"checkpoint:0123456789ab\",\"session\":\"s\"}]",
		    false },
		{ "require: prompt", "a\n\nEntire-Checkpoint: 0123456789ab\n",
		    "[{\"key\":\"checkpoint:0123456789ab\",\"sessions\":"
		    "[{\"prompt\":\"Do.\"}]}]",
		    true },
		{ "require: model", "", "[{" ABOUT "\"model\":\"m\"}]", true },
		{ "require: model", "", "[{" ABOUT "\"session\":\"s\"}]",
		    false },
		{ "require: any", "", "[{" ABOUT "\"tool\":\"t\"}]", true },
		/* that people wrote it says nothing about an agent */
		{ "require: any", "",
		    "[{" ABOUT "\"human\":\"Ann\",\"files\":"
		    "[{\"by\":\"human\",\"human\":\"Ann\"}]}]",
		    false },
		{ "require: any", "", "[]", false },
		/* only what the token names is verified */
		{ "require: session, verified: true", "",
		    "[{" ABOUT "\"session\":\"s\"}]", false },
		{ "require: session, verified: true", "",
		    "[{" ABOUT "\"session\":\"s\"},{" ABOUT
		    "\"session\":\"run-7\"}]",
		    true },
	};

	(void)state;
	for (size_t i = 0; i < 2 * GG_COUNT(rows); i++)
		if (judge_records(rows[i / 2].when, rows[i / 2].message,
			"{\"session\":\"run-7\"}", rows[i / 2].records,
			i % 2 == 1) !=
		    (rows[i / 2].said ? VERDICT_ALLOW : VERDICT_DENY))
			fail_msg("row %zu: %s, %s", i / 2, rows[i / 2].when,
			    rows[i / 2].records);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_speak_for_commits),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_unknown_parts),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_hook_calls),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_combined),
		cmocka_unit_test(test_too_large_need),
		cmocka_unit_test(test_many_refs),
		cmocka_unit_test(test_unfit),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_match_counts),
		cmocka_unit_test(test_shared_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
