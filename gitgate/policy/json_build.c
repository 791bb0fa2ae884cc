#include "policy/json_build.h"

#include "base/error.h"

json_t *
json_or_die(json_t *j)
{
	if (j == NULL)
		gg_die("no memory for JSON");
	return j;
}

void
json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, json_or_die(value)) != 0)
		gg_die("no memory for JSON");
}

void
json_push(json_t *array, json_t *value)
{
	if (json_array_append_new(array, json_or_die(value)) != 0)
		gg_die("no memory for JSON");
}
