#include "outgoing/datagram.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int
datagram_open(const char *path, struct gg_error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	GG_AUTO_FD fd = -1;

	if (strlen(path) >= sizeof(to.sun_path))
		return gg_fail(err, GG_E_INPUT, "%s: too long for a socket",
		    path);
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		return gg_fail(err, GG_E_SYS, "%s", path);
	return fd_take(&fd);
}

int
socket_wait(int fd, short events, int64_t deadline_ms, struct gg_error *err)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_ms - clock_mono_ms();
		int rc;

		if (left <= 0)
			return gg_fail(err, GG_E_LIMIT,
			    "limit delivery-timeout: it does not answer in time");
		rc = poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return gg_fail(err, GG_E_SYS, "poll");
	}
}

int
datagram_send(int fd, struct view v, int64_t deadline_ms, bool *too_large,
    struct gg_error *err)
{
	for (;;) {
		int rc;

		if (send(fd, v.p, v.n, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if ((errno == EMSGSIZE || errno == ENOBUFS) &&
		    too_large != NULL) {
			*too_large = true;
			return 0;
		}
		if (errno != EAGAIN)
			return gg_fail(err, GG_E_SYS, "a message of %zu bytes",
			    v.n);
		if ((rc = socket_wait(fd, POLLOUT, deadline_ms, err)) != 0)
			return rc;
	}
}
