/* Records of the store as the API's JSON (DESIGN section 14). */
#include "base/clock.h"
#include "base/text.h"
#include "web/provenance.h"
#include "web/web_priv.h"

#include <strings.h>

json_t *
json_text(const char *s)
{
	struct view v = view_str(s);
	GG_AUTO_RELEASE(buf) b = BUF_INIT(v.n * 3 + 1);

	utf8_replace(&b, v, SIZE_MAX);
	return json_stringn(buf_str(&b), b.n);
}

json_t *
json_texts(const struct strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(a, json_text(v->v[i]));
	return a;
}

json_t *
json_time(int64_t wall_ms)
{
	char t[CLOCK_RFC3339_SIZE];

	if (wall_ms == 0)
		return json_null();
	clock_format(wall_ms, t);
	return json_string(t);
}

const char *
json_get(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

static bool
is_called(const struct stored_review *r, const char *name)
{
	if (strcasecmp(r->reviewer, name) == 0)
		return true;
	if (r->machine) /* the others' names that it has ask for the others */
		return false;
	for (size_t i = 0; i < r->aliases.n; i++)
		if (strcasecmp(r->aliases.v[i], name) == 0)
			return true;
	return false;
}

static bool
counts_for(const struct stored_review *r, const json_t *need)
{
	const json_t *from = json_object_get(need, "from");
	const json_t *people = json_object_get(need, "people");
	const json_t *g;
	size_t i;

	/* A rejection by anybody entitled ends all. */
	if (!r->approve ||
	    (json_array_size(from) == 0 && json_array_size(people) == 0))
		return true;
	json_array_foreach(people, i, g) if (json_is_string(g) &&
	    is_called(r, json_string_value(g))) return true;
	json_array_foreach(from, i, g) if (json_is_string(g) &&
	    strv_has(&r->groups, json_string_value(g))) return true;
	return false;
}

json_t *
json_of_review(const struct stored_review *r)
{
	return json_pack("{s:o, s:s, s:o, s:o}", "reviewer",
	    json_text(r->reviewer), "verdict",
	    r->approve ? "approve" : "reject", "comment", json_text(r->comment),
	    "time", json_time(r->time_ms));
}

json_t *
json_reviews_of(const struct stored_hold *h, const json_t *need)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->n_reviews; i++) {
		const struct stored_review *r = &h->reviews[i];

		if (!counts_for(r, need))
			continue;
		json_array_append_new(list, json_of_review(r));
	}
	return list;
}

static json_t *
needs_json(const struct stored_hold *h)
{
	json_t *needs = json_is_array(h->needs) ? json_deep_copy(h->needs) :
						  json_array();
	json_t *need;
	size_t i;

	json_array_foreach(needs, i, need) if (json_is_object(need))
	    json_object_set_new(need, "reviews", json_reviews_of(h, need));
	return needs;
}

static json_t *
url_json(const struct web_call *c, const char *kind, const char *id)
{
	return json_sprintf("%s/-/%s/%s", c->cfg->public_url, kind, id);
}

static json_t *
copy_or(const json_t *x, json_t *otherwise)
{
	if (x == NULL)
		return otherwise;
	json_decref(otherwise);
	return json_deep_copy(x);
}

/* Its times are told by the time line. */
static json_t *
outcome_json(const json_t *outcome)
{
	json_t *o = copy_or(outcome, json_null());

	if (json_is_object(o))
		(void)json_object_del(o, "timings");
	return o;
}

/* Who vouched, for whom, and what else the credential proved. */
static void
add_identity(json_t *verified, const json_t *identity)
{
	static const char *const names[] = { "issuer", "subject", "owner" };
	const json_t *claims = json_object_get(identity, "verified");

	for (size_t i = 0; i < GG_COUNT(names); i++) {
		json_t *v = json_object_get(identity, names[i]);

		if (v != NULL)
			json_object_set(verified, names[i], v);
	}
	if (json_is_object(claims))
		json_object_set_new(verified, "claims", json_deep_copy(claims));
}

static void
add_provenance(json_t *o, const struct stored_push *p)
{
	const json_t *claimed = p != NULL ?
	    json_object_get(p->request, "claimed") :
	    NULL;
	json_t *verified = json_object();

	if (p != NULL) {
		json_object_set_new(verified, "auth",
		    json_text(p->auth_method));
		json_object_set_new(verified, "principal",
		    json_text(p->principal));
		add_identity(verified, p->identity);
		if (identity_proves(p->identity,
			json_get(claimed, "agent.session")))
			json_object_set(verified, "session",
			    json_object_get(claimed, "agent.session"));
	}
	json_object_set_new(o, "claimed", copy_or(claimed, json_object()));
	json_object_set_new(o, "verified", verified);
}

json_t *
json_of_hold(const struct web_call *c, const struct stored_hold *h,
    const struct stored_push *p)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", json_text(h->id));
	json_object_set_new(o, "state", json_string(hold_state_name(h->state)));
	json_object_set_new(o, "url", url_json(c, "holds", h->id));
	json_object_set_new(o, "repository", json_text(h->repository));
	json_object_set_new(o, "principal", json_text(h->principal));
	json_object_set_new(o, "created", json_time(h->created_ms));
	json_object_set_new(o, "expires", json_time(h->expires_ms));
	json_object_set_new(o, "closed", json_time(h->closed_ms));
	json_object_set_new(o, "push", json_text(h->push_id));
	json_object_set_new(o, "updates", copy_or(h->updates, json_array()));
	json_object_set_new(o, "needs", needs_json(h));
	json_object_set_new(o, "outcome", outcome_json(h->outcome));
	json_object_set_new(o, "policy_digest", json_text(h->policy_digest));
	add_provenance(o, p);
	return o;
}

json_t *
json_of_push(const struct web_call *c, const struct stored_push *p,
    const char *hold_id)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", json_text(p->id));
	json_object_set_new(o, "state", json_string(push_state_name(p->state)));
	json_object_set_new(o, "url", url_json(c, "pushes", p->id));
	json_object_set_new(o, "repository", json_text(p->repository));
	json_object_set_new(o, "principal", json_text(p->principal));
	json_object_set_new(o, "created", json_time(p->created_ms));
	json_object_set_new(o, "decided", json_time(p->decided_ms));
	json_object_set_new(o, "done", json_time(p->done_ms));
	json_object_set_new(o, "updates", copy_or(p->updates, json_array()));
	json_object_set_new(o, "outcome", outcome_json(p->outcome));
	json_object_set_new(o, "hold",
	    hold_id != NULL && hold_id[0] != '\0' ?
		url_json(c, "holds", hold_id) :
		json_null());
	json_object_set_new(o, "policy_digest", json_text(p->policy_digest));
	add_provenance(o, p);
	return o;
}
