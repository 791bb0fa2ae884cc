/*
 * A diff for people, as a stream of records that the inspector writes and
 * the web page reads. It never has to be parsed as text, so contents cannot
 * forge a header.
 *
 * Record: u8 kind, u32 length, bytes. File header fields are in ipc/codec
 * form inside the bytes.
 */
#ifndef GITGATE_MODEL_DIFF_H
#define GITGATE_MODEL_DIFF_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"
#include "model/oid.h"

#include <stdint.h>

enum diff_kind {
	DIFF_UPDATE = 'U',  /* begins a ref update: str refname, str from (hex
	                       oid or ""), str to (hex oid or "") */
	DIFF_COMMIT = 'C',  /* begins one commit's own diff: str hex oid, str
	                       subject. Before the first one of an update stands
	                       its net diff; when that is the diff of its only
	                       commit, no commit follows. */
	DIFF_FILE = 'F',    /* str old path, str new path, u32 old mode, u32 new
	                       mode, u64 old bytes, u64 new bytes, u8 flags,
	                       str old oid, str new oid (hex; "": no such side) */
	DIFF_HUNK = 'H',    /* u32 old start, u32 old lines, u32 new start, u32
	                       new lines, str section */
	DIFF_CONTEXT = ' ', /* the line's bytes without its newline */
	DIFF_ADDED = '+',
	DIFF_REMOVED = '-',
	DIFF_NO_NEWLINE = '\\', /* the line before has no newline at its end */
	DIFF_CUT = 'X', /* str what was left out, in words; u64 files, u64
	                       lines that are not shown */
};

#define DIFF_FLAG_BINARY    1u
#define DIFF_FLAG_SUBMODULE 2u
#define DIFF_FLAG_SYMLINK   4u
#define DIFF_FLAG_TOO_LARGE 8u

void diff_record_encode(struct buf *out, enum diff_kind kind, struct view body);
/* 1 and the record (borrowed); 0 at the end; GG_E_PEER. */
GG_MUST_USE int diff_record_next(struct view *in, enum diff_kind *kind,
    struct view *body, struct gg_error *err);

/* What a DIFF_FILE record says; views into it. */
struct diff_file {
	struct view old_path, new_path;
	uint32_t old_mode, new_mode; /* 0: no such side */
	uint64_t old_bytes, new_bytes;
	uint8_t flags;
	struct view old_oid, new_oid; /* hex, or empty */
};
void diff_file_encode(struct buf *body, const struct diff_file *f);
GG_MUST_USE int
diff_file_decode(struct view body, struct diff_file *out, struct gg_error *err);

#endif
