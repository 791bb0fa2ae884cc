/* pkt-lines (gitprotocol-common(5), gitprotocol-v2(5)). */
#ifndef GITGATE_PROTO_PKTLINE_H
#define GITGATE_PROTO_PKTLINE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#define LARGE_PACKET_MAX 65520
/* What fits into one pkt-line behind its four digits. */
#define PKT_BODY_MAX (LARGE_PACKET_MAX - 4)

enum pkt_kind {
	PKT_DATA,
	PKT_FLUSH,        /* 0000 */
	PKT_DELIM,        /* 0001 */
	PKT_RESPONSE_END, /* 0002 */
};

/*
 * Cut the next pkt-line off *in. 1: got one (body borrowed, empty unless
 * PKT_DATA); 0: more bytes are needed, *in unchanged; GG_E_PEER: a length
 * that cannot be, *in unchanged (said before its bytes are waited for).
 */
GG_MUST_USE int pkt_next(struct view *in, enum pkt_kind *kind,
    struct view *body, struct gg_error *err);

/* body without one LF at its end, as lines of text are compared. */
struct view pkt_text(struct view body);

/* Append one pkt-line; a body over PKT_BODY_MAX fails the buffer. */
void pkt_add(struct buf *out, struct view body);
void pkt_addf(struct buf *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pkt_flush(struct buf *out);
void pkt_delim(struct buf *out);

#endif
