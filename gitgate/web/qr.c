#include "web/qr.h"

#include "web/html.h"

#include <qrencode.h>

#define QUIET 4 /* modules around it, as ISO 18004 asks */

/* NULL: too long, or no memory. */
static QRcode *
encode(const char *text)
{
	return QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
}

static void
release(QRcode **q)
{
	QRcode_free(*q);
}

/* The quiet zone is light. */
static bool
is_dark(const QRcode *q, int x, int y)
{
	return x >= 0 && y >= 0 && x < q->width && y < q->width &&
	    (q->data[y * q->width + x] & 1) != 0;
}

void
qr_svg(struct buf *out, const char *text)
{
	__attribute__((cleanup(release))) QRcode *q = encode(text);
	int size;

	if (q == NULL)
		return;
	size = q->width + 2 * QUIET;
	buf_addf(out,
	    "<svg class=\"qr\" role=\"img\" aria-label=\"QR code\" "
	    "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
	    "shape-rendering=\"crispEdges\"><path fill=\"#fff\" "
	    "d=\"M0 0h%dv%dH0z\"/><path d=\"",
	    size, size, 4 * size, 4 * size, size, size);
	for (int y = 0; y < q->width; y++)
		for (int x = 0; x < q->width; x++)
			if (is_dark(q, x, y))
				buf_addf(out, "M%d %dh1v1h-1z", x + QUIET,
				    y + QUIET);
	html_lit(out, "\"/></svg>");
}

void
qr_text(struct buf *out, const char *text)
{
	static const char *const blocks[] = { "█", "▄", "▀", " " };
	__attribute__((cleanup(release))) QRcode *q = encode(text);

	if (q == NULL)
		return;
	for (int y = -QUIET; y < q->width + QUIET; y += 2) {
		for (int x = -QUIET; x < q->width + QUIET; x++)
			buf_adds(out,
			    blocks[(is_dark(q, x, y) ? 1 : 0) +
				(is_dark(q, x, y + 1) ? 2 : 0)]);
		buf_addc(out, '\n');
	}
}
