/* The scope of a grant: checked, and as JSON. */
#include "hold/grant_cover.h"

#include "base/text.h"
#include "config/config.h"

#include <string.h>

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static int
check_text(const char *s, const char *name, struct gg_error *err)
{
	size_t n = strlen(s);

	if (n == 0 || n > GRANT_GLOB_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT, "%s: 1 to %d bytes each", name,
		    GRANT_GLOB_MAX_BYTES);
	if (has_control(s) || !utf8_is_valid(view_str(s)))
		return gg_fail(err, GG_E_INPUT,
		    "%s: UTF-8 without control characters", name);
	return 0;
}

static int
check_globs(const struct strv *v, const char *name, size_t list_max,
    struct gg_error *err)
{
	int rc;

	if (v->failed != 0)
		return gg_fail(err, GG_E_NOMEM, "%s", name);
	if (v->n > list_max)
		return gg_fail(err, GG_E_INPUT,
		    "%s: more than %zu (limit grant-scope)", name, list_max);
	for (size_t i = 0; i < v->n; i++) {
		if ((rc = check_text(v->v[i], name, err)) != 0)
			return rc;
		if (v->v[i][0] == '!')
			return gg_fail(err, GG_E_INPUT,
			    "%s: a grant says what it covers, so there is no !",
			    name);
		if (glob_check(v->v[i], err) != 0)
			return gg_wrap(err, GG_E_INPUT, "%s", name);
	}
	return 0;
}

int
grant_scope_check(const struct grant_scope *s, size_t list_max,
    struct gg_error *err)
{
	int rc;

	if (s->repositories.n == 0)
		return gg_fail(err, GG_E_INPUT, "repositories are missing");
	if (s->verbs == 0)
		return gg_fail(err, GG_E_INPUT,
		    "verbs are missing: fetch, push, create, fast-forward, "
		    "force, delete, tag-move");
	if ((s->verbs & GRANT_ACCESS) != 0 && s->paths.n > 0)
		return gg_fail(err, GG_E_INPUT,
		    "fetch and push are for whole repositories: leave out "
		    "paths, or these verbs");
	if ((rc = check_globs(&s->repositories, "repositories", list_max,
		 err)) != 0 ||
	    (rc = check_globs(&s->refs, "refs", list_max, err)) != 0 ||
	    (rc = check_globs(&s->paths, "paths", list_max, err)) != 0)
		return rc;
	return check_globs(&s->rules, "rules", list_max, err);
}

static json_t *
list_json(const struct strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		(void)json_array_append_new(a, json_string(v->v[i]));
	return a;
}

json_t *
grant_scope_to_json(const struct grant_scope *s)
{
	json_t *verbs = json_array();

	for (unsigned i = 0; i < GRANT_VERB_COUNT; i++)
		if ((s->verbs & (1u << i)) != 0)
			(void)json_array_append_new(verbs,
			    json_string(grant_verb_name(i)));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "repositories",
	    list_json(&s->repositories), "refs", list_json(&s->refs), "paths",
	    list_json(&s->paths), "rules", list_json(&s->rules), "verbs",
	    verbs);
}

static int
take_texts(const json_t *list, const char *name, struct strv *out,
    struct gg_error *err)
{
	const json_t *x;
	size_t i;

	if (!json_is_array(list))
		return gg_fail(err, GG_E_INPUT, "%s must be a list of strings",
		    name);
	json_array_foreach(list, i, x)
	{
		const char *s = json_string_value(x);

		if (s == NULL || strlen(s) != json_string_length(x))
			return gg_fail(err, GG_E_INPUT,
			    "%s must be a list of strings", name);
		strv_add(out, s);
	}
	return strv_check(out, err);
}

static int
take_verbs(const json_t *list, unsigned *verbs, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) words = STRV_INIT;
	int rc = take_texts(list, "verbs", &words, err);

	for (size_t i = 0; rc == 0 && i < words.n; i++) {
		unsigned bit = grant_verb_parse(view_str(words.v[i]));

		if (bit == 0)
			return gg_fail(err, GG_E_INPUT,
			    "verbs: \"%.40s\" is none of fetch, push, create, "
			    "fast-forward, force, delete, tag-move",
			    words.v[i]);
		*verbs |= bit;
	}
	return rc;
}

static void
lower(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		for (char *s = v->v[i]; *s != '\0'; s++)
			if (*s >= 'A' && *s <= 'Z')
				*s = (char)(*s + 32);
}

int
grant_scope_from_json(const json_t *o, struct grant_scope *out,
    struct gg_error *err)
{
	const struct {
		const char *name;
		struct strv *to;
	} lists[] = { { "repositories", &out->repositories },
		{ "refs", &out->refs }, { "paths", &out->paths },
		{ "rules", &out->rules } };
	const json_t *verbs = json_object_get(o, "verbs");
	int rc;

	if (!json_is_object(o))
		return gg_fail(err, GG_E_INPUT, "a scope must be an object");
	for (size_t i = 0; i < GG_COUNT(lists); i++) {
		const json_t *list = json_object_get(o, lists[i].name);

		if (list != NULL &&
		    (rc = take_texts(list, lists[i].name, lists[i].to, err)) !=
			0)
			return rc;
	}
	lower(&out->repositories);
	return verbs == NULL ? 0 : take_verbs(verbs, &out->verbs, err);
}
