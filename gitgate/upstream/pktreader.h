/* pkt-lines out of bytes that arrive in any pieces. */
#ifndef GITGATE_UPSTREAM_PKTREADER_H
#define GITGATE_UPSTREAM_PKTREADER_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"
#include "proto/pktline.h"

#define PKTREADER_FEED_MAX 65536 /* bytes per feed */

struct pktreader {
	struct buf held; /* the beginning of an unfinished pkt-line */
};

/* What to do with one; non-zero ends the feed with that value. */
typedef int (*pkt_taker)(void *ctx, enum pkt_kind kind, struct view body,
    struct gg_error *err);

void pktreader_init(struct pktreader *r);
void pktreader_release(struct pktreader *r);
GG_DEFINE_AUTO_RELEASE(pktreader);
/* Hand each whole pkt-line of what was held and in to take. 0, GG_E_PEER,
 * or what take returned. */
GG_MUST_USE int pktreader_feed(struct pktreader *r, struct view in,
    pkt_taker take, void *ctx, struct gg_error *err);
/* Is an unfinished pkt-line held? */
static inline bool
pktreader_is_torn(const struct pktreader *r)
{
	return r->held.n != 0;
}

#endif
