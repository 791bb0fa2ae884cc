/* Repositories as far as pushes and holds name them. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

/* From one name to the next in the index: however many pushes there are, it
 * is one step for each repository. */
#define NAMES                                                             \
	"WITH RECURSIVE r(name, n) AS ("                                  \
	"SELECT MIN(repository), 1 FROM push"                             \
	" UNION ALL "                                                     \
	"SELECT (SELECT MIN(repository) FROM push"                        \
	" WHERE repository > r.name), r.n + 1"                            \
	" FROM r WHERE r.name IS NOT NULL AND r.n < $1) "                 \
	"SELECT name, (SELECT MAX(id) FROM push WHERE repository = name)" \
	" FROM r WHERE name IS NOT NULL ORDER BY name"

#define OPEN_HOLDS                                                  \
	"SELECT repository, COUNT(*) FROM hold WHERE " HOLD_IS_OPEN \
	" GROUP BY repository"

static uint64_t
open_of(const struct rows *open, const char *name)
{
	for (size_t i = 0; i < open->n_rows; i++)
		if (strcmp(rows_s(open, i, 0), name) == 0)
			return (uint64_t)rows_i(open, i, 1);
	return 0;
}

int
store_repository_list(struct store *s, size_t most, store_repository_cb cb,
    void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) names = { 0 };
	GG_AUTO_RELEASE(rows) open = { 0 };
	int rc;

	if ((rc = store_run(s, &names, err, NAMES, arg_i((int64_t)most))) !=
		0 ||
	    (rc = store_read(s, OPEN_HOLDS, NULL, 0, &open, err)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < names.n_rows; i++) {
		struct stored_repository r = { rows_s(&names, i, 0),
			rows_s(&names, i, 1),
			open_of(&open, rows_s(&names, i, 0)) };

		rc = cb(ctx, &r);
	}
	return rc;
}
