#include "role/erasure_match.h"

#include "base/clock.h"

#include <string.h>

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static bool
is(const json_t *entry, const char *member, const char *name)
{
	return strcmp(text(entry, member), name) == 0;
}

/* Did this person review the hold? */
static bool
reviewed(struct store *s, const char *hold, const char *name)
{
	GG_AUTO_RELEASE(stored_hold) h = { 0 };

	if (hold[0] == '\0' || store_hold_get(s, hold, &h, NULL) != 0)
		return false;
	for (size_t i = 0; i < h.n_reviews; i++)
		if (strcmp(h.reviews[i].reviewer, name) == 0)
			return true;
	return false;
}

/* What an entry says of persons it says of whom did the act. */
static bool
is_of_person(const json_t *e, const char *name, struct store *s)
{
	const char *type = text(e, "type");

	if (text(e, "reviewer")[0] != '\0')
		return is(e, "reviewer", name) || is(e, "reviewer_owner", name);
	if (text(e, "by")[0] != '\0')
		return is(e, "by", name);
	if (is(e, "asked_by", name))
		return true;
	if (strcmp(type, "hold.closed") == 0 &&
	    reviewed(s, text(e, "hold"), name))
		return true;
	return is(e, "principal", name) || is(e, "owner", name) ||
	    is(e, "subject", name);
}

static private_set
addresses_of(const json_t *e, const char *addr)
{
	const json_t *client = json_object_get(e, "client");

	if (is(client, "addr", addr) || is(e, "reviewer_addr", addr) ||
	    is(e, "asked_addr", addr) || is(e, "by_addr", addr))
		return private_addresses();
	return 0;
}

static bool
is_in_ranges(const json_t *ranges, json_int_t seq)
{
	const json_t *r;
	size_t i;

	json_array_foreach(ranges, i,
	    r) if (json_integer_value(json_array_get(r, 0)) <= seq &&
	    json_integer_value(json_array_get(r, 1)) >= seq) return true;
	return false;
}

bool
erasure_is_before(const json_t *request, const json_t *entry)
{
	json_int_t before = json_integer_value(json_object_get(request,
	    "before"));
	int64_t time = 0;

	return before == 0 ||
	    (clock_parse(view_str(text(entry, "time")), &time, NULL) == 0 &&
		time < before);
}

bool
erasure_is_ahead(const json_t *entry)
{
	int64_t time = 0;

	return clock_parse(view_str(text(entry, "time")), &time, NULL) == 0 &&
	    time > clock_wall_ms();
}

private_set
erasure_match(const json_t *request, const json_t *entry, struct store *s)
{
	const json_t *ranges = json_object_get(request, "entries");
	/* why something was erased is of no other act */
	bool is_why = strcmp(text(entry, "type"), "redaction") == 0;

	if (!erasure_is_before(request, entry))
		return 0;
	/* what retention says itself is about nobody, and has no end */
	if (is_why && ranges == NULL && text(entry, "principal")[0] == '\0')
		return 0;
	if (ranges != NULL)
		return is_in_ranges(ranges,
			   json_integer_value(json_object_get(entry, "seq"))) ?
		    PRIVATE_ALL :
		    0;
	if (text(request, "addr")[0] != '\0')
		return addresses_of(entry, text(request, "addr"));
	if (text(request, "push")[0] != '\0')
		return !is_why && is(entry, "push", text(request, "push")) ?
		    PRIVATE_ALL :
		    0;
	if (text(request, "name")[0] != '\0')
		return !is_why &&
			is_of_person(entry, text(request, "name"), s) ?
		    PRIVATE_ALL :
		    0;
	return PRIVATE_ALL;
}
