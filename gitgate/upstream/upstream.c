#include "upstream/upstream.h"

#include "upstream/http.h"
#include "upstream/ssh_command.h"

#include <stdlib.h>
#include <string.h>

const char *
upstream_service_name(enum upstream_service s)
{
	return s == UPSTREAM_RECEIVE_PACK ? "git-receive-pack" :
					    "git-upload-pack";
}

static void
copy_credential(struct credential *to, const struct credential *from)
{
	to->username = str_copy(from->username);
	to->password_file = str_copy(from->password_file);
	to->token_file = str_copy(from->token_file);
	to->helper = str_copy(from->helper);
	to->ssh_key = str_copy(from->ssh_key);
	to->known_hosts = str_copy(from->known_hosts);
	to->ca_file = str_copy(from->ca_file);
}

int
upstream_new(const struct config *c, struct view repository,
    const char *run_dir, struct upstream **out, struct gg_error *err)
{
	GG_AUTO_RELEASE(repo_ref) ref = { 0 };
	struct upstream *u;
	int rc = config_find_repository(c, repository, &ref, err);

	if (rc != 0)
		return rc;
	if ((u = calloc(1, sizeof(*u))) == NULL)
		return gg_fail(err, GG_E_NOMEM, "upstream");
	u->repository = str_copy(ref.name);
	u->kind = ref.conf->kind;
	u->url = str_copy(ref.upstream);
	u->limits = c->limits;
	u->run_dir = str_copy(run_dir);
	copy_credential(&u->credential, &ref.conf->credential);
	*out = u;
	return 0;
}

void
upstream_free(struct upstream *u)
{
	if (u == NULL)
		return;
	free(u->repository);
	free(u->url);
	free(u->run_dir);
	free(u->credential.username);
	free(u->credential.password_file);
	free(u->credential.token_file);
	free(u->credential.helper);
	free(u->credential.ssh_key);
	free(u->credential.known_hosts);
	free(u->credential.ca_file);
	free(u);
}

/* "/" and the like would make every text unreadable. */
static void
hide_place(struct redact *red, const char *path)
{
	struct view v = view_str(path != NULL ? path : "");

	while (v.n > 0 && v.p[v.n - 1] == '/')
		v.n--;
	if (v.n > 1 && v.p[0] == '/')
		redact_add(red, v);
}

void
upstream_redact_places(const struct upstream *u, struct redact *red)
{
	const struct credential *c = &u->credential;
	GG_AUTO_RELEASE(ssh_url) ssh = { 0 };

	if (u->kind == UPSTREAM_LOCAL)
		hide_place(red, u->url);
	else if (u->kind == UPSTREAM_SSH &&
	    ssh_url_parse(view_str(u->url), &ssh, NULL) == 0)
		hide_place(red, ssh.path);
	hide_place(red, c->password_file);
	hide_place(red, c->token_file);
	hide_place(red, c->ssh_key);
	hide_place(red, c->known_hosts);
	hide_place(red, c->ca_file);
	hide_place(red, u->run_dir);
}

int
upstream_start(struct gg_error *err)
{
	return http_start(err);
}

void
upstream_forget_connections(void)
{
	http_forget_connections();
}
