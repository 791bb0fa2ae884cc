/*
 * The command section of a git-receive-pack request (gitprotocol-pack(5),
 * "Reference Update Request and Packfile Transfer"), read piece by piece as
 * it arrives, strictly:
 *
 *	*shallow-line, commands (the first with capabilities), flush-pkt,
 *	and when "push-options" was negotiated: options, flush-pkt
 *
 * What stands behind it is the pack. Refused: a capability that was not
 * offered, a push certificate, a ref twice, a command that changes nothing,
 * a NUL anywhere but once in the first command, names that are no refnames.
 */
#ifndef GITGATE_PROTO_RECEIVE_REQUEST_H
#define GITGATE_PROTO_RECEIVE_REQUEST_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"
#include "base/view.h"
#include "model/push.h"

#include <stdbool.h>
#include <stdint.h>

#define PUSH_OPTION_MAX_BYTES 4096

struct receive_limits {
	uint64_t ref_updates;   /* "ref-updates" */
	uint64_t command_bytes; /* "command-bytes", push options included */
	uint64_t push_options;  /* "push-options" */
};

enum report_kind {
	REPORT_STATUS_NONE, /* the client wants no report */
	REPORT_STATUS_V1,
	REPORT_STATUS_V2,
};

struct receive_parser; /* private */

struct receive_request {
	/* Whole only after receive_request_feed() returned 1. */
	struct ref_updates updates;
	struct strv caps;         /* as sent */
	struct strv push_options; /* as sent */
	struct strv shallow;      /* hex oids */
	char *agent;              /* the client's "agent=", or "" */
	enum report_kind report;
	bool atomic, side_band_64k, quiet;
	bool push_options_on; /* the capability was negotiated */
	/* The body is a flush-pkt alone: git asks whether it is let in. */
	bool probe;
	/* The key in config/limits.def after GG_E_LIMIT, else NULL. Constant. */
	const char *limit;
	struct receive_parser *parser;
};

/*
 * offered: gitgate's own capabilities as they were advertised, with blanks
 * between them; copied. Never NULL (dies without memory).
 */
struct receive_request *
receive_request_new(const struct receive_limits *limits, const char *offered);
void receive_request_free(struct receive_request *rq);
GG_DEFINE_AUTO(receive_request);

/*
 * Feed the next bytes of the body. *used tells how many of them belong to
 * the command section. 1: it is complete, what is left of piece is the pack;
 * 0: more is needed (all of piece was used); GG_E_PEER: the push is invalid;
 * GG_E_LIMIT: see limit; GG_E_NOMEM. Messages are for the pusher. After 1 or
 * a failure it may not be fed again (it answers with GG_E_PEER).
 */
GG_MUST_USE int receive_request_feed(struct receive_request *rq,
    struct view piece, size_t *used, struct gg_error *err);

/* Must a pack follow? Not for deletes alone, nor for a probe. */
bool receive_request_wants_pack(const struct receive_request *rq);
/*
 * Check the bytes behind the command section; at: how many of them came
 * before piece. 0; GG_E_PEER where there should be none, or where they do not
 * begin as a pack does.
 */
GG_MUST_USE int receive_request_check_tail(const struct receive_request *rq,
    uint64_t at, struct view piece, struct gg_error *err);

#endif
