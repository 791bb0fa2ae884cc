/*
 * Frames: one SOCK_SEQPACKET datagram each, with a header of its own so
 * that a truncated or padded one is noticed.
 *
 *	u32 length of the whole frame, u16 type, u16 count of passed fds,
 *	u32 id, body
 *
 * All integers big-endian. A frame that the table of messages.def does not
 * allow between these two roles ends the connection (GG_E_PEER).
 */
#ifndef GITGATE_IPC_FRAME_H
#define GITGATE_IPC_FRAME_H

#include "base/buf.h"
#include "base/error.h"
#include "base/view.h"

#include "base/auto.h"

#include <stdint.h>

#define FRAME_HEADER_BYTES 12
#define FRAME_MAX_BYTES    65536
#define FRAME_MAX_FDS      4
/* Where a role finds the socket to its supervisor (or, an inspector, to its
 * gate). */
#define FRAME_PARENT_FD 3

enum msg_type {
	MSG_NONE = 0,
#define MSG(name, from, to, max, fds, body) MSG_##name,
#include "ipc/messages.def"
#undef MSG
	MSG_COUNT
};

enum role {
	ROLE_SUPERVISOR,
	ROLE_GATE,
	ROLE_INSPECTOR,
	ROLE_COURIER,
	ROLE_HOOK,
	ROLE_MESSENGER,
	ROLE_SAML
};

struct frame {
	enum msg_type type;
	uint32_t id;
	struct view body;       /* borrowed from buf */
	int fds[FRAME_MAX_FDS]; /* owned; -1 where there is none */
	unsigned n_fds;
	char *buf; /* FRAME_MAX_BYTES, allocated on first use, reused */
};

#define FRAME_INIT ((struct frame){ .fds = { -1, -1, -1, -1 } })
/* Close the fds it still owns and free its buffer. */
void frame_release(struct frame *f);
GG_DEFINE_AUTO_RELEASE(frame);
/* Take fd number i (or -1): the caller closes it. */
int frame_take_fd(struct frame *f, unsigned i);

/* A pair of sockets, both CLOEXEC. 0 or GG_E_SYS. */
GG_MUST_USE int frame_pair(int sv[2], struct gg_error *err);

/*
 * Send one frame. fds are borrowed. Blocks while the peer's queue is full
 * (on a non-blocking socket: polls). Safe from several threads at once.
 * 0; GG_E_UNAVAILABLE when the peer is gone; GG_E_LIMIT over the table's
 * maximum; GG_E_SYS.
 */
GG_MUST_USE int frame_send(int sock, enum msg_type type, uint32_t id,
    struct view body, const int *fds, unsigned n_fds, struct gg_error *err);

/* As frame_send, but never blocks: 1 sent, 0 the queue is full. */
int frame_try_send(int sock, enum msg_type type, uint32_t id, struct view body);

/*
 * Receive one frame that `from` may send to `to`. What f held before is
 * released. 1 got one; 0 the peer has closed; GG_E_PEER for a frame that
 * is not allowed; GG_E_SYS.
 */
GG_MUST_USE int frame_recv(int sock, enum role from, enum role to,
    struct frame *f, struct gg_error *err);
/* The same with a deadline (clock_mono_ms(), negative: none); GG_E_LIMIT
 * when it passes. */
GG_MUST_USE int frame_recv_until(int sock, enum role from, enum role to,
    int64_t mono_deadline_ms, struct frame *f, struct gg_error *err);

const char *msg_name(enum msg_type type);
const char *role_name(enum role role);
/* Is it allowed at all, with this size? */
bool msg_permitted(enum role from, enum role to, enum msg_type type,
    size_t body_bytes, unsigned n_fds);

#endif
