/* The history of one ref, out of the index over the audit log. */
#include "store/store_priv.h"

#include <string.h>

struct timeline {
	json_t *steps;
	size_t limit, n;  /* n: of this call */
	uint64_t last;    /* index of the last step that was taken */
	bool more;        /* there are older ones */
	json_t *previous; /* the step taken last (newer); borrowed */
};

static void
copy(json_t *to, const json_t *from, const char *name)
{
	json_t *v = json_object_get(from, name);

	if (v != NULL)
		(void)json_object_set(to, name, v);
}

static json_t *
step_of(const json_t *e, bool ours)
{
	static const char *const names[] = { "seq", "time", "old", "new",
		"kind", "principal", "owner", "push", "hold", "reviewers",
		"grants", "recovered" };
	json_t *o = json_object();

	for (size_t i = 0; i < GG_COUNT(names); i++)
		copy(o, e, names[i]);
	(void)json_object_set_new(o, "how",
	    json_string(ours ? "push" : "out-of-band"));
	(void)json_object_set_new(o, "gap", json_false());
	return o;
}

static const char *
text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

/* Steps come newest first: this one made what the one before began with. */
static void
mark_gap(struct timeline *l, const json_t *older)
{
	if (l->previous != NULL &&
	    strcmp(text_of(l->previous, "old"), text_of(older, "new")) != 0)
		(void)json_object_set_new(l->previous, "gap", json_true());
}

static int
take_step(void *ctx, uint64_t index, const char *text)
{
	struct timeline *l = ctx;
	json_t *e = json_loads(text, JSON_ALLOW_NUL, NULL), *step;
	bool ours;

	if (e == NULL)
		return GG_E_CORRUPT;
	ours = strcmp(text_of(e, "type"), "forward.result") == 0;
	if (l->more || (ours && strcmp(text_of(e, "result"), "ok") != 0)) {
		json_decref(e);
		return 0;
	}
	step = step_of(e, ours);
	json_decref(e);
	mark_gap(l, step);
	if (l->n == l->limit) {
		l->more = true; /* only to know whether there was a gap */
		json_decref(step);
		return 0;
	}
	l->n++;
	l->last = index;
	l->previous = step;
	return json_array_append_new(l->steps, step) == 0 ? 0 : GG_E_NOMEM;
}

int
store_audit_timeline(struct store *s, const char *repository, const char *ref,
    uint64_t cursor, size_t limit, json_t *steps, uint64_t *next,
    struct gg_error *err)
{
	struct timeline l = { .steps = steps,
		.limit = limit == 0 ? 100 :
		    limit > 1000    ? 1000 :
				      limit };
	struct audit_query q = { .repository = repository,
		.ref = ref,
		.movements = true,
		.cursor = cursor,
		.limit = 200 };
	uint64_t at = 0;
	int rc;

	do {
		rc = store_audit_query(s, &q, take_step, &l, &at, err);
		q.cursor = at;
	} while (rc == 0 && at != 0 && !l.more);
	*next = l.more ? l.last : 0;
	return rc;
}
