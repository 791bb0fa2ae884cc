/*
 * Refs that the gate keeps (`then: keep`), as far as a push is judged by
 * them; for the gate and for replay. What is given as `has` is what the
 * repository had when the push came: advert_merge().
 */
#ifndef GITGATE_ROLE_KEPT_REFS_H
#define GITGATE_ROLE_KEPT_REFS_H

#include "base/error.h"
#include "model/push.h"
#include "policy/policy.h"
#include "proto/advert.h"

#include <jansson.h>

/* Are there refs that the gate keeps? */
bool kept_any(const struct advert *has);

/*
 * Are refs that the gate keeps a base of this push? Only where no part of it
 * can go upstream, which has none of what they reach.
 */
bool kept_is_base(const struct ruleset *rs, const char *repository,
    const struct principal *p, const struct ref_updates *updates,
    const struct advert *has);

/* Who has each ref now: POLICY_* bits, malloc'ed, one per update. */
unsigned char *
kept_places(const struct ref_updates *updates, const struct advert *has);

/* Of a stored push: does what goes through of it stay at the gate? */
bool kept_in_json(const json_t *updates);

#endif
