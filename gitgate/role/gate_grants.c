#include "role/gate_grants.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REASON_MAX_CHARACTERS 500

/* -- the log -- */

json_t *
audit_of_grant(const char *type, const struct stored_grant *g)
{
	json_t *e = json_object(), *scope = grant_scope_to_json(&g->scope);
	const char *only = g->scope.repositories.n == 1 ?
	    g->scope.repositories.v[0] :
	    "";

	(void)json_object_set_new(e, "type", json_string(type));
	(void)json_object_set_new(e, "grant", audit_text(g->id));
	(void)json_object_set_new(e, "principal", audit_text(g->principal));
	(void)json_object_set_new(e, "asked_by", audit_text(g->asked_by));
	(void)json_object_set_new(e, "scope", scope);
	/* whoever may see the repository sees what is granted there */
	if (*only != '\0' && strpbrk(only, "*?[\\") == NULL)
		(void)json_object_set_new(e, "repository", audit_text(only));
	if (*g->entry != '\0')
		(void)json_object_set_new(e, "policy_entry",
		    audit_text(g->entry));
	if (*g->hold_id != '\0')
		(void)json_object_set_new(e, "hold", audit_text(g->hold_id));
	return e;
}

void
audit_void_grant(struct gate *g, const char *type,
    const struct stored_grant *gr, const char *who)
{
	json_t *e = json_object();

	(void)json_object_set_new(e, "type", json_string(type));
	(void)json_object_set_new(e, "grant", audit_text(gr->id));
	if (who != NULL)
		(void)json_object_set_new(e, "reviewer", audit_text(who));
	(void)json_object_set_new(e, "void", json_true());
	audit_note(g, e);
}

static json_t *
time_json(int64_t wall_ms)
{
	char t[CLOCK_RFC3339_SIZE];

	clock_format(wall_ms, t);
	return json_string(t);
}

static void
note_change(const struct stored_grant *gr, enum grant_state state)
{
	log_event(EV_grant_changed, kv_str("grant", gr->id),
	    kv_str("principal", gr->principal),
	    kv_str("state", grant_state_name(state)));
}

/* -- changes: log, then store -- */

int
grant_add(struct gate *g, const struct stored_grant *gr, size_t most,
    const char *client_addr, struct gg_error *err)
{
	json_t *e;
	int rc;

	if ((rc = store_grant_room(g->store, gr, most, err)) != 0)
		return rc;
	e = audit_of_grant("grant.asked", gr);
	(void)json_object_set_new(e, "reason", audit_words(gr->reason));
	(void)json_object_set_new(e, "asked_addr", audit_text(client_addr));
	(void)json_object_set_new(e, "for_ms", json_integer(gr->for_ms));
	(void)json_object_set_new(e, "expires", time_json(gr->expires_ms));
	if ((rc = audit_write(g, &e, 1, err)) != 0)
		return rc;
	FAILPOINT("gate.grant-asked");
	if ((rc = store_grant_add(g->store, gr, most, err)) != 0)
		audit_void_grant(g, "grant.asked", gr, NULL);
	else
		note_change(gr, gr->state);
	return rc;
}

int
grant_move(struct gate *g, const struct stored_grant *gr, enum grant_state to,
    const char *by, const char *client_addr, const char *comment,
    struct gg_error *err)
{
	GG_AUTO_MEM char *type = path_f("grant.%s", grant_state_name(to));
	int64_t now = clock_wall_ms();
	json_t *e = audit_of_grant(type, gr);
	int rc;

	if (*by != '\0')
		(void)json_object_set_new(e, "by", audit_text(by));
	if (*client_addr != '\0')
		(void)json_object_set_new(e, "by_addr",
		    audit_text(client_addr));
	if (*comment != '\0')
		(void)json_object_set_new(e, "comment", audit_words(comment));
	if (to == GRANT_ACTIVE)
		(void)json_object_set_new(e, "expires",
		    time_json(now + gr->for_ms));
	if ((rc = audit_write(g, &e, 1, err)) != 0)
		return rc;
	FAILPOINT("gate.grant-moved");
	rc = store_grant_move(g->store, gr->id, gr->state, to, by, now,
	    now + gr->for_ms, err);
	if (rc != 0)
		audit_void_grant(g, type, gr, NULL);
	else
		note_change(gr, to);
	return rc == GG_E_REFUSED ?
	    gg_fail(err, GG_E_STALE, "the grant has changed meanwhile") :
	    rc;
}

