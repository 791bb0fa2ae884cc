#include "cli/logged.h"

#include "base/fd.h"
#include "store/auditlog.h"

#include <string.h>

struct reading {
	const char *dir;
	json_t *entries;
	struct strv *faults;
	struct gg_error *err;
};

static int
take(void *ctx, uint64_t index, const char *copy)
{
	struct reading *r = ctx;
	GG_AUTO_RELEASE(buf) text = BUF_INIT(AUDIT_ENTRY_MAX_BYTES);
	json_t *e;
	int rc = auditlog_read_dir(r->dir, index, &text, r->err);

	if (rc == GG_E_NOTFOUND) {
		buf_adds(&text, copy);
		rc = buf_check(&text, r->err);
	}
	if (rc != 0)
		return rc;
	if (strcmp(buf_str(&text), copy) != 0)
		strv_addf(r->faults,
		    "entry %llu of the log is not what the database's index "
		    "has of it",
		    (unsigned long long)index);
	e = json_loads(buf_str(&text), JSON_ALLOW_NUL, NULL);
	return json_array_append_new(r->entries, e) == 0 ?
	    0 :
	    gg_fail(r->err, GG_E_CORRUPT, "entry %llu of the log",
		(unsigned long long)index);
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
