/*
 * A child that speaks git's protocol on its stdin and stdout: the ssh
 * client, a local git. It runs in a process group of its own, with only
 * descriptors 0, 1 and 2 and with the environment it is given, so that a
 * signal meant for the gate does not tear a ref update.
 */
#ifndef GITGATE_UPSTREAM_CARRIER_H
#define GITGATE_UPSTREAM_CARRIER_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CARRIER_TEXT_BYTES 8192 /* of stderr are kept */

struct carrier {
	pid_t pid; /* 0: none */
	int pidfd;
	int in, out, err; /* our ends, non-blocking; -1 when closed */
	struct buf text;  /* what came on stderr */
};

#define CARRIER_INIT                    \
	((struct carrier){ .pidfd = -1, \
	    .in = -1,                   \
	    .out = -1,                  \
	    .err = -1,                  \
	    .text = { .max = CARRIER_TEXT_BYTES } })

/* Start argv[0] (a path, no search). 0 or GG_E_SYS. */
GG_MUST_USE int carrier_start(struct carrier *c, char *const argv[],
    char *const envp[], struct gg_error *err);

/* What goes to its stdin, and who takes what comes from its stdout. */
struct carrier_io {
	struct view head; /* bytes to send first */
	int file;         /* then this file from at to end; -1: none */
	off_t at, end;
	bool close_in; /* close stdin behind all that */
	/* Bytes from stdout. 1: enough, 0: go on, negative: broken. What is
	 * still to be sent is sent to its end all the same. */
	int (*take)(void *ctx, struct view bytes, struct gg_error *err);
	void *ctx;
	bool *begun;      /* set when a first byte was sent; may be NULL */
	int64_t idle_ms;  /* no byte in either direction for so long */
	int64_t deadline; /* clock_mono_ms() */
};

/*
 * Send and receive until take() says enough or stdout ends.
 * 1 enough; 0 stdout ended; what take() returned; GG_E_LIMIT a timeout;
 * GG_E_SYS.
 */
GG_MUST_USE int
carrier_pump(struct carrier *c, struct carrier_io *io, struct gg_error *err);

/*
 * Close its pipes and wait for it; after grace_ms SIGTERM, then SIGKILL.
 * *status: as of waitpid(), -1 where it was killed. Nothing to do for
 * CARRIER_INIT.
 */
void carrier_end(struct carrier *c, int64_t grace_ms, int *status);
void carrier_release(struct carrier *c); /* carrier_end() without any grace */
GG_DEFINE_AUTO_RELEASE(carrier);

#endif
