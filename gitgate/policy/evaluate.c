#include "policy/judging.h"
#include "policy/keeping.h"

#include "base/text.h"

#define NEEDS_MAX 1000
/* Programs are asked once per ref: a push of many refs must not keep them
 * busy for hours. */
#define HOOK_CALLS_MAX 100

struct evaluation {
	const struct ruleset *rs;
	const struct policy_input *in;
	struct decision *decision;
	unsigned n_hook_calls;
	const char *failed_hook; /* it is not asked again */
};

static int
check_update(const struct ref_update *u, const struct update_report *r,
    const struct change_report *report, struct gg_error *err)
{
	bool create = oid_is_zero(&u->old_oid), del = oid_is_zero(&u->new_oid);

	if (create && del)
		return gg_fail(err, GG_E_CORRUPT, "an update of nothing");
	if (r->kind > UPDATE_TAG_MOVE || (r->kind == UPDATE_DELETE) != del ||
	    (r->kind == UPDATE_CREATE) != create)
		return gg_fail(err, GG_E_CORRUPT,
		    "the report's kind of update is not the update's");
	for (size_t s = 0; s < report->n_scopes; s++)
		for (size_t i = 0; i < r->scopes[s].n; i++)
			if (r->scopes[s].v[i] >= report->n_commits)
				return gg_fail(err, GG_E_CORRUPT,
				    "the report names a commit it has not");
	return 0;
}

static int
check_input(const struct ruleset *rs, const struct policy_input *in,
    struct gg_error *err)
{
	const struct change_report *r = in->report;

