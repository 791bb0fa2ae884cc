#include "web/explain.h"

#include "model/refname.h"
#include "web/diff_view.h"
#include "web/provenance.h"

#define STEPS_AT_ONCE 200
#define ROUNDS        50
#define ENTRIES_MOST  100 /* of a step; each has its receipt */
/* Pages of a push's entries that are looked through: a push of many refs has
 * one or more of each. */
#define ENTRIES_ROUNDS 10

static bool
is_id(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n >= 4 && n <= 64 && s[n] == '\0';
}

static const json_t *
step_to(const json_t *steps, const char *oid)
{
	const json_t *x;
	size_t i;

	json_array_foreach(steps, i, x)
	{
		if (strncmp(json_get(x, "new"), oid, strlen(oid)) == 0)
			return x;
	}
	return NULL;
}

static int
find_step(const struct web_call *c, const char *repository, const char *ref,
    const char *oid, json_t **out, struct gg_error *err)
{
	uint64_t cursor = 0;
	int rc = 0;

	*out = NULL;
	for (int i = 0; i < ROUNDS && rc == 0 && *out == NULL; i++) {
		json_t *steps = json_array();

		rc = store_audit_timeline(c->ops->store, repository, ref,
		    cursor, oid[0] == '\0' ? 1 : STEPS_AT_ONCE, steps, &cursor,
		    err);
		*out = json_deep_copy(step_to(steps, oid));
		json_decref(steps);
		if (cursor == 0)
			break;
	}
	if (rc == 0 && *out == NULL)
		return gg_fail(err, GG_E_NOTFOUND,
		    oid[0] == '\0' ?
			"the log has no value of this ref: is it the full name "
			"(refs/heads/main), and did it ever move?" :
			"the log has no step of this ref to that value");
	return rc;
}

struct gathering {
	const struct web_call *c;
	const char *ref;
	json_t *entries;
};

static int
gather(void *ctx, uint64_t index, const char *text)
{
	struct gathering *g = ctx;
	json_t *e = json_loads(text, JSON_ALLOW_NUL, NULL);
	const char *ref = json_get(e, "ref");

	(void)index;
	if (e == NULL)
		return GG_E_CORRUPT;
	if ((ref[0] == '\0' || strcmp(ref, g->ref) == 0) &&
	    access_may_read_entry(g->c, e) &&
	    json_array_size(g->entries) < ENTRIES_MOST)
		(void)json_array_append(g->entries, e);
	json_decref(e);
	return 0;
}

/* Those of its push that concern the ref, or the movement itself. */
static int
add_entries(const struct web_call *c, const char *ref, const json_t *step,
    json_t *o, struct gg_error *err)
{
	json_int_t seq = json_integer_value(json_object_get(step, "seq"));
	const char *push = json_get(step, "push");
	struct audit_query q = {
		.push = push, .limit = 1000, .oldest_first = true
	};
	int rounds = ENTRIES_ROUNDS;
	struct gathering g = { .c = c, .ref = ref, .entries = json_array() };
	json_t *receipts = json_array(), *e;
	uint64_t next = 0;
	size_t i;
	int rc;

	if (push[0] == '\0')
		q = (struct audit_query){ .limit = 1,
			.oldest_first = true,
			.cursor = (uint64_t)seq };
	do {
		rc = store_audit_query(c->ops->store, &q, gather, &g, &next,
		    err);
		q.cursor = next;
	} while (rc == 0 && push[0] != '\0' && next != 0 && --rounds > 0);
	for (i = 0; rc == 0 && i < json_array_size(g.entries); i++) {
		e = json_array_get(g.entries, i);
		rc = receipt_add(c, e, receipts, err);
	}
	(void)json_object_set_new(o, "entries", g.entries);
	(void)json_object_set_new(o, "receipts", receipts);
	return rc;
}

static int
add_push(struct web_call *c, const char *id, struct stored_push *p, json_t *o,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(change) ch = { 0 };
	char hold[ULID_SIZE] = "";
	json_t *push;
	int rc;

	if (!ulid_is_valid(view_str(id))) {
		(void)json_object_set_new(o, "push", json_null());
		return 0;
	}
	(void)snprintf(c->id, sizeof(c->id), "%s", id);
	if ((rc = load_push(c, p, hold, err)) != 0)
		return rc;
	push = json_of_push(c, p, hold);
	change_load_report(c, p->id, &ch);
	(void)json_object_set_new(push, "provenance",
	    json_of_provenance(c, p, ch.report));
	(void)json_object_set_new(o, "push", push);
	return 0;
}

int
explain_load(struct web_call *c, struct stored_push *p, json_t **out,
    struct gg_error *err)
{
	const char *repository = http_query(c->rq, "repository");
	const char *word = http_query(c->rq, "ref");
	GG_AUTO_MEM char *ref = word != NULL ? refname_meant(word) : NULL;
	const char *oid = http_query(c->rq, "oid");
	json_t *step, *o;
	int rc;

	if (repository == NULL || ref == NULL || repository[0] == '\0' ||
	    word[0] == '\0')
		return gg_fail(err, GG_E_PEER,
		    "a step is of one repository and one ref");
	if (oid != NULL && oid[0] != '\0' && !is_id(oid))
		return gg_fail(err, GG_E_PEER,
		    "oid must be 4 or more hex digits of an object id");
	if (!access_may_see(c, repository, NULL))
		return gg_fail(err, GG_E_NOTFOUND, "no such repository");
	rc = find_step(c, repository, ref, oid != NULL ? oid : "", &step, err);
	if (rc != 0)
		return rc;
	o = json_pack("{s:o, s:o, s:o, s:s}", "repository",
	    json_text(repository), "ref", json_text(ref), "step", step, "vkey",
	    auditlog_vkey(c->ops->log));
	if ((rc = add_entries(c, ref, step, o, err)) != 0 ||
	    (rc = add_push(c, json_get(step, "push"), p, o, err)) != 0) {
		json_decref(o);
		return rc;
	}
	*out = o;
	return 0;
}

void
api_explain(struct web_call *c)
{
	GG_AUTO_RELEASE(stored_push) p = { 0 };
	struct gg_error err = { 0 };
	json_t *o = NULL;
	int rc = explain_load(c, &p, &o, &err);

	if (rc != 0)
		api_failure(c, rc, &err);
	else
		api_reply(c, 200, o);
}
