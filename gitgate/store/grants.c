/* Grants: every move is one transaction that names the state it comes from. */
#include "store/store_priv.h"

#include "hold/grant_cover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK "gitgate grants"

void
stored_grant_release(struct stored_grant *g)
{
	free(g->id);
	free(g->principal);
	free(g->asked_by);
	free(g->entry);
	free(g->hold_id);
	free(g->owner);
	free(g->reason);
	free(g->closer);
	grant_scope_release(&g->scope);
	strv_release(&g->from);
	for (size_t i = 0; i < g->n_reviews; i++)
		stored_review_release(&g->reviews[i]);
	free(g->reviews);
	*g = (struct stored_grant){ 0 };
}

/* -- reading -- */

#define GRANT_COLUMNS                                                       \
	"SELECT id, principal, asked_by, entry, hold_id, owner_name,"       \
	" reason, closer, state, scope, from_groups, required, for_ms,"     \
	" created_ms, active_ms, expires_ms, closed_ms, uses, used_ms FROM" \
	" access_grant"

static int
read_scope(const struct rows *r, size_t i, struct stored_grant *g,
    struct gg_error *err)
{
	json_t *scope = NULL;
	int rc = col_json(r, i, 9, &scope, err);

	if (rc == 0 && grant_scope_from_json(scope, &g->scope, err) != 0)
		rc = gg_fail(err, GG_E_CORRUPT, "grant %s has a damaged scope",
		    g->id);
	json_decref(scope);
	return rc;
}

static int
grant_read(const struct rows *r, size_t i, struct stored_grant *g,
    struct gg_error *err)
{
	char **const texts[] = { &g->id, &g->principal, &g->asked_by, &g->entry,
		&g->hold_id, &g->owner, &g->reason, &g->closer };
	int rc;

	for (size_t k = 0; k < GG_COUNT(texts); k++)
		if ((rc = col_text(r, i, k, texts[k], err)) != 0)
			return rc;
	if (!grant_state_parse(view_str(rows_s(r, i, 8)), &g->state))
		return gg_fail(err, GG_E_CORRUPT,
		    "grant %s has an unknown state", g->id);
	g->required = (uint32_t)rows_i(r, i, 11);
	g->for_ms = rows_i(r, i, 12);
	g->created_ms = rows_i(r, i, 13);
	g->active_ms = rows_i(r, i, 14);
	g->expires_ms = rows_i(r, i, 15);
	g->closed_ms = rows_i(r, i, 16);
	g->uses = (uint64_t)rows_i(r, i, 17);
	g->used_ms = rows_i(r, i, 18);
	if ((rc = read_scope(r, i, g, err)) != 0)
		return rc;
	return col_strv(r, i, 10, &g->from, err);
}

static int
review_read(const struct rows *r, size_t i, struct stored_review *v,
    struct gg_error *err)
{
	int rc;

	*v = (struct stored_review){ .time_ms = rows_i(r, i, 3) };
	v->approve = strcmp(rows_s(r, i, 2), "approve") == 0;
	v->machine = rows_i(r, i, 6) != 0;
	if ((rc = col_text(r, i, 0, &v->reviewer, err)) != 0 ||
	    (rc = col_text(r, i, 1, &v->comment, err)) != 0)
		return rc;
	if ((rc = col_strv(r, i, 4, &v->groups, err)) != 0)
		return rc;
	return col_strv(r, i, 5, &v->aliases, err);
}

static int
add_reviews(struct tx *t, struct stored_grant *g, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err,
	    "SELECT reviewer, comment, verdict, time_ms, group_names,"
	    " aliases, machine FROM grant_review WHERE grant_id = $1"
	    " ORDER BY number",
	    arg_s(g->id));

	if (rc != 0 || r.n_rows == 0)
		return rc;
	if ((g->reviews = calloc(r.n_rows, sizeof(*g->reviews))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "reviews");
	for (; rc == 0 && g->n_reviews < r.n_rows; g->n_reviews++)
		rc = review_read(&r, g->n_reviews, &g->reviews[g->n_reviews],
		    err);
	return rc;
}

