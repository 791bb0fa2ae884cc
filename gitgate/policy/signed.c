#include "policy/signed.h"

#include "crypto/signature.h"

static bool
by_ssh(const struct key_file *keys, const struct commit_info *c,
    int64_t now_wall_ms)
{
	GG_AUTO_MEM char *principal = NULL;

	return keys->text != NULL &&
	    signature_verify_ssh(view_str(c->signature),
		view_of(c->payload, c->payload_n), view_of(keys->text, keys->n),
		now_wall_ms, &principal, NULL) == 0;
}

static bool
by_openpgp(const struct key_file *keys, const struct commit_info *c)
{
	GG_AUTO_MEM char *fingerprint = NULL;

	return keys->text != NULL &&
	    signature_verify_openpgp(view_str(c->signature),
		view_of(c->payload, c->payload_n), view_of(keys->text, keys->n),
		&fingerprint, NULL) == 0;
}

bool
commit_is_signed(const struct commit_condition *k, const struct commit_info *c,
    int64_t now_wall_ms)
{
	struct view armor = view_str(c->signature);

	if (armor.n == 0 || c->payload == NULL)
		return false;
	if (view_has_prefix(armor, "-----BEGIN SSH SIGNATURE-----"))
		return by_ssh(&k->allowed_signers, c, now_wall_ms);
	if (view_has_prefix(armor, "-----BEGIN PGP "))
		return by_openpgp(&k->openpgp, c);
	return false;
}
