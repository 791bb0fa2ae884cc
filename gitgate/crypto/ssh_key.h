/* Public keys and signatures in SSH's wire format (RFC 4253, 5656, 8332,
 * 8709; PROTOCOL.u2f of OpenSSH). */
#ifndef GITGATE_CRYPTO_SSH_KEY_H
#define GITGATE_CRYPTO_SSH_KEY_H

#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

/* Cut a string (u32 length, bytes) off; false when it is not there. */
bool ssh_cut_string(struct view *v, struct view *out);
bool ssh_cut_u32(struct view *v, uint32_t *out);

/*
 * Does sig (the "signature" string's content) sign data with key (a public
 * key blob)? 0, or GG_E_REFUSED with the reason.
 */
GG_MUST_USE int ssh_key_verify(struct view key, struct view sig,
    struct view data, struct gg_error *err);

#endif
