#include "policy/ruleset_priv.h"

#include "config/config.h"

/*
 * What one rule finds in one commit is found once, however many refs of the
 * push bring that commit: else a thousand refs to one large change would
 * cost a thousand times its paths.
 */
struct found {
	bool known;
	size_t n;       /* paths that the rule means */
	uint32_t *kept; /* indexes of the first REASON_MAX_MATCHES of them */
	size_t n_kept;
};

struct evaluation {
	const struct ruleset *rs;
	const struct policy_input *in;
	struct decision *decision;
	struct found *found; /* of the rule at hand, one per commit */
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
	for (size_t i = 0; i < r->n_updates; i++) {
		int rc = check_update(&in->updates->v[i], &r->updates[i], r,
		    err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool
refs_match(const struct evaluation *e, const struct rule *r, size_t u)
{
	const char *target = e->in->symref_targets ? e->in->symref_targets[u] :
						     NULL;

	if (glob_list_match(&r->refs, view_str(e->in->updates->v[u].refname)))
		return true;
	return target != NULL && glob_list_match(&r->refs, view_str(target));
}

/* All conditions but those on paths. */
static bool
outer_match(const struct evaluation *e, const struct rule *r, size_t u)
{
	unsigned kind = 1u << e->in->report->updates[u].kind;

	return (r->updates == 0 || (r->updates & kind) != 0) &&
	    who_match(&r->who, e->in->principal) &&
	    repositories_match(&r->repositories, e->in->repository) &&
	    refs_match(e, r, u);
}

static bool
path_is_meant(const struct rule *r, const struct path_change *c)
{
	GG_AUTO_RELEASE(path_forms) forms = { 0 };

	if (r->changes != 0 && (r->changes & c->kinds) == 0)
		return false;
	if (r->n_paths == 0)
		return true;
	path_forms_init(&forms, view_str(c->path));
	return path_globs_match(r->paths, r->n_paths, &forms);
}

static void
keep(struct found *f, size_t index)
{
	if (f->n++ >= REASON_MAX_MATCHES)
		return;
	f->kept = reallocarray(f->kept, f->n_kept + 1, sizeof(*f->kept));
	if (f->kept == NULL)
		gg_die("no memory for a decision");
	f->kept[f->n_kept++] = (uint32_t)index;
}

static void
look(const struct rule *r, const struct path_changes *changes, struct found *f)
{
	for (size_t i = 0; i < changes->n; i++)
		if (path_is_meant(r, &changes->v[i]))
			keep(f, i);
	f->known = true;
}

static void
tell(const struct found *f, const struct path_changes *changes,
    const struct oid *commit, struct reason *out)
{
	for (size_t i = 0; i < f->n_kept; i++) {
		const struct path_change *c = &changes->v[f->kept[i]];

		reason_add_match(out, c->path, change_name(c->kinds), commit);
	}
	out->n_matches_all += f->n - f->n_kept;
}

static void
collect(const struct evaluation *e, const struct rule *r, size_t u,
    struct reason *out)
{
	static const struct oid net_oid = { { 0 } };
	const struct change_report *report = e->in->report;
	const struct update_report *update = &report->updates[u];
	const struct commit_list *list = &update->scopes[r->scope];
	struct found net = { 0 };

	for (size_t i = 0; i < list->n; i++) {
		const struct commit_info *c = &report->commits[list->v[i]];
		struct found *f = &e->found[list->v[i]];

		if (!f->known)
			look(r, &c->paths, f);
		tell(f, &c->paths, &c->oid, out);
	}
	look(r, &update->net, &net);
	tell(&net, &update->net, &net_oid, out);
	free(net.kept);
}

static void
reason_release(struct reason *r)
{
	for (size_t i = 0; i < r->n_matches; i++) {
		free(r->matches[i].path);
		free(r->matches[i].change);
	}
	free(r->matches);
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
		if (strcmp(d->needs[i].rule, r->name) == 0)
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
add_reason(struct ref_decision *ref, const struct rule *r, struct reason *found)
{
	struct reason *out = ref_decision_add(ref);

	*out = *found;
	*found = (struct reason){ 0 };
	out->rule = dup_or_die(r->name);
	out->message = dup_or_die(r->message);
	out->verdict = r->then;
	ref->verdict = verdict_strictest(ref->verdict, r->then);
}

static void
apply_rule(const struct evaluation *e, const struct rule *r, size_t u)
{
	struct ref_decision *ref = &e->decision->refs[u];
	const struct update_report *update = &e->in->report->updates[u];
	struct reason found = { 0 };
	bool matches = true;

	if (!outer_match(e, r, u))
		return;
	if (rule_has_paths(r)) {
		collect(e, r, u, &found);
		/* What was not looked at may hold such a path: a push must
		 * not grow its way around the reviewers it needs. */
		matches = found.n_matches_all > 0 ||
		    (update->too_large && r->then == VERDICT_HOLD);
	}
	if (!matches) {
		reason_release(&found);
		return;
	}
	add_reason(ref, r, &found);
	if (r->then == VERDICT_HOLD)
		add_need(e->decision, r);
}

/* Never allowed by default: held at least, and it says so. */
static void
apply_too_large(const struct evaluation *e, size_t u)
{
	const struct update_report *update = &e->in->report->updates[u];
	struct ref_decision *ref = &e->decision->refs[u];
	char name[] = RULE_TOO_LARGE, text[200];
	struct rule own = { .name = name,
		.message = text,
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
	add_reason(ref, &own, &none);
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

	e->found = calloc(n ? n : 1, sizeof(*e->found));
	if (e->found == NULL)
		gg_die("no memory for a decision");
	for (size_t u = 0; u < e->in->updates->n; u++)
		apply_rule(e, r, u);
	for (size_t i = 0; i < n; i++)
		free(e->found[i].kept);
	free(e->found);
	e->found = NULL;
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
	for (size_t u = 0; u < n; u++) {
		apply_too_large(&e, u);
		d->verdict = verdict_strictest(d->verdict, d->refs[u].verdict);
	}
	*out = gg_take(d);
	return 0;
}