static json_t *
review_entry(const struct stored_grant *gr, const struct grant_act *a,
    const char *type, int64_t expires_ms)
{
	json_t *e = audit_of_grant(type, gr);

	(void)json_object_set_new(e, "reviewer", audit_text(a->who->name));
	(void)json_object_set_new(e, "reviewer_groups",
	    strv_to_json(&a->who->groups));
	(void)json_object_set_new(e, "reviewer_auth",
	    json_string(auth_method_name(a->who->method)));
	(void)json_object_set_new(e, "reviewer_addr",
	    audit_text(a->client_addr));
	(void)json_object_set_new(e, "comment", audit_words(a->comment));
	(void)json_object_set_new(e, "state",
	    json_string(grant_state_name(a->next)));
	if (a->next == GRANT_ACTIVE)
		(void)json_object_set_new(e, "expires", time_json(expires_ms));
	return e;
}

int
grant_review(struct gate *g, const struct stored_grant *gr,
    const struct grant_act *a, struct gg_error *err)
{
	const char *type = a->approve ? "grant.approved" : "grant.rejected";
	int64_t now = clock_wall_ms(), expires = now + gr->for_ms;
	struct stored_review rev = { .approve = a->approve,
		.time_ms = now,
		.machine = principal_is_machine(a->who) };
	json_t *e = review_entry(gr, a, type, expires);
	int rc;

	if ((rc = audit_write(g, &e, 1, err)) != 0)
		return rc;
	FAILPOINT("gate.grant-reviewed");
	rev.reviewer = (char *)(uintptr_t)a->who->name;
	rev.comment = (char *)(uintptr_t)a->comment;
	strv_copy(&rev.groups, &a->who->groups);
	strv_copy(&rev.aliases, &a->who->aliases);
	if (a->who->owner != NULL && *a->who->owner != '\0')
		strv_add(&rev.aliases, a->who->owner);
	rc = store_grant_review(g->store, gr->id, &rev, gr->n_reviews, a->next,
	    expires, err);
	strv_release(&rev.groups);
	strv_release(&rev.aliases);
	if (rc != 0)
		audit_void_grant(g, type, gr, a->who->name);
	else
		note_change(gr, a->next);
	return rc == GG_E_REFUSED || rc == GG_E_EXISTS ?
	    gg_fail(err, GG_E_STALE, "the grant has changed meanwhile") :
	    rc;
}

/* -- asking -- */

static bool
is_reason(const char *s)
{
	size_t n = 0;

	for (const char *c = s; *c != '\0'; c++)
		n += ((unsigned char)*c & 0xc0) != 0x80;
	return n <= REASON_MAX_CHARACTERS && utf8_is_valid(view_str(s)) &&
	    s[strspn(s, " \t\r\n")] != '\0';
}

static int
check_request(const struct grant_request *rq, const struct limits *l,
    struct gg_error *err)
{
	if (rq->asker->method == AUTH_ANONYMOUS)
		return gg_fail(err, GG_E_REFUSED, "sign in to ask for a grant");
	if (!principal_name_is_valid(view_str(rq->principal)) ||
	    strcmp(rq->principal, "anonymous") == 0)
		return gg_fail(err, GG_E_INPUT,
		    "principal: not a name of one that can have a grant");
	if (!is_reason(rq->reason))
		return gg_fail(err, GG_E_INPUT,
		    "a reason of 1 to %d characters must say why",
		    REASON_MAX_CHARACTERS);
	if (rq->for_ms <= 0 || rq->for_ms > (int64_t)l->grant_max_ms)
		return gg_fail(err, GG_E_INPUT,
		    "for: more than 0 and at most %llu s (limit grant-max)",
		    (unsigned long long)(l->grant_max_ms / 1000));
	return grant_scope_check(rq->scope, (size_t)l->grant_scope, err);
}

static int
find_terms(const struct grant_request *rq, const struct ruleset *rs,
    struct grant_terms *t, struct gg_error *err)
{
	GG_AUTO_MEM char *name = path_f("%s", rq->principal);
	const struct principal other = { .name = name };
	bool itself = strcmp(rq->principal, rq->asker->name) == 0;
	const struct grant_question q = { itself ? rq->asker : &other,
		rq->asker, rq->scope, rq->for_ms };

