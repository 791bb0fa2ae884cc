/* What must hold for the records of any document (provenance/read.h). */
#ifndef GITGATE_TESTS_FUZZ_PROVENANCE_H
#define GITGATE_TESTS_FUZZ_PROVENANCE_H

#include "fuzz.h"

#include "base/text.h"
#include "provenance/read.h"

#include <string.h>

static inline char *
fuzz_dup(struct view v)
{
	char *s = view_dup(v);

	FUZZ_CHECK(s != NULL);
	return s;
}

static inline void
fuzz_document(struct change_report *r, enum document_kind kind, const char *key,
    const char *part, struct view text)
{
	struct document *d = change_report_add_document(r);

	FUZZ_CHECK(d != NULL);
	d->kind = kind;
	d->commit = kind == DOCUMENT_AGENT_TRACE ? 0 : UINT32_MAX;
	d->key = fuzz_dup(view_str(key));
	d->part = fuzz_dup(view_str(part));
	d->text = fuzz_dup(text);
	d->n = d->bytes = text.n;
}

/* One update, one commit. */
static inline struct change_report *
fuzz_report(void)
{
	struct change_report *r = change_report_new(1, 0);

	memset(change_report_add_commit(r)->oid.b, 0x11, OID_BYTES);
	return r;
}

/* Nothing in it deceives; only prompts have lines. */
static inline void
fuzz_check_text(const char *member, const json_t *v)
{
	struct view s = view_of(json_string_value(v), json_string_length(v));
	bool prompt = strcmp(member, "prompt") == 0;
	size_t len;

	FUZZ_CHECK(s.n <= (prompt ? PROVENANCE_PROMPT_MAX : 1 << 16));
	if (strcmp(member, "link") == 0)
		FUZZ_CHECK(view_has_prefix(s, "https://") &&
		    s.n <= PROVENANCE_LINK_MAX);
	for (; s.n > 0; view_skip(&s, len)) {
		uint32_t c = utf8_char(s, &len);

		FUZZ_CHECK(!char_is_deceptive(c) ||
		    (prompt && (c == '\n' || c == '\t')));
	}
}

static inline void
fuzz_check_value(const char *member, const json_t *v)
{
	const char *key;
	json_t *child;
	size_t i;

	if (json_is_string(v))
		fuzz_check_text(member, v);
	json_object_foreach((json_t *)(uintptr_t)v, key, child)
	    fuzz_check_value(key, child);
	json_array_foreach(v, i, child) fuzz_check_value(member, child);
}

static inline size_t
fuzz_check_file(const json_t *file)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	json_int_t first, last;
	const json_t *range;
	size_t i;

	FUZZ_CHECK(path != NULL && *path != '\0' && *path != '/' &&
	    strstr(path, "/../") == NULL && strncmp(path, "../", 3) != 0);
	FUZZ_CHECK(json_is_string(json_object_get(file, "by")));
	json_array_foreach(json_object_get(file, "ranges"), i, range)
	{
		first = json_integer_value(json_array_get(range, 0));
		last = json_integer_value(json_array_get(range, 1));
		FUZZ_CHECK(json_array_size(range) == 2 && first >= 1 &&
		    last >= first && last <= INT32_MAX);
	}
	return json_array_size(json_object_get(file, "ranges"));
}

static inline void
fuzz_check_records(const struct change_report *r)
{
	json_t *all = NULL, *again = NULL, *record, *file;
	size_t i, k, files = 0, ranges = 0;

	FUZZ_CHECK(provenance_read(r, &all, NULL) == 0);
	FUZZ_CHECK(provenance_read(r, &again, NULL) == 0);
	FUZZ_CHECK(json_equal(all, again));
	FUZZ_CHECK(json_array_size(all) <= PROVENANCE_RECORDS_MAX);
	json_array_foreach(all, i, record)
	{
		FUZZ_CHECK(json_is_string(json_object_get(record, "source")));
		FUZZ_CHECK(json_is_string(json_object_get(record, "key")));
		fuzz_check_value("", record);
		json_array_foreach(json_object_get(record, "files"), k, file)
		{
			files++;
			ranges += fuzz_check_file(file);
		}
	}
	FUZZ_CHECK(files <= PROVENANCE_FILES_MAX);
	FUZZ_CHECK(ranges <= PROVENANCE_RANGES_MAX);
	json_decref(all);
	json_decref(again);
}

#endif
