/* What is said between a log and a witness: C2SP tlog-witness. */
#ifndef GITGATE_AUDIT_WITNESS_H
#define GITGATE_AUDIT_WITNESS_H

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "base/buf.h"

#define WITNESS_PROOF_MAX 63 /* lines in a request */
/* A cosignature's time may be so far from ours. */
#define WITNESS_SKEW_S ((uint64_t)24 * 3600)

/* No request is larger: "old", the proof's lines, an empty one, the note. */
#define WITNESS_REQUEST_MAX_BYTES \
	(32 + WITNESS_PROOF_MAX * CHECKPOINT_ROOT_SIZE + 1 + NOTE_MAX_BYTES)

/* Body of POST <url>/add-checkpoint; note is the whole checkpoint. */
void witness_request_format(uint64_t old_size, const struct merkle_proof *proof,
    struct view note, struct buf *out);

struct witness_request {
	uint64_t old_size;
	struct merkle_proof proof; /* at most WITNESS_PROOF_MAX hashes */
	struct view note;          /* borrowed; not looked at yet */
};
/* Take such a body apart, strictly. 0 or GG_E_PEER. */
GG_MUST_USE int witness_request_parse(struct view body,
    struct witness_request *out, struct gg_error *err);

/*
 * The answer to it: lines of cosignatures. Append the one of key k to *line
 * when it is good for the checkpoint `note` and not WITNESS_SKEW_S away from
 * now_s. 0, or GG_E_PEER with what is wrong with it.
 */
GG_MUST_USE int witness_take_line(struct view note, struct view answer,
    const struct note_vkey *k, uint64_t now_s, struct buf *line,
    struct gg_error *err);

/* The text of a 409: the size that the witness has. False: it is none. */
bool witness_take_size(struct view answer, uint64_t *size);

#endif
