/* Sockets that take whole messages, and waiting for them. */
#ifndef GITGATE_OUTGOING_DATAGRAM_H
#define GITGATE_OUTGOING_DATAGRAM_H

#include "base/error.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

/* A non-blocking datagram socket connected to the path; -1: err. */
int datagram_open(const char *path, struct gg_error *err);
/* Send one message, waiting until there is room. GG_E_LIMIT past the
 * deadline; *too_large (may be NULL): it does not fit, nothing was sent. */
GG_MUST_USE int datagram_send(int fd, struct view v, int64_t deadline_ms,
    bool *too_large, struct gg_error *err);
/* Wait for events (POLLIN, POLLOUT). GG_E_LIMIT past the deadline. */
GG_MUST_USE int
socket_wait(int fd, short events, int64_t deadline_ms, struct gg_error *err);

#endif
