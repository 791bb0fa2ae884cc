/*
 * Personal data of audit entries: addresses, programs, comments, reasons,
 * e-mail addresses and what people claim. The entry holds a commitment in the
 * place of each such value,
 *
 *	{"sha256":"<hex of SHA-256(salt || the value as compact JSON)>"}
 *
 * and an opening, kept apart from it, the salts (16 bytes) and the values.
 * Who erases the opening has erased the value, and no hash of the log changes.
 * Which values: `places` in private.c (docs/formats.md, "Personal data").
 */
#ifndef GITGATE_AUDIT_PRIVATE_H
#define GITGATE_AUDIT_PRIVATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <jansson.h>
#include <stdint.h>

#define PRIVATE_SALT_BYTES        16
#define PRIVATE_OPENING_MAX_BYTES 65535
/* An entry with its values put back. */
#define PRIVATE_OPENED_MAX_BYTES (2 * 65535)
#define PRIVATE_BUNDLE_MAX_BYTES \
	(PRIVATE_HEAD_BYTES + 256 * (2 + PRIVATE_OPENING_MAX_BYTES))
#define PRIVATE_HEAD_BYTES 36
/* What stands in an opened entry for a text that was erased. */
#define PRIVATE_ERASED "[erased]"
/* Member of an opened entry: the list of places whose values were erased. */
#define PRIVATE_ERASED_KEY "erased"

/* A set of places: bit i is the one that private_place(i) names. */
typedef uint32_t private_set;
#define PRIVATE_ALL UINT32_MAX

/* "client.addr", ...; NULL behind the last one. */
const char *private_place(size_t i);
/* Places that hold an address of a client, and the programs beside them. */
private_set private_addresses(void);
/* The place of this name as a set; 0: there is none. */
private_set private_place_find(const char *name);

/*
 * Replace the entry's personal values by commitments, and append the opening
 * (compact JSON; nothing where there is none) to out. 0, GG_E_LIMIT,
 * GG_E_NOMEM.
 */
GG_MUST_USE int
private_seal(json_t *entry, struct buf *opening, struct gg_error *err);
/* Places where the entry holds a commitment. */
private_set private_sealed(const json_t *entry);
/* Places where it holds a value in clear: those of an older version. */
private_set private_clear(const json_t *entry);
/*
 * Put the values back, in place. Where the opening (n 0: none) has none the
 * place says that it was erased, and is named in "erased"; *erased (may be
 * NULL) is the set of them. GG_E_CORRUPT names what does not fit.
 */
GG_MUST_USE int private_open(json_t *entry, struct view opening,
    private_set *erased, struct gg_error *err);
/*
 * The same on stored bytes: append the opened entry, compact with sorted keys.
 */
GG_MUST_USE int private_open_text(struct view entry, struct view opening,
    struct buf *out, struct gg_error *err);
/* The opening without these places: appended, nothing if none is left.
 * *gone: those that were there. GG_E_CORRUPT. */
GG_MUST_USE int private_erase(struct view opening, private_set places,
    struct buf *out, private_set *gone, struct gg_error *err);

/*
 * A bundle of openings as on disk: "GGP1", SHA-256 of what follows, and a
 * record (u16 big-endian length, bytes) for each entry of a bundle from its
 * first one on; length 0: it has none. Appends it to out.
 */
void private_bundle_format(struct view records, struct buf *out);
/* *records borrows from file; at most 256, each whole. GG_E_CORRUPT. */
GG_MUST_USE int private_bundle_parse(struct view file, struct view *records,
    struct gg_error *err);

#endif
