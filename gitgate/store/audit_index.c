/*
 * The index over the audit log, for queries (audit_query.c). It may lag and be
 * rebuilt: the log's own files are the truth.
 */
#include "base/clock.h"
#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define INDEXED_KEY "audit-indexed"

static const char *
field(const json_t *e, const char *name)
{
	const char *s = json_string_value(json_object_get(e, name));

	return s ? s : "";
}

/* "time" as the log writes it (RFC 3339); what is not readable sorts first. */
static int64_t
entry_time(const json_t *e)
{
	int64_t ms = 0;

	if (clock_parse(view_str(field(e, "time")), &ms, NULL) != 0)
		return 0;
	return ms;
}

/* What an entry may have several of. */
static int
add_word(struct tx *t, const char *kind, const char *word, uint64_t index,
    struct gg_error *err)
{
	if (word == NULL || word[0] == '\0')
		return 0;
	return tx_run(t, NULL, err,
	    "INSERT INTO audit_word (kind, word, number) VALUES ($1, $2, $3)"
	    " ON CONFLICT DO NOTHING",
	    arg_s(kind), arg_s(word), arg_i((int64_t)index));
}

static int
add_words(struct tx *t, const json_t *e, uint64_t index, struct gg_error *err)
{
	const json_t *x;
	size_t i;
	int rc = add_word(t, "reviewer", field(e, "reviewer"), index, err);

	json_array_foreach(json_object_get(e, "reviewers"), i, x) if (rc == 0)
	    rc = add_word(t, "reviewer", json_string_value(x), index, err);
	json_array_foreach(json_object_get(e, "rules"), i, x) if (rc == 0)
	    rc = add_word(t, "rule", field(x, "rule"), index, err);
	return rc;
}

static int
add_entry(struct store *s, uint64_t index, const json_t *e, const char *text,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(tx) t = { 0 };
	int rc;

	if ((rc = tx_begin(s, DB_WRITE, &t, err)) != 0 ||
	    (rc = tx_run(&t, NULL, err,
		 "INSERT INTO audit_index (number, time_ms, type, repository,"
		 " ref, principal, push, verdict, hold, entry)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
		 " ON CONFLICT DO NOTHING",
		 arg_i((int64_t)index), arg_i(entry_time(e)),
		 arg_s(field(e, "type")), arg_s(field(e, "repository")),
		 arg_s(field(e, "ref")), arg_s(field(e, "principal")),
		 arg_s(field(e, "push")), arg_s(field(e, "verdict")),
		 arg_s(field(e, "hold")), arg_s(text))) != 0 ||
	    (rc = add_words(&t, e, index, err)) != 0)
		return rc;
	return tx_commit(&t, err);
}

int
store_audit_add(struct store *s, uint64_t index, const char *json, size_t n,
    struct gg_error *err)
{
	GG_AUTO_MEM char *text = view_dup(view_of(json, n));
	json_error_t je;
	json_t *e;
	int rc;

	if (text == NULL)
		return gg_fail(err, GG_E_NOMEM, "audit entry");
	if ((e = json_loadb(json, n, JSON_ALLOW_NUL, &je)) == NULL)
		return gg_fail(err, GG_E_INPUT, "audit entry %llu: %s",
		    (unsigned long long)index, je.text);
	rc = add_entry(s, index, e, text, err);
	json_decref(e);
	return rc;
}

/*
 * Numbers below the mark are known to be there without a gap; the first gap
 * at or after it is what we look for, and the new mark.
 */
int
store_audit_indexed(struct store *s, uint64_t *n, struct gg_error *err)
{
	GG_AUTO_RELEASE(rows) r = { 0 };
	char text[24];
	int64_t from = 0;
	int rc;

	rc = store_run(s, &r, err, "SELECT value FROM meta WHERE key = $1",
	    arg_s(INDEXED_KEY));
	if (rc != 0)
		return rc;
	if (r.n_rows == 1)
		from = rows_i(&r, 0, 0);
	rc = store_run(s, &r, err,
	    "SELECT number FROM audit_index"
	    " WHERE number = $1",
	    arg_i(from));
	if (rc != 0)
		return rc;
	if (r.n_rows == 1) {
		rc = store_run(s, &r, err,
		    "SELECT a.number + 1"
		    " FROM audit_index a WHERE a.number >= $1 AND NOT EXISTS"
		    " (SELECT 1 FROM audit_index b"
		    " WHERE b.number = a.number + 1)"
		    " ORDER BY a.number LIMIT 1",
		    arg_i(from));
		if (rc != 0)
			return rc;
		if (r.n_rows == 1)
			from = rows_i(&r, 0, 0);
		snprintf(text, sizeof(text), "%lld", (long long)from);
		if ((rc = store_meta_set(s, INDEXED_KEY, text, err)) != 0)
			return rc;
	}
	*n = (uint64_t)from;
	return 0;
}
