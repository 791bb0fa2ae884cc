/*
 * Requests to the outside world that are not upstream: HTTPS and mail, with
 * libcurl, many at once in one thread. TLS is always verified, redirects are
 * never followed, no proxy is used, answers are bounded, and where a request
 * may go is checked on the address that is connected to.
 */
#ifndef GITGATE_OUTGOING_OUTGOING_H
#define GITGATE_OUTGOING_OUTGOING_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

#include <poll.h>
#include <stdint.h>

struct outgoing; /* one per thread */

/* Where a URL may lead. */
enum outgoing_reach {
	/* https to public addresses */
	REACH_PUBLIC,
	/* The operator named this place: any address; loopback without TLS */
	REACH_NAMED,
};

enum outgoing_kind { OUTGOING_GET, OUTGOING_POST, OUTGOING_MAIL };

/* What is to be sent; copied by outgoing_start(). */
struct outgoing_request {
	enum outgoing_kind kind;
	const char *url;
	enum outgoing_reach reach;
	const char *ca_file; /* NULL: the system's */
	/* "Name: value", secret or not; they are wiped after use */
	const struct strv *headers;
	struct view body;     /* POST, MAIL */
	const char *username; /* MAIL: SMTP AUTH; NULL: none */
	const char *password;
	const char *from; /* MAIL: envelope */
	const struct strv *to;
	uint64_t timeout_ms;
	const char *timeout_name; /* the limit's; static */
	uint64_t answer_bytes;
};

struct outgoing_answer {
	int rc; /* 0: there was an answer; else err */
	struct gg_error err;
	unsigned status; /* HTTP or SMTP */
	struct buf body;
	uint64_t max_age_s;     /* of Cache-Control; 0: none said */
	uint64_t retry_after_s; /* 0: none said */
};

/* Called from outgoing_turn(); *a is borrowed. */
typedef void outgoing_done(void *ctx, const struct outgoing_answer *a);

GG_MUST_USE int outgoing_new(struct outgoing **out, struct gg_error *err);
void outgoing_free(struct outgoing *o); /* what runs is dropped */
GG_DEFINE_AUTO(outgoing);
/* Begin; done is called once, later, unless this fails: GG_E_INPUT for what
 * is no URL, GG_E_REFUSED for a place that it may not go to. */
GG_MUST_USE int
outgoing_start(struct outgoing *o, const struct outgoing_request *r,
    outgoing_done *done, void *ctx, struct gg_error *err);
/* How many run. */
unsigned outgoing_running(const struct outgoing *o);
/* Wait until one of p (revents is set), or one of its own, is ready. */
GG_MUST_USE int outgoing_wait(struct outgoing *o, struct pollfd *p, unsigned n,
    int timeout_ms, struct gg_error *err);
/* Go on with all that can; call done of those that ended. */
void outgoing_turn(struct outgoing *o);

/* Have both URLs the same scheme, host and port? False for what is none. */
bool outgoing_same_origin(const char *a, const char *b);

#endif
