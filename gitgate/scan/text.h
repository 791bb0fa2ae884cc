/*
 * The text of rule files on its way from the gate, which reads them, to the
 * inspector, which compiles them. Needs neither engine nor parser: the gate
 * is linked with this file of scan/ only.
 */
#ifndef GITGATE_SCAN_TEXT_H
#define GITGATE_SCAN_TEXT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

#define SCAN_TEXT_MAX  ((size_t)16 << 20)
#define SCAN_FILES_MAX 64

/* Every file's name (without its folder) and text. GG_E_INPUT with the
 * path where one cannot be read. */
GG_MUST_USE int scan_rules_text(const struct strv *paths, struct buf *out,
    struct gg_error *err);
/* The next file of such a text: 1, 0 at the end, GG_E_PEER. */
GG_MUST_USE int scan_rules_text_next(struct view *in, struct view *name,
    struct view *text, struct gg_error *err);

#endif