	if (ruleset_may_ask(rs, &q, t))
		return 0;
	if (t->name != NULL)
		return gg_fail(err, GG_E_REFUSED,
		    "policy gives this for %lld s at most (grant %s)",
		    (long long)(t->max_ms / 1000), t->name);
	return gg_fail(err, GG_E_REFUSED,
	    "no entry of the policy's `grants:` lets you ask for this for %s",
	    rq->principal);
}

static void
fill_asked(struct stored_grant *gr, const struct grant_request *rq,
    const struct grant_terms *t, const struct limits *l)
{
	/* of whoever asks, for itself or for another */
	const char *owner = rq->asker->owner;
	char id[ULID_SIZE];

	ulid_new(id);
	gr->id = path_f("%s", id);
	gr->principal = path_f("%s", rq->principal);
	gr->asked_by = path_f("%s", rq->asker->name);
	gr->entry = path_f("%s", t->name);
	gr->hold_id = path_f("%s", "");
	gr->owner = path_f("%s", owner != NULL ? owner : "");
	gr->reason = path_f("%s", rq->reason);
	gr->closer = path_f("%s", "");
	grant_scope_copy(&gr->scope, rq->scope);
	gr->required = t->required;
	strv_copy(&gr->from, t->from);
	gr->for_ms = rq->for_ms;
	gr->created_ms = clock_wall_ms();
	gr->expires_ms = gr->created_ms + (int64_t)l->grant_wait_ms;
}

int
gate_grant_ask(void *ctx, const struct grant_request *rq, char id[ULID_SIZE],
    struct gg_error *err)
{
	struct gate *g = ctx;
	GG_AUTO_SNAPSHOT snap = gate_snapshot(g);
	const struct limits *l = &snap->config->limits;
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct grant_terms terms;
	int rc;

	if ((rc = check_request(rq, l, err)) != 0 ||
	    (rc = find_terms(rq, snap->ruleset, &terms, err)) != 0)
		return rc;
	fill_asked(&gr, rq, &terms, l);
	pthread_mutex_lock(&g->grant_mutex);
	rc = grant_add(g, &gr, (size_t)l->grants_per_principal,
	    rq->client_addr != NULL ? rq->client_addr : "", err);
	pthread_mutex_unlock(&g->grant_mutex);
	(void)snprintf(id, ULID_SIZE, "%s", gr.id);
	return rc;
}

/* -- reviewing -- */

static bool
has_reviewed(const struct stored_grant *gr, const struct principal *who)
{
	for (size_t i = 0; i < gr->n_reviews; i++) {
		const struct stored_review *r = &gr->reviews[i];

		if (principal_is_called(who, r->reviewer))
			return true;
		for (size_t k = 0; k < r->aliases.n; k++)
			if (principal_is_called(who, r->aliases.v[k]))
				return true;
	}
	return false;
}

/* Is it this name, or another of the same person's, who may sign in in two
 * ways? 1, 0, or the store's code. */
static int
is_person(struct gate *g, const struct principal *who, const char *name,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) others = STRV_INIT;
	int rc;

	if (*name == '\0' || principal_is_called(who, name))
		return *name != '\0';
	if ((rc = store_person_aliases(g->store, name, &others, err)) != 0)
		return rc;
	for (size_t i = 0; i < others.n; i++)
		if (principal_is_called(who, others.v[i]))
			return 1;
	return 0;
}

static int
check_not_own(struct gate *g, const struct stored_grant *gr,
    const struct principal *who, struct gg_error *err)
{
	const char *names[] = { gr->principal, gr->asked_by, gr->owner };
	int rc = 0;

	for (size_t i = 0; i < GG_COUNT(names) && rc == 0; i++)
		rc = is_person(g, who, names[i], err);
	return rc == 1 ?
	    gg_fail(err, GG_E_REFUSED, "nobody approves a grant of their own") :
	    rc;
}

static int
check_reviewer(struct gate *g, const struct stored_grant *gr,
    const struct principal *who, struct gg_error *err)
{
	int rc;

	if (gr->state != GRANT_ASKED)
		return gg_fail(err, GG_E_STALE, "the grant is %s",
		    grant_state_name(gr->state));
	if (who->method == AUTH_ANONYMOUS)
		return gg_fail(err, GG_E_REFUSED, "sign in to review");
	if (*gr->hold_id != '\0')
		return gg_fail(err, GG_E_REFUSED,
		    "it is decided with its hold");
	if (!principal_in_any(who, &gr->from))
		return gg_fail(err, GG_E_REFUSED,
		    "none of your groups may approve this grant");
	if ((rc = check_not_own(g, gr, who, err)) != 0)
		return rc;
	return has_reviewed(gr, who) ?
	    gg_fail(err, GG_E_REFUSED, "you have reviewed this already") :
	    0;
}

