/* Needs of a hold, read back from the store. */
#include "hold/quorum.h"

#include <stdlib.h>

#define NEEDS_MAX 10000

void
needs_free(struct need *needs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(needs[i].rule);
		strv_release(&needs[i].from);
		strv_release(&needs[i].people);
	}
	free(needs);
}

static bool
read_int(const json_t *o, const char *key, int64_t least, int64_t most,
    int64_t *out)
{
	const json_t *x = json_object_get(o, key);

	if (!json_is_integer(x) || json_integer_value(x) < least ||
	    json_integer_value(x) > most)
		return false;
	*out = json_integer_value(x);
	return true;
}

static bool
read_strings(const json_t *list, struct strv *out)
{
	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s == NULL)
			return false;
		strv_add(out, s);
	}
	return out->failed == 0;
}

static bool
read_need(const json_t *o, struct need *out)
{
	const char *rule = json_string_value(json_object_get(o, "rule"));
	const json_t *self = json_object_get(o, "allow_self");
	const json_t *people = json_object_get(o, "people");
	int64_t required;

	if (rule == NULL || !json_is_boolean(self) ||
	    !read_int(o, "required", 0, UINT32_MAX, &required) ||
	    !read_int(o, "wait_ms", 0, INT64_MAX, &out->wait_ms) ||
	    !read_int(o, "expires_ms", 0, INT64_MAX, &out->expires_ms) ||
	    !read_strings(json_object_get(o, "from"), &out->from) ||
	    (people != NULL && !read_strings(people, &out->people)))
		return false;
	out->required = (uint32_t)required;
	out->allow_self = json_is_true(self);
	return (out->rule = strdup(rule)) != NULL;
}

int
needs_from_json(const json_t *json, struct need **out, size_t *n,
    struct gg_error *err)
{
	size_t count = json_array_size(json);
	struct need *needs;

	if (!json_is_array(json) || count > NEEDS_MAX)
		return gg_fail(err, GG_E_CORRUPT,
		    "the needs of a hold are no list");
	if ((needs = calloc(count + 1, sizeof(*needs))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "needs of a hold");
	for (size_t i = 0; i < count; i++) {
		if (!read_need(json_array_get(json, i), &needs[i])) {
			needs_free(needs, count);
			return gg_fail(err, GG_E_CORRUPT,
			    "need %zu of a hold is damaged", i);
		}
	}
	*out = needs;
	*n = count;
	return 0;
}