	if (r->n_updates != in->updates->n || r->n_scopes != rs->n_scopes)
		return gg_fail(err, GG_E_CORRUPT,
		    "the report is not one of this push and these rules");
	for (size_t i = 0; i < r->n_findings; i++) {
		const struct finding *f = &r->findings[i];

		if (f->commit != UINT32_MAX ? f->commit >= r->n_commits :
					      f->update >= r->n_updates)
			return gg_fail(err, GG_E_CORRUPT,
			    "the report finds something nowhere");
	}
	for (size_t i = 0; i < r->n_updates; i++) {
		int rc = check_update(&in->updates->v[i], &r->updates[i], r,
		    err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void
reason_release(struct reason *r)
{
	for (size_t i = 0; i < r->n_matches; i++) {
		free(r->matches[i].path);
		free(r->matches[i].change);
	}
	free(r->matches);
	strv_release(&r->patterns);
	*r = (struct reason){ 0 };
}

static char *
dup_or_die(const char *s)
{
	char *copy = strdup(s);

	if (copy == NULL)
		gg_die("no memory for a decision");
	return copy;
}

static void
add_need(struct decision *d, const struct rule *r)
{
	struct need *n;

	for (size_t i = 0; i < d->n_needs; i++)
		if (strcmp(d->needs[i].rule, r->name) == 0 &&
		    d->needs[i].people.n == 0)
			return;
	n = decision_add_need(d);
	n->rule = dup_or_die(r->name);
	n->required = r->required;
	strv_copy(&n->from, &r->from);
	n->allow_self = r->allow_self;
	n->wait_ms = r->wait_ms;
	n->expires_ms = r->expires_ms;
}

/* Takes what is in found. */
static void
add_reason(struct ref_decision *ref, const char *rule, enum verdict verdict,
    const char *message, struct reason *found)
{
	struct reason *out = ref_decision_add(ref);

	*out = *found;
	*found = (struct reason){ 0 };
	out->rule = dup_or_die(rule);
	out->verdict = verdict;
	out->message = dup_or_die(message);
	ref->verdict = verdict_strictest(ref->verdict, verdict);
}

static void
trace_condition(json_t *list, const char *name, bool matched,
    const struct buf *why)
{
	GG_AUTO_MEM char *text = policy_utf8(buf_str(why));

	if (list != NULL &&
	    json_array_append_new(list,
		json_pack("{s:s, s:b, s:s}", "name", name, "matched", matched,
		    "why", text)) != 0)
		gg_die("no memory for a trace");
}

/* A rule about paths is told about as it is written. */
static void
name_of(const struct condition *c, const struct rule *r, char *out, size_t size)
{
	const char *parts[3];
	size_t n = 0, at = 0;

	if (strcmp(c->name, "paths") != 0) {
		(void)snprintf(out, size, "%s", c->name);
		return;
	}
	if (r->n_paths > 0)
		parts[n++] = "paths";
	if (r->changes != 0)
		parts[n++] = "changes";
	if (r->has_blob_limit)
		parts[n++] = "blob-larger-than";
	for (size_t i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s",
		    i > 0 ? ", " : "", parts[i]);
}

/*
 * What was not looked at may be what a rule that holds means: a push must not
 * grow its way around the reviewers it needs, nor out of the gate.
 */
static bool
holds_unseen(struct judging *j)
{
	if (!judged_update(j)->too_large ||
	    (!rule_may_hold(j->r) && !j->r->keep))
		return false;
	because(j, "not looked at whole (limit %.60s)",
	    judged_update(j)->too_large_why ? judged_update(j)->too_large_why :
					      "");
	return true;
}

static bool
test_all(struct judging *j, const struct condition *c, json_t *trace)
{
	bool all = true;

	for (; c->name != NULL; c++) {
		GG_AUTO_RELEASE(buf) why = BUF_INIT(WHY_MAX * 2);
		char name[64] = "";
		bool matched;

		if (!c->has(j->r))
			continue;
		j->why = trace != NULL ? &why : NULL;
		matched = c->test(j) || (c->content && holds_unseen(j));
		j->why = NULL;
		all = all && matched;
		if (!all && trace == NULL)
			return false;
		name_of(c, j->r, name, sizeof(name));
		trace_condition(trace, name, matched, &why);
	}
	return all;
}

static int
call_hook(struct evaluation *e, struct judging *j, struct hook_answer *out,
    struct gg_error *err)
{
	json_t *input;
	int rc;

	if (j->in->hook == NULL)
		return gg_fail(err, GG_E_REFUSED, "hooks cannot be run here");
	if (e->failed_hook != NULL && strcmp(e->failed_hook, j->r->hook) == 0)
		return gg_fail(err, GG_E_REFUSED,
		    "it failed for another ref of this push");
	if (++e->n_hook_calls > HOOK_CALLS_MAX)
		return gg_fail(err, GG_E_LIMIT, "a push may ask hooks %d times",
		    HOOK_CALLS_MAX);
	input = hook_input_json(j);
	rc = j->in->hook(j->in->hook_ctx, j->r->hook, input, out, err);
	json_decref(input);
	if (rc < 0)
		e->failed_hook = j->r->hook;
	return rc;
}

/* Ask the program; whatever goes wrong denies. *message is the caller's. */
static enum verdict
ask_hook(struct evaluation *e, struct judging *j, json_t *trace, char **message)
{
	GG_AUTO_RELEASE(buf) why = BUF_INIT(WHY_MAX * 2);
	struct hook_answer answer = { .verdict = VERDICT_DENY };
	struct gg_error err = { 0 };
	int rc = call_hook(e, j, &answer, &err);

	if (rc < 0) {
		free(answer.message);
		answer = (struct hook_answer){ .verdict = VERDICT_DENY };
		buf_addf(&why, "hook %s: %.300s", j->r->hook, err.msg);
		answer.message = dup_or_die(buf_str(&why));
	} else {
		buf_addf(&why, "hook %s says %s", j->r->hook,
		    verdict_name(answer.verdict));
	}
	trace_condition(trace, "hook", true, &why);
	*message = answer.message;
	return answer.verdict;
}

/* The needs of one rule that holds this update; false: it cannot be told
 * whose approval it needs, so err says why it is denied. */
static bool
hold_by(struct evaluation *e, struct judging *j, struct gg_error *err)
{
	if (j->r->from_codeowners) {
		if (owners_needs(j, e->decision, err) < 0)
			return false;
	} else {
		add_need(e->decision, j->r);
	}
	if (e->decision->n_needs <= NEEDS_MAX)
		return true;
	(void)gg_fail(err, GG_E_LIMIT, "the push needs more than %d approvals",
	    NEEDS_MAX);
	return false;
}

/* A rule that may mean what could not be seen holds at least. */
static enum verdict
settle_uncertain(struct evaluation *e, const struct judging *j,
    enum verdict verdict, char **message)
{
	struct rule any = *j->r;

	if (j->uncertain == NULL || verdict == VERDICT_HOLD ||
	    (j->r->hook != NULL && verdict == VERDICT_DENY))
		return verdict;
	/* a hook's allow is held by the rule's own approvals */
	if (j->r->hook != NULL)
		return VERDICT_HOLD;
	if (j->r->then == VERDICT_ALLOW)
		return verdict;
	any.required = 1;
	any.from = (struct strv){ 0 };
	any.allow_self = false;
	any.wait_ms = 0;
	any.expires_ms = RULE_EXPIRES_MS;
	add_need(e->decision, &any);
	free(*message);
	if (asprintf(message, "not everything could be looked at: %.200s",
		j->uncertain) < 0)
		gg_die("no memory for a decision");
	return VERDICT_HOLD;
}

static bool
pattern_matched(const struct path_glob *glob, const struct reason *r)
{
	for (size_t i = 0; i < r->n_matches; i++) {
		GG_AUTO_RELEASE(path_forms) forms = { 0 };

		path_forms_init(&forms, view_str(r->matches[i].path));
		if (path_glob_match(glob, &forms))
			return true;
	}
	return false;
}

/* What "the same again" means for this rule: where evidence was cut, all of
 * its patterns may have matched. */
static void
say_grantable(struct judging *j)
{
	struct reason *r = &j->reason;

	r->may_grant = j->r->grant && j->uncertain == NULL &&
	    !judged_update(j)->too_large;
	for (size_t i = 0; r->may_grant && i < j->r->n_paths; i++) {
		const struct path_glob *glob = &j->r->paths[i];

		if (!glob->away &&
		    (r->n_matches_all != r->n_matches ||
			pattern_matched(glob, r)))
			strv_add(&r->patterns, glob->exact.glob);
	}
	if (r->patterns.failed != 0)
		gg_die("no memory for a decision");
}

static enum verdict
apply_match(struct evaluation *e, struct judging *j, json_t *trace)
{
	struct ref_decision *ref = &e->decision->refs[j->u];
	enum verdict verdict = j->r->then;
	GG_AUTO_MEM char *message = NULL;
	struct gg_error err = { 0 };

	if (j->r->hook != NULL)
		verdict = ask_hook(e, j, trace, &message);
	if (message == NULL || *message == '\0') {
		free(message);
		message = dup_or_die(j->r->message);
	}
	verdict = settle_uncertain(e, j, verdict, &message);
	if (verdict == VERDICT_HOLD && rule_may_hold(j->r) &&
	    !hold_by(e, j, &err)) {
		verdict = VERDICT_DENY;
		free(message);
		message = dup_or_die(err.msg);
	}
	if (verdict == VERDICT_HOLD)
		say_grantable(j);
	if (j->r->keep && verdict == VERDICT_ALLOW)
		ref->keep = j->reason.keep = true;
	add_reason(ref, j->r->name, verdict, message, &j->reason);
	return verdict;
}

static void
trace_rule(const struct judging *j, bool matched, enum verdict verdict,
    json_t *conditions)
{
	struct reason r = { .verdict = verdict, .keep = j->r->keep };
	json_t *o;

	if (j->in->trace == NULL)
		return;
	o = json_pack("{s:s, s:s, s:i, s:o, s:b, s:s, s:o}", "rule", j->r->name,
	    "file", j->r->file, "line", j->r->line, "ref",
	    policy_text_json(j->in->updates->v[j->u].refname), "matched",
	    matched, "verdict", matched ? reason_word(&r) : "", "conditions",
	    conditions);
	if (json_array_append_new(j->in->trace, o) != 0)
		gg_die("no memory for a trace");
}

static void
apply_rule(struct evaluation *e, struct judging *j)
{
	json_t *trace = j->in->trace != NULL ? json_array() : NULL;
	enum verdict verdict = j->r->then;
	bool matches;

	j->uncertain = NULL;
	matches = test_all(j, outer_conditions, trace);
	if (matches || trace != NULL)
		matches = test_all(j, content_conditions, trace) && matches;
	if (matches)
		verdict = apply_match(e, j, trace);
	trace_rule(j, matches, verdict, trace);
	reason_release(&j->reason);
}

/* Never allowed by default: held at least, and it says so. */
static void
apply_too_large(const struct evaluation *e, size_t u)
{
	const struct update_report *update = &e->in->report->updates[u];
	struct ref_decision *ref = &e->decision->refs[u];
	char name[] = RULE_TOO_LARGE, text[200];
	struct rule own = { .name = name,
		.then = VERDICT_HOLD,
		.required = 1,
		.expires_ms = RULE_EXPIRES_MS };
	struct reason none = { 0 };
	enum verdict before = ref->verdict;

	if (!update->too_large)
		return;
	(void)snprintf(text, sizeof(text),
	    "the change is too large to be looked at whole (limit %.60s)",
	    update->too_large_why && *update->too_large_why ?
		update->too_large_why :
		"unknown");
	add_reason(ref, name, VERDICT_HOLD, text, &none);
	if (before == VERDICT_ALLOW)
		add_need(e->decision, &own);
}

static void
begin_ref(const struct evaluation *e, size_t u)
{
	const struct ref_update *update = &e->in->updates->v[u];
	struct ref_decision *ref = &e->decision->refs[u];

	ref->refname = dup_or_die(update->refname);
	ref->old_oid = update->old_oid;
	ref->new_oid = update->new_oid;
	ref->kind = e->in->report->updates[u].kind;
	ref->verdict = VERDICT_ALLOW;
}

static void
judge_by(struct evaluation *e, const struct rule *r)
{
	size_t n = e->in->report->n_commits;
	struct judging j = { .rs = e->rs, .in = e->in, .r = r };

	j.found = calloc(n ? n : 1, sizeof(*j.found));
	if (j.found == NULL)
		gg_die("no memory for a decision");
	for (j.u = 0; j.u < e->in->updates->n; j.u++)
		apply_rule(e, &j);
	for (size_t i = 0; i < n; i++)
		free(j.found[i].kept);
	free(j.found);
	json_decref(j.proven);
	json_decref(j.records);
	json_decref(j.said);
}

int
policy_evaluate(const struct ruleset *rs, const struct policy_input *in,
    struct decision **out, struct gg_error *err)
{
	GG_AUTO(decision) d = NULL;
	struct evaluation e = { .rs = rs, .in = in };
	size_t n = in->updates->n;
	int rc;

	if ((rc = check_input(rs, in, err)) < 0)
		return rc;
	d = decision_new(n);
	e.decision = d;
	memcpy(d->policy_digest, rs->digest_hex, sizeof(d->policy_digest));
	for (size_t u = 0; u < n; u++)
		begin_ref(&e, u);
	for (size_t i = 0; i < rs->n_rules; i++)
		judge_by(&e, &rs->rules[i]);
	/* a push of nothing was never judged: it stays denied */
	d->verdict = n > 0 ? VERDICT_ALLOW : VERDICT_DENY;
	for (size_t u = 0; u < n; u++)
		apply_too_large(&e, u);
	settle_keeping(in, d);
	for (size_t u = 0; u < n; u++)
		d->verdict = verdict_strictest(d->verdict, d->refs[u].verdict);
	*out = gg_take(d);
	return 0;
}
