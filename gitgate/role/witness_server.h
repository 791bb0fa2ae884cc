/*
 * A witness over HTTP: C2SP tlog-witness (POST /add-checkpoint), what was
 * signed (GET /<sha256 of origin>/checkpoint), /healthz and /metrics.
 */
#ifndef GITGATE_ROLE_WITNESS_SERVER_H
#define GITGATE_ROLE_WITNESS_SERVER_H

#include "http/server.h"
#include "role/witness_book.h"

#include <stdatomic.h>

/* Signed, refused by status, and what following did. */
enum {
	WITNESS_SIGNED,
	WITNESS_400,
	WITNESS_403,
	WITNESS_404,
	WITNESS_409,
	WITNESS_422,
	WITNESS_500,
	WITNESS_FOLLOW_FAILED,
	WITNESS_COUNTERS
};

struct witness_service {
	struct witness_book *book;
	atomic_ullong counters[WITNESS_COUNTERS];
};

/* Take a request, wherever it comes from: count it and log what is new. */
void witness_take(struct witness_service *s, const struct witness_request *r,
    struct witness_verdict *v);
/* The log has two histories: say so, and keep the evidence. */
void witness_found_fork(struct witness_service *s, struct view origin,
    struct view note, const char *why);

/* route() of its http_config; ctx is the service. */
void witness_route(void *ctx, struct http_request *rq, struct http_plan *plan);

#endif
