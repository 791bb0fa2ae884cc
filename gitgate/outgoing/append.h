/* Entries of the audit log at the end of a file. */
#ifndef GITGATE_OUTGOING_APPEND_H
#define GITGATE_OUTGOING_APPEND_H

#include "base/error.h"
#include "outgoing/record.h"

#include <stddef.h>

/*
 * Open (or make, mode 0640) the file, add head where it is empty and the
 * records, fsync, close: so it may be renamed or truncated at any time, as
 * logrotate does. What cannot be written whole is taken back; a line without
 * an end, which a crash left, is cut off first. It must be a regular file and
 * no symbolic link. GG_E_SYS; GG_E_REFUSED: it is not such a file, or its end
 * is not ours; GG_E_UNAVAILABLE: another process writes it.
 */
GG_MUST_USE int append_records(const char *path, const char *head,
    const struct record *v, size_t n, struct gg_error *err);

#endif