static int
find_one(struct store *s, const char *sql, const char *arg,
    struct stored_grant *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grant) g = { 0 };
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_READ, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err, sql, arg_s(arg))) != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such grant");
	if ((rc = grant_read(&r, 0, &g, err)) != 0 ||
	    (rc = add_reviews(&t, &g, err)) != 0)
		return rc;
	*out = g;
	g = (struct stored_grant){ 0 };
	return 0;
}

int
store_grant_get(struct store *s, const char *id, struct stored_grant *out,
    struct gg_error *err)
{
	return find_one(s, GRANT_COLUMNS " WHERE id = $1", id, out, err);
}

int
store_grant_of_hold(struct store *s, const char *hold_id,
    struct stored_grant *out, struct gg_error *err)
{
	return find_one(s,
	    GRANT_COLUMNS " WHERE hold_id = $1 AND hold_id <> ''"
			  " AND state IN ('asked', 'active')",
	    hold_id, out, err);
}

/* Rows to the callback, at most `most` of them; last (may be NULL) gets the
 * id of the last one. */
static int
each(struct tx *t, const struct rows *r, size_t most, store_grant_cb cb,
    void *ctx, char last[ULID_SIZE], struct gg_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n_rows && i < most; i++) {
		GG_AUTO_RELEASE(stored_grant) g = { 0 };

		if ((rc = grant_read(r, i, &g, err)) == 0 &&
		    (rc = add_reviews(t, &g, err)) == 0)
			rc = cb(ctx, &g);
		if (rc == 0 && last != NULL)
			(void)snprintf(last, ULID_SIZE, "%s", g.id);
	}
	return rc;
}

int
store_grant_list(struct store *s, const char *principal, const char *state,
    const char *cursor, size_t limit, store_grant_cb cb, void *ctx,
    char next[ULID_SIZE], struct gg_error *err)
{
	size_t most = store_list_limit(limit);
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	next[0] = '\0';
	/* ids are ULIDs, which begin with 7 at most */
	if ((rc = tx_begin(s, DB_READ, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 GRANT_COLUMNS " WHERE ($1 = '' OR principal = $1)"
			       " AND ($2 = '' OR state = $2) AND id < $3"
			       " ORDER BY id DESC LIMIT $4",
		 arg_s(principal), arg_s(state),
		 arg_s(cursor != NULL && *cursor != '\0' ? cursor : "8"),
		 arg_i((int64_t)most + 1))) != 0)
		return rc;
	rc = each(&t, &r, most, cb, ctx, next, err);
	if (r.n_rows <= most)
		next[0] = '\0';
	return rc;
}

void
stored_grants_release(struct stored_grants *l)
{
	for (size_t i = 0; i < l->n; i++)
		stored_grant_release(&l->v[i]);
	free(l->v);
	*l = (struct stored_grants){ 0 };
}

int
store_grant_active(struct store *s, const char *principal, int64_t now_ms,
    struct stored_grants *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(stored_grants) l = { 0 };
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_READ, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err,
		 GRANT_COLUMNS " WHERE principal = $1 AND state = 'active'"
			       " AND expires_ms > $2 ORDER BY id",
		 arg_s(principal), arg_i(now_ms))) != 0)
		return rc;
	if ((l.v = calloc(r.n_rows + 1, sizeof(*l.v))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "grants");
	for (size_t i = 0; i < r.n_rows; i++) {
		l.n++;
		if ((rc = grant_read(&r, i, &l.v[i], err)) != 0 ||
		    (rc = add_reviews(&t, &l.v[i], err)) != 0)
			return rc;
	}
	*out = l;
	l = (struct stored_grants){ 0 };
	return 0;
}

int
store_grant_due(struct store *s, int64_t now_ms, struct strv *over,
    struct strv *of_holds, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) a = { 0 };
	GG_AUTO_RELEASE(rows) b = { 0 };
	int rc;

	if ((rc = store_run(s, &a, err,
		 "SELECT id FROM access_grant WHERE state IN"
		 " ('asked', 'active') AND expires_ms <= $1 ORDER BY id",
		 arg_i(now_ms))) != 0 ||
	    (rc = store_run(s, &b, err,
		 "SELECT id FROM access_grant WHERE state = $1"
		 " AND hold_id <> '' ORDER BY id",
		 arg_s("asked"))) != 0)
		return rc;
	for (size_t i = 0; i < a.n_rows; i++)
		strv_add(over, rows_s(&a, i, 0));
	for (size_t i = 0; i < b.n_rows; i++)
		strv_add(of_holds, rows_s(&b, i, 0));
	if ((rc = strv_check(over, err)) != 0)
		return rc;
	return strv_check(of_holds, err);
}

