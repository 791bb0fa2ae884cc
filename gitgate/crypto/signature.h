/*
 * Signatures of commits and tags: OpenSSH's (PROTOCOL.sshsig of OpenSSH) and
 * OpenPGP's (RFC 4880, RFC 9580, by librnp). Signature and payload are
 * hostile; keys are the operator's.
 */
#ifndef GITGATE_CRYPTO_SIGNATURE_H
#define GITGATE_CRYPTO_SIGNATURE_H

#include "base/error.h"
#include "base/view.h"

#include <stdint.h>

/*
 * armor: "-----BEGIN SSH SIGNATURE-----" block; payload: what was signed;
 * allowed_signers: the text of a file as in ssh-keygen(1), "ALLOWED SIGNERS"
 * (options namespaces, valid-after, valid-before; cert-authority lines are
 * passed over: certificates are not taken). The namespace must be "git" and
 * the hash SHA-256 or SHA-512. Keys: Ed25519, ECDSA (NIST P-256, P-384,
 * P-521), RSA of 2048 to 16384 bits, and their security key variants.
 *
 * 0: valid now and by one of them, *principal (malloc'ed) is that line's list
 * of principals. GG_E_REFUSED: not valid, with the reason. GG_E_NOMEM.
 */
GG_MUST_USE int signature_verify_ssh(struct view armor, struct view payload,
    struct view allowed_signers, int64_t when_wall_ms, char **principal,
    struct gg_error *err);
/* Is the text a well-formed allowed signers file? GG_E_INPUT with its line. */
GG_MUST_USE int
signature_check_signers(struct view allowed_signers, struct gg_error *err);

/*
 * armor: "-----BEGIN PGP SIGNATURE-----" block; keys: armored public keys.
 * 0: valid by one of them, neither key nor signature expired or revoked;
 * *fingerprint (malloc'ed, upper-case hex). GG_E_REFUSED, GG_E_NOMEM.
 */
GG_MUST_USE int signature_verify_openpgp(struct view armor, struct view payload,
    struct view keys, char **fingerprint, struct gg_error *err);
/* Are these armored public keys? GG_E_INPUT. */
GG_MUST_USE int signature_check_keys(struct view keys, struct gg_error *err);

#endif
