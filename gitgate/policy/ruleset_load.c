#include "policy/loading.h"

#include "base/fd.h"
#include "config/yaml_tree.h"
#include "crypto/signature.h"

#include <dirent.h>
#include <errno.h>

#define MAX_FILES 1000

/* Schemas lie there for editors; they are no policy. */
static bool
is_policy_name(const char *name)
{
	struct view v = view_str(name);

	return name[0] != '.' && !view_has_suffix(v, "schema.json") &&
	    (view_has_suffix(v, ".yaml") || view_has_suffix(v, ".yml") ||
		view_has_suffix(v, ".json"));
}

/* Rules for secrets, in gitleaks' format. */
static bool
is_secret_file(const char *name)
{
	return name[0] != '.' && view_has_suffix(view_str(name), ".toml");
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list_files(const char *dir, bool (*is_meant)(const char *name),
    struct strv *names, struct gg_error *err)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int sys;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "policy directory %s", dir);
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (is_meant(e->d_name))
			strv_add(names, e->d_name);
	sys = errno;
	(void)closedir(d);
	errno = sys;
	if (sys != 0)
		return gg_fail(err, GG_E_SYS, "policy directory %s", dir);
	if (names->n > MAX_FILES)
		return gg_fail(err, GG_E_INPUT, "%s: more than %d files", dir,
		    MAX_FILES);
	if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), by_bytes);
	return strv_check(names, err);
}

static int
load_file(struct ruleset *rs, const char *dir, const char *name,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(YAML_TREE_MAX_BYTES + 1);
	GG_AUTO_MEM char *file = path_f("%s/%s", dir, name);
	int rc = file_read(file, &text, err);

	if (rc == GG_E_LIMIT)
		return gg_fail(err, GG_E_INPUT, "%s:1: larger than 1 MiB",
		    file);
	if (rc < 0)
		return gg_wrap(err, rc, "%s", file);
	strv_add(&rs->files, name);
	return ruleset_parse(rs, file, buf_view(&text), err);
}

/* What belongs to the rules beside the YAML: read, and in the digest. */
static int
load_beside(struct ruleset *rs, const char *dir, const char *name,
    struct buf *text, struct gg_error *err)
{
	GG_AUTO_MEM char *file = path_f("%s/%s", dir, name);
	int rc = file_read(file, text, err);

	if (rc == GG_E_LIMIT)
		return gg_fail(err, GG_E_INPUT, "%s:1: larger than 4 MiB",
		    file);
	if (rc < 0)
		return gg_wrap(err, rc, "%s", file);
	if (!strv_has(&rs->files, name))
		strv_add(&rs->files, name);
	return ruleset_add_digest(rs, name, buf_view(text), err);
}

static int
load_key_file(struct ruleset *rs, const char *dir, const struct rule *r,
    struct key_file *k, int (*check)(struct view v, struct gg_error *err),
    struct gg_error *err)
{
	GG_AUTO_RELEASE(buf) text = BUF_INIT(RULE_FILE_MAX);
	int rc;

	if (k->name == NULL)
		return 0;
	if ((rc = load_beside(rs, dir, k->name, &text, err)) < 0)
		return gg_wrap(err, GG_E_INPUT, "%s:%d: signed-by", r->file,
		    k->line);
	if ((rc = check(buf_view(&text), err)) < 0)
		return gg_wrap(err, rc, "%s:%d: %s", r->file, k->line, k->name);
	k->n = text.n;
	if ((k->text = buf_take(&text)) == NULL)
		return gg_fail(err, GG_E_NOMEM, "%s", k->name);
	return 0;
}

static int
load_secret_files(struct ruleset *rs, const char *dir, struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	const struct rule *first = NULL;
	int rc;

	for (size_t i = 0; i < rs->n_rules && first == NULL; i++)
		if (rs->rules[i].secrets)
			first = &rs->rules[i];
	if (first == NULL)
		return 0;
	if ((rc = list_files(dir, is_secret_file, &names, err)) < 0)
		return rc;
	if (names.n == 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s:%d: secrets needs rules in gitleaks' format: a file that ends in .toml in %s",
		    first->file, first->line, dir);
	for (size_t i = 0; i < names.n; i++) {
		GG_AUTO_RELEASE(buf) text = BUF_INIT(RULE_FILE_MAX);

		if ((rc = load_beside(rs, dir, names.v[i], &text, err)) < 0)
			return rc;
		strv_addf(&rs->secret_files, "%s/%s", dir, names.v[i]);
	}
	return strv_check(&rs->secret_files, err);
}

static int
load_all_beside(struct ruleset *rs, const char *dir, struct gg_error *err)
{
	int rc = load_secret_files(rs, dir, err);

	for (size_t i = 0; i < rs->n_rules && rc == 0; i++) {
		struct rule *r = &rs->rules[i];
		struct commit_condition *c = &r->commits;

		if ((rc = load_key_file(rs, dir, r, &c->allowed_signers,
			 signature_check_signers, err)) == 0)
			rc = load_key_file(rs, dir, r, &c->openpgp,
			    signature_check_keys, err);
	}
	return rc;
}

int
ruleset_load(const char *dir, struct ruleset **out, struct strv *warnings,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	GG_AUTO(ruleset) rs = ruleset_new();
	int rc;

	if ((rc = list_files(dir, is_policy_name, &names, err)) < 0)
		return rc;
	for (size_t i = 0; i < names.n; i++)
		if ((rc = load_file(rs, dir, names.v[i], err)) < 0)
			return rc;
	if ((rc = load_all_beside(rs, dir, err)) < 0)
		return rc;
	if (warnings != NULL)
		ruleset_warn(rs, warnings);
	*out = gg_take(rs);
	return 0;
}
