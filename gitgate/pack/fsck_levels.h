/*
 * The severities of git's own checks (git-fsck(1), "FSCK MESSAGES") for one
 * push: git's defaults with warnings raised to errors (what --strict does),
 * a few more raised, and what the operator's `fsck:` lowers.
 */
#ifndef GITGATE_PACK_FSCK_LEVELS_H
#define GITGATE_PACK_FSCK_LEVELS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

/* May an operator lower this message id? Never one that deceives about a
 * path or that lets two parsers read different things. Case is ignored, as
 * git does. */
bool fsck_may_lower(struct view id);

/*
 * Overrides ("id=severity") into the value of index-pack's --strict and into
 * obj_check.h's RELAX bits. One that may not be lowered stays an error.
 * 0; GG_E_INPUT: an override that has no form of one.
 */
GG_MUST_USE int fsck_levels(const struct strv *overrides, struct buf *strict,
    unsigned *relax, struct gg_error *err);

#endif
