#include "role/notify.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int
address(const char *name, struct sockaddr_un *a, socklen_t *n,
    struct gg_error *err)
{
	size_t bytes = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || bytes < 2 ||
	    bytes >= sizeof(a->sun_path))
		return gg_fail(err, GG_E_INPUT,
		    "NOTIFY_SOCKET is neither a path nor an abstract name");
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(a->sun_path, name, bytes);
	if (name[0] == '@')
		a->sun_path[0] = '\0';
	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
	return 0;
}

int
notify_open(struct notify *n, struct gg_error *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a;
	socklen_t bytes;
	int rc;

	if (name == NULL || name[0] == '\0')
		return 0;
	if ((rc = address(name, &a, &bytes, err)) != 0)
		return rc;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0 ||
	    connect(n->fd, (const struct sockaddr *)&a, bytes) != 0) {
		rc = gg_fail(err, GG_E_SYS, "NOTIFY_SOCKET");
		notify_close(n);
		return rc;
	}
	(void)unsetenv("NOTIFY_SOCKET");
	return 0;
}

void
notify_close(struct notify *n)
{
	fd_close(fd_take(&n->fd));
}

/* A manager that went away is no reason to fail. */
static void
tell(const struct notify *n, const char *text)
{
	if (n->fd >= 0)
		(void)!send(n->fd, text, strlen(text),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
notify_ready(const struct notify *n, const char *status)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(1024);

	buf_addf(&b, "READY=1\nSTATUS=%.500s\n", status);
	tell(n, buf_str(&b));
}

void
notify_reloading(const struct notify *n)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(256);

	buf_addf(&b, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
	    (long long)clock_mono_ms() * 1000);
	tell(n, buf_str(&b));
}

void
notify_stopping(const struct notify *n)
{
	tell(n, "STOPPING=1\n");
}
