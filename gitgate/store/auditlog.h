/*
 * The audit log on disk (docs/formats.md): a journal that makes an entry
 * durable with one fsync, and behind it the C2SP tlog-tiles with a signed
 * checkpoint, brought up to date by a writer thread within 100 ms.
 */
#ifndef GITGATE_STORE_AUDITLOG_H
#define GITGATE_STORE_AUDITLOG_H

#include "audit/note.h"
#include "audit/private.h"
#include "audit/tile_read.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

#define AUDIT_ENTRY_MAX_BYTES 65535
/* One with its personal values put back (audit/private.h). */
#define AUDIT_OPENED_MAX_BYTES PRIVATE_OPENED_MAX_BYTES

struct auditlog;

/*
 * Called after entries became durable, in index order, from the appending
 * thread, with the opened entry: the gate keeps its query index
 * (store_audit_add) with it. An error is not fatal: the index catches up at the
 * next start.
 */
typedef void (*auditlog_indexer)(void *ctx, uint64_t index, const char *json,
    size_t n);

/*
 * Open (making it on first use) the log in dir, signing key in key_file,
 * origin as checkpoint origin and key name. Replays the journal, recomputes
 * the root from the right edge and compares it with the last signed
 * checkpoint: GG_E_CORRUPT with what to do on a mismatch. One writer per
 * directory (a lock is held): GG_E_EXISTS otherwise.
 */
GG_MUST_USE int auditlog_open(const char *dir, const char *key_file,
    const char *origin, struct auditlog **out, struct gg_error *err);
/*
 * The key file may have a second line, the key that is being replaced: both
 * sign then. A new key, and one that is gone, are logged ("key.rotate").
 */
/* Publishes what is not yet in tiles, then closes. */
void auditlog_close(struct auditlog *l);

/*
 * Append entries (JSON objects; the log adds "seq", "time" and "v", writes
 * them compact with sorted keys) and return when all are durable. Safe from
 * many threads; they share fsyncs. *first_index: index of the first one. On
 * any error nothing of them may be relied on and the act must not happen.
 * GG_E_INPUT and GG_E_LIMIT refuse just these entries (a value that is no
 * string, integer, boolean, array or object; over AUDIT_ENTRY_MAX_BYTES); any
 * other error closes the log for writing from then on (auditlog_is_writable).
 * Entries with "repository" and "ref" also get "prev", the index of the last
 * one with the same two. Personal values are given in clear and kept apart
 * (audit/private.h). entry objects are borrowed and are changed.
 */
GG_MUST_USE int auditlog_append(struct auditlog *l, json_t *const *entries,
    size_t n, uint64_t *first_index, struct gg_error *err);
void auditlog_on_append(struct auditlog *l, auditlog_indexer fn, void *ctx);
bool auditlog_is_writable(const struct auditlog *l);
uint64_t auditlog_size(const struct auditlog *l);
/* The verifier key, as in signed-note: name+hash+base64. Borrowed. */
const char *auditlog_vkey(const struct auditlog *l);
/* Is this the key, or the one that it replaces and that still signs, too? */
bool auditlog_signs_as(const struct auditlog *l, const struct note_vkey *k);
/* Block until the published checkpoint covers index. */
GG_MUST_USE int auditlog_wait_published(struct auditlog *l, uint64_t index,
    struct gg_error *err);
/* One stored entry's bytes, which are what the tree hashes: personal values
 * are commitments in them. GG_E_NOTFOUND. */
GG_MUST_USE int auditlog_read(struct auditlog *l, uint64_t index,
    struct buf *out, struct gg_error *err);
/*
 * The same entry with its personal values put back, as all that show it or
 * decide by it want it (at most AUDIT_OPENED_MAX_BYTES). Erased ones say so, and
 * are named in the member "erased". GG_E_CORRUPT: an opening is not what was
 * logged.
 */
GG_MUST_USE int auditlog_read_opened(struct auditlog *l, uint64_t index,
    struct buf *out, struct gg_error *err);
/* Its opening, {"client.addr":{"salt","value"},...}; nothing is appended where
 * it has none (any more). GG_E_NOTFOUND: no such entry. */
