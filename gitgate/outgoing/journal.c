#include "outgoing/journal.h"

#include "base/fd.h"
#include "outgoing/datagram.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define ENTRY_MAX ((size_t)2 << 20)

/* "NAME=text\n", or the form for texts with line ends: a length, little
 * endian, instead of "=". */
static void
add_field(struct buf *out, const char *name, struct view v)
{
	if (v.n == 0)
		return;
	buf_adds(out, name);
	if (memchr(v.p, '\n', v.n) == NULL) {
		buf_addc(out, '=');
	} else {
		buf_addc(out, '\n');
		for (unsigned i = 0; i < 8; i++)
			buf_addc(out, (char)((uint64_t)v.n >> (8 * i)));
	}
	buf_addv(out, v);
	buf_addc(out, '\n');
}

void
journal_format(const struct record *r, struct buf *out)
{
	struct view text = r->text;

	while (text.n > 0 && strchr("\r\n", text.p[text.n - 1]) != NULL)
		text.n--;
	add_field(out, "MESSAGE", text);
	buf_addf(out,
	    "PRIORITY=%u\nSYSLOG_FACILITY=13\nSYSLOG_IDENTIFIER=gitgate\n"
	    "GITGATE_SEQ=%llu\n",
	    r->severity, (unsigned long long)r->seq);
	add_field(out, "GITGATE_TIME", r->time);
	add_field(out, "GITGATE_TYPE", r->type);
	add_field(out, "GITGATE_REPOSITORY", r->repository);
	add_field(out, "GITGATE_REF", r->ref);
	add_field(out, "GITGATE_PRINCIPAL", r->principal);
	add_field(out, "GITGATE_PUSH", r->push);
	add_field(out, "GITGATE_HOLD", r->hold);
}

/* An empty message with the descriptor of a file that nobody can change. */
static int
send_file(int sock, int file, int64_t deadline, struct gg_error *err)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int rc;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &file, sizeof(int));
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return gg_fail(err, GG_E_SYS, "the journal");
		if ((rc = socket_wait(sock, POLLOUT, deadline, err)) != 0)
			return rc;
	}
	return 0;
}

static int
send_large(int sock, struct view v, int64_t deadline, struct gg_error *err)
{
	GG_AUTO_FD file = memfd_create("gitgate-journal",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (file < 0)
		return gg_fail(err, GG_E_SYS, "memfd");
	if ((rc = fd_write_all(file, v, err)) != 0)
		return rc;
	if (fcntl(file, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
		return gg_fail(err, GG_E_SYS, "memfd");
	return send_file(sock, file, deadline, err);
}

int
journal_send(const char *socket_path, const struct record *v, size_t n,
    int64_t deadline_ms, struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) one = BUF_INIT(ENTRY_MAX);
	GG_AUTO_FD fd = datagram_open(socket_path, err);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < n; i++) {
		bool too_large = false;
		int rc;

		buf_clear(&one);
		journal_format(&v[i], &one);
		if ((rc = buf_check(&one, err)) == 0)
			rc = datagram_send(fd, buf_view(&one), deadline_ms,
			    &too_large, err);
		if (rc == 0 && too_large)
			rc = send_large(fd, buf_view(&one), deadline_ms, err);
		if (rc != 0)
			return gg_wrap(err, rc, "%s", socket_path);
	}
	return 0;
}
