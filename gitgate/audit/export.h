/*
 * Entries of the audit log in the forms that other systems read
 * (docs/audit-export.md has the mappings). Pure: one entry in, one record
 * out; nothing of an entry that the log does not hold is made up.
 */
#ifndef GITGATE_AUDIT_EXPORT_H
#define GITGATE_AUDIT_EXPORT_H

#include "base/buf.h"
#include "base/error.h"

#include <jansson.h>

enum export_format {
	EXPORT_JSONL,  /* the entry itself */
	EXPORT_CSV,    /* RFC 4180 */
	EXPORT_ECS,    /* Elastic Common Schema */
	EXPORT_OCSF,   /* Open Cybersecurity Schema Framework */
	EXPORT_GITHUB, /* the names of GitHub's audit log stream */
};
/* By its name ("jsonl", ...). */
bool export_format_parse(struct view name, enum export_format *out);
/* "application/x-ndjson" or "text/csv; header=present; charset=utf-8". */
const char *export_content_type(enum export_format f);
/* What stands before the first record: CSV's names, else nothing. */
void export_head(enum export_format f, struct buf *out);
/* Is it of something that was denied, refused, or failed? */
bool export_has_failed(const json_t *entry);
/* One record with its line end. GG_E_CORRUPT where the entry has no time. */
GG_MUST_USE int export_entry(enum export_format f, const json_t *entry,
    struct buf *out, struct gg_error *err);

#endif