GG_MUST_USE int auditlog_read_opening(struct auditlog *l, uint64_t index,
    struct buf *out, struct gg_error *err);

/* Entries first..last. */
struct audit_range {
	uint64_t first, last;
};
/*
 * Erase the values at these places in the entries of ranges (ascending, apart
 * from each other), for good: openings' files, memory and journal. Waits until
 * they are published. *values: how many there were; done again it finds none.
 * That it is done must be in the log before (an entry "redaction").
 */
GG_MUST_USE int
auditlog_erase(struct auditlog *l, const struct audit_range *ranges, size_t n,
    private_set places, uint64_t *values, struct gg_error *err);

/*
 * The last signed checkpoint as published; cosigned: the last one that enough
 * witnesses signed. GG_E_NOTFOUND: none was yet.
 */
GG_MUST_USE int auditlog_checkpoint(struct auditlog *l, bool cosigned,
    struct buf *out, struct gg_error *err);
/*
 * Witnesses signed: keep checkpoint `note` (as published) with their lines as
 * the last cosigned one, and publish the lines with the checkpoint while that
 * is still the newest. The lines were checked by the caller.
 */
GG_MUST_USE int auditlog_cosigned(struct auditlog *l, struct view note,
    struct view lines, struct gg_error *err);
/*
 * A receipt (audit/receipt.h) for an entry, with the entry in it; waits until
 * a checkpoint covers it. GG_E_NOTFOUND.
 */
GG_MUST_USE int auditlog_receipt(struct auditlog *l, uint64_t index,
    struct buf *out, struct gg_error *err);

/*
 * Verify a log from its files (dir) with nothing but the key: bundles ->
 * leaf hashes -> tiles -> root -> signature; seq and prev chains. The first
 * fault is named in err (GG_E_CORRUPT). *size and root_b64 on success.
 * fetch: how a path below the log is read.
 */
typedef tile_source auditlog_fetch;
GG_MUST_USE int auditlog_verify(auditlog_fetch fetch, void *ctx,
    const char *vkey, uint64_t *size, char root_b64[45], struct gg_error *err);
/* The same, and each entry on the way is shown to fn (borrowed; NULL: nobody).
 * What it saw counts only if 0 is returned. */
typedef void (*auditlog_each)(void *ctx, uint64_t index, const json_t *entry);
GG_MUST_USE int auditlog_verify_each(auditlog_fetch fetch, void *ctx,
    const char *vkey, auditlog_each fn, void *fn_ctx, uint64_t *size,
    char root_b64[45], struct gg_error *err);
/* The size that its checkpoint names; no signature is verified. */
GG_MUST_USE int
auditlog_size_dir(const char *dir, uint64_t *size, struct gg_error *err);
/*
 * One entry, opened, from the files of a log that may be in use: that it is in
 * the tree is not verified. GG_E_NOTFOUND: it is not in the tiles (yet).
 */
GG_MUST_USE int auditlog_read_dir(const char *dir, uint64_t index,
    struct buf *out, struct gg_error *err);
struct private_census {
	bool has_openings; /* there is a directory of them */
	uint64_t values;   /* that are what was logged */
	uint64_t erased;   /* and an entry "redaction" says so */
};
/*
 * Hold a directory's openings against its first size entries, which are known
 * to be what was logged (auditlog_verify). GG_E_CORRUPT names the first that
 * is not what its entry commits to, or that is gone with no entry that says so.
 */
GG_MUST_USE int auditlog_verify_private(const char *dir, uint64_t size,
    struct private_census *out, struct gg_error *err);
/*
 * Hold a directory's partial tiles of earlier sizes against the tiles of the
 * first size entries, which are known to be good (auditlog_verify); those of
 * later sizes are not looked at. GG_E_CORRUPT names the first that differs.
 */
GG_MUST_USE int
auditlog_verify_partials(const char *dir, uint64_t size, struct gg_error *err);
/* The fetch function for a directory; ctx is its path. */
int auditlog_fetch_dir(void *ctx, const char *path, struct buf *out,
    struct gg_error *err);

#endif
