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
claim_rules_free(struct claim_rule *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(r[i].claim);
		strv_release(&r[i].values);
	}
	free(r);
}

void
group_rules_free(struct group_rule *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(r[i].group);
		claim_rules_free(r[i].when, r[i].n_when);
		free(r[i].from_claim);
		free(r[i].prefix);
		strv_release(&r[i].only);
	}
	free(r);
}

void
issuer_release(struct issuer *x)
{
	free(x->name);
	free(x->issuer);
	strv_release(&x->audience);
	free(x->jwks_uri);
	free(x->jwks_file);
	free(x->ca_file);
	strv_release(&x->algorithms);
	free(x->principal);
	free(x->owner);
	claim_rules_free(x->require, x->n_require);
	group_rules_free(x->groups, x->n_groups);
	strv_release(&x->repositories);
	strv_release(&x->session_claims);
	*x = (struct issuer){ 0 };
}

void
provider_release(struct provider *x)
{
	free(x->name);
	free(x->title);
	free(x->principal);
	free(x->email_claim);
	group_rules_free(x->groups, x->n_groups);
	free(x->issuer);
	free(x->client_id);
	free(x->client_secret_file);
	free(x->ca_file);
	strv_release(&x->scopes);
	strv_release(&x->algorithms);
	free(x->idp_metadata_file);
	free(x->entity_id);
	free(x->sp_key_file);
	free(x->sp_certificate_file);
	*x = (struct provider){ 0 };
}

void
notice_target_release(struct notice_target *x)
{
	free(x->name);
	free(x->url_file);
	free(x->url);
	free(x->secret_file);
	free(x->username);
	free(x->password_file);
	free(x->from);
	strv_release(&x->to);
	free(x->program);
	free(x->ca_file);
	strv_release(&x->events);
	strv_release(&x->repositories);
	strv_release(&x->rules);
	strv_release(&x->groups);
	*x = (struct notice_target){ 0 };
}

void
witness_release(struct witness *x)
{
	free(x->name);
	free(x->vkey);
	free(x->url);
	free(x->ca_file);
	*x = (struct witness){ 0 };
}

void
delivery_target_release(struct delivery_target *x)
{
	free(x->name);
	free(x->url);
	free(x->path);
	free(x->host);
	free(x->secret_file);
	free(x->header_file);
	free(x->ca_file);
	strv_release(&x->types);
	*x = (struct delivery_target){ 0 };
}

static void
certificate_rule_release(struct certificate_rule *x)
{
	free(x->principal);
	claim_rules_free(x->require, x->n_require);
	group_rules_free(x->groups, x->n_groups);
}

static void
identity_release(struct identity *x)
{
	for (size_t i = 0; i < x->n_issuers; i++)
		issuer_release(&x->issuers[i]);
	for (size_t i = 0; i < x->n_providers; i++)
		provider_release(&x->providers[i]);
	for (size_t i = 0; i < x->n_certificates; i++)
		certificate_rule_release(&x->certificates[i]);
	free(x->issuers);
	free(x->providers);
	free(x->certificates);
}

static void
tls_release(struct tls *x)
{
	free(x->certificate_file);
	free(x->key_file);
	free(x->client_ca_file);
	strv_release(&x->client_crl_files);
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
	strv_release(&c->warnings);
	identity_release(&c->identity);
	tls_release(&c->tls);
	for (size_t i = 0; i < c->retention.n_rules; i++)
		free(c->retention.rules[i].path);
	free(c->retention.rules);
	for (size_t i = 0; i < c->n_notices; i++)
		notice_target_release(&c->notices[i]);
	free(c->notices);
	for (size_t i = 0; i < c->n_witnesses; i++)
		witness_release(&c->witnesses[i]);
	free(c->witnesses);
	free(c->witness_policy);
	free(c->witness_ca_file);
	for (size_t i = 0; i < c->n_deliveries; i++)
		delivery_target_release(&c->deliveries[i]);
	free(c->deliveries);
	free(c);
}
