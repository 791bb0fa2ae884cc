/*
 * The systemd journal's native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): one datagram per entry, or a
 * sealed memfd where that is too large.
 */
#ifndef GITGATE_OUTGOING_JOURNAL_H
#define GITGATE_OUTGOING_JOURNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "outgoing/record.h"

/* The fields of one entry, as they are sent. */
void journal_format(const struct record *r, struct buf *out);
/* Give all to the journal that listens at the socket. GG_E_UNAVAILABLE,
 * GG_E_SYS, GG_E_LIMIT past the deadline (clock_mono_ms()). */
GG_MUST_USE int journal_send(const char *socket_path, const struct record *v,
    size_t n, int64_t deadline_ms, struct gg_error *err);

#endif