/* -- writing -- */

static int
insert_review(struct tx *t, const char *id, size_t number,
    const struct stored_review *v, struct gg_error *err)
{
	GG_AUTO_MEM char *groups = NULL;
	GG_AUTO_MEM char *aliases = NULL;
	int rc;

	if ((rc = col_dump_strv(&v->groups, &groups, err)) != 0 ||
	    (rc = col_dump_strv(&v->aliases, &aliases, err)) != 0)
		return rc;
	return tx_run(t, NULL, err,
	    "INSERT INTO grant_review (grant_id, number, reviewer, comment,"
	    " verdict, time_ms, group_names, aliases, machine)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	    arg_s(id), arg_i((int64_t)number), arg_s(v->reviewer),
	    arg_s(v->comment), arg_s(v->approve ? "approve" : "reject"),
	    arg_i(v->time_ms), arg_s(groups), arg_s(aliases),
	    arg_i(v->machine));
}

static int
insert(struct tx *t, const struct stored_grant *g, struct gg_error *err)
{
	json_t *scope = grant_scope_to_json(&g->scope);
	GG_AUTO_MEM char *text = NULL;
	GG_AUTO_MEM char *from = NULL;
	int rc;

	if ((rc = col_dump(scope, &text, err)) == 0 &&
	    (rc = col_dump_strv(&g->from, &from, err)) == 0)
		rc = tx_run(t, NULL, err,
		    "INSERT INTO access_grant (id, principal, asked_by, entry,"
		    " hold_id, owner_name, reason, state, scope, required,"
		    " from_groups, for_ms, created_ms, active_ms, expires_ms,"
		    " closed_ms, closer, uses, used_ms) VALUES ($1, $2, $3,"
		    " $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
		    " 0, '', 0, 0)",
		    arg_s(g->id), arg_s(g->principal), arg_s(g->asked_by),
		    arg_s(g->entry), arg_s(g->hold_id), arg_s(g->owner),
		    arg_s(g->reason), arg_s(grant_state_name(g->state)),
		    arg_s(text), arg_i(g->required), arg_s(from),
		    arg_i(g->for_ms), arg_i(g->created_ms), arg_i(g->active_ms),
		    arg_i(g->expires_ms));
	json_decref(scope);
	return rc;
}

static int
check_count(struct tx *t, const struct stored_grant *g, size_t most,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_run(t, &r, err,
	    "SELECT COUNT(*) FROM access_grant"
	    " WHERE principal = $1 AND state IN ('asked', 'active')",
	    arg_s(g->principal));

	if (rc == 0 && (uint64_t)rows_i(&r, 0, 0) >= most)
		return gg_fail(err, GG_E_LIMIT,
		    "%s has %zu grants (limit grants-per-principal)",
		    g->principal, most);
	if (rc != 0 || strcmp(g->principal, g->asked_by) == 0 ||
	    *g->hold_id != '\0')
		return rc;
	rc = tx_run(t, &r, err,
	    "SELECT COUNT(*) FROM access_grant WHERE asked_by = $1"
	    " AND hold_id = '' AND state IN ('asked', 'active')",
	    arg_s(g->asked_by));
	if (rc == 0 && (uint64_t)rows_i(&r, 0, 0) >= most)
		return gg_fail(err, GG_E_LIMIT,
		    "you have asked for %zu grants (limit "
		    "grants-per-principal)",
		    most);
	return rc;
}

int
store_grant_room(struct store *s, const struct stored_grant *g, size_t most,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc = tx_begin(s, DB_READ, &t, err);

	return rc != 0 ? rc : check_count(&t, g, most, err);
}

int
store_grant_add(struct store *s, const struct stored_grant *g, size_t most,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = tx_lock(&t, LOCK, err)) != 0 ||
	    (rc = check_count(&t, g, most, err)) != 0 ||
	    (rc = insert(&t, g, err)) != 0)
		return rc;
	for (size_t i = 0; i < g->n_reviews; i++)
		if ((rc = insert_review(&t, g->id, i, &g->reviews[i], err)) !=
		    0)
			return rc;
	return tx_commit(&t, err);
}

