/* Telling a service manager how we are: sd_notify(3)'s datagrams, without its
 * library. Does nothing where nobody asked for it. */
#ifndef GITGATE_ROLE_NOTIFY_H
#define GITGATE_ROLE_NOTIFY_H

#include "base/error.h"

struct notify {
	int fd; /* -1: nobody listens */
};
#define NOTIFY_INIT ((struct notify){ .fd = -1 })

/*
 * Connect to $NOTIFY_SOCKET (a path, or an abstract name after '@') and take
 * it from the environment, so that no role inherits it. Fails only where the
 * variable is set and no socket answers to it.
 */
GG_MUST_USE int notify_open(struct notify *n, struct gg_error *err);
void notify_close(struct notify *n);

void notify_ready(const struct notify *n, const char *status);
/* A reload has begun; notify_ready() ends it, taken or not. */
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n);

#endif
