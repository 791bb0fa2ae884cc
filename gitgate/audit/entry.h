/*
 * An audit entry: a JSON object on one line, compact, keys sorted, ASCII,
 * made of strings, integers, booleans, arrays and objects only. It is encoded
 * once; what is hashed and kept are those bytes (docs/formats.md).
 */
#ifndef GITGATE_AUDIT_ENTRY_H
#define GITGATE_AUDIT_ENTRY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <jansson.h>
#include <stdint.h>

#define ENTRY_MAX_BYTES      65535
#define ENTRY_TYPE_MAX_BYTES 64
#define ENTRY_DEPTH_MAX      16
#define ENTRY_PAIR_BYTES     16
#define ENTRY_VERSION        1

/* Stands for one (repository, ref): the start of a SHA-256 over both. */
struct entry_pair {
	unsigned char b[ENTRY_PAIR_BYTES];
};

/* What the log itself reads in an entry. */
struct entry_facts {
	uint64_t seq;
	int64_t time_ms;
	char type[ENTRY_TYPE_MAX_BYTES + 1];
	bool has_pair; /* it has "repository" and "ref" */
	struct entry_pair pair;
	bool has_prev;
	uint64_t prev;
};

/* Does it name a repository and a ref? Then *pair is filled. */
bool entry_pair_of(const json_t *entry, struct entry_pair *pair);
/*
 * May this be an entry, before the log adds its own fields: an object with a
 * "type" of lower-case words joined by dots, and only allowed values?
 * 0 or GG_E_INPUT.
 */
GG_MUST_USE int entry_check(const json_t *entry, struct gg_error *err);
/*
 * Append the entry's bytes to out. 0, GG_E_INPUT (a value that may not be),
 * GG_E_LIMIT (over ENTRY_MAX_BYTES), GG_E_NOMEM.
 */
GG_MUST_USE int
entry_encode(const json_t *entry, struct buf *out, struct gg_error *err);
/*
 * Read stored bytes back: strict JSON without repeated keys, the allowed
 * values, the required fields v, seq, time, type. 0 or GG_E_CORRUPT.
 */
GG_MUST_USE int entry_load(struct view line, struct entry_facts *out,
    json_t **entry, struct gg_error *err); /* *entry (may be NULL): new */
GG_MUST_USE int
entry_parse(struct view line, struct entry_facts *out, struct gg_error *err);

#endif
