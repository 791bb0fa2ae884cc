#include "policy/ruleset_priv.h"

#include "base/text.h"
#include "config/config.h"
#include "model/job.h"

void
who_release(struct who *w)
{
	strv_release(&w->names);
	strv_release(&w->groups);
	strv_release(&w->except);
}

void
access_entry_release(struct access_entry *a)
{
	who_release(&a->who);
	strv_release(&a->repositories);
}

static void
key_file_release(struct key_file *k)
{
	free(k->name);
	free(k->text);
}

void
commit_condition_release(struct commit_condition *c)
{
	strv_release(&c->author_email);
	strv_release(&c->committer_email);
	strv_release(&c->message);
	strv_release(&c->subject);
	key_file_release(&c->allowed_signers);
	key_file_release(&c->openpgp);
}

void
rule_release(struct rule *r)
{
	commit_condition_release(&r->commits);
	time_windows_release(&r->during);
	time_windows_release(&r->outside);
	free(r->hook);
	free(r->name);
	free(r->file);
	free(r->message);
	strv_release(&r->repositories);
	strv_release(&r->refs);
	strv_release(&r->from);
	who_release(&r->who);
	for (size_t i = 0; i < r->n_paths; i++)
		path_glob_release(&r->paths[i]);
	free(r->paths);
}

struct ruleset *
ruleset_new(void)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));

	if (rs == NULL)
		gg_die("no memory for a rule set");
	digest_sha256("", 0, rs->digest);
	hex_encode(rs->digest, sizeof(rs->digest), rs->digest_hex);
	return rs;
}

void
ruleset_free(struct ruleset *rs)
{
	if (rs == NULL)
		return;
	for (size_t i = 0; i < rs->n_access; i++)
		access_entry_release(&rs->access[i]);
	for (size_t i = 0; i < rs->n_grants; i++)
		grant_entry_release(&rs->grants[i]);
	free(rs->grants);
	for (size_t i = 0; i < rs->n_rules; i++)
		rule_release(&rs->rules[i]);
	for (size_t i = 0; i < rs->n_scopes; i++)
		strv_release(&rs->scopes[i]);
	for (size_t i = 0; i < rs->n_aliases; i++) {
		free(rs->aliases[i].owner);
		free(rs->aliases[i].group);
	}
	free(rs->aliases);
	strv_release(&rs->secret_files);
	strv_release(&rs->files);
	free(rs->access);
	free(rs->rules);
	free(rs);
}

const struct strv *
ruleset_files(const struct ruleset *rs)
{
	return &rs->files;
}

const char *
ruleset_digest(const struct ruleset *rs)
{
	return rs->digest_hex;
}

size_t
ruleset_n_rules(const struct ruleset *rs)
{
	return rs->n_rules;
}

size_t
ruleset_n_files(const struct ruleset *rs)
{
	return rs->n_files;
}

void
ruleset_hooks(const struct ruleset *rs, struct strv *out)
{
	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].hook != NULL &&
		    !strv_has(out, rs->rules[i].hook))
			strv_add(out, rs->rules[i].hook);
}

size_t
ruleset_n_scopes(const struct ruleset *rs)
{
	return rs->n_scopes;
}

bool
ruleset_scope_covers(const struct ruleset *rs, size_t scope,
    const char *refname)
{
	return scope < rs->n_scopes &&
	    glob_list_match(&rs->scopes[scope], view_str(refname));
}

bool
who_match(const struct who *w, const struct principal *p)
{
	bool anonymous = p->method == AUTH_ANONYMOUS;
	bool named = w->names.n > 0 || w->groups.n > 0 || w->anonymous;

	if (anonymous)
		return !named || w->anonymous;
	if (named && !strv_has(&w->names, p->name) &&
	    !principal_in_any(p, &w->groups))
		return false;
	return !principal_in_any(p, &w->except);
}

bool
repositories_match(const struct strv *globs, const char *repository)
{
	char lower[256];
	size_t n = strlen(repository);

	if (globs->n == 0)
		return true;
	/* no valid name is longer: an unknown one is under every rule */
	if (n >= sizeof(lower))
		return true;
	for (size_t i = 0; i <= n; i++) {
		char c = repository[i];

		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return glob_list_match(globs, view_of(lower, n));
}

bool
ruleset_scope_needed(const struct ruleset *rs, size_t scope,
    const struct principal *p, const char *repository)
{
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		/* a hold shows its commits and keeps their authors from
		 * approving, whatever made it hold */
		if (r->scope == scope &&
		    (rule_has_content(r) || rule_may_hold(r)) &&
		    who_match(&r->who, p) &&
		    repositories_match(&r->repositories, repository))
			return true;
	}
	return false;
}

static unsigned
rule_wants(const struct rule *r)
{
	unsigned bits = r->secrets ? JOB_WANT_SECRETS : 0;

	if (r->has_more_than && r->more_than.lines != UINT64_MAX)
		bits |= JOB_WANT_LINES;
	if (r->has_commits && r->commits.signed_by)
		bits |= JOB_WANT_SIGNATURES;
	if (r->from_codeowners)
		bits |= JOB_WANT_OWNERS;
	return bits;
}

unsigned
ruleset_wants(const struct ruleset *rs, const struct principal *p,
    const char *repository)
{
	unsigned bits = 0;

	for (size_t i = 0; i < rs->n_rules; i++)
		if (who_match(&rs->rules[i].who, p) &&
		    repositories_match(&rs->rules[i].repositories, repository))
			bits |= rule_wants(&rs->rules[i]);
	return bits;
}

const struct strv *
ruleset_secret_files(const struct ruleset *rs)
{
	return &rs->secret_files;
}

unsigned
ruleset_access(const struct ruleset *rs, const struct principal *p,
    const char *repository)
{
	unsigned bits = 0;

	if (strlen(repository) > 255)
		return 0;
	for (size_t i = 0; i < rs->n_access; i++) {
		const struct access_entry *a = &rs->access[i];

		if (who_match(&a->who, p) &&
		    repositories_match(&a->repositories, repository))
			bits |= a->bits;
	}
	return bits;
}

bool
ruleset_anonymous_may(const struct ruleset *rs, const char *repository,
    unsigned bits)
{
	static const struct principal anonymous = { .method = AUTH_ANONYMOUS };

	return bits != 0 &&
	    (ruleset_access(rs, &anonymous, repository) & bits) == bits;
}

static bool
in_one_of(const struct strv *groups, const struct principal *p)
{
	for (size_t i = 0; i < groups->n; i++)
		if (strv_has(&p->groups, groups->v[i]))
			return true;
	return false;
}

bool
ruleset_asks(const struct ruleset *rs, const struct principal *p)
{
	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = &rs->rules[i];

		if (rule_may_hold(r) &&
		    (in_one_of(&r->from, p) ||
			(r->from.n == 0 && !r->from_codeowners)))
			return true;
	}
	for (size_t i = 0; i < rs->n_aliases; i++)
		if (strv_has(&p->groups, rs->aliases[i].group))
			return true;
	return false;
}
