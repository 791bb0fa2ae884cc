/*
 * Inside of the audit log. One mutex (mu) guards what is named so; appenders
 * take turns in being the leader, who writes the journal for all, and one
 * writer thread owns the tree.
 *
 *   append -> queue -> [leader: journal, fdatasync] -> tail -> [writer:
 *   bundles, tiles, checkpoint] -> journal trimmed
 */
#ifndef GITGATE_STORE_AUDITLOG_PRIV_H
#define GITGATE_STORE_AUDITLOG_PRIV_H

#include "audit/checkpoint.h"
#include "audit/entry.h"
#include "audit/merkle.h"
#include "audit/note.h"
#include "audit/private.h"
#include "audit/tile.h"
#include "store/auditlog.h"

#include <pthread.h>

#define LOG_DIR_MODE  0750
#define LOG_FILE_MODE 0640

/* -- which entry was the last of a (repository, ref): auditlog_prev.c -- */
struct prev_slot {
	struct entry_pair pair;
	uint64_t index1; /* index + 1; 0: the slot is free */
};
struct prev_map {
	struct prev_slot *slots;
	size_t n, alloc; /* alloc is a power of two, at most 3/4 full */
};
void prev_map_release(struct prev_map *m);
GG_DEFINE_AUTO_RELEASE(prev_map);
bool prev_map_get(const struct prev_map *m, const struct entry_pair *pair,
    uint64_t *index);
GG_MUST_USE int prev_map_set(struct prev_map *m, const struct entry_pair *pair,
    uint64_t index, struct gg_error *err);

/* -- the journal: auditlog_journal.c -- */
/*
 * A frame is what one fdatasync made durable: "GGJ2", u32 length of the
 * payload, the first 8 bytes of SHA-256 over that length and the payload;
 * payload: u64 index of the first entry, u32 number of entries, u32 bytes of
 * the entries, the entries as in a bundle, and as many openings as in a bundle
 * of those. "GGJ1" has neither that length nor openings: frames of an older
 * version. All numbers big-endian.
 */
#define JOURNAL_HEAD_BYTES      16
#define JOURNAL_INTRO_BYTES     12 /* of the payload, before the entries */
#define JOURNAL_INTRO2_BYTES    16
#define JOURNAL_FRAME_MAX_BYTES ((size_t)1 << 30)

struct journal {
	int fd;
	char *path;
	/* Bytes that hold whole frames. Who appends changes it, the writer
	 * looks at it meanwhile. */
	_Atomic uint64_t size;
};
/* Make the file where it is not there yet. */
GG_MUST_USE int
journal_open(struct journal *j, const char *dir, struct gg_error *err);
void journal_close(struct journal *j);
/* Write one frame and make it durable; cut back again on any error. */
GG_MUST_USE int journal_append(struct journal *j, uint64_t first, uint32_t n,
    struct view entries, struct view openings, struct gg_error *err);
/* Forget everything: all of it is published. durable: after a power cut, too
 * (else frames that come back are known to be published). */
GG_MUST_USE int
journal_trim(struct journal *j, bool durable, struct gg_error *err);
/* Replace the content by one frame (or none, n 0), by rename. */
GG_MUST_USE int journal_replace(struct journal *j, uint64_t first, uint32_t n,
    struct view entries, struct view openings, struct gg_error *err);
/*
 * Call fn for every entry from index `from` on. Indexes must follow on each
 * other. A broken frame is cut off if nothing whole comes behind it (the crash
 * came while it was written), else GG_E_CORRUPT.
 */
typedef int (*journal_cb)(void *ctx, uint64_t index, struct view entry,
    struct view opening, struct gg_error *err);
GG_MUST_USE int journal_replay(struct journal *j, uint64_t from, journal_cb fn,
    void *ctx, struct gg_error *err);

/* -- the tree on disk: auditlog_tree.c -- */
struct level {
	uint64_t n;     /* of the tile being filled */
	unsigned width; /* hashes in it, 0..255 */
	bool dirty;     /* not all of them are on disk */
	struct merkle_hash h[TILE_WIDTH];
};
struct tree {
	char *dir;
	struct merkle_tree merkle;
	struct level levels[TILE_LEVELS];
	struct buf tail; /* records of the bundle being filled */
};
void tree_release(struct tree *t);
/* Load the right edge of a log of size entries. GG_E_CORRUPT names the file. */
GG_MUST_USE int
tree_load(struct tree *t, const char *dir, uint64_t size, struct gg_error *err);
/*
 * Add entries (records as in a bundle) and write every bundle and tile that
 * changed. After an error the tree is of no more use.
 */
GG_MUST_USE int
tree_extend(struct tree *t, struct view records, struct gg_error *err);
/* Remove the partial tiles of tiles that became full since old_size. */
void tree_prune(const struct tree *t, uint64_t old_size);
/* Are there tiles of a larger log than size? GG_E_CORRUPT then. */
GG_MUST_USE int
tree_check_nothing_beyond(const char *dir, uint64_t size, struct gg_error *err);
/* Write below dir durably, making directories on the way. */
GG_MUST_USE int log_file_write(const char *dir, const char *path, struct view v,
    struct gg_error *err);

