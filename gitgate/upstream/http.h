/*
 * Smart HTTP to upstream (gitprotocol-http(5)) with libcurl. Connections
 * are kept alive and shared by requests with the same host and credential.
 * TLS is always verified; redirects are never followed.
 */
#ifndef GITGATE_UPSTREAM_HTTP_H
#define GITGATE_UPSTREAM_HTTP_H

#include "base/error.h"
#include "base/view.h"
#include "upstream/upstream.h"

#include <sys/types.h>

GG_MUST_USE int http_start(struct gg_error *err);
void http_forget_connections(void);

struct http_request {
	enum upstream_service service;
	bool post;                 /* else GET info/refs */
	bool v2;                   /* ask for protocol version 2 */
	struct view head;          /* the body: these bytes, */
	int file;                  /* then this file (-1: none) from 0 */
	off_t file_bytes;          /* to here */
	const char *authorization; /* value of the header, "" for none */
	/* The answer's bytes, of status 200 and the right type only. 0, 1 (all
	 * that is wanted was there) or negative. */
	int (*take)(void *ctx, struct view bytes, struct gg_error *err);
	void *ctx;
	bool *begun; /* a byte of the body may have been sent; may be NULL */
	int64_t deadline;
};

/*
 * One request. 0; what take() said when negative; GG_E_UNAVAILABLE for what
 * the network, TLS or the status say; GG_E_LIMIT for timeouts.
 */
GG_MUST_USE int http_request(const struct upstream *u,
    const struct http_request *r, struct gg_error *err);

#endif
