/* What is known of a push's principal besides its name and groups. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static void
put_text(json_t *o, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		(void)json_object_set_new(o, key, json_string(text));
}

static json_t *
texts_json(const struct strv *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n; i++)
		(void)json_array_append_new(list, json_string(v->v[i]));
	return list;
}

json_t *
push_identity(const struct principal *p)
{
	json_t *o = json_object(), *verified;

	put_text(o, "owner", p->owner);
	put_text(o, "issuer", p->issuer);
	put_text(o, "subject", p->subject);
	if (p->aliases.n > 0)
		(void)json_object_set_new(o, "aliases",
		    texts_json(&p->aliases));
	if (p->session_claims.n > 0)
		(void)json_object_set_new(o, "session_claims",
		    texts_json(&p->session_claims));
	verified = p->verified != NULL ?
	    json_loads(p->verified, JSON_REJECT_DUPLICATES, NULL) :
	    NULL;
	if (json_is_object(verified))
		(void)json_object_set(o, "verified", verified);
	json_decref(verified);
	if (json_object_size(o) > 0)
		return o;
	json_decref(o);
	return NULL;
}

static void
take_text(const json_t *o, const char *key, char **out)
{
	const char *text = json_string_value(json_object_get(o, key));

	free(*out);
	*out = text != NULL ? strdup(text) : NULL;
	if (text != NULL && *out == NULL)
		gg_die("no memory for a principal");
}

static void
take_texts(const json_t *list, struct strv *out)
{
	const json_t *x;
	size_t i;

	strv_release(out);
	json_array_foreach(list, i, x) if (json_is_string(x))
	    strv_add(out, json_string_value(x));
	if (out->failed != 0)
		gg_die("no memory for a principal");
}

void
push_identity_read(const json_t *identity, struct principal *out)
{
	const json_t *verified = json_object_get(identity, "verified");

	take_text(identity, "owner", &out->owner);
	take_text(identity, "issuer", &out->issuer);
	take_text(identity, "subject", &out->subject);
	take_texts(json_object_get(identity, "aliases"), &out->aliases);
	take_texts(json_object_get(identity, "session_claims"),
	    &out->session_claims);
	free(out->verified);
	out->verified = json_is_object(verified) ?
	    json_dumps(verified, JSON_COMPACT) :
	    NULL;
	if (json_is_object(verified) && out->verified == NULL)
		gg_die("no memory for a principal");
}
