/*
 * Rule files to one file that an inspector maps: the rule table, and
 * vectorscan's database of all its expressions.
 *
 *	magic (16 bytes), SHA-256 of the rest, u32 length of the table, the
 *	table (scan_rules_encode()), the serialised database
 *
 * The database fits the processor and the library that it was compiled for;
 * it is made anew by every gate that starts, and kept for its pushes only.
 */
#ifndef GITGATE_SCAN_COMPILE_H
#define GITGATE_SCAN_COMPILE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

#define SCAN_MAGIC      "gitgate-rules-1\n"
#define SCAN_MAGIC_LEN  16
#define SCAN_HEAD_BYTES (SCAN_MAGIC_LEN + 32 + 4)

/*
 * text: scan_rules_text(). 0; GG_E_INPUT with "file:line: what"; GG_E_LIMIT
 * when the result does not fit out.
 */
GG_MUST_USE int scan_compile(struct view text, struct buf *out,
    uint32_t *n_rules, struct strv *warnings, struct gg_error *err);

#endif
