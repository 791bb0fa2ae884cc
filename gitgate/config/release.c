/* Apart from reading it: the courier frees a config and is not linked with
 * the parser of the file. */
#include "config/internal.h"

#include <stdlib.h>

static void
credential_release(struct credential *c)
{
	free(c->username);
	free(c->password_file);
	free(c->token_file);
	free(c->helper);
	free(c->ssh_key);
	free(c->known_hosts);
	free(c->ca_file);
}

void
repository_release(struct repository *r)
{
	free(r->path);
	free(r->upstream);
	credential_release(&r->credential);
	strv_release(&r->refs);
	strv_release(&r->hide_refs);
	for (size_t i = 0; i < r->n_fsck; i++) {
		free(r->fsck[i].id);
		free(r->fsck[i].severity);
	}
	free(r->fsck);
	*r = (struct repository){ 0 };
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_repositories; i++)
		repository_release(&c->repositories[i]);
	free(c->repositories);
	free(c->file);
	free(c->listen_host);
	free(c->listen_file);
	free(c->public_url);
	free(c->state_dir);
	free(c->policy_dir);
	free(c->hooks_dir);
	free(c->store);
	free(c->log_origin);
	free(c->log_key);
	strv_release(&c->trusted_proxies);
	free(c);
}
