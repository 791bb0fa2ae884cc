/*
 * The report to a pusher (gitprotocol-pack(5), "Report Status"): report-status
 * or report-status-v2.
 */
#ifndef GITGATE_PROTO_REPORT_STATUS_H
#define GITGATE_PROTO_REPORT_STATUS_H

#include "base/buf.h"
#include "base/strv.h"
#include "proto/receive_request.h"

#define REPORT_REASON_MAX_BYTES 1000

struct report_line {
	const char *refname;
	bool ok;
	const char *reason;         /* where not ok; cleaned and cut */
	const struct strv *options; /* "option ..." lines for v2; or NULL */
};

/*
 * Append the report and its end. unpack: NULL for "ok", else the words. In a
 * sideband the report goes on band 1 and the stream is ended with a flush-pkt,
 * also when the client wants no report; so all text must have been written
 * before. Without sideband and report nothing is written.
 */
void
report_status_format(enum report_kind kind, bool side_band, const char *unpack,
    const struct report_line *lines, size_t n, struct buf *out);

/* text with control bytes replaced by blanks, invalid UTF-8 by '?', cut to
 * max bytes at a character's border; as reasons and remote lines are sent. */
void report_clean_text(const char *text, size_t max, struct buf *out);

#endif
