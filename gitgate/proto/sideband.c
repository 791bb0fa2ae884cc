#include "proto/sideband.h"

void
sideband_add(struct buf *out, int band, struct view data)
{
	do {
		size_t n = data.n < SIDEBAND_BODY_MAX ? data.n :
							SIDEBAND_BODY_MAX;

		buf_addf(out, "%04x%c", (unsigned)(n + 5), (char)band);
		buf_add(out, data.p, n);
		view_skip(&data, n);
	} while (data.n > 0);
}

void
sideband_text(struct buf *out, const char *line)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT((size_t)1 << 20);

	buf_adds(&text, line);
	buf_addc(&text, '\n');
	if (text.failed != 0)
		out->failed = text.failed;
	else
		sideband_add(out, SIDEBAND_TEXT, buf_view(&text));
}

int
sideband_next(struct view *in, int *band, struct view *body,
    struct gg_error *err)
{
	struct view rest = *in, b;
	enum pkt_kind kind;
	int rc = pkt_next(&rest, &kind, &b, err);

	if (rc != 1)
		return rc;
	if (kind == PKT_FLUSH) {
		*band = 0;
		*body = b;
		*in = rest;
		return 1;
	}
	if (kind != PKT_DATA || b.n == 0 || b.p[0] < SIDEBAND_DATA ||
	    b.p[0] > SIDEBAND_ERROR)
		return gg_fail(err, GG_E_PEER, "sideband: no such band");
	*band = (unsigned char)b.p[0];
	view_skip(&b, 1);
	*body = b;
	*in = rest;
	return 1;
}
