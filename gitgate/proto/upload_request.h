/*
 * A git-upload-pack request (a fetch), checked before git itself gets it:
 * v0/v1 of gitprotocol-pack(5), v2 of gitprotocol-v2(5). Commands,
 * capabilities, arguments and filters are allow lists with bounds.
 */
#ifndef GITGATE_PROTO_UPLOAD_REQUEST_H
#define GITGATE_PROTO_UPLOAD_REQUEST_H

#include "base/auto.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"
#include "model/oid.h"

#include <stdbool.h>

enum upload_kind {
	UPLOAD_PROBE,    /* a flush-pkt alone */
	UPLOAD_FETCH_V0, /* v0 and v1 */
	UPLOAD_LS_REFS,
	UPLOAD_FETCH_V2,
};

struct upload_request {
	enum upload_kind kind;
	struct oid *wants; /* as sent; may hold doubles */
	size_t n_wants;
	size_t alloc;
	struct strv want_refs;  /* valid refnames */
	struct strv deepen_not; /* names that git will look up among all refs:
	                           the caller must refuse hidden ones */
	char *filter;           /* an allowed filter, or "" */
	bool done;
};

void upload_request_free(struct upload_request *rq);
GG_DEFINE_AUTO(upload_request);

/*
 * Parse a whole, decompressed body. v2: the request came with
 * "Git-Protocol: version=2". 0; GG_E_PEER with a message for the client;
 * GG_E_LIMIT over max_wants ("fetch-wants"; want-refs count too); GG_E_NOMEM.
 */
GG_MUST_USE int upload_request_parse(struct view body, bool v2,
    size_t max_wants, struct upload_request **out, struct gg_error *err);

/* blob:none, blob:limit=<n>[kmg], tree:<depth>, object:type=<type>. */
bool upload_filter_is_allowed(struct view spec);

#endif
