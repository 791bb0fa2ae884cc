/*
 * syslog: RFC 5424 over TLS (RFC 5425), TCP (RFC 6587, octet counting), UDP
 * (RFC 5426) and a Unix datagram socket.
 */
#ifndef GITGATE_OUTGOING_SYSLOG_H
#define GITGATE_OUTGOING_SYSLOG_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"
#include "outgoing/record.h"

/*
 * Part `part` (from 1) of the messages, each of at most max_message bytes,
 * that the record becomes; host: this machine's name. True: more follow. Where
 * there are several, each says which it is and how many.
 */
bool syslog_format(const struct record *r, const char *host, size_t max_message,
    unsigned part, struct buf *out);
/*
 * Send all to the target (DELIVER_SYSLOG). Over TLS and TCP: on a connection
 * of its own, which the receiver must have closed after us, and so read to its
 * end. GG_E_UNAVAILABLE, GG_E_PEER, GG_E_SYS, GG_E_INPUT (ca-file), GG_E_LIMIT
 * past the deadline (clock_mono_ms()).
 */
GG_MUST_USE int
syslog_send(const struct delivery_target *t, const struct record *v, size_t n,
    int64_t deadline_ms, struct gg_error *err);

#endif
