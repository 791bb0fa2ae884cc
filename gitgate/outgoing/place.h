/* Where a request may go: pure rules. */
#ifndef GITGATE_OUTGOING_PLACE_H
#define GITGATE_OUTGOING_PLACE_H

#include "base/error.h"
#include "base/view.h"
#include "outgoing/address.h"

#include <stdbool.h>
#include <stdint.h>

struct place {
	const char *protocols; /* for libcurl */
	bool plain;            /* without TLS: to this machine only */
	bool named;            /* the configuration names it */
};

/*
 * From the URL's scheme and host. https (mail: smtps; smtp, which then has to
 * become TLS) to anywhere; http and plain smtp only to a loopback host that
 * the configuration names. GG_E_REFUSED with the reason.
 */
GG_MUST_USE int place_of(const char *scheme, const char *host, bool mail,
    bool named, struct place *out, struct gg_error *err);
/* May it be connected to there? */
bool place_permits(const struct place *p, enum address_class class);
/* "max-age" of a Cache-Control value in seconds, at most max; 0: none, or
 * it says not to keep it. */
uint64_t place_max_age(struct view value, uint64_t max);

#endif
