/* The history of one ref, out of the index over the audit log. */
#include "store/store_priv.h"

#include <string.h>

#define CLAIM_SHOWN 512 /* bytes */

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
step_of(const json_t *e, const char *how)
{
	static const char *const names[] = { "seq", "time", "old", "new",
		"kind", "principal", "owner", "push", "hold", "reviewers",
		"grants", "recovered" };
	json_t *o = json_object();

	for (size_t i = 0; i < GG_COUNT(names); i++)
		copy(o, e, names[i]);
	(void)json_object_set_new(o, "how", json_string(how));
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

/* How the ref moved; NULL: the entry is of one that did not. */
static const char *
how_of(const json_t *e)
{
	const char *type = text_of(e, "type");
	bool ok = strcmp(text_of(e, "result"), "ok") == 0;

	if (strcmp(type, "forward.result") == 0)
		return ok ? "push" : NULL;
	if (strcmp(type, "keep.result") == 0)
		return ok ? "kept" : NULL;
	if (strcmp(type, "admin.kept.drop") == 0)
		return "dropped";
	return "out-of-band";
}

static int
take_step(void *ctx, uint64_t index, const char *text)
{
	struct timeline *l = ctx;
	json_t *e = json_loads(text, JSON_ALLOW_NUL, NULL), *step;
	const char *how;

	if (e == NULL)
		return GG_E_CORRUPT;
	how = how_of(e);
	if (l->more || how == NULL) {
		json_decref(e);
		return 0;
	}
	step = step_of(e, how);
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

/* What the pusher claimed in options, where it is short, and in messages. */
static json_t *
claims_of(const json_t *request, const char *ref)
{
	static const char *const names[] = { "agent.session", "agent.model",
		"agent.url", "agent.prompt", "agent.prompt-sha256" };
	const json_t *options = json_object_get(request, "claimed");
	json_t *commits = json_object_get(json_object_get(request,
					      "commit_claims"),
	    ref);
	json_t *o = json_object();

	for (size_t i = 0; i < GG_COUNT(names); i++)
		if (strlen(text_of(options, names[i])) <= CLAIM_SHOWN)
			copy(o, options, names[i]);
	if (commits != NULL)
		(void)json_object_set(o, "commits", commits);
	return o;
}

static int
add_claims(struct store *s, const char *ref, json_t *steps,
    struct gg_error *err)
{
	json_t *step, *request, *claims;
	size_t i;
	int rc;

	json_array_foreach(steps, i, step)
	{
		GG_AUTO_RELEASE(rows) r = { 0 };

		if (text_of(step, "push")[0] == '\0')
			continue;
		request = NULL;
		if ((rc = store_run(s, &r, err,
			 "SELECT request FROM push WHERE id = $1",
			 arg_s(text_of(step, "push")))) != 0)
			return rc;
		if (r.n_rows == 1 &&
		    (rc = col_json(&r, 0, 0, &request, err)) != 0)
			return rc;
		claims = claims_of(request, ref);
		if (json_object_size(claims) > 0)
			(void)json_object_set(step, "claimed", claims);
		json_decref(claims);
		json_decref(request);
	}
	return 0;
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
	return rc == 0 ? add_claims(s, ref, steps, err) : rc;
}
