#include "config/internal.h"
#include "config/repo_name.h"

#include <strings.h>

static int
take_credential(const struct loading *l, const struct yaml_node *at,
    struct credential *c, struct gg_error *err)
{
	static const char *const keys[] = { "username", "password-file",
		"token-file", "credential-helper", "ssh-key", "known-hosts",
		"ca-file", NULL };
	int rc;

	if ((rc = yaml_check_keys(l->tree, at, "credential", keys, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "username", &c->username, err)) <
		0 ||
	    (rc = config_take_path(l, at, "password-file", &c->password_file,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "token-file", &c->token_file, err)) <
		0 ||
	    (rc = yaml_take_text(l->tree, at, "credential-helper", &c->helper,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "ssh-key", &c->ssh_key, err)) < 0 ||
	    (rc = config_take_path(l, at, "known-hosts", &c->known_hosts,
		 err)) < 0 ||
	    (rc = config_take_path(l, at, "ca-file", &c->ca_file, err)) < 0)
		return rc;
	return 0;
}

/* Do the keys fit the kind of upstream and each other? */
static int
check_credential(const struct loading *l, const struct yaml_node *at,
    const struct repository *r, struct gg_error *err)
{
	const struct credential *c = &r->credential;
	bool http = c->username || c->password_file || c->token_file ||
	    c->helper || c->ca_file;
	bool ssh = c->ssh_key || c->known_hosts;

	if (http && r->kind != UPSTREAM_HTTP)
		return yaml_fail(l->tree, at, err,
		    "credential: only ssh-key and known-hosts are for ssh, nothing is for a local path");
	if (ssh && r->kind != UPSTREAM_SSH)
		return yaml_fail(l->tree, at, err,
		    "credential: ssh-key and known-hosts are for ssh upstreams");
	if ((c->password_file != NULL) + (c->token_file != NULL) +
		(c->helper != NULL) >
	    1)
		return yaml_fail(l->tree, at, err,
		    "credential: one of password-file, token-file and credential-helper");
	if (c->password_file != NULL && c->username == NULL)
		return yaml_fail(l->tree, at, err,
		    "credential: password-file needs a username");
	if (c->username != NULL && c->password_file == NULL &&
	    c->helper == NULL)
		return yaml_fail(l->tree, at, err,
		    "credential: username needs a password-file or a credential-helper");
	return 0;
}

/* git's message ids whose severity keeps paths from deceiving, and commits
 * from reading differently to two parsers: never lowered. */
static bool
fsck_is_fixed(const char *id)
{
	static const char *const fixed[] = { "hasDot", "hasDotdot", "hasDotgit",
		"fullPathname", "emptyName", "duplicateEntries",
		"treeNotSorted", "nullSha1", "badTree", "nulInHeader",
		"nulInCommit", "unterminatedHeader", "multipleAuthors",
		"unknownType", NULL };

	for (size_t i = 0; fixed[i] != NULL; i++)
		if (strcasecmp(id, fixed[i]) == 0)
			return true;
	return strncasecmp(id, "gitmodules", 10) == 0;
}

static int
take_fsck_entry(const struct loading *l, const struct yaml_node *key,
    const struct yaml_node *value, struct fsck_override *out,
    struct gg_error *err)
{
	static const char *const words[] = { "error", "warn", "ignore" };
	size_t n = strspn(key->text,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	size_t w = 0;

	if (n == 0 || n > 60 || key->text[n] != '\0')
		return yaml_fail(l->tree, key, err,
		    "fsck: \"%.60s\" is not a message id of git's", key->text);
	while (w < GG_COUNT(words) &&
	    (value->kind != NODE_TEXT || strcmp(value->text, words[w]) != 0))
		w++;
	if (w == GG_COUNT(words))
		return yaml_fail(l->tree, value, err,
		    "fsck: %s must be error, warn or ignore", key->text);
	if (w > 0 && fsck_is_fixed(key->text))
		return yaml_fail(l->tree, key, err,
		    "fsck: %s may not be lowered: such objects deceive",
		    key->text);
	out->id = strdup(key->text);
	out->severity = strdup(words[w]);
	if (out->id == NULL || out->severity == NULL)
		return gg_fail(err, GG_E_NOMEM, "fsck");
	return 0;
}

static int
take_fsck(const struct loading *l, const struct yaml_node *map,
    struct repository *r, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, "fsck");

