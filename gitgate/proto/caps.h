/* Capability lists: "name name=value ..." (gitprotocol-capabilities(5)). */
#ifndef GITGATE_PROTO_CAPS_H
#define GITGATE_PROTO_CAPS_H

#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"

#define CAPS_MAX           1024
#define CAPS_ONE_MAX_BYTES 4096

/*
 * Add the capabilities of a blank-separated list to *out (which keeps what
 * it had on failure too). 0; GG_E_PEER for a control byte, an empty name, a
 * capability over CAPS_ONE_MAX_BYTES, or more than CAPS_MAX; GG_E_NOMEM.
 */
GG_MUST_USE int
caps_parse(struct view list, struct strv *out, struct gg_error *err);
/* The value of the first "name=value", "" for a bare name, NULL when it is
 * not there. Borrowed. */
const char *caps_value(const struct strv *caps, const char *name);
bool caps_has(const struct strv *caps, const char *name);

#endif
