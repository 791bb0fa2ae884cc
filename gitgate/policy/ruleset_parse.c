#include "policy/loading.h"

#include "base/text.h"
#include "config/config.h"
#include "config/yaml_tree.h"
#include "ipc/codec.h"

#include <strings.h>

#define EXPIRES_MIN_MS 1

void *
loading_append(void *v, size_t *n, size_t size)
{
	char *grown = reallocarray(v, *n + 1, size);

	if (grown == NULL)
		gg_die("no memory for a rule set");
	memset(grown + *n * size, 0, size);
	++*n;
	return grown;
}

static size_t
n_characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

int
check_glob(const struct loading *l, const struct yaml_node *at,
    const char *name, struct gg_error *err)
{
	const char *glob = at->text + (at->text[0] == '!');

	if (n_characters(at->text) > RULE_GLOB_MAX)
		return yaml_fail(l->tree, at, err,
		    "%s: a glob of more than %d characters", name,
		    RULE_GLOB_MAX);
	if (glob_check(glob, err) < 0)
		return yaml_fail_wrap(l->tree, at, err, name);
	return 0;
}

int
take_globs(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_take_list(l->tree, map, name, out, err)) < 0)
		return rc;
	if (at->n == 0)
		return yaml_fail(l->tree, at, err,
		    "%s is empty: leave it out, or name something", name);
	for (size_t i = 0; i < at->n; i++)
		if ((rc = check_glob(l, &at->item[i], name, err)) < 0)
			return rc;
	return 0;
}

int
take_lower_globs(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	int rc = take_globs(l, map, name, out, err);

	for (size_t i = 0; i < out->n; i++)
		for (char *s = out->v[i]; *s != '\0'; s++)
			if (*s >= 'A' && *s <= 'Z')
				*s = (char)(*s + 32);
	return rc;
}

int
take_words(const struct loading *l, const struct yaml_node *map,
    const char *name, const char *const *words, const unsigned *values,
    unsigned *bits, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) list = STRV_INIT;
	const struct yaml_node *at = yaml_get(map, name);
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_take_list(l->tree, map, name, &list, err)) < 0)
		return rc;
	if (at->n == 0)
		return yaml_fail(l->tree, at, err,
		    "%s is empty: leave it out, or name something", name);
	for (size_t i = 0; i < list.n; i++) {
		size_t w = 0;

		while (words[w] != NULL && strcmp(words[w], list.v[i]) != 0)
			w++;
		if (words[w] == NULL)
			return yaml_fail(l->tree, &at->item[i], err,
			    "%s: unknown word \"%.60s\"", name, list.v[i]);
		*bits |= values[w];
	}
	return 0;
}

int
take_names(const struct loading *l, const struct yaml_node *map,
    const char *name, struct strv *out, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(map, name);
	int rc = yaml_take_list(l->tree, map, name, out, err);

	if (rc < 0 || at == NULL)
		return rc;
	for (size_t i = 0; i < at->n; i++) {
		if (!principal_name_is_valid(view_str(at->item[i].text)))
			return yaml_fail(l->tree, &at->item[i], err,
			    "%s: \"%.60s\" is not a name", name,
			    at->item[i].text);
		if (strcmp(name, "names") == 0 &&
		    strcmp(at->item[i].text, "anonymous") == 0)
			return yaml_fail(l->tree, &at->item[i], err,
			    "names: for the anonymous one write `anonymous: true`");
	}
	return 0;
}

int
take_who(const struct loading *l, const struct yaml_node *map, struct who *out,
    struct gg_error *err)
{
	static const char *const keys[] = { "names", "groups", "except-groups",
		"anonymous", NULL };
	const struct yaml_node *at = yaml_get(map, "principals");
	int rc;

	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "principals", keys, err)) < 0 ||
	    (rc = take_names(l, at, "names", &out->names, err)) < 0 ||
	    (rc = take_names(l, at, "groups", &out->groups, err)) < 0 ||
	    (rc = take_names(l, at, "except-groups", &out->except, err)) < 0)
		return rc;
	return yaml_take_bool(l->tree, at, "anonymous", &out->anonymous, err);
}

