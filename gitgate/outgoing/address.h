/* Which addresses are somebody's own business. */
#ifndef GITGATE_OUTGOING_ADDRESS_H
#define GITGATE_OUTGOING_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum address_class {
	ADDRESS_PUBLIC,
	ADDRESS_LOOPBACK,
	ADDRESS_PRIVATE, /* private, link-local, shared, reserved, multicast,
	                    unspecified; other families too */
};
/* Of an IPv4 or IPv6 address; one that stands for an IPv4 address (mapped,
 * NAT64) is judged as that (RFC 6890 and its registries). */
enum address_class address_class(const struct sockaddr *sa);
/* The same of a numeric address's text; what is none is ADDRESS_PRIVATE. */
enum address_class address_class_text(const char *text);

#endif
