/* The files of a witness's directory and its key (witness_book.h). */
#ifndef GITGATE_ROLE_WITNESS_FILES_H
#define GITGATE_ROLE_WITNESS_FILES_H

#include "audit/note.h"
#include "role/witness_book.h"

/* SHA-256 of the origin in hex. */
void witness_file_name(struct view origin, char out[BOOK_NAME_SIZE]);
/* The key's file; vkey is its public half as a witness's (type 4). */
GG_MUST_USE int witness_read_key(const char *file, struct note_skey **key,
    struct note_vkey *vkey, struct gg_error *err);
/* Whom the directory was made for. GG_E_INPUT where it was made for nobody. */
GG_MUST_USE int
witness_read_vkey(const char *dir, struct note_vkey *out, struct gg_error *err);
bool witness_has_fork(const char *dir, const char *name);
/* Both notes and why they exclude each other; durable. False: not written. */
bool witness_write_fork(const char *dir, const char *name, const char *why,
    struct view ours, struct view theirs);
/* Remove what a killed process left half-written. */
void witness_clean(const char *dir);

#endif
