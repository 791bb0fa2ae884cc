/* What is known of issuers: what profiles preset, and what is a mistake. */
#ifndef GITGATE_CONFIG_ISSUER_PROFILE_H
#define GITGATE_CONFIG_ISSUER_PROFILE_H

#include "config/internal.h"

/* In the order of enum issuer_profile from PROFILE_GITHUB_ACTIONS on; NULL
 * ends them. */
extern const char *const issuer_profile_names[];

/* Fill what is not given. */
GG_MUST_USE int
issuer_fill_in(struct issuer *x, const char *public_url, struct gg_error *err);
/* Is it complete, and no known mistake? GG_E_INPUT with file and line; what
 * is only doubtful goes to warnings. */
GG_MUST_USE int
issuer_check(const struct loading *l, const struct yaml_node *at,
    const struct issuer *x, struct strv *warnings, struct gg_error *err);
/* Can an issuer give names that another gives, too? */
bool issuers_share_names(const struct issuer *a, const struct issuer *b);
/* What all names of an issuer begin with, at least. */
struct view issuer_name_prefix(const struct issuer *x);
/* May names that begin so be the same? Without regard to case, as where
 * approvals are counted. */
bool name_prefixes_meet(struct view a, struct view b);

#endif
