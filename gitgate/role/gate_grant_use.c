/*
 * Grants at the moment of decision: read from the store when the verdict is
 * made, not when the client connected, and counted in a transaction that
 * refuses one that was revoked in between.
 */
#include "role/gate_grants.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "role/gate_people.h"

#include <stdlib.h>
#include <string.h>

/* Not a name that a rule can have. */
#define RULE_ACCESS "(access)"

/* One of policy's `grants:` counts as long as policy says so. */
static bool
counts(const struct ruleset *rs, const struct stored_grant *gr,
    const struct principal *p)
{
	if (*gr->entry == '\0')
		return *gr->hold_id != '\0' &&
		    (gr->scope.verbs & GRANT_ACCESS) == 0;
	return ruleset_still_grants(rs, gr->entry, p, &gr->scope);
}

static int
load(struct gate *g, const struct ruleset *rs, const struct principal *p,
    struct stored_grants *out, struct gg_error *err)
{
	size_t kept = 0;
	int rc;

	if (p->method == AUTH_ANONYMOUS)
		return 0;
	rc = store_grant_active(g->store, p->name, clock_wall_ms(), out, err);
	for (size_t i = 0; i < out->n; i++) {
		struct stored_grant gr = out->v[i];

		out->v[i] = (struct stored_grant){ 0 };
		if (rc == 0 && counts(rs, &gr, p))
			out->v[kept++] = gr;
		else
			stored_grant_release(&gr);
	}
	out->n = kept;
	return rc;
}

/* -- access -- */

unsigned
gate_access_by_grants(struct gate *g, const struct snapshot *snap,
    const struct principal *p, const char *repository)
{
	GG_AUTO_RELEASE(stored_grants) l = { 0 };
	struct gg_error err = { 0 };
	unsigned bits = 0;

	if (load(g, snap->ruleset, p, &l, &err) != 0) {
		log_event(EV_store_failed, kv_err(&err));
		return 0;
	}
	for (size_t i = 0; i < l.n; i++) {
		if (grant_gives_access(&l.v[i].scope, GRANT_FETCH, repository))
			bits |= ACCESS_FETCH;
		if (grant_gives_access(&l.v[i].scope, GRANT_PUSH, repository))
			bits |= ACCESS_PUSH;
	}
	return bits;
}

static const char *
target_of(const struct push *p, size_t u)
{
	return p->symref_targets != NULL ? p->symref_targets[u] : NULL;
}

/* The grant that lets this ref be pushed to, NULL for none. */
static const struct stored_grant *
grant_for_ref(const struct push *p, const struct stored_grants *l, size_t u)
{
	for (size_t i = 0; i < l->n; i++)
		if (grant_gives_access(&l->v[i].scope, GRANT_PUSH,
			p->who.repo.name) &&
		    grant_covers_ref(&l->v[i].scope,
			p->decision->refs[u].refname, target_of(p, u)))
			return &l->v[i];
	return NULL;
}

static char *
dup_text(const char *s)
{
	return path_f("%s", s);
}

/* What let the push in at its beginning must let it through now. */
static void
check_access(struct push *p, const struct stored_grants *l, struct strv *used)
{
	struct decision *d = p->decision;

	for (size_t u = 0; u < d->n_refs; u++) {
		const struct stored_grant *gr = grant_for_ref(p, l, u);
		struct reason *r;

		if (gr != NULL) {
			if (!strv_has(used, gr->id))
				strv_add(used, gr->id);
			continue;
		}
		r = ref_decision_add(&d->refs[u]);
		r->rule = dup_text(RULE_ACCESS);
		r->verdict = VERDICT_DENY;
		r->message = dup_text("no grant that is in force lets you push "
				      "to this ref");
		d->refs[u].verdict = d->verdict = VERDICT_DENY;
	}
}

static void
name_access(struct decision *d, const struct strv *used)
{
	for (size_t u = 0; u < d->n_refs; u++)
		for (size_t i = 0; i < used->n; i++)
			if (!strv_has(&d->refs[u].grants, used->v[i]))
				strv_add(&d->refs[u].grants, used->v[i]);
}

/* -- approvals -- */

struct views {
	struct grant_in_force *v;
	struct quorum_review *reviews;
	size_t n;
};

