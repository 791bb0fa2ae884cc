/* Holds as the store has them, with their reviews: one, or a list. */
#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
stored_review_release(struct stored_review *r)
{
	free(r->reviewer);
	free(r->comment);
	strv_release(&r->groups);
	strv_release(&r->aliases);
}

void
stored_hold_release(struct stored_hold *h)
{
	free(h->id);
	free(h->push_id);
	free(h->repository);
	free(h->principal);
	json_decref(h->updates);
	json_decref(h->needs);
	json_decref(h->outcome);
	free(h->key);
	free(h->report_digest);
	free(h->policy_digest);
	for (size_t i = 0; i < h->n_reviews; i++)
		stored_review_release(&h->reviews[i]);
	free(h->reviews);
	*h = (struct stored_hold){ 0 };
}

#define HOLD_COLUMNS                                                    \
	"SELECT id, push_id, repository, principal, state, created_ms," \
	" expires_ms, closed_ms, updates, needs, outcome, key,"         \
	" report_digest, policy_digest, attempts FROM hold"

static int
read_texts(const struct rows *r, size_t i, struct stored_hold *h,
    struct gg_error *err)
{
	const struct {
		size_t col;
		char **to;
	} texts[] = { { 0, &h->id }, { 1, &h->push_id }, { 2, &h->repository },
		{ 3, &h->principal }, { 11, &h->key },
		{ 12, &h->report_digest }, { 13, &h->policy_digest } };
	int rc;

	for (size_t k = 0; k < GG_COUNT(texts); k++)
		if ((rc = col_text(r, i, texts[k].col, texts[k].to, err)) != 0)
			return rc;
	return 0;
}

static int
hold_read(const struct rows *r, size_t i, struct stored_hold *h,
    struct gg_error *err)
{
	int rc;

	if ((rc = read_texts(r, i, h, err)) != 0 ||
	    (rc = col_json(r, i, 8, &h->updates, err)) != 0 ||
	    (rc = col_json(r, i, 9, &h->needs, err)) != 0 ||
	    (rc = col_json(r, i, 10, &h->outcome, err)) != 0)
		return rc;
	if (!hold_state_parse(view_str(rows_s(r, i, 4)), &h->state))
		return gg_fail(err, GG_E_CORRUPT,
		    "hold %s has an unknown state", h->id);
	h->created_ms = rows_i(r, i, 5);
	h->expires_ms = rows_i(r, i, 6);
	h->closed_ms = rows_i(r, i, 7);
	h->attempts = (uint32_t)rows_i(r, i, 14);
	return 0;
}

/* hold_id 0, reviewer 1, comment 2, verdict 3, time 4, groups 5, aliases 6,
 * machine 7 */
static int
add_review(struct stored_hold *h, const struct rows *r, size_t i,
    struct gg_error *err)
{
	struct stored_review *grown, *v;
	int rc;

	grown = reallocarray(h->reviews, h->n_reviews + 1, sizeof(*grown));
	if (grown == NULL)
		return gg_fail(err, GG_E_NOMEM, "reviews");
	h->reviews = grown;
	v = &h->reviews[h->n_reviews++];
	*v = (struct stored_review){ .time_ms = rows_i(r, i, 4) };
	v->approve = strcmp(rows_s(r, i, 3), "approve") == 0;
	v->machine = rows_i(r, i, 7) != 0;
	if ((rc = col_text(r, i, 1, &v->reviewer, err)) != 0 ||
	    (rc = col_text(r, i, 2, &v->comment, err)) != 0)
		return rc;
	if ((rc = col_strv(r, i, 5, &v->groups, err)) != 0)
		return rc;
	return col_strv(r, i, 6, &v->aliases, err);
}

struct hold_list {
	struct stored_hold *v;
	size_t n;
};

static void
hold_list_release(struct hold_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		stored_hold_release(&l->v[i]);
	free(l->v);
	*l = (struct hold_list){ 0 };
}
GG_DEFINE_AUTO_RELEASE(hold_list);

static struct stored_hold *
list_find(struct hold_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].id, id) == 0)
			return &l->v[i];
	return NULL;
}

