/*
 * The gate's end of a role that it asks (courier, messenger): one socket,
 * many requests at once, each answered by its id. A role that ends fails what
 * was asked of it and nothing that was asked of its successor.
 */
#ifndef GITGATE_ROLE_GATE_PEER_H
#define GITGATE_ROLE_GATE_PEER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "ipc/frame.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct gate;
struct peer;

/* One request that waits for its answer; the asker's. */
struct peer_call {
	struct peer_call *next;
	uint32_t id;
	int sock;     /* of the process that was asked */
	bool done;    /* it has its answer, or never will */
	bool busy;    /* its answer is being told: the asker stays */
	bool dropped; /* the process ended, or is not waited for, before */
	bool unsent;  /* it never heard of it */
	int rc;
	struct gg_error err;
};

struct peer {
	struct gate *gate;
	enum role role;
	enum log_event_id gone; /* logged when one ends */
	/*
	 * An answer to k, with the mutex held; true: it was the last one. May
	 * give the mutex up around what takes long, with k->busy set.
	 */
	bool (*answer)(struct peer *p, struct peer_call *k, struct frame *f);
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int sock; /* -1: none */
	uint32_t next_id;
	bool stopping; /* nothing is asked or waited for any more */
	struct peer_call *calls;
};

GG_MUST_USE int peer_new(struct gate *g, enum role role, enum log_event_id gone,
    bool (*answer)(struct peer *p, struct peer_call *k, struct frame *f),
    struct peer **out, struct gg_error *err);
/* A fresh process's socket (takes it) replaces the last one. */
void peer_connected(struct peer *p, int sock);
bool peer_is_connected(struct peer *p);
/* The gate stops: who waits is let go, and nothing is asked any more. */
void peer_abandon(struct peer *p);

struct peer_request {
	enum msg_type type;
	const struct buf *body;
	const int *fds; /* borrowed */
	unsigned n_fds;
	int *close_after; /* closed once the request is sent; NULL: none */
	int64_t deadline; /* clock_mono_ms(); 0: the peer always answers */
};
/*
 * Send it and wait for its end. 0: answer() took it; else why not: k->rc of
 * the answer, or GG_E_UNAVAILABLE, GG_E_LIMIT past the deadline.
 */
GG_MUST_USE int peer_run(struct peer *p, const struct peer_request *r,
    struct peer_call *k, struct gg_error *err);

#endif
