/*
 * Paths of pushes, for searching in the audit log: those that rules named, and
 * the directories that they lie in ("a/b/" of "a/b/c"), so that every question
 * is one for an equal text.
 */
#include "store/store_priv.h"

#include <string.h>

/* So many texts of one push; beyond, a search does not find it by path. */
#define PATHS_MAX 500
#define ROWS_ONCE 100

static void
add_one(struct strv *all, const char *path, size_t n)
{
	if (n == 0 || all->n >= PATHS_MAX)
		return;
	strv_addv(all, view_of(path, n));
}

static void
add_with_parents(struct strv *all, const char *path)
{
	add_one(all, path, strlen(path));
	for (const char *s = strchr(path, '/'); s != NULL;
	     s = strchr(s + 1, '/'))
		add_one(all, path, (size_t)(s + 1 - path));
}

static void
gather(const json_t *updates, struct strv *all)
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
					add_with_parents(all, s);
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
tx_paths_add(struct tx *t, const char *push, const json_t *updates,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) all = STRV_INIT;
	int rc = 0;

	gather(updates, &all);
	if (all.failed != 0)
		return gg_fail(err, GG_E_NOMEM, "paths");
	for (size_t i = 0; i < all.n && rc == 0; i += ROWS_ONCE)
		rc = insert(t, push, &all, i, err);
	return rc;
}