/* The reviews of all holds of a list (at most 200) in one statement. */
static int
list_add_reviews(struct tx *t, struct hold_list *l, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) q;
	struct stored_hold *h;
	int rc;

	sql_init(&q,
	    "SELECT hold_id, reviewer, comment, verdict, time_ms,"
	    " group_names, aliases, machine FROM review WHERE hold_id IN (");
	for (size_t i = 0; i < l->n; i++)
		sql_arg(&q, i ? ", " : "", arg_s(l->v[i].id));
	sql_add(&q, ") ORDER BY hold_id, number");
	if (l->n == 0)
		return 0;
	if ((rc = sql_run(t, &q, &r, err)) != 0)
		return rc;
	for (size_t i = 0; i < r.n_rows; i++) {
		h = list_find(l, rows_s(&r, i, 0));
		if (h != NULL && (rc = add_review(h, &r, i, err)) != 0)
			return rc;
	}
	return 0;
}

/* Rows to holds, with their reviews; at most limit. */
static int
list_read(struct tx *t, const struct rows *r, size_t limit, struct hold_list *l,
    struct gg_error *err)
{
	size_t n = r->n_rows > limit ? limit : r->n_rows;
	int rc;

	if (n == 0)
		return 0;
	if ((l->v = calloc(n, sizeof(*l->v))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "holds");
	for (; l->n < n; l->n++) {
		if ((rc = hold_read(r, l->n, &l->v[l->n], err)) != 0) {
			stored_hold_release(&l->v[l->n]);
			return rc;
		}
	}
	return list_add_reviews(t, l, err);
}

static int
find_one(struct store *s, const char *sql, const char *arg,
    struct stored_hold *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(hold_list) l = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_READ, &t, err)) != 0 ||
	    (rc = tx_run(&t, &r, err, sql, arg_s(arg))) != 0)
		return rc;
	if (r.n_rows == 0)
		return gg_fail(err, GG_E_NOTFOUND, "no such hold");
	if ((rc = list_read(&t, &r, 1, &l, err)) != 0)
		return rc;
	*out = l.v[0];
	l.v[0] = (struct stored_hold){ 0 };
	return 0;
}

int
store_hold_get(struct store *s, const char *id, struct stored_hold *out,
    struct gg_error *err)
{
	return find_one(s, HOLD_COLUMNS " WHERE id = $1", id, out, err);
}

int
store_hold_of_push(struct store *s, const char *push_id,
    struct stored_hold *out, struct gg_error *err)
{
	return find_one(s,
	    HOLD_COLUMNS " WHERE push_id = $1 ORDER BY id DESC LIMIT 1",
	    push_id, out, err);
}

int
store_hold_find_key(struct store *s, const char *key, struct stored_hold *out,
    struct gg_error *err)
{
	return find_one(s,
	    HOLD_COLUMNS " WHERE key = $1"
			 " AND state IN ('pending', 'approved')"
			 " ORDER BY id DESC LIMIT 1",
	    key, out, err);
}

int
store_hold_list(struct store *s, const struct store_query *q, store_hold_cb cb,
    void *ctx, char next[ULID_SIZE], struct gg_error *err)
{
	GG_AUTO_RELEASE(hold_list) l = { 0 };
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) sql;
	GG_AUTO_RELEASE(tx) t = { 0 };
	size_t limit = store_list_limit(q->limit);
	int rc;

	sql_init(&sql, HOLD_COLUMNS);
	sql_add_query(&sql, q, "push_id");
	if ((rc = tx_begin(s, DB_READ, &t, err)) != 0 ||
	    (rc = sql_run(&t, &sql, &r, err)) != 0 ||
	    (rc = list_read(&t, &r, limit, &l, err)) != 0)
		return rc;
	/* the callback may call the store */
	tx_release(&t);
	snprintf(next, ULID_SIZE, "%s",
	    l.n > 0 && r.n_rows > limit ? l.v[l.n - 1].id : "");
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		rc = cb(ctx, &l.v[i]);
	return rc;
}
