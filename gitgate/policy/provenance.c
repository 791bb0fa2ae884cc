/* Claimed sessions and proven ones. */
#include "policy/provenance.h"

#include "base/auto.h"

#include <string.h>

bool
session_is_proven(const json_t *verified, const char *session)
{
	static const char *const names[] = { "session", "session_id",
		"agent_session", "agent_session_id", "run_id", "pipeline_id",
		"job_id" };

	if (session == NULL || *session == '\0')
		return false;
	for (size_t i = 0; i < GG_COUNT(names); i++) {
		const char *s = json_string_value(json_object_get(verified,
		    names[i]));

		if (s != NULL && strcmp(s, session) == 0)
			return true;
	}
	return false;
}
