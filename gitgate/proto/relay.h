/* What upstream answered to a relayed push, as the courier tells the gate. */
#ifndef GITGATE_PROTO_RELAY_H
#define GITGATE_PROTO_RELAY_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

struct relay_ref {
	char *refname;
	bool ok;
	char *message;       /* upstream's reason after ng, redacted; or "" */
	struct strv options; /* report-status-v2 "option ..." lines, as said */
};

struct relay_result {
	bool unpack_ok;
	char *unpack_message;   /* upstream's words when not ok, redacted */
	struct relay_ref *refs; /* only those upstream reported on */
	size_t n_refs;
};

struct relay_result *relay_result_new(void);
void relay_result_free(struct relay_result *r);
GG_DEFINE_AUTO(relay_result);
struct relay_ref *relay_result_add(struct relay_result *r);
const struct relay_ref *
relay_result_find(const struct relay_result *r, const char *refname);
void relay_result_encode(const struct relay_result *r, struct buf *out);
GG_MUST_USE int relay_result_decode(struct view v, struct relay_result **out,
    struct gg_error *err);

/*
 * Parse report-status or report-status-v2 (gitprotocol-pack(5), "Report
 * Status"): pkt-lines "unpack ...", then "ok"/"ng"/"option". GG_E_PEER for
 * anything else, for a ref reported twice, and for one that is not among
 * `expected`: a hostile upstream cannot make a failed push look done.
 */
GG_MUST_USE int
relay_result_parse(struct view pkts, const struct strv *expected,
    struct relay_result **out, struct gg_error *err);

#endif
