/*
 * What agents' tools wrote down in what a push brings, read from the
 * documents of its change report: git-ai's notes, Agent Trace records,
 * Entire's checkpoints. Forgeable text, all of it: whoever shows it says
 * "claimed". The records are those of docs/formats.md, "Provenance records".
 */
#ifndef GITGATE_PROVENANCE_READ_H
#define GITGATE_PROVENANCE_READ_H

#include "base/error.h"
#include "model/report.h"

#include <jansson.h>

/* Of one push; what is over is left out, and the last record says "cut". */
#define PROVENANCE_RECORDS_MAX 2000
#define PROVENANCE_FILES_MAX   20000 /* entries of all records' files */
#define PROVENANCE_RANGES_MAX  50000 /* of all of these */
/* Bytes of all their texts: one long path may stand before thousands of them. */
#define PROVENANCE_FILES_BYTES ((size_t)4 << 20)
/* Bytes of one member, as it stands in the record. */
#define PROVENANCE_TEXT_MAX   512
#define PROVENANCE_LINK_MAX   2048
#define PROVENANCE_PATH_MAX   4096
#define PROVENANCE_PROMPT_MAX 16384

/*
 * *out: a new array of records, in the order of the documents; empty where
 * there are none. Never fails for what a document holds: one that is not
 * understood gives a record with "unreadable". The same report gives the same
 * records. GG_E_NOMEM.
 */
GG_MUST_USE int provenance_read(const struct change_report *r, json_t **out,
    struct gg_error *err);

#endif