	if (at == NULL)
		return 0;
	if (at->kind != NODE_MAP)
		return yaml_fail(l->tree, at, err, "fsck must be a map");
	r->fsck = calloc(at->n ? at->n : 1, sizeof(*r->fsck));
	if (r->fsck == NULL)
		return gg_fail(err, GG_E_NOMEM, "fsck");
	for (size_t i = 0; i < at->n; i++) {
		int rc = take_fsck_entry(l, &at->key[i], &at->item[i],
		    &r->fsck[r->n_fsck++], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Is it a valid name, where a component "*" stands for any? n_stars counts
 * those. */
static bool
path_is_valid(const char *path, size_t *n_stars)
{
	struct view left = view_str(path), head;
	bool last;

	*n_stars = 0;
	if (left.n > REPOSITORY_MAX_BYTES)
		return false;
	do {
		last = !view_cut(&left, '/', &head);
		if (last)
			head = left;
		if (view_eq_str(head, "*"))
			++*n_stars;
		else if (!repository_component_is_valid(head))
			return false;
	} while (!last);
	return *n_stars <= 1;
}

static int
check_star(const struct loading *l, const struct yaml_node *map,
    const struct repository *r, struct gg_error *err)
{
	const struct yaml_node *path = yaml_get(map, "path");
	const struct yaml_node *up = yaml_get(map, "upstream");
	const char *star = strchr(r->upstream, '*'), *after, *slashes;
	size_t n_stars;

	if (!path_is_valid(r->path, &n_stars))
		return yaml_fail(l->tree, path, err,
		    "path \"%.60s\" is not a repository name (words of A-Z a-z 0-9 . _ - joined by \"/\", without .git; one of them may be \"*\")",
		    r->path);
	if (n_stars == 0 && star != NULL)
		return yaml_fail(l->tree, up, err,
		    "upstream has a * but path has none");
	if (n_stars == 0)
		return 0;
	if (star == NULL || strchr(star + 1, '*') != NULL)
		return yaml_fail(l->tree, up, err,
		    "upstream needs exactly one *, as path has one");
	/* what a client names may choose a repository there, never a host */
	slashes = strstr(r->upstream, "://");
	after = r->kind == UPSTREAM_LOCAL ? r->upstream :
	    slashes != NULL               ? strchr(slashes + 3, '/') :
					    strchr(r->upstream, ':');
	if (after == NULL || star < after)
		return yaml_fail(l->tree, up, err,
		    "the * of upstream must be in its path");
	return 0;
}

static int
check_twice(const struct loading *l, const struct yaml_node *at,
    const struct repository *r, struct gg_error *err)
{
	const struct config *c = l->conf;

	for (size_t i = 0; i + 1 < c->n_repositories; i++)
		if (strcmp(c->repositories[i].path, r->path) == 0)
			return yaml_fail(l->tree, at, err,
			    "repository %s twice (first on line %d)", r->path,
			    c->repositories[i].line);
	return 0;
}

static int
take_upstream(const struct loading *l, const struct yaml_node *at,
    struct repository *r, struct gg_error *err)
{
	int rc;

	if ((rc = yaml_take_text(l->tree, at, "path", &r->path, err)) < 0 ||
	    (rc = yaml_take_text(l->tree, at, "upstream", &r->upstream, err)) <
		0 ||
	    (rc = yaml_take_bool(l->tree, at, "allow-plain-http",
		 &r->allow_plain_http, err)) < 0)
		return rc;
	if (r->path == NULL || r->upstream == NULL)
		return yaml_fail(l->tree, at, err, "a repository needs %s",
		    r->path == NULL ? "path" : "upstream");
	rc = upstream_classify(r->upstream, r->allow_plain_http, &r->kind, err);
	if (rc < 0)
		return yaml_fail_wrap(l->tree, yaml_get(at, "upstream"), err,
		    "upstream");
	return check_star(l, at, r, err);
}

static int
take_repository(const struct loading *l, const struct yaml_node *at,
    struct repository *r, struct gg_error *err)
{
	static const char *const keys[] = { "path", "upstream", "credential",
		"refs", "hide-refs", "fsck", "allow-plain-http", NULL };
	const struct yaml_node *credential = yaml_get(at, "credential");
	int rc;

	r->line = at->line;
	if ((rc = yaml_check_keys(l->tree, at, "a repository", keys, err)) <
		0 ||
	    (rc = take_upstream(l, at, r, err)) < 0 ||
	    (rc = check_twice(l, at, r, err)) < 0)
		return rc;
	if (credential != NULL &&
	    ((rc = take_credential(l, credential, &r->credential, err)) < 0 ||
		(rc = check_credential(l, credential, r, err)) < 0))
		return rc;
	if ((rc = config_take_globs(l, at, "refs", &r->refs, err)) < 0 ||
	    (rc = config_take_globs(l, at, "hide-refs", &r->hide_refs, err)) <
		0)
		return rc;
	return take_fsck(l, at, r, err);
}

int
config_take_repositories(const struct loading *l, const struct yaml_node *root,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(root, "repositories");
	struct config *c = l->conf;

	if (at == NULL)
		return yaml_fail(l->tree, root, err, "repositories is missing");
	if (at->kind != NODE_LIST || at->n == 0)
		return yaml_fail(l->tree, at, err,
		    "repositories must be a list with at least one entry");
	c->repositories = calloc(at->n, sizeof(*c->repositories));
	if (c->repositories == NULL)
		return gg_fail(err, GG_E_NOMEM, "repositories");
	for (size_t i = 0; i < at->n; i++) {
		int rc = take_repository(l, &at->item[i],
		    &c->repositories[c->n_repositories++], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