static void
views_release(struct views *x)
{
	free(x->v);
	free(x->reviews);
}
GG_DEFINE_AUTO_RELEASE(views);

static void
view_all(const struct stored_grants *l, struct views *out)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->v[i].n_reviews;
	out->v = calloc(l->n + 1, sizeof(*out->v));
	out->reviews = calloc(n + 1, sizeof(*out->reviews));
	if (out->v == NULL || out->reviews == NULL)
		gg_die("no memory for grants");
	for (; out->n < l->n; out->n++) {
		const struct stored_grant *gr = &l->v[out->n];

		out->v[out->n] = (struct grant_in_force){ gr->id, gr->principal,
			&gr->scope, gr->expires_ms, &out->reviews[k],
			gr->n_reviews };
		for (size_t i = 0; i < gr->n_reviews; i++)
			out->reviews[k++] = (struct quorum_review){
				gr->reviews[i].reviewer, &gr->reviews[i].groups,
				&gr->reviews[i].aliases, gr->reviews[i].approve,
				gr->reviews[i].machine
			};
	}
}

static bool
lift(struct push *p, const struct stored_grants *l, struct strv *used)
{
	GG_AUTO_RELEASE(strv) people = STRV_INIT;
	GG_AUTO_RELEASE(views) x = { 0 };
	const struct grant_case c = { p->who.repo.name, &p->who.principal,
		&people, p->symref_targets, clock_wall_ms() };

	people_of_report(p->report, &people);
	if (people.failed != 0)
		gg_die("no memory for grants");
	view_all(l, &x);
	if (!grants_lift(p->decision, &c, x.v, x.n))
		return false;
	for (size_t u = 0; u < p->decision->n_refs; u++) {
		const struct strv *ids = &p->decision->refs[u].grants;

		for (size_t i = 0; i < ids->n; i++)
			if (!strv_has(used, ids->v[i]))
				strv_add(used, ids->v[i]);
	}
	return true;
}

static void
say_one(struct push *p, const struct stored_grant *gr)
{
	GG_AUTO_RELEASE(buf) by = BUF_INIT(4096);
	char until[CLOCK_RFC3339_SIZE];

	for (size_t i = 0; i < gr->n_reviews; i++)
		buf_addf(&by, "%s%s", i > 0 ? ", " : "",
		    gr->reviews[i].reviewer);
	clock_format(gr->expires_ms, until);
	client_say(&p->client,
	    "gitgate: allowed by grant %s (approved by %s, until %.16sZ)",
	    gr->id, buf_str(&by), until);
}

static void
say_used(struct push *p, const struct stored_grants *l, const struct strv *used)
{
	for (size_t i = 0; i < l->n; i++)
		if (strv_has(used, l->v[i].id))
			say_one(p, &l->v[i]);
}

static int
use(struct push *p, const struct stored_grants *l, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) access = STRV_INIT;
	GG_AUTO_RELEASE(strv) used = STRV_INIT;
	int rc;

	if (p->who.by_grant)
		check_access(p, l, &access);
	strv_copy(&used, &access);
	(void)lift(p, l, &used);
	if (p->decision->verdict == VERDICT_DENY || used.n == 0)
		return 0;
	rc = p->dry_run ?
	    0 :
	    store_grant_used(p->gate->store, &used, clock_wall_ms(), err);
	if (rc != 0)
		return rc;
	if (p->decision->verdict == VERDICT_ALLOW)
		say_used(p, l, &used);
	name_access(p->decision, &access);
	return 0;
}

static bool
is_needed(const struct push *p)
{
	return p->who.by_grant || p->decision->verdict == VERDICT_HOLD;
}

/* One that ended between the reading and the counting: read again. */
#define TRIES 3

int
push_apply_grants(struct push *p, struct gg_error *err)
{
	int rc = is_needed(p) ? GG_E_REFUSED : 0;

	for (int i = 0; i < TRIES && rc == GG_E_REFUSED; i++) {
		GG_AUTO_RELEASE(stored_grants) l = { 0 };

		grants_unlift(p->decision);
		rc = load(p->gate, p->who.snap->ruleset, &p->who.principal, &l,
		    err);
		if (rc == 0)
			rc = use(p, &l, err);
	}
	return rc == GG_E_REFUSED ?
	    gg_fail(err, GG_E_UNAVAILABLE, "grants changed meanwhile") :
	    rc;
}
