/*
 * Templates for names: text, with claims in braces ("github:{repository}").
 * The text between is what a principal's name may have.
 */
#ifndef GITGATE_CONFIG_TEMPLATE_H
#define GITGATE_CONFIG_TEMPLATE_H

#include "base/error.h"
#include "base/view.h"

#define TEMPLATE_MAX_BYTES 1024

/* Letters, digits and ._@:/+- */
bool template_byte_is_valid(char c);
/*
 * Cut the next piece off: text as it is, or (*claim) the name of a claim.
 * 1; 0 at the end; GG_E_INPUT where it is not well-formed.
 */
GG_MUST_USE int template_next(struct view *left, struct view *piece,
    bool *claim, struct gg_error *err);
/* Is the template well-formed? GG_E_INPUT. */
GG_MUST_USE int template_check(const char *template, struct gg_error *err);

#endif
