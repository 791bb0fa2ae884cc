#include "cli/logged.h"

#include "audit/private.h"
#include "base/fd.h"
#include "store/auditlog.h"

#include <string.h>

struct reading {
	const char *dir;
	json_t *entries;
	struct strv *faults;
	struct gg_error *err;
};

static bool
is_commitment(const json_t *v)
{
	return json_object_size(v) == 1 &&
	    json_is_string(json_object_get(v, "sha256"));
}

static bool is_opened(const json_t *logged, const json_t *copy, bool top);

static bool
are_opened(const json_t *logged, const json_t *copy, bool top)
{
	json_t *members = (json_t *)(uintptr_t)copy, *v;
	const char *key;

	if (!json_is_object(copy))
		return false;
	json_object_foreach(members, key, v)
	{
		const json_t *was = json_object_get(logged, key);

		if (was == NULL ? !top || strcmp(key, PRIVATE_ERASED_KEY) != 0 :
				  !is_opened(was, v, false))
			return false;
	}
	members = (json_t *)(uintptr_t)logged;
	json_object_foreach(members, key,
	    v) if (json_object_get(copy, key) == NULL) return false;
	return true;
}

/* The index has entries opened (audit/private.h): but for what the log only
 * has a commitment of, it must say the same. */
static bool
is_opened(const json_t *logged, const json_t *copy, bool top)
{
	size_t n = json_array_size(logged);

	if (is_commitment(logged))
		return true;
	if (json_is_object(logged))
		return are_opened(logged, copy, top);
	if (!json_is_array(logged) || n != json_array_size(copy))
		return json_equal(logged, copy);
	for (size_t i = 0; i < n; i++)
		if (!is_opened(json_array_get(logged, i),
			json_array_get(copy, i), false))
			return false;
	return true;
}

static void
compare(const struct reading *r, uint64_t index, const json_t *logged,
    const char *text)
{
	json_t *copy = json_loads(text, JSON_ALLOW_NUL, NULL);

	if (!is_opened(logged, copy, true))
		strv_addf(r->faults,
		    "entry %llu of the log is not what the database's index "
		    "has of it",
		    (unsigned long long)index);
	json_decref(copy);
}

static int
take(void *ctx, uint64_t index, const char *copy)
{
	struct reading *r = ctx;
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_OPENED_MAX_BYTES);
	json_t *e;
	int rc = auditlog_read_dir(r->dir, index, &text, r->err);

	if (rc != 0 && rc != GG_E_NOTFOUND)
		return rc;
	e = json_loads(rc == 0 ? buf_str(&text) : copy, JSON_ALLOW_NUL, NULL);
	if (json_array_append_new(r->entries, e) != 0)
		return gg_fail(r->err, GG_E_CORRUPT, "entry %llu of the log",
		    (unsigned long long)index);
	compare(r, index, e, copy);
	return 0;
}

int
logged_entries(const struct config *c, struct store *s, const char *type,
    const char *push, json_t **entries, struct strv *faults,
    struct gg_error *err)
{
	GG_AUTO_MEM char *dir = path_f("%s/log", c->state_dir);
	struct audit_query q = {
		.type = type, .push = push, .limit = 1000, .oldest_first = true
	};
	struct reading r = { dir, json_array(), faults, err };
	uint64_t next = 0;
	int rc;

	do {
		rc = store_audit_query(s, &q, take, &r, &next, err);
		q.cursor = next;
	} while (rc == 0 && next != 0);
	if (rc != 0) {
		json_decref(r.entries);
		return rc;
	}
	*entries = r.entries;
	return 0;
}
