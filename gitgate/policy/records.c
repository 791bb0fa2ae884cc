/* What records of the same push, and of earlier ones of the same principal
 * (docs/formats.md, "Provenance records"), say of a commit: as much the pusher's
 * word as its message. */
#include "model/provenance.h"
#include "policy/json_build.h"
#include "policy/judging.h"

#include <string.h>

/* -- by what they are about -- */

static void
index_record(json_t *index, const char *key, json_t *record)
{
	json_t *list = json_object_get(index, key);

	if (list == NULL) {
		list = json_or_die(json_array());
		json_put(index, key, list);
	}
	json_push(list, json_incref(record));
}

static void
index_records(json_t *index, const json_t *records)
{
	json_t *r;
	const char *key, *commit;
	char brought[sizeof("commit:") + OID_HEX];
	size_t i;

	json_array_foreach(records, i, r)
	{
		key = json_string_value(json_object_get(r, "key"));
		commit = json_string_value(json_object_get(r, "commit"));
		if (json_object_get(r, "unreadable") != NULL)
			continue;
		if (key != NULL)
			index_record(index, key, r);
		if (commit == NULL)
			continue;
		(void)snprintf(brought, sizeof(brought), "commit:%s", commit);
		if (key == NULL || strcmp(key, brought) != 0)
			index_record(index, brought, r);
	}
}

static const json_t *
records_of(struct judging *j, const char *key)
{
	if (j->records == NULL) {
		j->records = json_or_die(json_object());
		index_records(j->records, j->in->records);
		index_records(j->records, j->in->earlier);
	}
	return json_object_get(j->records, key);
}

/* -- what they say -- */

static bool
has_text(const json_t *o, const char *member)
{
	return json_string_length(json_object_get(o, member)) > 0;
}

static bool
has_session(struct judging *j, const json_t *o)
{
	return has_text(o, "session") &&
	    (!j->r->provenance.verified ||
		session_is_the_tokens(j,
		    json_string_value(json_object_get(o, "session"))));
}

/* The record itself, one of its sessions, or of its files. */
static bool
part_says(struct judging *j, const json_t *o)
{
	switch (j->r->provenance.require) {
	case PROVENANCE_SESSION:
		return has_session(j, o);
	case PROVENANCE_PROMPT:
		return has_text(o, "prompt") || has_text(o, "prompt_sha256");
	case PROVENANCE_MODEL:
		return has_text(o, "model");
	case PROVENANCE_ANY:
		return has_text(o, "tool") || has_text(o, "model") ||
		    has_text(o, "session") || has_text(o, "link") ||
		    has_text(o, "prompt");
	case PROVENANCE_NONE:
		break;
	}
	return false;
}

static bool
list_says(struct judging *j, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) if (part_says(j, o)) return true;
	return false;
}

static bool
record_says(struct judging *j, const json_t *r)
{
	return part_says(j, r) ||
	    list_says(j, json_object_get(r, "sessions")) ||
	    list_says(j, json_object_get(r, "files"));
}

static bool
any_says(struct judging *j, const char *key)
{
	const json_t *r;
	size_t i;

	json_array_foreach(records_of(j, key), i, r)
	{
		if (record_says(j, r))
			return true;
	}
	return false;
}

/* Told once: each of many commits may name the checkpoint with most to read. */
static bool
key_says(struct judging *j, const char *key)
{
	const json_t *known = json_object_get(j->said, key);
	bool says;

	if (known != NULL)
		return json_is_true(known);
	says = any_says(j, key);
	if (j->said == NULL)
		j->said = json_or_die(json_object());
	if (records_of(j, key) != NULL)
		json_put(j->said, key, json_boolean(says));
	return says;
}

bool
records_say(struct judging *j, const struct commit_info *commit,
    const struct claims *claims)
{
	char key[sizeof("checkpoint:") + CLAIM_VALUE_MAX] = "commit:";

	if (json_array_size(j->in->records) + json_array_size(j->in->earlier) ==
	    0)
		return false;
	oid_format(&commit->oid, key + strlen("commit:"));
	if (key_says(j, key))
		return true;
	for (size_t i = 0; i < claims->n; i++) {
		if (claims->v[i].kind != CLAIM_CHECKPOINT)
			continue;
		(void)snprintf(key, sizeof(key), "checkpoint:%.*s",
		    (int)CLAIM_VALUE_MAX, claims->v[i].value);
		if (key_says(j, key))
			return true;
	}
	return false;
}
