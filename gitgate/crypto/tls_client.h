/*
 * TLS (1.2 and 1.3) over a connected socket, as the client. The server's
 * certificate is always verified, for the host that was meant; the verifying
 * is OpenSSL's. The socket is made non-blocking; every call ends by its
 * deadline (clock_mono_ms()). For one thread at a time.
 */
#ifndef GITGATE_CRYPTO_TLS_CLIENT_H
#define GITGATE_CRYPTO_TLS_CLIENT_H

#include "base/auto.h"
#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

struct tls_client;

/* Shake hands. fd stays the caller's. host: a name or a numeric address;
 * ca_file NULL: the system's authorities. GG_E_INPUT (the ca_file),
 * GG_E_PEER, GG_E_UNAVAILABLE, GG_E_LIMIT past the deadline. */
GG_MUST_USE int tls_client_new(int fd, const char *host, const char *ca_file,
    int64_t deadline_ms, struct tls_client **out, struct gg_error *err);
void tls_client_free(struct tls_client *c);
GG_DEFINE_AUTO(tls_client);
GG_MUST_USE int tls_client_write(struct tls_client *c, struct view v,
    int64_t deadline_ms, struct gg_error *err);
/* Say that nothing follows, and wait until the other side, too, has closed:
 * it has read everything then. What it says meanwhile is thrown away. */
GG_MUST_USE int tls_client_finish(struct tls_client *c, int64_t deadline_ms,
    struct gg_error *err);

#endif
