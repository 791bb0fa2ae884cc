/* What pushes of ours may have done to upstream's refs. */
#include "store/store_priv.h"

#include <string.h>

#define MOVES                                                                     \
	"SELECT u.ref, u.old_oid, u.new_oid, p.state, p.outcome, p.id, p.done_ms" \
	" FROM push p JOIN push_update u ON u.push_id = p.id"

/* Under way, or ended since. */
#define OF_INTEREST                                                  \
	MOVES " WHERE p.repository = $1 AND p.state = 'forwarding'"  \
	      " UNION ALL " MOVES " JOIN hold h ON h.push_id = p.id" \
	      " WHERE p.repository = $1 AND h.state = 'approved'"    \
	      " UNION ALL " MOVES                                    \
	      " WHERE p.repository = $1 AND p.done_ms >= $2"         \
	      " AND p.state IN ('forwarded', 'failed')"

/* What upstream said to a ref of a push that failed as a whole. */
struct outcome {
	char id[ULID_SIZE]; /* of the push that json is of */
	json_t *json;
};

static void
outcome_release(struct outcome *o)
{
	json_decref(o->json);
}
GG_DEFINE_AUTO_RELEASE(outcome);

static bool
was_taken(struct outcome *o, const struct rows *r, size_t row)
{
	const json_t *one;
	size_t i;

	if (strcmp(rows_s(r, row, 3), "failed") != 0)
		return true;
	if (strcmp(o->id, rows_s(r, row, 5)) != 0) {
		json_decref(o->json);
		o->json = json_loads(rows_s(r, row, 4), 0, NULL);
		(void)snprintf(o->id, sizeof(o->id), "%s", rows_s(r, row, 5));
	}
	json_array_foreach(json_object_get(o->json, "refs"), i, one)
	{
		const char *ref = json_string_value(json_object_get(one,
		    "ref"));
		const char *st = json_string_value(json_object_get(one,
		    "status"));

		if (ref != NULL && st != NULL &&
		    strcmp(ref, rows_s(r, row, 0)) == 0)
			return strcmp(st, "ok") == 0;
	}
	return false;
}

int
store_push_moves(struct store *s, const char *repository, int64_t since_ms,
    store_move_cb cb, void *ctx, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	GG_AUTO_RELEASE(outcome) o = { 0 };
	int rc = store_run(s, &r, err, OF_INTEREST, arg_s(repository),
	    arg_i(since_ms));

	for (size_t i = 0; i < r.n_rows && rc == 0; i++)
		if (was_taken(&o, &r, i))
			rc = cb(ctx, rows_s(&r, i, 0), rows_s(&r, i, 1),
			    rows_s(&r, i, 2), rows_i(&r, i, 6));
	return rc;
}
