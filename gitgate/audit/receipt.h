/*
 * Receipts (C2SP tlog-proof): that an entry is in the log, in one text that
 * needs nothing but the log's public key. Ours carry the entry itself in the
 * "extra" line.
 */
#ifndef GITGATE_AUDIT_RECEIPT_H
#define GITGATE_AUDIT_RECEIPT_H

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "base/buf.h"

#define RECEIPT_MAX_BYTES ((size_t)192 * 1024)

struct receipt {
	bool has_entry;   /* it carries the entry */
	struct buf entry; /* its bytes as logged */
	uint64_t index;
	struct merkle_proof proof;
	struct view checkpoint; /* a signed note; borrowed from the text */
};
void receipt_release(struct receipt *r);
GG_DEFINE_AUTO_RELEASE(receipt);

/* Append the text to out. r->checkpoint is written as it is. */
void receipt_format(const struct receipt *r, struct buf *out);
/*
 * Take one apart, strictly; nothing is verified yet. *out borrows from text
 * and must be zero before. 0, GG_E_CORRUPT or GG_E_NOMEM.
 */
GG_MUST_USE int
receipt_parse(struct view text, struct receipt *out, struct gg_error *err);
/*
 * Does it prove that `entry` is in the log of this key? *at (may be NULL)
 * borrows from the receipt's text. 0 or GG_E_CORRUPT with what is wrong.
 */
GG_MUST_USE int receipt_verify(const struct receipt *r, struct view entry,
    const struct note_vkey *k, struct checkpoint *at, struct gg_error *err);

/* Proof hashes as text: one per line in base64. */
void proof_lines_format(const struct merkle_proof *p, struct buf *out);
/* One such line without its newline, added to *p; false: it is none, or one
 * too many. */
bool proof_line_parse(struct view line, struct merkle_proof *p);

#endif
