#include "ipc/frame.h"

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/codec.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum role from, to;
	size_t max;
	unsigned fds;
} permits[MSG_COUNT] = {
#define MSG(name, from, to, max, fds, body) \
	[MSG_##name] = { #name, ROLE_##from, ROLE_##to, max, fds },
#include "ipc/messages.def"
#undef MSG
};

const char *
msg_name(enum msg_type type)
{
	return type > MSG_NONE && type < MSG_COUNT ? permits[type].name : "?";
}

const char *
role_name(enum role role)
{
	static const char *const names[] = { "supervisor", "gate", "inspector",
		"courier", "hook", "messenger", "saml" };

	return names[role];
}

bool
msg_permitted(enum role from, enum role to, enum msg_type type,
    size_t body_bytes, unsigned n_fds)
{
	if (type <= MSG_NONE || type >= MSG_COUNT)
		return false;
	return permits[type].from == from && permits[type].to == to &&
	    body_bytes <= permits[type].max && n_fds <= permits[type].fds;
}

void
frame_release(struct frame *f)
{
	for (unsigned i = 0; i < FRAME_MAX_FDS; i++)
		fd_close(frame_take_fd(f, i));
	free(f->buf);
	*f = FRAME_INIT;
}

int
frame_take_fd(struct frame *f, unsigned i)
{
	return i < FRAME_MAX_FDS ? fd_take(&f->fds[i]) : -1;
}

int
frame_pair(int sv[2], struct gg_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
		return gg_fail(err, GG_E_SYS, "socketpair");
	return 0;
}

static int
send_msg(int sock, enum msg_type type, uint32_t id, struct view body,
    const int *fds, unsigned n_fds, int flags)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FRAME_MAX_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	GG_AUTO_RELEASE(buf) head = BUF_INIT(FRAME_HEADER_BYTES);
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	enc_u32(&head, (uint32_t)(FRAME_HEADER_BYTES + body.n));
	enc_u8(&head, (uint8_t)((unsigned)type >> 8));
	enc_u8(&head, (uint8_t)((unsigned)type & 0xff));
	enc_u8(&head, 0);
	enc_u8(&head, (uint8_t)n_fds);
	enc_u32(&head, id);
	if (head.failed != 0) {
		errno = ENOMEM;
		return -1;
	}
	iov[0] = (struct iovec){ head.p, head.n };
	iov[1] = (struct iovec){ (void *)(uintptr_t)body.p, body.n };
	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int
frame_send(int sock, enum msg_type type, uint32_t id, struct view body,
    const int *fds, unsigned n_fds, struct gg_error *err)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };

	if (type <= MSG_NONE || type >= MSG_COUNT ||
	    n_fds > permits[type].fds || body.n > permits[type].max ||
	    body.n > FRAME_MAX_BYTES - FRAME_HEADER_BYTES)
		return gg_fail(err, GG_E_LIMIT, "message %s of %zu bytes",
		    msg_name(type), body.n);
	while (send_msg(sock, type, id, body, fds, n_fds, 0) != 0) {
		if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
			return gg_fail(err, GG_E_UNAVAILABLE,
			    "the other process is gone");
		if (errno != EAGAIN)
			return gg_fail(err, GG_E_SYS, "sending %s",
			    msg_name(type));
		(void)poll(&p, 1, 1000);
	}
	return 0;
}

int
frame_try_send(int sock, enum msg_type type, uint32_t id, struct view body)
{
	return send_msg(sock, type, id, body, NULL, 0, MSG_DONTWAIT) == 0;
}

static void
take_fds(struct frame *f, struct msghdr *msg, bool *too_many)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(int));
			if (f->n_fds < FRAME_MAX_FDS) {
				f->fds[f->n_fds++] = fd;
			} else {
				fd_close(fd);
				*too_many = true;
			}
		}
	}
}

static ssize_t
receive(int sock, struct msghdr *msg)
{
	size_t room = msg->msg_controllen;
	ssize_t n;

	do {
		msg->msg_controllen = room;
		n = recvmsg(sock, msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		msg->msg_controllen = room;
	return n;
}

int
frame_recv(int sock, enum role from, enum role to, struct frame *f,
    struct gg_error *err)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * (FRAME_MAX_FDS + 2))];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	bool too_many = false;
	struct dec d;
	uint32_t len, type, n_fds;
	ssize_t n;

	for (unsigned i = 0; i < FRAME_MAX_FDS; i++)
		fd_close(frame_take_fd(f, i));
	f->n_fds = 0;
	if (f->buf == NULL && (f->buf = malloc(FRAME_MAX_BYTES)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "frame buffer");
	iov = (struct iovec){ f->buf, FRAME_MAX_BYTES };
	n = receive(sock, &msg);
	/* A peer that ended with frames unread resets the connection; that
	 * is told once, before the last words it sent, which are still
	 * there. */
	if (n < 0 && errno == ECONNRESET)
		n = receive(sock, &msg);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return gg_fail(err, GG_E_SYS, "receiving a frame");
	take_fds(f, &msg, &too_many);
	d = dec_of(view_of(f->buf, (size_t)n));
	len = dec_u32(&d);
	type = (uint32_t)dec_u8(&d) << 8;
	type |= dec_u8(&d);
	n_fds = (uint32_t)dec_u8(&d) << 8;
	n_fds |= dec_u8(&d);
	f->id = dec_u32(&d);
	f->body = d.left;
	if (d.failed || too_many || (msg.msg_flags & MSG_TRUNC) != 0 ||
	    len != (size_t)n || n_fds != f->n_fds || type >= MSG_COUNT ||
	    !msg_permitted(from, to, (enum msg_type)type, f->body.n, n_fds))
		return gg_fail(err, GG_E_PEER,
		    "%s sent a frame that is not allowed (%s, %zd bytes)",
		    role_name(from),
		    type < MSG_COUNT ? msg_name((enum msg_type)type) : "?", n);
	f->type = (enum msg_type)type;
	return 1;
}

int
frame_recv_until(int sock, enum role from, enum role to,
    int64_t mono_deadline_ms, struct frame *f, struct gg_error *err)
{
	int rc = fd_wait_readable(sock, mono_deadline_ms, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return gg_fail(err, GG_E_LIMIT, "%s did not answer in time",
		    role_name(from));
	return frame_recv(sock, from, to, f, err);
}
