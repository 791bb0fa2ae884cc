/*
 * Search in the index over the audit log. Every question is answered in one of
 * three ways, none of which reads entries that do not fit:
 *
 *  - one condition alone: its own index, in its order, until the page is full;
 *  - a condition that few entries fit: those, and the others asked of each;
 *  - else the index audit_all, which has every searched column and nothing
 *    else, from the newest entry on (some 6 ms for 100,000 entries).
 *
 * COALESCE keeps the databases from choosing an index themselves: without
 * statistics they take one whose column nearly every entry fits.
 */
#include "base/fd.h"
#include "config/config.h"
#include "store/store_priv.h"

#include <jansson.h>
#include <string.h>

/* Fewer than this are looked up one by one. */
#define FEW 2000
/* So many different paths below a pattern's start are compared with it. */
#define PATTERN_PATHS_MAX 50000

struct term {
	const char *column; /* of audit_index; NULL: a word of this kind */
	const char *kind;
	const char *value;
};

#define TERMS_MAX 9
struct plan {
	struct store *s;
	const struct audit_query *aq;
	struct term terms[TERMS_MAX];
	size_t n;
	const struct term *lead; /* few entries fit it; NULL: none */
	bool lead_place;         /* few are of this repository and ref */
	bool lead_paths;         /* few pushes touched the path */
	char *path;              /* this one; or */
	char *paths;             /* a JSON list of them; NULL: any */
	bool no_path;            /* none matches the pattern */
};
static void
plan_release(struct plan *p)
{
	free(p->path);
	free(p->paths);
}
GG_DEFINE_AUTO_RELEASE(plan);

static void
read_terms(struct plan *p)
{
	const struct audit_query *q = p->aq;
	const struct term all[TERMS_MAX] = { { "push", NULL, q->push },
		{ "hold", NULL, q->hold }, { "ref", NULL, q->ref },
		{ "repository", NULL, q->repository },
		{ "principal", NULL, q->principal },
		{ "verdict", NULL, q->verdict }, { "type", NULL, q->type },
		{ NULL, "reviewer", q->reviewer }, { NULL, "rule", q->rule } };

	for (size_t i = 0; i < TERMS_MAX; i++)
		if (all[i].value != NULL)
			p->terms[p->n++] = all[i];
}

/* -- paths -- */

static bool
is_pattern(const char *path)
{
	return strpbrk(path, "*?[\\") != NULL;
}

/*
 * Paths that begin like a pattern, each once, from one to the next in the
 * index: most have many rows, and PostgreSQL would read, and sort, all of
 * these. Where the database orders texts by their bytes ('B' < 'a': no language
 * does) those with the same beginning stand together, and it ends behind them.
 */
#define NEXT_PATHS                                                            \
	"WITH RECURSIVE x (path) AS ("                                        \
	"SELECT MIN(path) FROM audit_path WHERE path >= $1 UNION ALL "        \
	"SELECT (SELECT MIN(p.path) FROM audit_path p WHERE p.path > x.path)" \
	" FROM x WHERE x.path IS NOT NULL AND"                                \
	" (substr(x.path, 1, length($1)) = $1 OR NOT 'B' < 'a'))"             \
	" SELECT path FROM x WHERE path IS NOT NULL AND"                      \
	" substr(path, 1, length($1)) = $1 LIMIT $2"

/* The indexed paths that a pattern matches. */
static int
matching_paths(struct plan *p, const char *glob, json_t *out,
    struct gg_error *err)
{
	size_t fixed = strcspn(glob, "*?[\\");
	GG_AUTO_MEM char *from = path_f("%.*s", (int)fixed, glob);
	GG_AUTO_RELEASE(rows) r = { 0 };
	int rc;

	rc = store_run(p->s, &r, err, NEXT_PATHS, arg_s(from),
	    arg_i(PATTERN_PATHS_MAX));
	if (rc != 0)
		return rc;
	if (r.n_rows == PATTERN_PATHS_MAX)
		return gg_fail(err, GG_E_INPUT,
		    "the pattern begins like %d paths and more: begin it with "
		    "a directory",
		    PATTERN_PATHS_MAX);
	for (size_t i = 0; i < r.n_rows; i++) {
		const char *path = rows_s(&r, i, 0);

		if (path[strlen(path) - 1] != '/' &&
		    glob_match(glob, view_str(path)))
			(void)json_array_append_new(out, json_string(path));
	}
	return 0;
}

static bool
has_path(const struct plan *p)
{
	return p->path != NULL || p->paths != NULL;
}

/* A directory's end, "/" and a double star, and nothing else of a pattern. */
static bool
is_directory(const char *path)
{
	size_t n = strlen(path);

	return n > 3 && strcmp(path + n - 3, "/**") == 0 &&
	    strcspn(path, "*?[\\") == n - 2;
}

