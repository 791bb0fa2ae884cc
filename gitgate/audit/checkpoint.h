/* C2SP tlog-checkpoint: origin, size, root; the text of a signed note. */
#ifndef GITGATE_AUDIT_CHECKPOINT_H
#define GITGATE_AUDIT_CHECKPOINT_H

#include "audit/merkle.h"
#include "audit/note.h"
#include "base/buf.h"

#define CHECKPOINT_ROOT_SIZE 45 /* base64 of 32 bytes, and the NUL */

struct checkpoint {
	struct view origin; /* borrowed */
	uint64_t size;
	struct merkle_hash root;
};

void checkpoint_format(const struct checkpoint *c, struct buf *out);
/* The text alone, strictly. *out borrows from it. 0 or GG_E_CORRUPT. */
GG_MUST_USE int checkpoint_parse(struct view text, struct checkpoint *out,
    struct gg_error *err);
/*
 * A whole note: signed by k, whose name must be the origin. *out borrows from
 * msg. 0 or GG_E_CORRUPT.
 */
GG_MUST_USE int checkpoint_open(struct view msg, const struct note_vkey *k,
    struct checkpoint *out, struct gg_error *err);
void checkpoint_root_base64(const struct merkle_hash *root,
    char out[CHECKPOINT_ROOT_SIZE]);

#endif
