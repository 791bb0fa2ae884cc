#include "policy/json_build.h"
#include "policy/judging.h"

#include "base/buf.h"
#include "base/text.h"

char *
policy_utf8(const char *s)
{
	struct view v = view_str(s);
	GG_AUTO_RELEASE(buf) b = BUF_INIT((size_t)64 * 1024 * 1024);
	char *text;

	utf8_replace(&b, v, b.max);
	text = buf_check(&b, NULL) == 0 ? buf_take(&b) : NULL;
	if (text == NULL)
		gg_die("no memory for JSON");
	return text;
}

json_t *
policy_text_json(const char *s)
{
	GG_AUTO_MEM char *text = policy_utf8(s);
	json_t *j = json_string(text);

	if (j == NULL)
		gg_die("no memory for JSON");
	return j;
}

static json_t *
oid_json(const struct oid *o)
{
	char hex[OID_HEX + 1];

	oid_format(o, hex);
	return policy_text_json(hex);
}

static json_t *
match_json(const struct match *m)
{
	json_t *j = json_or_die(json_object());

	json_put(j, "path", policy_text_json(m->path));
	json_put(j, "change", policy_text_json(m->change));
	json_put(j, "commit",
	    oid_is_zero(&m->commit) ? policy_text_json("") :
				      oid_json(&m->commit));
	return j;
}

static json_t *
strings_json(const struct strv *s)
{
	json_t *j = json_or_die(json_array());

	for (size_t i = 0; i < s->n; i++)
		json_push(j, policy_text_json(s->v[i]));
	return j;
}

static json_t *
reason_json(const struct reason *r)
{
	json_t *j = json_or_die(json_object()),
	       *paths = json_or_die(json_array());

	for (size_t i = 0; i < r->n_matches; i++)
		json_push(paths, match_json(&r->matches[i]));
	json_put(j, "rule", policy_text_json(r->rule));
	json_put(j, "verdict", policy_text_json(reason_word(r)));
	json_put(j, "message", policy_text_json(r->message));
	json_put(j, "paths", paths);
	json_put(j, "paths_total", json_integer((json_int_t)r->n_matches_all));
	if (r->may_grant)
		json_put(j, "same", strings_json(&r->patterns));
	return j;
}

static json_t *
ref_json(const struct ref_decision *r)
{
	json_t *j = json_or_die(json_object()),
	       *reasons = json_or_die(json_array());

	for (size_t i = 0; i < r->n_reasons; i++)
		json_push(reasons, reason_json(&r->reasons[i]));
	json_put(j, "ref", policy_text_json(r->refname));
	json_put(j, "old", oid_json(&r->old_oid));
	json_put(j, "new", oid_json(&r->new_oid));
	json_put(j, "kind", policy_text_json(update_kind_name(r->kind)));
	json_put(j, "verdict", policy_text_json(verdict_name(r->verdict)));
	if (r->keep)
		json_put(j, "keep", json_true());
	json_put(j, "reasons", reasons);
	if (r->grants.n > 0)
		json_put(j, "grants", strings_json(&r->grants));
	return j;
}

json_t *
decision_updates_json(const struct decision *d)
{
	json_t *j = json_or_die(json_array());

	for (size_t i = 0; i < d->n_refs; i++)
		json_push(j, ref_json(&d->refs[i]));
	return j;
}

static json_t *
need_json(const struct need *n)
{
	json_t *j = json_or_die(json_object());

	json_put(j, "rule", policy_text_json(n->rule));
	json_put(j, "required", json_integer(n->required));
	json_put(j, "from", strings_json(&n->from));
	if (n->people.n > 0)
		json_put(j, "people", strings_json(&n->people));
	json_put(j, "allow_self", json_boolean(n->allow_self));
	json_put(j, "wait_ms", json_integer(n->wait_ms));
	json_put(j, "expires_ms", json_integer(n->expires_ms));
	return j;
}

json_t *
decision_needs_json(const struct decision *d)
{
	json_t *j = json_or_die(json_array());

	for (size_t i = 0; i < d->n_needs; i++)
		json_push(j, need_json(&d->needs[i]));
	return j;
}