int
take_required(const struct loading *l, const struct yaml_node *map,
    const char *what, const char *const *names, struct gg_error *err)
{
	for (; *names != NULL; names++)
		if (yaml_get(map, *names) == NULL)
			return yaml_fail(l->tree, map, err, "%s needs %s", what,
			    *names);
	return 0;
}

static int
take_access(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "principals", "repositories",
		"allow", NULL };
	static const char *const words[] = { "fetch", "push", NULL };
	static const unsigned bits[] = { ACCESS_FETCH, ACCESS_PUSH };
	struct ruleset *rs = l->rs;
	struct access_entry *a;
	int rc;

	rs->access = loading_append(rs->access, &rs->n_access, sizeof(*a));
	a = &rs->access[rs->n_access - 1];

	if ((rc = yaml_check_keys(l->tree, at, "an access entry", keys, err)) <
		0 ||
	    (rc = take_required(l, at, "an access entry", keys, err)) < 0 ||
	    (rc = take_who(l, at, &a->who, err)) < 0 ||
	    (rc = take_lower_globs(l, at, "repositories", &a->repositories,
		 err)) < 0 ||
	    (rc = take_words(l, at, "allow", words, bits, &a->bits, err)) < 0)
		return rc;
	/* nobody gets in because a list was left empty */
	if (a->who.names.n == 0 && a->who.groups.n == 0 && !a->who.anonymous)
		return yaml_fail(l->tree, yaml_get(at, "principals"), err,
		    "principals must name someone: names, groups or `anonymous: true`");
	return 0;
}

static int
take_approvals(const struct loading *l, const struct yaml_node *rule,
    struct rule *r, struct gg_error *err)
{
	static const char *const keys[] = { "required", "from", "allow-self",
		"from-codeowners", "grant", NULL };
	const struct yaml_node *at = yaml_get(rule, "approvals");
	uint64_t required = 1;
	int rc;

	r->required = 1;
	/* a secret is looked at by somebody, each time */
	r->grant = !r->secrets;
	if (at == NULL)
		return 0;
	if ((rc = yaml_check_keys(l->tree, at, "approvals", keys, err)) < 0 ||
	    (rc = yaml_take_u64(l->tree, at, "required", 1, RULE_REQUIRED_MAX,
		 &required, err)) < 0 ||
	    (rc = take_names(l, at, "from", &r->from, err)) < 0)
		return rc;
	r->required = (uint32_t)required;
	if ((rc = yaml_take_bool(l->tree, at, "from-codeowners",
		 &r->from_codeowners, err)) < 0 ||
	    (rc = yaml_take_bool(l->tree, at, "grant", &r->grant, err)) < 0)
		return rc;
	return yaml_take_bool(l->tree, at, "allow-self", &r->allow_self, err);
}

static int
take_hold(const struct loading *l, const struct yaml_node *rule, struct rule *r,
    struct gg_error *err)
{
	static const char *const only[] = { "approvals", "wait", "expires" };
	int rc;

	r->expires_ms = RULE_EXPIRES_MS;
	for (size_t i = 0; i < GG_COUNT(only); i++)
		if (!rule_may_hold(r) && yaml_get(rule, only[i]) != NULL)
			return yaml_fail(l->tree, yaml_get(rule, only[i]), err,
			    "%s is for rules with `then: hold`", only[i]);
	if ((rc = take_approvals(l, rule, r, err)) < 0 ||
	    (rc = yaml_take_duration(l->tree, rule, "wait", &r->wait_ms, err)) <
		0 ||
	    (rc = yaml_take_duration(l->tree, rule, "expires", &r->expires_ms,
		 err)) < 0)
		return rc;
	if (r->expires_ms < EXPIRES_MIN_MS)
		return yaml_fail(l->tree, yaml_get(rule, "expires"), err,
		    "expires must be more than 0");
	return 0;
}

static int
take_message(const struct loading *l, const struct yaml_node *rule,
    struct rule *r, struct gg_error *err)
{
	int rc = yaml_take_text(l->tree, rule, "message", &r->message, err);

	if (rc < 0)
		return rc;
	if (r->message != NULL && n_characters(r->message) > RULE_MESSAGE_MAX)
		return yaml_fail(l->tree, yaml_get(rule, "message"), err,
		    "message has more than %d characters", RULE_MESSAGE_MAX);
	if (r->message == NULL && (r->message = strdup("")) == NULL)
		return gg_fail(err, GG_E_NOMEM, "message");
	return 0;
}

