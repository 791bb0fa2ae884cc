/*
 * Paths of pushes, for searching in the audit log: those that rules named, then
 * all that were changed, and the directories that they lie in ("a/b/" of
 * "a/b/c"), so that every question is one for equal texts.
 */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

/* So much of one push; a search by path finds it by what fits. */
#define TEXTS_MAX 8192
#define BYTES_MAX ((size_t)1 << 20)
/* PostgreSQL's indexes take no longer ones. */
#define TEXT_MAX  1000
#define ROWS_ONCE 100

/* Texts, each once; a power of two of slots, never more than half full. */
#define SLOTS (4 * TEXTS_MAX)
struct texts {
	struct strv all;
	size_t bytes;
	uint16_t *slots; /* index in all + 1; 0: free */
};
static void
texts_release(struct texts *t)
{
	strv_release(&t->all);
	free(t->slots);
}
GG_DEFINE_AUTO_RELEASE(texts);

static uint16_t *
slot_of(struct texts *t, struct view text)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < text.n; i++)
		h = (h ^ (unsigned char)text.p[i]) * 16777619u;
	for (;; h++) {
		uint16_t *s = &t->slots[h % SLOTS];

		if (*s == 0 || view_eq_str(text, t->all.v[*s - 1]))
			return s;
	}
}

static void
add_one(struct texts *t, struct view text)
{
	uint16_t *s;

	if (text.n == 0 || text.n > TEXT_MAX || t->all.n >= TEXTS_MAX ||
	    t->bytes + text.n > BYTES_MAX || t->all.failed != 0)
		return;
	s = slot_of(t, text);
	if (*s != 0)
		return;
	strv_addv(&t->all, text);
	t->bytes += text.n;
	*s = (uint16_t)t->all.n;
}

static void
add_with_parents(struct texts *t, const char *path)
{
	add_one(t, view_str(path));
	for (const char *s = strchr(path, '/'); s != NULL;
	     s = strchr(s + 1, '/'))
		add_one(t, view_of(path, (size_t)(s + 1 - path)));
}

static void
add_named(struct texts *t, const json_t *updates)
{
	const json_t *u, *r, *p;
	size_t i, k, m;

	json_array_foreach(updates, i, u)
	{
		json_array_foreach(json_object_get(u, "reasons"), k, r)
		{
			json_array_foreach(json_object_get(r, "paths"), m, p)
			{
				const char *s =
				    json_string_value(json_object_get(p,
					"path"));

				if (s != NULL)
					add_with_parents(t, s);
			}
		}
	}
}

static int
insert(struct tx *t, const char *push, const struct strv *all, size_t from,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(sql) q;

	sql_init(&q, "INSERT INTO audit_path (path, push) VALUES ");
	for (size_t i = from; i < all->n && i < from + ROWS_ONCE; i++) {
		sql_arg(&q, i == from ? "(" : ", (", arg_s(all->v[i]));
		sql_arg(&q, ", ", arg_s(push));
		sql_add(&q, ")");
	}
	sql_add(&q, " ON CONFLICT DO NOTHING");
	return sql_run(t, &q, NULL, err);
}

int
tx_paths_add(struct tx *t, const struct stored_push *p, struct gg_error *err)
{
	GG_AUTO_RELEASE(texts) x = { .all = STRV_INIT };
	int rc = 0;

	if ((x.slots = calloc(SLOTS, sizeof(*x.slots))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "paths");
	add_named(&x, p->updates);
	for (size_t i = 0; i < p->paths.n; i++)
		add_with_parents(&x, p->paths.v[i]);
	if (x.all.failed != 0)
		return gg_fail(err, GG_E_NOMEM, "paths");
	for (size_t i = 0; i < x.all.n && rc == 0; i += ROWS_ONCE)
		rc = insert(t, p->id, &x.all, i, err);
	return rc;
}
