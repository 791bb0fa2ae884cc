/* Who a client is, by address, with or without proxies in front. */
#ifndef GITGATE_HTTP_ADDR_H
#define GITGATE_HTTP_ADDR_H

#include "base/strv.h"
#include "base/view.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* With room for "/64". */
#define ADDR_SIZE (INET6_ADDRSTRLEN + 4)

/* The numeric address; an IPv4 one mapped into IPv6 is shown as IPv4. */
void addr_format(const struct sockaddr *sa, char out[ADDR_SIZE]);
/*
 * Is the address one of the list, whose entries are addresses or prefixes
 * ("10.0.0.0/8")? An IPv6 prefix shorter than 96 bits covers no IPv4 address.
 */
bool addr_in_list(const char *addr, const struct strv *list);
/* The address as addr_format() writes it. False: text is none. */
bool addr_clean(const char *text, char out[ADDR_SIZE]);
/* What is counted as one client: an IPv4 address, or the /64 of an IPv6 one
 * ("2001:db8::/64"), whose holder has all of it. */
void addr_group(const char *addr, char out[ADDR_SIZE]);
/*
 * The client behind peer: peer itself unless it is trusted; else the
 * rightmost address of the X-Forwarded-For text that is not trusted. What is
 * no address (a port behind it is passed over) ends the walk at the last good
 * one.
 */
void addr_client(const char *peer, struct view forwarded,
    const struct strv *trusted, char out[ADDR_SIZE]);

#endif
