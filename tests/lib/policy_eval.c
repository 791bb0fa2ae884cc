/*
 * policy_eval DIR <CASES: judge pushes as they are described in JSON by the
 * policy in DIR; one JSON answer per line. A case, all members optional:
 *
 *	{"repository", "name", "groups": [], "ref", "target", "kind", "now",
 *	 "commits": [COMMIT], "net": [PATH], "findings": [FINDING],
 *	 "allowed": [], "owners", "owners-path", "too-large", "incomplete",
 *	 "hook": {"verdict", "message"}, "records": [RECORD], "trace"}
 *	COMMIT: {"author", "committer", "message", "signature", "payload",
 *	 "paths": [PATH]}
 *	PATH: a text, or {"path", "kinds": [], "bytes", "added", "removed"}
 *	FINDING: {"rule", "path", "line", "fingerprint", "commit"}
 */
#include "base/clock.h"
#include "policy/policy.h"

#include <stdio.h>

static const char *
text(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : otherwise;
}

static char *
copy(const json_t *o, const char *key, const char *otherwise)
{
	char *s = strdup(text(o, key, otherwise));

	if (s == NULL)
		gg_die("no memory");
	return s;
}

static unsigned
kinds_of(const json_t *list)
{
	static const char *const names[] = { "add", "modify", "delete", "mode",
		"symlink", "submodule" };
	unsigned bits = 0;
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x)
	{
		for (size_t k = 0; k < GG_COUNT(names); k++)
			if (strcmp(names[k], json_string_value(x)) == 0)
				bits |= 1u << k;
	}
	return bits ? bits : CHANGE_MODIFY;
}

static void
add_paths(const json_t *list, struct path_changes *out)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x)
	{
		const char *name = json_is_string(x) ? json_string_value(x) :
						       text(x, "path", "");
		struct path_change *p = path_changes_add(out, view_str(name));
		json_int_t bytes = json_integer_value(json_object_get(x,
		    "bytes"));

		p->kinds = kinds_of(json_object_get(x, "kinds"));
		p->new_mode = 0100644;
		p->new_bytes = bytes > 0 ? (uint64_t)bytes : 10;
		p->lines_added = (uint32_t)json_integer_value(json_object_get(x,
		    "added"));
		p->lines_removed = (uint32_t)
		    json_integer_value(json_object_get(x, "removed"));
	}
}

static void
add_commit(struct change_report *r, const json_t *o)
{
	struct commit_info *c = change_report_add_commit(r);

	memset(c->oid.b, (int)(16 + r->n_commits % 200), sizeof(c->oid.b));
	c->author_name = strdup("A");
	c->committer_name = strdup("C");
	c->author_email = copy(o, "author", "ann@corp.example");
	c->committer_email = copy(o, "committer", "ann@corp.example");
	c->message = copy(o, "message", "a change\n");
	c->signature = copy(o, "signature", "");
	c->payload = copy(o, "payload", "");
	c->payload_n = strlen(c->payload);
	add_paths(json_object_get(o, "paths"), &c->paths);
}

static void
add_finding(struct change_report *r, const json_t *o)
{
	struct finding *f = change_report_add_finding(r);
	const json_t *commit = json_object_get(o, "commit");

	if (f == NULL)
		gg_die("too many findings");
	f->place = FINDING_BLOB;
	f->rule = copy(o, "rule", "aws-access-token");
	f->description = strdup("");
	f->path = copy(o, "path", "");
	f->line = (uint32_t)json_integer_value(json_object_get(o, "line"));
	f->masked = strdup("AKIA...");
	f->fingerprint = copy(o, "fingerprint", "");
	f->commit = commit != NULL ? (uint32_t)json_integer_value(commit) :
				     UINT32_MAX;
	f->update = 0;
}

static enum update_kind
kind_of(const char *name)
{
	for (unsigned k = UPDATE_CREATE; k <= UPDATE_TAG_MOVE; k++)
		if (strcmp(update_kind_name((enum update_kind)k), name) == 0)
			return (enum update_kind)k;
	gg_die("no such kind of update");
}

static struct change_report *
report_of(const struct ruleset *rs, const json_t *o)
{
	struct change_report *r = change_report_new(1, ruleset_n_scopes(rs));
	struct update_report *u = &r->updates[0];
	const char *target = text(o, "target", NULL);
	const json_t *x;
	size_t i;

	u->kind = kind_of(text(o, "kind", "fast-forward"));
	u->object = OBJECT_COMMIT;
	u->too_large = json_is_true(json_object_get(o, "too-large"));
	u->too_large_why = strdup("listed-paths");
	u->owners = copy(o, "owners", "");
	u->owners_n = strlen(u->owners);
	u->owners_path = copy(o, "owners-path", "CODEOWNERS");
	r->scan_incomplete = copy(o, "incomplete", "");
	add_paths(json_object_get(o, "net"), &u->net);
	json_array_foreach(json_object_get(o, "commits"), i, x)
	    add_commit(r, x);
	json_array_foreach(json_object_get(o, "findings"), i, x)
	    add_finding(r, x);
	for (size_t s = 0; s < r->n_scopes; s++)
		for (uint32_t c = 0; c < r->n_commits; c++)
			if (ruleset_scope_covers(rs, s,
				text(o, "ref", "refs/heads/main")) ||
			    (target && ruleset_scope_covers(rs, s, target)))
				commit_list_add(&u->scopes[s], c);
	return r;
}

