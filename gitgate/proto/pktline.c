#include "proto/pktline.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>

#define HEADER_BYTES 4

static bool
read_length(struct view in, size_t *len)
{
	unsigned char b[2];

	if (!hex_decode(view_of(in.p, HEADER_BYTES), b, sizeof(b)))
		return false;
	*len = (size_t)b[0] << 8 | b[1];
	return true;
}

int
pkt_next(struct view *in, enum pkt_kind *kind, struct view *body,
    struct gg_error *err)
{
	static const enum pkt_kind special[] = { PKT_FLUSH, PKT_DELIM,
		PKT_RESPONSE_END };
	size_t len;

	if (in->n < HEADER_BYTES)
		return 0;
	if (!read_length(*in, &len))
		return gg_fail(err, GG_E_PEER,
		    "pkt-line: the length is not four hex digits");
	if (len == 3 || len > LARGE_PACKET_MAX)
		return gg_fail(err, GG_E_PEER, "pkt-line: length %zu", len);
	if (len < HEADER_BYTES) {
		*kind = special[len];
		*body = view_of(in->p, 0);
		view_skip(in, HEADER_BYTES);
		return 1;
	}
	if (in->n < len)
		return 0;
	*kind = PKT_DATA;
	*body = view_of(in->p + HEADER_BYTES, len - HEADER_BYTES);
	view_skip(in, len);
	return 1;
}

struct view
pkt_text(struct view body)
{
	if (body.n > 0 && body.p[body.n - 1] == '\n')
		body.n--;
	return body;
}

void
pkt_add(struct buf *out, struct view body)
{
	if (body.n > PKT_BODY_MAX) {
		out->failed = GG_E_LIMIT;
		return;
	}
	buf_addf(out, "%04x", (unsigned)(body.n + HEADER_BYTES));
	buf_addv(out, body);
}

void
pkt_addf(struct buf *out, const char *fmt, ...)
{
	GG_AUTO_MEM char *line = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0) {
		line = NULL;
		out->failed = GG_E_NOMEM;
		return;
	}
	pkt_add(out, view_of(line, (size_t)n));
}

void
pkt_flush(struct buf *out)
{
	buf_adds(out, "0000");
}

void
pkt_delim(struct buf *out)
{
	buf_adds(out, "0001");
}