static int
find_paths(struct plan *p, struct gg_error *err)
{
	const char *path = p->aq->path;
	json_t *all;
	int rc;

	if (!is_pattern(path) || is_directory(path)) {
		p->path = path_f("%.*s",
		    (int)(strlen(path) - (is_pattern(path) ? 2 : 0)), path);
		return 0;
	}
	if (glob_check(path, err) != 0)
		return gg_wrap(err, GG_E_INPUT, "path");
	all = json_array();
	rc = matching_paths(p, path, all, err);
	p->no_path = json_array_size(all) == 0;
	if (rc == 0)
		rc = col_dump(all, &p->paths, err);
	json_decref(all);
	return rc;
}

static void
add_paths(struct plan *p, struct sql *q)
{
	if (p->path != NULL) {
		sql_arg(q, " = ", arg_s(p->path));
		return;
	}
	sql_add(q, " IN ");
	sql_arg(q, p->s->driver->each_text, arg_s(p->paths));
	sql_add(q, p->s->driver->each_text_end);
}

static int
few_pushes(struct plan *p, bool *few, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) q;
	int rc;

	sql_init(&q,
	    "SELECT COUNT(*) FROM (SELECT push FROM audit_path WHERE"
	    " path");
	add_paths(p, &q);
	sql_arg(&q, " LIMIT ", arg_i(FEW));
	sql_add(&q, ") x");
	if ((rc = buf_check(&q.text, err)) != 0 ||
	    (rc = store_read(p->s, buf_str(&q.text), q.args, q.n, &r, err)) !=
		0)
		return rc;
	*few = rows_i(&r, 0, 0) < FEW;
	return 0;
}

/* -- conditions -- */

static void
add_cursor(struct sql *q, const struct audit_query *aq, const char *column)
{
	int64_t at = aq->cursor > INT64_MAX ? INT64_MAX : (int64_t)aq->cursor;

	if (at == 0)
		return;
	sql_add(q, " AND ");
	sql_add(q, column);
	sql_arg(q, aq->oldest_first ? " >= " : " < ", arg_i(at));
}

static void
add_order(struct sql *q, const struct audit_query *aq, size_t limit)
{
	sql_add(q,
	    aq->oldest_first ? " ORDER BY i.number" :
			       " ORDER BY i.number DESC");
	sql_arg(q, " LIMIT ", arg_i((int64_t)limit));
}

/* Numbers of the entries that a term fits, in the order of its index. */
static void
add_numbers(struct plan *p, struct sql *q, const struct term *t, size_t limit)
{
	if (t->column != NULL) {
		sql_add(q, "SELECT i.number FROM audit_index i WHERE i.");
		sql_add(q, t->column);
		sql_arg(q, " = ", arg_s(t->value));
	} else {
		sql_arg(q, "SELECT i.number FROM audit_word i WHERE i.kind = ",
		    arg_s(t->kind));
		sql_arg(q, " AND i.word = ", arg_s(t->value));
	}
	add_cursor(q, p->aq, "i.number");
	add_order(q, p->aq, limit);
}

static void
add_place(struct plan *p, struct sql *q, size_t limit)
{
	sql_arg(q, "SELECT i.number FROM audit_index i WHERE i.repository = ",
	    arg_s(p->aq->repository));
	sql_arg(q, " AND i.ref = ", arg_s(p->aq->ref));
	add_cursor(q, p->aq, "i.number");
	add_order(q, p->aq, limit);
}

/* Ask one entry (i) for what a term wants. */
static void
add_term(struct sql *q, const struct term *t)
{
	if (t->column != NULL) {
		sql_add(q, " AND COALESCE(i.");
		sql_add(q, t->column);
		sql_arg(q, ", '') = ", arg_s(t->value));
		return;
	}
	sql_arg(q,
	    " AND EXISTS (SELECT 1 FROM audit_word w WHERE w.number = i.number"
	    " AND w.kind = ",
	    arg_s(t->kind));
	sql_arg(q, " AND w.word = ", arg_s(t->value));
	sql_add(q, ")");
}

static void
add_path_condition(struct plan *p, struct sql *q)
{
	if (!has_path(p))
		return;
	if (p->lead_paths) {
		sql_add(q, " AND i.push");
		sql_add(q, p->s->driver->of_few);
		sql_add(q, "SELECT push FROM audit_path WHERE path");
		add_paths(p, q);
		sql_add(q, p->s->driver->of_few_end);
		return;
	}
	sql_add(q,
	    " AND EXISTS (SELECT 1 FROM audit_path p WHERE p.push = i.push"
	    " AND COALESCE(p.path, '')");
	add_paths(p, q);
	sql_add(q, ")");
}

static void
add_conditions(struct plan *p, struct sql *q)
{
	const struct audit_query *aq = p->aq;

	for (size_t i = 0; i < p->n; i++)
		if (&p->terms[i] != p->lead)
			add_term(q, &p->terms[i]);
	if (aq->movements)
		sql_add(q,
		    " AND COALESCE(i.type, '') IN"
		    " ('forward.result', 'keep.result',"
		    " 'admin.kept.drop', 'ref.out-of-band')");
	if (aq->since_ms != 0)
		sql_arg(q,
		    " AND COALESCE(i.time_ms, 0) >= ", arg_i(aq->since_ms));
	if (aq->until_ms != 0)
		sql_arg(q, " AND COALESCE(i.time_ms, 0) < ",
		    arg_i(aq->until_ms));
	add_path_condition(p, q);
}

