/* Bodies with Content-Encoding: gzip (RFC 1952), as git sends fetches. */
#ifndef GITGATE_PROTO_GUNZIP_H
#define GITGATE_PROTO_GUNZIP_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

/*
 * Inflate one whole gzip member into out, whose ceiling bounds what it may
 * become. GG_E_PEER for anything that is not exactly one member; GG_E_LIMIT
 * past the ceiling; GG_E_NOMEM.
 */
GG_MUST_USE int gunzip(struct view body, struct buf *out, struct gg_error *err);

#endif
