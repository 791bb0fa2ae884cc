/* The conditions of a rule, as they are written. */
#include "policy/loading.h"

#include "base/num.h"

static int
take_paths(const struct loading *l, const struct yaml_node *when,
    struct rule *r, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) globs = STRV_INIT;
	int rc = take_globs(l, when, "paths", &globs, err);

	if (rc < 0 || globs.n == 0)
		return rc;
	r->paths = calloc(globs.n, sizeof(*r->paths));
	if (r->paths == NULL)
		return gg_fail(err, GG_E_NOMEM, "paths");
	for (; r->n_paths < globs.n; r->n_paths++)
		path_glob_init(&r->paths[r->n_paths], globs.v[r->n_paths]);
	return 0;
}

static int
take_blob_limit(const struct loading *l, const struct yaml_node *when,
    struct rule *r, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(when, "blob-larger-than");

	if (at == NULL)
		return 0;
	if ((at->kind != NODE_TEXT && at->kind != NODE_INT) ||
	    strspn(at->text, "0123456789") > 9 ||
	    num_parse_bytes(view_str(at->text), &r->blob_larger_than, NULL) < 0)
		return yaml_fail(l->tree, at, err,
		    "blob-larger-than must be a size like 500KiB or 10MiB");
	r->has_blob_limit = true;
	return 0;
}

static int
take_secrets(const struct loading *l, const struct yaml_node *when,
    struct rule *r, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(when, "secrets");

	if (at == NULL)
		return 0;
	if (at->kind != NODE_BOOL || strcmp(at->text, "true") != 0)
		return yaml_fail(l->tree, at, err,
		    "secrets must be true, or left out");
	r->secrets = true;
	return 0;
}

/* A plain name: the file lies in the policy directory itself. */
static bool
is_file_name(const char *s)
{
	return s[0] != '.' && s[0] != '-' && strchr(s, '/') == NULL &&
	    strlen(s) <= 128;
}

static int
take_key_file(const struct loading *l, const struct yaml_node *map,
    const char *name, struct key_file *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc = yaml_take_text(l->tree, map, name, &out->name, err);

	if (rc < 0 || at == NULL)
		return rc;
	out->line = at->line;
	if (!is_file_name(out->name))
		return yaml_fail(l->tree, at, err,
		    "%s must be the name of a file in the policy directory",
		    name);
	return 0;
}

static int
take_signed_by(const struct loading *l, const struct yaml_node *commits,
    struct commit_condition *c, struct gg_error *err)
{
	static const char *const keys[] = { "allowed-signers", "openpgp",
		"require", NULL };
	const struct yaml_node *at = yaml_get(commits, "signed-by");
	bool require = true;
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "signed-by", keys, err)) < 0 ||
	    (rc = take_key_file(l, at, "allowed-signers", &c->allowed_signers,
		 err)) < 0 ||
	    (rc = take_key_file(l, at, "openpgp", &c->openpgp, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "require", &require, err)) < 0)
		return rc;
	if (c->allowed_signers.name == NULL && c->openpgp.name == NULL)
		return yaml_fail(l->tree, at, err,
		    "signed-by needs allowed-signers or openpgp");
	c->signed_by = true;
	c->want_signed = !require;
	return 0;
}

static int
take_commits(const struct loading *l, const struct yaml_node *when,
    struct rule *r, struct gg_error *err)
{
	static const char *const keys[] = { "author-email", "committer-email",
		"message", "subject", "signed-by", NULL };
	const struct yaml_node *at = yaml_get(when, "commits");
	struct commit_condition *c = &r->commits;
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "commits", keys, err)) < 0)
		return rc;
	if (at->n == 0)
		return yaml_fail(l->tree, at, err,
		    "commits is empty: leave it out, or name something");
	r->has_commits = true;
	if ((rc = take_lower_globs(l, at, "author-email", &c->author_email,
		 err)) < 0 ||
	    (rc = take_lower_globs(l, at, "committer-email",
		 &c->committer_email, err)) < 0 ||
	    (rc = take_globs(l, at, "message", &c->message, err)) < 0 ||
	    (rc = take_globs(l, at, "subject", &c->subject, err)) < 0)
		return rc;
	return take_signed_by(l, at, c, err);
}

static int
take_more_than(const struct loading *l, const struct yaml_node *when,
    struct rule *r, struct gg_error *err)
{
	static const char *const keys[] = { "commits", "files", "lines", NULL };
	const struct yaml_node *at = yaml_get(when, "more-than");
	struct more_than *m = &r->more_than;
	int rc;

