/*
 * Is the database an older copy than the log? Entries reach the index while
 * they are written, and what the index could not take is healed within
 * seconds by a gate that can use the database. So where entries are missing
 * from the index although the gate worked long after them, the database is not
 * the one that it worked with.
 */
#include "store/audit_age.h"

#include "base/clock.h"
#include "base/num.h"
#include "store/auditlog.h"
#include "store/store_priv.h"

#include <string.h>

/* The index is healed sooner than this. */
#define HEALED_MS 10000
/* The log's size up to which a database that is older was accepted. */
#define ACCEPTED_KEY "log-accepted"

void
audit_age_release(struct audit_age *a)
{
	json_decref(a->acts);
	*a = (struct audit_age){ 0 };
}

static bool
begins_with_one_of(const char *type, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strncmp(type, *list, strlen(*list)) == 0)
			return true;
	return false;
}

/* Only a gate that reads and writes its database logs these. */
static bool
needs_database(const char *type)
{
	static const char *const begin[] = { "push.", "ref.", "hold.",
		"forward.", "grant.", "admin.", "finding.", "retention.",
		NULL };

	return begins_with_one_of(type, begin);
}

/* What the database lacks then, and nothing else makes good. */
static bool
is_lost_act(const char *type)
{
	static const char *const begin[] = { "admin.", "account.", "finding.",
		"grant.", "hold.review", "hold.closed", "retention.keep",
		"retention.release", "session.ended", NULL };

	return begins_with_one_of(type, begin);
}

struct tail {
	int64_t first_ms;
	bool started; /* a start of the gate is among them */
};

static void
look_at(const json_t *e, struct tail *t, struct audit_age *out)
{
	const char *type = json_string_value(json_object_get(e, "type"));
	const char *time = json_string_value(json_object_get(e, "time"));
	int64_t ms = 0;

	if (type == NULL || time == NULL ||
	    clock_parse(view_str(time), &ms, NULL) != 0)
		return;
	if (t->first_ms == 0)
		t->first_ms = ms;
	if (needs_database(type) &&
	    (t->started || ms - t->first_ms > HEALED_MS))
		out->is_older = true;
	if (strcmp(type, "log.start") == 0)
		t->started = true;
	if (is_lost_act(type))
		(void)json_array_append(out->acts, (json_t *)(uintptr_t)e);
}

static int
accepted_size(struct store *s, uint64_t *size, struct gg_error *err)
{
	GG_AUTO_MEM char *value = NULL;
	int rc = store_meta_get(s, ACCEPTED_KEY, &value, err);

	*size = 0;
	if (rc == GG_E_NOTFOUND)
		return 0;
	return rc != 0 ? rc : num_parse(view_str(value), INT64_MAX, size, err);
}

int
store_audit_age(struct store *s, uint64_t size, audit_entry_reader read,
    void *ctx, struct audit_age *out, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	GG_AUTO_RELEASE(audit_age) a = { .size = size, .acts = json_array() };
	struct tail t = { 0 };
	int rc;

	if ((rc = store_audit_indexed(s, &a.first, err)) != 0 ||
	    (rc = accepted_size(s, &a.accepted, err)) != 0)
		return rc;
	for (uint64_t i = a.first; i < size; i++) {
		json_t *e;

		buf_clear(&text);
		if ((rc = read(ctx, i, &text, err)) != 0)
			return rc;
		e = json_loads(buf_str(&text), JSON_ALLOW_NUL, NULL);
		look_at(e, &t, &a);
		json_decref(e);
	}
	/* An index without any entry is being made anew. */
	a.is_older = a.is_older && a.first > 0;
	*out = a;
	a.acts = NULL;
	return 0;
}

int
store_audit_accept(struct store *s, uint64_t size, struct gg_error *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
	return store_meta_set(s, ACCEPTED_KEY, text, err);
}