/* -- which way -- */

static int
count(struct plan *p, const struct term *t, int64_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(sql) q;
	int rc;

	sql_init(&q, "SELECT COUNT(*) FROM (");
	if (t != NULL)
		add_numbers(p, &q, t, FEW);
	else
		add_place(p, &q, FEW);
	sql_add(&q, ") x");
	if ((rc = buf_check(&q.text, err)) != 0 ||
	    (rc = store_read(p->s, buf_str(&q.text), q.args, q.n, &r, err)) !=
		0)
		return rc;
	*n = rows_i(&r, 0, 0);
	return 0;
}

static bool
is_alone(const struct plan *p)
{
	const struct audit_query *q = p->aq;

	return p->n == 1 && !has_path(p) && !q->movements && q->since_ms == 0 &&
	    q->until_ms == 0;
}

/* The first term that few fit is good enough: they are in that order. */
static int
choose(struct plan *p, struct gg_error *err)
{
	int64_t n = FEW;
	int rc;

	if (is_alone(p)) {
		p->lead = &p->terms[0];
		return 0;
	}
	for (size_t i = 0; i < p->n; i++) {
		if ((rc = count(p, &p->terms[i], &n, err)) != 0)
			return rc;
		if (n < FEW) {
			p->lead = &p->terms[i];
			return 0;
		}
	}
	if (p->aq->repository != NULL && p->aq->ref != NULL) {
		if ((rc = count(p, NULL, &n, err)) != 0)
			return rc;
		p->lead_place = n < FEW;
	}
	if (p->lead_place || !has_path(p))
		return 0;
	return few_pushes(p, &p->lead_paths, err);
}

static void
add_inner(struct plan *p, struct sql *q, size_t limit)
{
	if (is_alone(p)) {
		add_numbers(p, q, p->lead, limit);
		return;
	}
	sql_add(q, "SELECT i.number FROM audit_index i WHERE 1 = 1");
	if (p->lead != NULL || p->lead_place) {
		sql_add(q, " AND i.number IN (SELECT number FROM (");
		if (p->lead != NULL)
			add_numbers(p, q, p->lead, FEW);
		else
			add_place(p, q, FEW);
		sql_add(q, ") x)");
	}
	add_conditions(p, q);
	add_cursor(q, p->aq, "i.number");
	add_order(q, p->aq, limit);
}

static int
run(struct plan *p, size_t limit, struct rows *r, struct gg_error *err)
{
	GG_AUTO_RELEASE(sql) q = { 0 };
	int rc;

	if (p->aq->path != NULL && (rc = find_paths(p, err)) != 0)
		return rc;
	if (p->no_path)
		return 0;
	if ((rc = choose(p, err)) != 0)
		return rc;
	sql_init(&q,
	    "SELECT a.number, a.entry FROM audit_index a WHERE"
	    " a.number IN (SELECT number FROM (");
	add_inner(p, &q, limit);
	sql_add(&q, ") y) ORDER BY a.number");
	if (!p->aq->oldest_first)
		sql_add(&q, " DESC");
	if ((rc = buf_check(&q.text, err)) != 0)
		return rc;
	return store_read(p->s, buf_str(&q.text), q.args, q.n, r, err);
}

/* next: the cursor to go on with, 0 at the end. */
/* A word that no entry can have would find nothing, which is no answer. */
static int
check_words(const char *verdict, const char *type, struct gg_error *err)
{
	static const char *const known[] = { "allow", "hold", "deny", "approve",
		"reject" };

	if (type != NULL && strpbrk(type, "*?[") != NULL)
		return gg_fail(err, GG_E_INPUT,
		    "type is one whole type, as hold.review");
	if (verdict == NULL)
		return 0;
	for (size_t i = 0; i < GG_COUNT(known); i++)
		if (strcmp(verdict, known[i]) == 0)
			return 0;
	return gg_fail(err, GG_E_INPUT,
	    "verdict is allow, hold or deny; of a review approve or reject");
}

int
store_audit_query(struct store *s, const struct audit_query *q,
    store_audit_cb cb, void *ctx, uint64_t *next, struct gg_error *err)
{
	size_t limit = q->limit == 0 ? 100 : q->limit > 1000 ? 1000 : q->limit;
	GG_AUTO_RELEASE(plan) p = { .s = s, .aq = q };
	GG_AUTO_RELEASE(rows) r = { 0 };
	size_t n;
	int rc;

	if ((rc = check_words(q->verdict, q->type, err)) != 0)
		return rc;
	read_terms(&p);
	if ((rc = run(&p, limit + 1, &r, err)) != 0)
		return rc;
	n = r.n_rows > limit ? limit : r.n_rows;
	*next = 0;
	if (r.n_rows > limit)
		*next = (uint64_t)rows_i(&r, n - 1, 0) + q->oldest_first;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = cb(ctx, (uint64_t)rows_i(&r, i, 0), rows_s(&r, i, 1));
	return rc;
}