static enum grant_state
state_after(const struct stored_grant *gr, bool approve)
{
	if (!approve)
		return GRANT_REJECTED;
	return gr->n_reviews + 1 >= gr->required ? GRANT_ACTIVE : GRANT_ASKED;
}

int
gate_grant_review(void *ctx, const char *id, const struct principal *who,
    const char *client_addr, bool approve, const char *comment,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct grant_act a = { who, client_addr ? client_addr : "",
		comment ? comment : "", approve, GRANT_ASKED };
	struct gate *g = ctx;
	int rc;

	pthread_mutex_lock(&g->grant_mutex);
	if ((rc = store_grant_get(g->store, id, &gr, err)) == 0 &&
	    (rc = check_reviewer(g, &gr, who, err)) == 0) {
		a.next = state_after(&gr, approve);
		rc = grant_review(g, &gr, &a, err);
	}
	pthread_mutex_unlock(&g->grant_mutex);
	return rc;
}

int
gate_may_review_grant(void *ctx, const char *id, const struct principal *who,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct gate *g = ctx;
	int rc = store_grant_get(g->store, id, &gr, err);

	return rc != 0 ? rc : check_reviewer(g, &gr, who, err);
}

/* -- ending -- */

static bool
is_admin(const struct principal *p)
{
	return strv_has(&p->groups, "admin") || strv_has(&p->groups, "admins");
}

static int
check_ender(const struct stored_grant *gr, const struct principal *who,
    struct gg_error *err)
{
	bool may = is_admin(who) || principal_is_called(who, gr->principal) ||
	    principal_is_called(who, gr->asked_by) ||
	    principal_is_called(who, gr->owner) || has_reviewed(gr, who) ||
	    principal_in_any(who, &gr->from);

	if (who->method == AUTH_ANONYMOUS || !may)
		return gg_fail(err, GG_E_REFUSED,
		    "who has it, who approves such grants and admins may end "
		    "it");
	if (gr->state != GRANT_ASKED && gr->state != GRANT_ACTIVE)
		return gg_fail(err, GG_E_STALE, "the grant is %s",
		    grant_state_name(gr->state));
	return 0;
}

int
gate_grant_end(void *ctx, const char *id, const struct principal *who,
    const char *client_addr, const char *comment, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct gate *g = ctx;
	int rc;

	pthread_mutex_lock(&g->grant_mutex);
	if ((rc = store_grant_get(g->store, id, &gr, err)) == 0 &&
	    (rc = check_ender(&gr, who, err)) == 0)
		rc = grant_move(g, &gr,
		    gr.state == GRANT_ASKED ? GRANT_WITHDRAWN : GRANT_REVOKED,
		    who->name, client_addr ? client_addr : "",
		    comment ? comment : "", err);
	pthread_mutex_unlock(&g->grant_mutex);
	return rc;
}

/* -- time -- */

static void
expire(struct gate *g, const char *id)
{
	GG_AUTO_RELEASE(stored_grant) gr = { 0 };
	struct gg_error err = { 0 };
	int rc;

	pthread_mutex_lock(&g->grant_mutex);
	rc = store_grant_get(g->store, id, &gr, &err);
	if (rc == 0 && (gr.state == GRANT_ASKED || gr.state == GRANT_ACTIVE) &&
	    gr.expires_ms <= clock_wall_ms())
		rc = grant_move(g, &gr, GRANT_EXPIRED, "", "", "", &err);
	pthread_mutex_unlock(&g->grant_mutex);
	if (rc != 0)
		log_event(EV_store_failed, kv_str("grant", id), kv_err(&err));
}

void
grants_tick(struct gate *g)
{
	GG_AUTO_RELEASE(strv) over = STRV_INIT;
	GG_AUTO_RELEASE(strv) of_holds = STRV_INIT;
	struct gg_error err = { 0 };

	if (store_grant_due(g->store, clock_wall_ms(), &over, &of_holds,
		&err) != 0) {
		log_event(EV_store_failed, kv_err(&err));
		return;
	}
	for (size_t i = 0; i < of_holds.n; i++)
		grant_follow_hold(g, of_holds.v[i]);
	for (size_t i = 0; i < over.n; i++)
		expire(g, over.v[i]);
}
