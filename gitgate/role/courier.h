/*
 * The courier: the one process that has upstream's credentials. Parts of
 * its main loop; tests drive the executable (tests/e2e/test_courier.py).
 *
 * Threads: the main thread reads both sockets, keeps the list of jobs and
 * starts one thread per job; a thread has its job for itself until it marks
 * it done (under the lock) and wakes the main thread.
 */
#ifndef GITGATE_ROLE_COURIER_H
#define GITGATE_ROLE_COURIER_H

#include "base/error.h"
#include "base/strv.h"
#include "config/config.h"
#include "ipc/frame.h"
#include "role/supervised.h"
#include "upstream/upstream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COURIER_THREADS   32
#define COURIER_QUEUE_MAX 4096
#define COURIER_STACK     ((size_t)1 << 20)
#define COURIER_TICK_MS   5000

/* A gate's socket, as long as a job may answer there. */
struct gate_link {
	int sock;
	atomic_uint users;
};
struct gate_link *gate_link_new(int sock); /* takes sock */
struct gate_link *gate_link_use(struct gate_link *g);
void gate_link_drop(struct gate_link *g); /* NULL is fine */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
	struct job *next;
	struct courier *courier;
	struct gate_link *gate;
	enum job_state state; /* under the courier's lock */
	enum msg_type type;   /* MSG_LIST_REFS, MSG_FETCH, MSG_RELAY */
	uint32_t id;
	int64_t deadline; /* of a settling list in the queue */
	char *repository;
	struct upstream *upstream; /* set when it starts */
	/* LIST_REFS */
	enum upstream_service service;
	bool settle;
	struct strv offered; /* what receive-pack offered: before a relay,
	                        or as it was listed */
	bool offered_known;
	/* FETCH, RELAY */
	int list_fd, data_fd;
	char *push_id;
	bool atomic, has_pack;
	struct strv options;
};

/* Decode a request; takes the frame's descriptors. 0 or GG_E_PEER. */
GG_MUST_USE int
job_decode(struct frame *f, struct job **out, struct gg_error *err);
void job_free(struct job *j);
/* Do it and answer (in the job's thread). */
void job_run(struct job *j);
/* Answer REQUEST_FAILED; err is redacted already. */
void job_fail(const struct job *j, int rc, const struct gg_error *err,
    bool maybe_applied);

/* What receive-pack of an upstream offered when it was listed last. */
struct offer {
	struct offer *next;
	char *url;
	struct strv caps;
};

/* The paths that this config needs. */
void
walls_of_config(const struct config *c, const char *run_dir, struct walls *out);

struct courier {
	const char *run_dir;
	struct supervised sup;
	struct gate_link *gate; /* NULL: none */
	struct offer *offers;
	pthread_mutex_t lock;
	struct job *jobs; /* in the order they came */
	struct job **jobs_end;
	unsigned n_jobs, n_running;
	int wake; /* eventfd: a job is done */
};

void courier_init(struct courier *c, const char *run_dir, bool required);
/* Add a job; takes it. */
void courier_add(struct courier *c, struct job *j);
/* Free what is done, start what may start; called after each event. */
void courier_schedule(struct courier *c);
/* Milliseconds until courier_schedule() must be called at the latest. */
int courier_timeout(const struct courier *c);
/* No new work; what runs is finished, then the process ends with code. */
void courier_drain(struct courier *c, int code, int64_t deadline);
/* May it end now? */
bool courier_is_drained(struct courier *c);
/* A new gate: what waits for the old one is dropped, what runs is finished
 * and its answer goes nowhere. sock -1: there is none. */
void courier_set_gate(struct courier *c, int sock);
/* Remember what a list said of receive-pack: from the job's thread, before
 * the gate has the answer and may relay on its base. */
void courier_keep_offer(struct courier *c, const struct job *j);
void courier_forget_offers(struct courier *c);

#endif