/* GG_E_REFUSED when it is in another state, or has gone. */
static int
move(struct tx *t, const char *id, enum grant_state from, enum grant_state to,
    const char *closer, int64_t now_ms, int64_t expires_ms,
    struct gg_error *err)
{
	bool active = to == GRANT_ACTIVE;
	struct rows r = { 0 };
	int rc;

	if (!grant_move_is_allowed(from, to))
		return gg_fail(err, GG_E_REFUSED, "no grant goes from %s to %s",
		    grant_state_name(from), grant_state_name(to));
	if (active)
		rc = tx_run(t, &r, err,
		    "UPDATE access_grant SET state = 'active', active_ms = $1,"
		    " expires_ms = $2 WHERE id = $3 AND state = $4",
		    arg_i(now_ms), arg_i(expires_ms), arg_s(id),
		    arg_s(grant_state_name(from)));
	else
		rc = tx_run(t, &r, err,
		    "UPDATE access_grant SET state = $1, closed_ms = $2,"
		    " closer = $3 WHERE id = $4 AND state = $5",
		    arg_s(grant_state_name(to)), arg_i(now_ms), arg_s(closer),
		    arg_s(id), arg_s(grant_state_name(from)));
	if (rc == 0 && r.affected == 0)
		rc = gg_fail(err, GG_E_REFUSED, "the grant is not %s",
		    grant_state_name(from));
	rows_release(&r);
	return rc;
}

static int
check_reviews(struct tx *t, const char *id, const struct stored_review *v,
    size_t expected, struct gg_error *err)
{
	GG_AUTO_RELEASE(sql) q;
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	sql_init(&q, "SELECT state FROM access_grant WHERE id = ");
	sql_arg(&q, "", arg_s(id));
	sql_add(&q, t->s->driver->for_update);
	if ((rc = sql_run(t, &q, &r, err)) != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such grant");
	if (strcmp(rows_s(&r, 0, 0), grant_state_name(GRANT_ASKED)) != 0)
		return gg_fail(err, GG_E_REFUSED,
		    "the grant is no longer asked for");
	rc = tx_run(t, &r, err,
	    "SELECT reviewer FROM grant_review WHERE grant_id = $1", arg_s(id));
	for (size_t i = 0; rc == 0 && i < r.n_rows; i++)
		if (strcmp(rows_s(&r, i, 0), v->reviewer) == 0)
			return gg_fail(err, GG_E_EXISTS, "reviewed already");
	if (rc == 0 && r.n_rows != expected)
		return gg_fail(err, GG_E_REFUSED,
		    "somebody else has reviewed it meanwhile");
	return rc;
}

int
store_grant_review(struct store *s, const char *id,
    const struct stored_review *v, size_t expected, enum grant_state next,
    int64_t expires_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = check_reviews(&t, id, v, expected, err)) != 0 ||
	    (rc = insert_review(&t, id, expected, v, err)) != 0 ||
	    (next != GRANT_ASKED &&
		(rc = move(&t, id, GRANT_ASKED, next,
		     next == GRANT_REJECTED ? v->reviewer : "", v->time_ms,
		     expires_ms, err)) != 0))
		return rc;
	return tx_commit(&t, err);
}

int
store_grant_move(struct store *s, const char *id, enum grant_state from,
    enum grant_state to, const char *closer, int64_t now_ms, int64_t expires_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_DURABLE, &t, err)) != 0 ||
	    (rc = move(&t, id, from, to, closer, now_ms, expires_ms, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_grant_used(struct store *s, const struct strv *ids, int64_t now_ms,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc = tx_begin(s, DB_DURABLE, &t, err);

	for (size_t i = 0; rc == 0 && i < ids->n; i++) {
		rc = tx_run(&t, &r, err,
		    "UPDATE access_grant SET uses = uses + 1, used_ms = $1"
		    " WHERE id = $2 AND state = 'active' AND expires_ms > $1",
		    arg_i(now_ms), arg_s(ids->v[i]));
		if (rc == 0 && r.affected == 0)
			rc = gg_fail(err, GG_E_REFUSED,
			    "grant %s is no longer active", ids->v[i]);
	}
	return rc != 0 ? rc : tx_commit(&t, err);
}
