#include "crypto/password.h"

#include "base/auto.h"
#include "base/num.h"
#include "base/text.h"

#include <argon2.h>

#include <string.h>

#define MEMORY_KIB 65536
#define PASSES     3
#define LANES      1
#define SALT_BYTES 16
#define HASH_BYTES 32

/* A name in the store, then exactly our parameters. */
#define OUR_PREFIX "$argon2id$v=19$m=65536,t=3,p=1$"

/* The hash of nothing anybody has: salt and hash are zero bytes. */
static const char dummy[] = OUR_PREFIX
    "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

int
password_hash(struct view password, char **encoded, struct gg_error *err)
{
	unsigned char salt[SALT_BYTES];
	size_t n = argon2_encodedlen(PASSES, MEMORY_KIB, LANES, SALT_BYTES,
	    HASH_BYTES, Argon2_id);
	GG_AUTO_MEM char *text = NULL;
	int rc;

	if (password.n == 0)
		return gg_fail(err, GG_E_INPUT, "the password is empty");
	if (password.n > PASSWORD_MAX_BYTES)
		return gg_fail(err, GG_E_INPUT,
		    "the password is longer than %d bytes", PASSWORD_MAX_BYTES);
	if ((text = malloc(n)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "no memory for a password");
	random_bytes(salt, sizeof(salt));
	rc = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.p,
	    password.n, salt, sizeof(salt), HASH_BYTES, text, n);
	if (rc != ARGON2_OK)
		return gg_fail(err, GG_E_NOMEM, "argon2id: %s",
		    argon2_error_message(rc));
	*encoded = gg_take(text);
	return 0;
}

/* A decimal parameter "m=65536" cut off v, at most max. */
static bool
cut_param(struct view *v, const char *name, char sep, uint64_t max)
{
	struct view head;
	uint64_t x;

	if (!view_cut(v, sep, &head) || !view_has_prefix(head, name))
		return false;
	view_skip(&head, strlen(name));
	return num_parse(head, max, &x, NULL) == 0;
}

static bool
is_within_limits(const char *encoded)
{
	struct view v = view_str(encoded);

	if (v.n > PASSWORD_ENCODED_MAX_BYTES ||
	    !view_has_prefix(v, "$argon2id$v=19$"))
		return false;
	view_skip(&v, strlen("$argon2id$v=19$"));
	return cut_param(&v, "m=", ',', MEMORY_KIB) &&
	    cut_param(&v, "t=", ',', PASSES) && cut_param(&v, "p=", '$', LANES);
}

bool
password_verify(const char *encoded, struct view password)
{
	if (encoded == NULL || password.n == 0 ||
	    password.n > PASSWORD_MAX_BYTES || !is_within_limits(encoded))
		return false;
	return argon2id_verify(encoded, password.p, password.n) == ARGON2_OK;
}

bool
password_verify_dummy(struct view password)
{
	volatile bool fits = password_verify(dummy, password);

	(void)fits;
	return false;
}