	if (at == NULL)
		return 0;
	*m = (struct more_than){ UINT64_MAX, UINT64_MAX, UINT64_MAX };
	if ((rc = yaml_check_keys(l->tree, at, "more-than", keys, err)) < 0)
		return rc;
	if (at->n == 0)
		return yaml_fail(l->tree, at, err,
		    "more-than is empty: leave it out, or name something");
	r->has_more_than = true;
	if ((rc = yaml_take_u64(l->tree, at, "commits", 0, 1000000000,
		 &m->commits, err)) < 0 ||
	    (rc = yaml_take_u64(l->tree, at, "files", 0, 1000000000, &m->files,
		 err)) < 0)
		return rc;
	return yaml_take_u64(l->tree, at, "lines", 0, 1000000000, &m->lines,
	    err);
}

static int
take_provenance(const struct loading *l, const struct yaml_node *when,
    struct rule *r, struct gg_error *err)
{
	static const char *const keys[] = { "require", "verified", NULL };
	static const char *const words[] = { "any", "session", "prompt",
		"model" };
	const struct yaml_node *at = yaml_get(when, "provenance"), *what;
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "provenance", keys, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "verified",
		 &r->provenance.verified, err)) < 0)
		return rc;
	what = yaml_get(at, "require");
	for (unsigned i = 0; what != NULL && i < GG_COUNT(words); i++)
		if (what->kind == NODE_TEXT &&
		    strcmp(what->text, words[i]) == 0)
			r->provenance.require =
			    (enum provenance)(PROVENANCE_ANY + i);
	if (r->provenance.require == PROVENANCE_NONE)
		return yaml_fail(l->tree, what != NULL ? what : at, err,
		    "provenance needs require: session, prompt, model or any");
	if (r->provenance.verified &&
	    r->provenance.require != PROVENANCE_SESSION)
		return yaml_fail(l->tree, at, err,
		    "only a session can be verified: require: session");
	return 0;
}

/* A program's name, without a path: it lies in the hooks directory. */
static int
take_hook(const struct loading *l, const struct yaml_node *when, struct rule *r,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(when, "hook");
	int rc = yaml_take_text(l->tree, when, "hook", &r->hook, err);

	if (rc < 0 || at == NULL)
		return rc;
	if (!is_file_name(r->hook) ||
	    strspn(r->hook,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		strlen(r->hook))
		return yaml_fail(l->tree, at, err,
		    "hook must be the name of a program in the hooks directory");
	return 0;
}

/* Those that look at what the push brings. */
static int
take_content(const struct loading *l, const struct yaml_node *at,
    struct rule *r, struct gg_error *err)
{
	static const char *const changes[] = { "add", "modify", "delete",
		"mode", "symlink", "submodule", NULL };
	static const unsigned bits[] = { CHANGE_ADD, CHANGE_MODIFY,
		CHANGE_DELETE, CHANGE_MODE, CHANGE_SYMLINK, CHANGE_SUBMODULE };
	int rc;

	if ((rc = take_words(l, at, "changes", changes, bits, &r->changes,
		 err)) < 0 ||
	    (rc = take_paths(l, at, r, err)) < 0 ||
	    (rc = take_blob_limit(l, at, r, err)) < 0 ||
	    (rc = take_secrets(l, at, r, err)) < 0 ||
	    (rc = take_commits(l, at, r, err)) < 0 ||
	    (rc = take_provenance(l, at, r, err)) < 0)
		return rc;
	return take_more_than(l, at, r, err);
}

int
take_when(const struct loading *l, const struct yaml_node *rule, struct rule *r,
    struct gg_error *err)
{
	static const char *const keys[] = { "repositories", "refs", "updates",
		"principals", "paths", "changes", "blob-larger-than", "secrets",
		"commits", "more-than", "provenance", "during", "outside",
		"hook", NULL };
	static const char *const updates[] = { "create", "fast-forward",
		"force", "delete", "tag-move", NULL };
	static const unsigned update_bits[] = { 1u << UPDATE_CREATE,
		1u << UPDATE_FAST_FORWARD, 1u << UPDATE_FORCE,
		1u << UPDATE_DELETE, 1u << UPDATE_TAG_MOVE };
	const struct yaml_node *at = yaml_get(rule, "when");
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "when", keys, err)) < 0 ||
	    (rc = take_lower_globs(l, at, "repositories", &r->repositories,
		 err)) < 0 ||
	    (rc = take_globs(l, at, "refs", &r->refs, err)) < 0 ||
	    (rc = take_words(l, at, "updates", updates, update_bits,
		 &r->updates, err)) < 0 ||
	    (rc = take_who(l, at, &r->who, err)) < 0 ||
	    (rc = take_content(l, at, r, err)) < 0 ||
	    (rc = time_windows_take(l->tree, at, "during", &r->during, err)) <
		0 ||
	    (rc = time_windows_take(l->tree, at, "outside", &r->outside, err)) <
		0)
		return rc;
	return take_hook(l, at, r, err);
}
