#include "upstream/pktreader.h"

void
pktreader_init(struct pktreader *r)
{
	buf_init(&r->held, LARGE_PACKET_MAX + PKTREADER_FEED_MAX);
}

void
pktreader_release(struct pktreader *r)
{
	buf_release(&r->held);
}

/* Take the whole pkt-lines off the front of *in. */
static int
take_whole(struct view *in, pkt_taker take, void *ctx, struct gg_error *err)
{
	enum pkt_kind kind;
	struct view body;
	int rc;

	while ((rc = pkt_next(in, &kind, &body, err)) == 1)
		if ((rc = take(ctx, kind, body, err)) != 0)
			return rc;
	return rc;
}

int
pktreader_feed(struct pktreader *r, struct view in, pkt_taker take, void *ctx,
    struct gg_error *err)
{
	struct view v;
	int rc;

	while (in.n > 0) {
		struct view piece = in;

		if (piece.n > PKTREADER_FEED_MAX)
			piece.n = PKTREADER_FEED_MAX;
		view_skip(&in, piece.n);
		if (r->held.n == 0) {
			if ((rc = take_whole(&piece, take, ctx, err)) != 0)
				return rc;
			buf_addv(&r->held, piece);
		} else {
			buf_addv(&r->held, piece);
			v = buf_view(&r->held);
			if ((rc = take_whole(&v, take, ctx, err)) != 0)
				return rc;
			buf_drop(&r->held, r->held.n - v.n);
		}
		if ((rc = buf_check(&r->held, err)) != 0)
			return rc;
	}
	return 0;
}
