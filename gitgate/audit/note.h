/*
 * C2SP signed-note: text, an empty line, signature lines. Keys as text:
 * "<name>+<id>+<base64>" to verify, "PRIVATE+KEY+..." to sign.
 */
#ifndef GITGATE_AUDIT_NOTE_H
#define GITGATE_AUDIT_NOTE_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"
#include "crypto/sign.h"

#include <stdint.h>

#define NOTE_MAX_BYTES      65536
#define NOTE_NAME_MAX_BYTES 255
#define NOTE_SIGS_MAX       64

enum note_type {
	NOTE_ED25519 = 0x01,
	NOTE_COSIGNATURE = 0x04, /* Ed25519 with a time, by a witness */
};

/* A key to verify with. */
struct note_vkey {
	char name[NOTE_NAME_MAX_BYTES + 1];
	enum note_type type;
	uint32_t id;
	unsigned char pub[SIGN_PUBLIC_BYTES];
};

/* A name: not empty, UTF-8, no white space, no plus. */
bool note_name_is_valid(struct view name);
/* Fill *out and compute its id. 0 or GG_E_INPUT (the name). */
GG_MUST_USE int note_vkey_make(struct view name, enum note_type type,
    const unsigned char pub[SIGN_PUBLIC_BYTES], struct note_vkey *out,
    struct gg_error *err);
/* Checks that the id belongs to name and key. 0 or GG_E_INPUT. */
GG_MUST_USE int
note_vkey_parse(struct view text, struct note_vkey *out, struct gg_error *err);
/* Are both the same key of the same name? */
bool note_vkey_is(const struct note_vkey *a, const struct note_vkey *b);
void note_vkey_format(const struct note_vkey *k, struct buf *out);

/* A key to sign with; wiped when freed. */
struct note_skey;
/* 0, GG_E_INPUT or GG_E_NOMEM. The text stays the caller's to wipe. */
GG_MUST_USE int
note_skey_parse(struct view text, struct note_skey **out, struct gg_error *err);
/* A new key's private text from its seed; the caller wipes both. */
GG_MUST_USE int
note_skey_format(struct view name, const unsigned char seed[SIGN_SEED_BYTES],
    struct buf *out, struct gg_error *err);
/* NULL is fine. */
void note_skey_free(struct note_skey *k);
GG_DEFINE_AUTO(note_skey);
/* Its public half (type NOTE_ED25519), borrowed. */
const struct note_vkey *note_skey_vkey(const struct note_skey *k);

/* One signature line, borrowed from the note. */
struct note_sig {
	struct view name, base64;
	uint32_t id;
};

struct note {
	struct view text; /* with its last newline: what is signed */
	struct note_sig sigs[NOTE_SIGS_MAX];
	size_t n_sigs;
};

/* Take a note apart; nothing is verified yet. 0 or GG_E_CORRUPT. */
GG_MUST_USE int
note_parse(struct view msg, struct note *out, struct gg_error *err);
/*
 * Has this key signed it? Every line with its name and id must be good.
 * 0, GG_E_NOTFOUND (no such line), GG_E_CORRUPT (a bad one). time_s: of a
 * cosignature, 0 otherwise; may be NULL.
 */
GG_MUST_USE int note_verify(const struct note *n, const struct note_vkey *k,
    uint64_t *time_s, struct gg_error *err);

/* Write text, the empty line and our signature line. text ends in \n. */
GG_MUST_USE int note_sign(struct view text, const struct note_skey *k,
    struct buf *out, struct gg_error *err);
/* One cosignature line for text, to put behind a note's other lines. */
GG_MUST_USE int note_cosign(struct view text, const struct note_skey *k,
    uint64_t time_s, struct buf *out, struct gg_error *err);

#endif
