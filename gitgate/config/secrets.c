/* Secrets that other processes have, and the gate's walls must keep from it. */
#include "config/internal.h"

#include "base/fd.h"

#include <stdlib.h>

static bool
lies_below(const char *dir, const char *file)
{
	size_t n = strlen(dir);

	return strncmp(dir, file, n) == 0 && file[n] == '/';
}

/* As written or with links followed; NULL is nowhere. */
bool
config_is_within(const char *dir, const char *file)
{
	GG_AUTO_MEM char *real = NULL;

	if (file == NULL)
		return false;
	real = realpath(file, NULL);
	return lies_below(dir, file) || (real != NULL && lies_below(dir, real));
}

const char *
config_secret_within(const struct config *c, const char *dir)
{
	for (size_t i = 0; i < c->n_repositories; i++) {
		const struct credential *k = &c->repositories[i].credential;
		const char *const files[] = { k->password_file, k->token_file,
			k->ssh_key };

		for (size_t j = 0; j < GG_COUNT(files); j++)
			if (config_is_within(dir, files[j]))
				return files[j];
	}
	for (size_t i = 0; i < c->identity.n_providers; i++) {
		const struct provider *x = &c->identity.providers[i];

		if (config_is_within(dir, x->client_secret_file))
			return x->client_secret_file;
		if (config_is_within(dir, x->sp_key_file))
			return x->sp_key_file;
	}
	for (size_t i = 0; i < c->n_notices; i++) {
		const struct notice_target *x = &c->notices[i];
		const char *const files[] = { x->url_file, x->secret_file,
			x->password_file };

		for (size_t j = 0; j < GG_COUNT(files); j++)
			if (config_is_within(dir, files[j]))
				return files[j];
	}
	for (size_t i = 0; i < c->n_deliveries; i++) {
		const struct delivery_target *x = &c->deliveries[i];

		if (config_is_within(dir, x->secret_file))
			return x->secret_file;
		if (config_is_within(dir, x->header_file))
			return x->header_file;
	}
	return NULL;
}

int
config_check_secrets(const struct loading *l, struct gg_error *err)
{
	const struct {
		const char *key, *dir;
	} open[] = { { "state-dir", l->conf->state_dir },
		{ "policy-dir", l->conf->policy_dir } };

	for (size_t i = 0; i < GG_COUNT(open); i++) {
		GG_AUTO_MEM char *real = realpath(open[i].dir, NULL);
		const char *secret = config_secret_within(l->conf, open[i].dir);

		if (secret == NULL && real != NULL)
			secret = config_secret_within(l->conf, real);
		if (secret != NULL)
			return yaml_fail(l->tree,
			    yaml_get(&l->tree->root, open[i].key), err,
			    "%s: the gate may read all of it, and it must not read %s: keep that elsewhere, as in /etc/gitgate/keys",
			    open[i].key, secret);
	}
	return 0;
}
