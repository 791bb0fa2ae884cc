/*
 * What upstream, curl and ssh say, made fit for a pusher: the secrets of
 * this request replaced, URLs without userinfo, no control bytes.
 *
 * First the text is cleaned: control bytes (C0, DEL, C1, bidirectional
 * overrides) go, except newline and tab; a lone carriage return drops the
 * line before it, as a terminal would show it; bytes that are not UTF-8
 * become '?'. Then secrets are looked for, so that a control byte inside a
 * secret does not hide it.
 */
#ifndef GITGATE_UPSTREAM_REDACT_H
#define GITGATE_UPSTREAM_REDACT_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#define REDACTED            "[redacted]"
#define REDACT_LINE_BYTES   8192 /* a longer line is let go in parts */
#define REDACT_SECRET_BYTES 65536

/* The secrets to look for. Zeroed storage is an empty one. */
struct redact {
	struct strv secrets; /* cleaned, none empty */
	size_t longest;      /* bytes of the longest */
};

void redact_init(struct redact *r);
/* Wipes what it knew. */
void redact_release(struct redact *r);
GG_DEFINE_AUTO_RELEASE(redact);
/* Know this secret, and its URL-encoded and base64 forms. */
void redact_add(struct redact *r, struct view secret);
/* Know user:password: the password as above, and the pair as base64. */
void
redact_add_basic(struct redact *r, const char *username, struct view password);
/* Append text, cleaned and redacted, to out. */
void redact_text(const struct redact *r, struct view text, struct buf *out);
/* Clean and redact err's message in place; rc unchanged. */
int redact_error(const struct redact *r, int rc, struct gg_error *err);

/*
 * The same for text that comes in chunks: what is held back is at most one
 * line. Ends by redact_stream_finish().
 */
struct redact_stream {
	const struct redact *r; /* borrowed */
	struct buf line;        /* cleaned, not yet let go */
	char utf8[4];           /* an unfinished sequence */
	size_t n_utf8;
	bool cr;     /* a carriage return came last */
	size_t left; /* bytes that may still come out */
	bool cut;    /* more came than that */
};

/* max_bytes: all that may come out; the rest is dropped with one line that
 * says so. */
void redact_stream_init(struct redact_stream *s, const struct redact *r,
    size_t max_bytes);
void redact_stream_release(struct redact_stream *s);
GG_DEFINE_AUTO_RELEASE(redact_stream);
void
redact_stream_feed(struct redact_stream *s, struct view in, struct buf *out);
void redact_stream_finish(struct redact_stream *s, struct buf *out);

/* explicit_bzero of what the buffer has allocated, then release it. */
void secret_release(struct buf *b);

#endif