#define LOG_CHECKPOINT "checkpoint"
#define LOG_COSIGNED   "cosigned" /* the last one that witnesses signed */

struct auditlog {
	pthread_mutex_t checkpoint_mu; /* who writes the two files above */
	/* Who writes openings' files; taken before mu. Then tail_open may lose
	 * what is in it, and no file gets it back. */
	pthread_mutex_t private_mu;
	char *dir;
	char *vkey_text;
	int lock_fd;
	struct note_skey *key;
	struct note_skey *old_key; /* signs beside it; NULL: none */
	/* What the last checkpoint says of keys that came and went. */
	bool is_key_new;
	uint32_t gone_key; /* id; 0: none */

	pthread_mutex_t mu;
	pthread_cond_t moved;  /* any of the numbers below changed */
	pthread_cond_t wakeup; /* for the writer */
	bool has_sync, has_writer;
	pthread_t writer;

	/* written with mu held; these two are read without it too */
	_Atomic uint64_t durable; /* entries in the journal or the tiles */
	_Atomic bool is_failed;

	/* guarded by mu */
	uint64_t queued;    /* entries that have an index */
	uint64_t published; /* ... that the checkpoint covers */
	struct buf queue;   /* records durable..queued, for the next frame */
	struct buf tail;    /* records tail_first..durable */
	/* The openings of both, a record for each entry. */
	struct buf queue_open, tail_open;
	uint64_t tail_first;
	size_t tail_published_bytes; /* of tail, up to entry `published` */
	bool has_leader;             /* somebody uses the journal */
	bool is_journal_wanted;      /* the writer is next to use it */
	bool is_closing;
	unsigned in_a_hurry; /* threads that wait for publication */
	struct gg_error why; /* of is_failed */
	struct prev_map prev;
	auditlog_indexer indexer;
	void *indexer_ctx;
	uint64_t refs_kept; /* size of the log that the file of refs is of */
	struct journal journal;

	/* the writer's own */
	struct tree tree;
};

/* Add one record (u16 length, bytes). */
void log_record_add(struct buf *b, struct view entry);
/* The records behind the first n; nothing where there are fewer. */
struct view records_from(struct view records, uint64_t n);
/* Close the log for writing; keeps the first reason. mu is held. */
void log_fail(struct auditlog *l, const struct gg_error *why);
/* Sign and write the checkpoint of the tree as it is. */
GG_MUST_USE int log_write_checkpoint(struct auditlog *l, struct gg_error *err);
/*
 * Is the tree of size entries and that root a continuation of what witnesses
 * signed? GG_E_CORRUPT: an older copy was put back, or another history.
 */
GG_MUST_USE int log_check_cosigned(struct auditlog *l, uint64_t size,
    const struct merkle_hash *root, struct gg_error *err);
/* A checkpoint that one of the log's keys signed; *k (may be NULL) is which. */
GG_MUST_USE int log_open_checkpoint(const struct auditlog *l, struct view note,
    struct checkpoint *c, const struct note_vkey **k, struct gg_error *err);
/* Bring tree, tail and prev map to what the disk has. No thread runs yet. */
GG_MUST_USE int log_recover(struct auditlog *l, const char *key_file,
    const char *origin, struct gg_error *err);
/* The writer thread. arg: the log. */
void *log_writer(void *arg);
/* Shorten the journal to what is not published. must: even if it is not worth
 * it, and no power cut brings the rest back. mu is held, and let go of on the
 * way. */
GG_MUST_USE int
log_trim_journal(struct auditlog *l, bool must, struct gg_error *err);

/* -- the last entry of each ref, on disk: auditlog_refs.c -- */
/* Fill the prev map, for a log that has published so many entries. How many of
 * them are in it: 0 where there is no such file, or none to believe. */
uint64_t log_refs_load(struct auditlog *l, uint64_t published);
/* The writer's: write the file if it is due (now: if anything is new) and
 * nothing is queued. mu is held, and let go of on the way. */
void log_refs_keep(struct auditlog *l, bool now);

/* -- openings on disk: auditlog_private.c -- */
#define LOG_PRIVATE "private" /* beside tile/, never served */

/* Write the openings of entries old..size, which are in tail_open. */
GG_MUST_USE int log_private_publish(struct auditlog *l, uint64_t old,
    uint64_t size, struct gg_error *err);
/* Load those of the bundle being filled, of a log of size entries, into
 * tail_open; remove what a crash left. No thread runs yet. */
GG_MUST_USE int
log_private_load(struct auditlog *l, uint64_t size, struct gg_error *err);
/* Records of bundle n below the log's directory, appended to out; nothing
 * where it has none. GG_E_CORRUPT names the file. */
GG_MUST_USE int private_bundle_read(const char *dir, uint64_t n,
    struct buf *out, struct gg_error *err);
/* Replace it. private_mu is held. */
GG_MUST_USE int private_bundle_write(const char *dir, uint64_t n,
    struct view records, struct gg_error *err);

#endif
