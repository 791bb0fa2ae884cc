/*
 * The messenger: errands to the outside world that is not upstream. Parts of
 * its main loop; tests drive the executable (tests/e2e/test_messenger.py).
 * One thread: everything that waits, waits in outgoing_wait().
 */
#ifndef GITGATE_ROLE_MESSENGER_H
#define GITGATE_ROLE_MESSENGER_H

#include "base/error.h"
#include "base/strv.h"
#include "config/config.h"
#include "ipc/frame.h"
#include "outgoing/outgoing.h"
#include "role/gate_messenger.h"
#include "role/supervised.h"

#include <stdbool.h>
#include <stdint.h>

struct messenger {
	struct supervised sup;
	struct outgoing *outgoing;
	int gate;           /* socket; -1: none */
	uint64_t gate_no;   /* counts gates: an answer goes to who asked */
	unsigned n_notices; /* under way */
	int wake;           /* readable: a delivery's thread has ended */
	struct delivery_run *deliveries;
};

/* One request of the gate's, taken apart; owns its texts. */
struct errand_order {
	enum errand_kind kind;
	char *name, *url, *id, *subject;
	struct buf body;
};
void errand_order_release(struct errand_order *o);
GG_DEFINE_AUTO_RELEASE(errand_order);
/* GG_E_PEER when the frame is not what the table says. Takes its fd. */
GG_MUST_USE int
errand_decode(struct frame *f, struct errand_order *out, struct gg_error *err);

/* Begin it; its answer, or why there is none, is sent to the gate. */
void errand_run(struct messenger *m, uint32_t id, struct errand_order *o);
/* Answer one whose outcome is known. */
void errand_answer(const struct messenger *m, uint32_t id,
    const struct outgoing_answer *a);
void errand_answer_failed(const struct messenger *m, uint32_t id, int rc,
    const struct gg_error *why);

/* What is sent, with the secrets that the request borrows; wiped. */
struct errand_request {
	struct outgoing_request r;
	struct strv headers;
	struct buf body, password, url;
};
void errand_request_release(struct errand_request *x);
GG_DEFINE_AUTO_RELEASE(errand_request);
/* By what the configuration says of the thing that the order names: where it
 * may go, and with which secret. GG_E_NOTFOUND, GG_E_INPUT (the secret's file),
 * GG_E_REFUSED. */
GG_MUST_USE int
errand_prepare(const struct config *c, const struct errand_order *o,
    struct errand_request *out, struct gg_error *err);
/* The same for ERRAND_NOTICE (messenger_notice.c). now_s: of the signature. */
GG_MUST_USE int
notice_prepare(const struct notice_target *t, const struct errand_order *o,
    int64_t now_s, struct errand_request *out, struct gg_error *err);

/* Standard Webhooks: the headers by which a receiver knows that out->body is
 * from who has a secret of the file; the id's header not among them. */
GG_MUST_USE int webhook_sign(const char *secret_file, const char *id,
    int64_t now_s, struct errand_request *out, struct gg_error *err);

/* The files that this config needs. */
void messenger_walls(const struct config *c, struct walls *out);

#endif
