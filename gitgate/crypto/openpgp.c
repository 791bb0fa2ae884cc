/* OpenPGP signatures, by librnp. */
#include "crypto/signature.h"

#include "base/auto.h"

#include <fcntl.h>
#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include <string.h>

#define SIGNATURES_MAX 8

struct session {
	rnp_ffi_t ffi;
	rnp_input_t keys, payload, sig;
	rnp_op_verify_t op;
};

static void
session_release(struct session *s)
{
	(void)rnp_op_verify_destroy(s->op);
	(void)rnp_input_destroy(s->sig);
	(void)rnp_input_destroy(s->payload);
	(void)rnp_input_destroy(s->keys);
	(void)rnp_ffi_destroy(s->ffi);
}
GG_DEFINE_AUTO_RELEASE(session);

static int
load_keys(struct session *s, struct view keys, enum gg_code code,
    struct gg_error *err)
{
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	size_t n = 0;

	if (rnp_ffi_create(&s->ffi, "GPG", "GPG") != RNP_SUCCESS)
		return gg_fail(err, GG_E_NOMEM, "OpenPGP");
	/* librnp logs to stderr: hostile bytes have no business there. It
	 * closes the descriptor. (Some of its lines heed only the environment's
	 * RNP_LOG_CONSOLE=0, which the gate sets.) */
	if (quiet < 0 || rnp_ffi_set_log_fd(s->ffi, quiet) != RNP_SUCCESS)
		return gg_fail(err, GG_E_NOMEM, "OpenPGP");
	if (rnp_input_from_memory(&s->keys, (const uint8_t *)keys.p, keys.n,
		false) != RNP_SUCCESS ||
	    rnp_load_keys(s->ffi, "GPG", s->keys, RNP_LOAD_SAVE_PUBLIC_KEYS) !=
		RNP_SUCCESS ||
	    rnp_get_public_key_count(s->ffi, &n) != RNP_SUCCESS || n == 0)
		return gg_fail(err, code, "no OpenPGP public keys");
	return 0;
}

static int
take_fingerprint(rnp_op_verify_signature_t sig, char **out,
    struct gg_error *err)
{
	rnp_key_handle_t key = NULL;
	char *fp = NULL;
	int rc = 0;

	if (rnp_op_verify_signature_get_key(sig, &key) != RNP_SUCCESS ||
	    rnp_key_get_fprint(key, &fp) != RNP_SUCCESS)
		rc = gg_fail(err, GG_E_REFUSED,
		    "the signer's key is not known");
	else if ((*out = strdup(fp)) == NULL)
		rc = gg_fail(err, GG_E_NOMEM, "fingerprint");
	rnp_buffer_destroy(fp);
	(void)rnp_key_handle_destroy(key);
	return rc;
}

static int
find_valid(struct session *s, char **fingerprint, struct gg_error *err)
{
	size_t n = 0;

	if (rnp_op_verify_get_signature_count(s->op, &n) != RNP_SUCCESS)
		n = 0;
	for (size_t i = 0; i < n && i < SIGNATURES_MAX; i++) {
		rnp_op_verify_signature_t sig = NULL;

		/* Success: good, known key, neither of them expired. */
		if (rnp_op_verify_get_signature_at(s->op, i, &sig) ==
			RNP_SUCCESS &&
		    rnp_op_verify_signature_get_status(sig) == RNP_SUCCESS)
			return take_fingerprint(sig, fingerprint, err);
	}
	return gg_fail(err, GG_E_REFUSED,
	    "no valid signature by one of the keys");
}

int
signature_verify_openpgp(struct view armor, struct view payload,
    struct view keys, char **fingerprint, struct gg_error *err)
{
	GG_AUTO_RELEASE(session) s = { 0 };
	int rc;

	if (!view_has_prefix(armor, "-----BEGIN PGP SIGNATURE-----"))
		return gg_fail(err, GG_E_REFUSED, "no OpenPGP signature");
	if ((rc = load_keys(&s, keys, GG_E_REFUSED, err)) != 0)
		return rc;
	if (rnp_input_from_memory(&s.payload, (const uint8_t *)payload.p,
		payload.n, false) != RNP_SUCCESS ||
	    rnp_input_from_memory(&s.sig, (const uint8_t *)armor.p, armor.n,
		false) != RNP_SUCCESS ||
	    rnp_op_verify_detached_create(&s.op, s.ffi, s.payload, s.sig) !=
		RNP_SUCCESS)
		return gg_fail(err, GG_E_NOMEM, "OpenPGP");
	/* Its result is about all signatures; each one is looked at. */
	(void)rnp_op_verify_execute(s.op);
	return find_valid(&s, fingerprint, err);
}

int
signature_check_keys(struct view keys, struct gg_error *err)
{
	GG_AUTO_RELEASE(session) s = { 0 };

	return load_keys(&s, keys, GG_E_INPUT, err);
}
