/* Side-band-64k (gitprotocol-pack(5), "Packfile Data"). */
#ifndef GITGATE_PROTO_SIDEBAND_H
#define GITGATE_PROTO_SIDEBAND_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include "proto/pktline.h"

#define SIDEBAND_DATA     1
#define SIDEBAND_TEXT     2
#define SIDEBAND_ERROR    3
#define SIDEBAND_BODY_MAX (PKT_BODY_MAX - 1)

/* Append data on a band, in as many pkt-lines as it takes; no data gives
 * one empty packet (git's keepalive). */
void sideband_add(struct buf *out, int band, struct view data);
/* Append "line" and LF on band 2, which git prints as "remote: line". */
void sideband_text(struct buf *out, const char *line);

/*
 * Cut the next packet off *in. 1: got one, *band is 1..3, or 0 for the
 * flush-pkt that ends the stream; 0: more bytes are needed; GG_E_PEER.
 */
GG_MUST_USE int sideband_next(struct view *in, int *band, struct view *body,
    struct gg_error *err);

#endif