bool
rule_name_is_valid(const char *s)
{
	size_t n = strspn(s,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return s[n] == '\0' && n > 0 && n <= RULE_NAME_MAX &&
	    strchr("._-", s[0]) == NULL;
}

static int
take_name(const struct loading *l, const struct yaml_node *rule, struct rule *r,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(rule, "name");
	const struct ruleset *rs = l->rs;
	int rc = yaml_take_text(l->tree, rule, "name", &r->name, err);

	if (rc < 0)
		return rc;
	if (!rule_name_is_valid(r->name))
		return yaml_fail(l->tree, at, err,
		    "name: \"%.70s\" is not a rule's name (at most %d of A-Z a-z 0-9 . _ -, a letter or digit first)",
		    r->name, RULE_NAME_MAX);
	if (strcmp(r->name, RULE_TOO_LARGE) == 0)
		return yaml_fail(l->tree, at, err,
		    "name: %s is gitgate's own, for changes over a limit",
		    RULE_TOO_LARGE);
	if (strcmp(r->name, RULE_KEPT) == 0)
		return yaml_fail(l->tree, at, err,
		    "name: %s is gitgate's own, for what cannot be kept",
		    RULE_KEPT);
	for (size_t i = 0; i + 1 < rs->n_rules; i++)
		if (strcmp(rs->rules[i].name, r->name) == 0)
			return yaml_fail(l->tree, at, err,
			    "rule %s twice (first at %s:%d)", r->name,
			    rs->rules[i].file, rs->rules[i].line);
	return 0;
}

static int
find_scope(const struct loading *l, const struct yaml_node *at, struct rule *r,
    struct gg_error *err)
{
	struct ruleset *rs = l->rs;

	for (r->scope = 0; r->scope < rs->n_scopes; r->scope++)
		if (strv_eq(&rs->scopes[r->scope], &r->refs))
			return 0;
	if (rs->n_scopes == REPORT_MAX_SCOPES)
		return yaml_fail(l->tree, at, err,
		    "more than %d different lists of refs in all rules",
		    REPORT_MAX_SCOPES);
	strv_copy(&rs->scopes[rs->n_scopes++], &r->refs);
	return strv_check(&rs->scopes[r->scope], err);
}

/* Its program says the verdict. */
static bool
has_hook(const struct yaml_node *rule)
{
	const struct yaml_node *when = yaml_get(rule, "when");

	return when != NULL && yaml_get(when, "hook") != NULL;
}

/* A program has no word for it, and would let out what was to be kept. */
static int
take_then(const struct loading *l, const struct yaml_node *rule, struct rule *r,
    struct gg_error *err)
{
	static const char *const words[] = { "deny", "hold", "allow", "keep",
		NULL };
	enum { KEEP = 3 };
	unsigned then = VERDICT_DENY;
	int rc = yaml_take_word(l->tree, rule, "then", words, &then, err);

	if (rc < 0)
		return rc;
	r->has_then = yaml_get(rule, "then") != NULL;
	r->keep = then == KEEP;
	r->then = r->keep ? VERDICT_ALLOW : (enum verdict)then;
	if (r->keep && has_hook(rule))
		return yaml_fail(l->tree, yaml_get(rule, "then"), err,
		    "then: keep cannot stand beside a hook, which says the verdict");
	return 0;
}

static int
take_rule(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err)
{
	static const char *const keys[] = { "name", "when", "then", "approvals",
		"wait", "expires", "message", NULL };
	static const char *const needed[] = { "name", "then", NULL };
	static const char *const named[] = { "name", NULL };
	struct ruleset *rs = l->rs;
	struct rule *r;
	int rc;

	rs->rules = loading_append(rs->rules, &rs->n_rules, sizeof(*r));
	r = &rs->rules[rs->n_rules - 1];
	r->line = at->line;
	if ((r->file = strdup(l->tree->file)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "rule");
	if ((rc = yaml_check_keys(l->tree, at, "a rule", keys, err)) < 0 ||
	    (rc = take_required(l, at, "a rule", has_hook(at) ? named : needed,
		 err)) < 0 ||
	    (rc = take_name(l, at, r, err)) < 0 ||
	    (rc = take_then(l, at, r, err)) < 0 ||
	    (rc = take_when(l, at, r, err)) < 0 ||
	    (rc = take_hold(l, at, r, err)) < 0 ||
	    (rc = take_message(l, at, r, err)) < 0)
		return rc;
	return find_scope(l, at, r, err);
}

typedef int take_fn(const struct loading *l, const struct yaml_node *at,
    struct gg_error *err);

static int
take_each(const struct loading *l, const char *name, take_fn *take,
    struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(&l->tree->root, name);
	int rc = 0;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_LIST)
		return yaml_fail(l->tree, at, err, "%s must be a list", name);
	for (size_t i = 0; i < at->n && rc == 0; i++)
		rc = take(l, &at->item[i], err);
	return rc;
}

static int
take_alias(const struct loading *l, const struct yaml_node *key,
    const struct yaml_node *value, struct gg_error *err)
{
	struct ruleset *rs = l->rs;
	struct owner_alias *a;
	int rc;

	if ((rc = yaml_check_text(l->tree, key, "codeowners-groups", err)) <
		0 ||
	    (rc = yaml_check_text(l->tree, value, "codeowners-groups", err)) <
		0)
		return rc;
	if (!principal_name_is_valid(view_str(value->text)))
		return yaml_fail(l->tree, value, err,
		    "codeowners-groups: \"%.60s\" is not a name", value->text);
	for (size_t i = 0; i < rs->n_aliases; i++)
		if (strcasecmp(rs->aliases[i].owner, key->text) == 0)
			return yaml_fail(l->tree, key, err,
			    "codeowners-groups: %.60s twice", key->text);
	rs->aliases = loading_append(rs->aliases, &rs->n_aliases, sizeof(*a));
	a = &rs->aliases[rs->n_aliases - 1];
	a->owner = strdup(key->text);
	a->group = strdup(value->text);
	if (a->owner == NULL || a->group == NULL)
		return gg_fail(err, GG_E_NOMEM, "codeowners-groups");
	return 0;
}

static int
take_aliases(const struct loading *l, struct gg_error *err)
{
	const struct yaml_node *at = yaml_get(&l->tree->root,
	    "codeowners-groups");
	int rc = 0;

	if (at == NULL)
		return 0;
	if (at->kind != NODE_MAP)
		return yaml_fail(l->tree, at, err,
		    "codeowners-groups must be a map of keys");
	for (size_t i = 0; i < at->n && rc == 0; i++)
		rc = take_alias(l, &at->key[i], &at->item[i], err);
	return rc;
}

int
ruleset_add_digest(struct ruleset *rs, const char *file, struct view text,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) b = BUF_INIT(RULE_FILE_MAX + 8192);
	const char *slash = strrchr(file, '/');
	int rc;

	buf_add(&b, rs->digest, sizeof(rs->digest));
	enc_str(&b, slash ? slash + 1 : file);
	enc_bytes(&b, text);
	if ((rc = buf_check(&b, err)) < 0)
		return rc;
	digest_sha256(b.p, b.n, rs->digest);
	hex_encode(rs->digest, sizeof(rs->digest), rs->digest_hex);
	return 0;
}

int
ruleset_parse(struct ruleset *rs, const char *file, struct view text,
    struct gg_error *err)
{
	static const char *const keys[] = { "access", "grants", "rules",
		"codeowners-groups", NULL };
	GG_AUTO(yaml_tree) tree = NULL;
	struct loading l = { .rs = rs };
	int rc;

	if ((rc = yaml_tree_parse(text, file, &tree, err)) < 0)
		return rc;
	l.tree = tree;
	if ((rc = yaml_check_keys(tree, &tree->root, "the file", keys, err)) <
		0 ||
	    (rc = take_aliases(&l, err)) < 0 ||
	    (rc = take_each(&l, "access", take_access, err)) < 0 ||
	    (rc = take_each(&l, "grants", take_grant, err)) < 0 ||
	    (rc = take_each(&l, "rules", take_rule, err)) < 0 ||
	    (rc = ruleset_add_digest(rs, file, text, err)) < 0)
		return rc;
	rs->n_files++;
	return 0;
}