static int
answer(void *ctx, const char *program, const json_t *input,
    struct hook_answer *out, struct gg_error *err)
{
	const json_t *o = json_object_get(ctx, "hook");
	const char *verdict = text(o, "verdict", NULL);
	FILE *f = getenv("HOOK_INPUT") ? fopen(getenv("HOOK_INPUT"), "w") :
					 NULL;

	(void)program;
	if (f != NULL) {
		(void)json_dumpf(input, f, JSON_INDENT(1));
		(void)fclose(f);
	}
	if (verdict == NULL)
		return gg_fail(err, GG_E_REFUSED, "no answer");
	out->verdict = strcmp(verdict, "allow") == 0 ? VERDICT_ALLOW :
	    strcmp(verdict, "hold") == 0             ? VERDICT_HOLD :
						       VERDICT_DENY;
	out->message = copy(o, "message", "");
	return 0;
}

static void
print(const struct decision *d, json_t *trace)
{
	json_t *o = json_pack("{s:s, s:o, s:o, s:o}", "verdict",
	    verdict_name(d->verdict), "updates", decision_updates_json(d),
	    "needs", decision_needs_json(d), "trace",
	    trace ? trace : json_null());

	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(o);
}

static int
judge(const struct ruleset *rs, json_t *o, struct gg_error *err)
{
	GG_AUTO(change_report) report = report_of(rs, o);
	GG_AUTO(decision) d = NULL;
	GG_AUTO_RELEASE(principal) who = { .method = AUTH_TOKEN };
	GG_AUTO_RELEASE(ref_updates) updates = { 0 };
	GG_AUTO_RELEASE(strv) allowed = STRV_INIT;
	const char *target = text(o, "target", NULL);
	struct oid old_oid = { { 1 } }, new_oid = { { 2 } };
	struct policy_input in = { .repository = text(o, "repository",
				       "acme/app"),
		.principal = &who,
		.updates = &updates,
		.symref_targets = &target,
		.report = report,
		.claimed = json_object_get(o, "claimed"),
		.records = json_object_get(o, "records"),
		.allowed_findings = &allowed,
		.hook = json_object_get(o, "hook") ? answer : NULL,
		.hook_ctx = o };
	const json_t *x;
	size_t i;
	int rc;

	if (report->updates[0].kind == UPDATE_CREATE)
		old_oid = (struct oid){ 0 };
	if (report->updates[0].kind == UPDATE_DELETE)
		new_oid = (struct oid){ 0 };
	who.name = copy(o, "name", "bot");
	who.verified = json_dumps(json_object_get(o, "verified"), 0);
	json_array_foreach(json_object_get(o, "groups"), i, x)
	    strv_add(&who.groups, json_string_value(x));
	json_array_foreach(json_object_get(o, "allowed"), i, x)
	    strv_add(&allowed, json_string_value(x));
	if (json_is_true(json_object_get(o, "trace")))
		in.trace = json_array();
	if ((rc = clock_parse(view_str(text(o, "now", "2026-11-18T12:00:00Z")),
		 &in.now_wall_ms, err)) < 0 ||
	    (rc = ref_updates_add(&updates, &old_oid, &new_oid,
		 view_str(text(o, "ref", "refs/heads/main")), 1, err)) < 0 ||
	    (rc = policy_evaluate(rs, &in, &d, err)) < 0)
		return rc;
	print(d, in.trace);
	return 0;
}

int
main(int argc, char **argv)
{
	GG_AUTO(ruleset) rs = NULL;
	struct gg_error err = { 0 };
	json_t *cases = json_loadf(stdin, 0, NULL), *x;
	size_t i;

	if (argc != 2 || !json_is_array(cases) ||
	    ruleset_load(argv[1], &rs, NULL, &err) < 0) {
		(void)fprintf(stderr, "policy_eval: %s\n", err.msg);
		return 2;
	}
	json_array_foreach(cases, i, x)
	{
		if (judge(rs, x, &err) < 0) {
			(void)fprintf(stderr, "policy_eval: %s\n", err.msg);
			return 1;
		}
	}
	json_decref(cases);
	return 0;
}
