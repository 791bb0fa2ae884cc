/* Building JSON for decisions: want of memory ends the process, for no
 * decision may rest on half of one. */
#ifndef GITGATE_POLICY_JSON_BUILD_H
#define GITGATE_POLICY_JSON_BUILD_H

#include <jansson.h>

/* j, which is not NULL any more. */
json_t *json_or_die(json_t *j);
/* object[key] = value; value is taken. */
void json_put(json_t *object, const char *key, json_t *value);
/* Append value, which is taken. */
void json_push(json_t *array, json_t *value);

#endif
