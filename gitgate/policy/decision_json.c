#include "policy/judging.h"

#include "base/buf.h"
#include "base/text.h"

char *
policy_utf8(const char *s)
{
	struct view v = view_str(s ? s : "");
	struct buf b = BUF_INIT((size_t)64 * 1024 * 1024);
	char *text;

	while (v.n > 0) {
		size_t n = utf8_len(v);

		if (n > 0)
			buf_add(&b, v.p, n);
		else
			buf_adds(&b, "\xef\xbf\xbd");
		view_skip(&v, n > 0 ? n : 1);
	}
	text = buf_check(&b, NULL) == 0 ? strdup(buf_str(&b)) : NULL;
	buf_release(&b);
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
or_die(json_t *j)
{
	if (j == NULL)
		gg_die("no memory for JSON");
	return j;
}

static void
set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, or_die(value)) != 0)
		gg_die("no memory for JSON");
}

static void
append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, or_die(value)) != 0)
		gg_die("no memory for JSON");
}

static json_t *
match_json(const struct match *m)
{
	json_t *j = or_die(json_object());

	set(j, "path", policy_text_json(m->path));
	set(j, "change", policy_text_json(m->change));
	set(j, "commit",
	    oid_is_zero(&m->commit) ? policy_text_json("") :
				      oid_json(&m->commit));
	return j;
}

static json_t *
reason_json(const struct reason *r)
{
	json_t *j = or_die(json_object()), *paths = or_die(json_array());

	for (size_t i = 0; i < r->n_matches; i++)
		append(paths, match_json(&r->matches[i]));
	set(j, "rule", policy_text_json(r->rule));
	set(j, "verdict", policy_text_json(verdict_name(r->verdict)));
	set(j, "message", policy_text_json(r->message));
	set(j, "paths", paths);
	set(j, "paths_total", json_integer((json_int_t)r->n_matches_all));
	return j;
}

static json_t *
ref_json(const struct ref_decision *r)
{
	json_t *j = or_die(json_object()), *reasons = or_die(json_array());

	for (size_t i = 0; i < r->n_reasons; i++)
		append(reasons, reason_json(&r->reasons[i]));
	set(j, "ref", policy_text_json(r->refname));
	set(j, "old", oid_json(&r->old_oid));
	set(j, "new", oid_json(&r->new_oid));
	set(j, "kind", policy_text_json(update_kind_name(r->kind)));
	set(j, "verdict", policy_text_json(verdict_name(r->verdict)));
	set(j, "reasons", reasons);
	return j;
}

json_t *
decision_updates_json(const struct decision *d)
{
	json_t *j = or_die(json_array());

	for (size_t i = 0; i < d->n_refs; i++)
		append(j, ref_json(&d->refs[i]));
	return j;
}

static json_t *
strings_json(const struct strv *s)
{
	json_t *j = or_die(json_array());

	for (size_t i = 0; i < s->n; i++)
		append(j, policy_text_json(s->v[i]));
	return j;
}

static json_t *
need_json(const struct need *n)
{
	json_t *j = or_die(json_object());

	set(j, "rule", policy_text_json(n->rule));
	set(j, "required", json_integer(n->required));
	set(j, "from", strings_json(&n->from));
	if (n->people.n > 0)
		set(j, "people", strings_json(&n->people));
	set(j, "allow_self", json_boolean(n->allow_self));
	set(j, "wait_ms", json_integer(n->wait_ms));
	set(j, "expires_ms", json_integer(n->expires_ms));
	return j;
}

json_t *
decision_needs_json(const struct decision *d)
{
	json_t *j = or_die(json_array());

	for (size_t i = 0; i < d->n_needs; i++)
		append(j, need_json(&d->needs[i]));
	return j;
}
