/*
 * What a witness has signed: for each log its newest checkpoint, in a file of
 * its own, durable before anybody learns the signature. It never signs two
 * histories of one log, nor a shorter one, nor with a time that goes back.
 *
 *	DIR/vkey                   the witness's public key
 *	DIR/<sha256 of origin>     the checkpoint, with our line
 *	DIR/<sha256 of origin>.fork  two notes that exclude each other
 *	DIR/lock
 */
#ifndef GITGATE_ROLE_WITNESS_BOOK_H
#define GITGATE_ROLE_WITNESS_BOOK_H

#include "audit/tlog_policy.h"
#include "audit/witness.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

#define BOOK_NAME_SIZE 65 /* hex, and the NUL */
/* The same checkpoint is signed anew after so long, not on every request. */
#define BOOK_REFRESH_S 60

/* Make a new key, 0600, and the directory that goes with it. Appends its vkey
 * and a newline. GG_E_EXISTS where either is there. */
GG_MUST_USE int witness_keygen(const char *key_file, const char *dir,
    const char *name, struct buf *vkey, struct gg_error *err);

struct witness_book;
/*
 * Open the directory for the logs that the policy names (borrowed). The key
 * must be the one that the directory was made for: who forgot what it signed
 * must not go on under its name. GG_E_INPUT, GG_E_EXISTS (another process has
 * it), GG_E_CORRUPT (a file is not what we wrote).
 */
GG_MUST_USE int witness_book_open(const char *dir, const char *key_file,
    const struct tlog_policy *logs, struct witness_book **out,
    struct gg_error *err);
void witness_book_free(struct witness_book *b);
GG_DEFINE_AUTO(witness_book);

/* What becomes of a request, by the status that C2SP tlog-witness gives it. */
struct witness_verdict {
	unsigned status; /* 200 400 403 404 409 422; 500: cannot be written */
	uint64_t size;   /* 409: what we have */
	struct buf line; /* 200: our cosignature */
	bool is_fork;    /* a second history, signed by the log */
	bool is_new;     /* 200: more than what we had */
	struct checkpoint
	    c; /* borrows from the request; where it could be read */
	struct gg_error err; /* other than 200 */
};
void witness_verdict_release(struct witness_verdict *v);
GG_DEFINE_AUTO_RELEASE(witness_verdict);
/* Take a request; *v is zero before. Safe from many threads. */
void witness_book_add(struct witness_book *b, const struct witness_request *r,
    struct witness_verdict *v);

/* How far we are with a log: false where we have signed nothing of it. */
bool witness_book_latest(struct witness_book *b, struct view origin,
    uint64_t *size, struct merkle_hash *root);
/* Keep `note`, signed by the log and not a continuation of ours, as evidence
 * beside it. False: some was there already, or it cannot be written. */
bool witness_book_fork(struct witness_book *b, struct view origin,
    struct view note, const char *why);
/* The newest checkpoint of the log whose origin has this hash, with our line.
 * False: there is none. */
bool
witness_book_read(struct witness_book *b, struct view name, struct buf *out);

/* For metrics: calls fn with each log in turn. time_s 0: nothing signed. */
typedef void witness_book_fn(void *ctx, const char *origin, uint64_t size,
    uint64_t time_s, bool is_forked);
void witness_book_each(struct witness_book *b, witness_book_fn *fn, void *ctx);

/*
 * Without the key and beside a running witness: prints nothing, calls fn for
 * each file of the directory. GG_E_CORRUPT names the file that is wrong.
 */
GG_MUST_USE int witness_book_check(const char *dir, witness_book_fn *fn,
    void *ctx, struct gg_error *err);

#endif
