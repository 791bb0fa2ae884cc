/*
 * One conversation with one service of upstream, whatever carries it: an
 * advertisement, then one request and its answer.
 */
#ifndef GITGATE_UPSTREAM_SESSION_H
#define GITGATE_UPSTREAM_SESSION_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"
#include "upstream/carrier.h"
#include "upstream/upstream.h"

#define SESSION_END_MS 5000 /* a child may take so long to end */

struct session {
	const struct upstream *u; /* borrowed */
	enum upstream_service service;
	bool v2;
	int64_t deadline;
	struct redact *red;       /* borrowed */
	struct buf authorization; /* HTTP; secret */
	struct carrier child;     /* SSH, local */
};

/* Read the credential and, for ssh and local, start the child. v2: ask for
 * protocol version 2; upstream may answer with another. */
GG_MUST_USE int session_open(struct session *s, const struct upstream *u,
    enum upstream_service service, bool v2, struct redact *red,
    struct gg_error *err);
/* Ends the child, without grace when it still runs. */
void session_release(struct session *s);
GG_DEFINE_AUTO_RELEASE(session);

/*
 * The advertisement up to and with its flush-pkt, the "# service=" lines of
 * smart HTTP cut off. GG_E_PEER, GG_E_LIMIT, GG_E_UNAVAILABLE.
 */
GG_MUST_USE int
session_advert(struct session *s, struct buf *out, struct gg_error *err);

struct session_body {
	struct view head;
	int file; /* -1: none */
	off_t file_bytes;
	int (*take)(void *ctx, struct view bytes, struct gg_error *err);
	void *ctx;
	bool *begun; /* may be NULL */
};

/* Send the body to its end, feed take() with the answer. 0; what take() said
 * when negative; as session_advert(). Whether the answer was whole is for
 * take()'s owner to know. */
GG_MUST_USE int session_exchange(struct session *s,
    const struct session_body *b, struct gg_error *err);

/* For ssh and local: say a flush-pkt instead of a request, and leave. */
void session_leave(struct session *s);

#endif
