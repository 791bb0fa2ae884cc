/* A text as a QR code: for a page, and for a terminal. */
#ifndef GITGATE_WEB_QR_H
#define GITGATE_WEB_QR_H

#include "base/buf.h"

/* An <svg> of class "qr", black on white with its quiet zone. Nothing where the
 * text is too long for a code. */
void qr_svg(struct buf *out, const char *text);
/* Lines of block characters, two rows in each, light on a dark terminal. */
void qr_text(struct buf *out, const char *text);

#endif
