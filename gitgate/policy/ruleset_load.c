#include "policy/ruleset_priv.h"

#include "base/fd.h"
#include "config/yaml_tree.h"

#include <dirent.h>
#include <errno.h>

#define MAX_FILES 1000

/* schema.json lies there for editors; it is no policy. */
static bool
is_policy_name(const char *name)
{
	struct view v = view_str(name);

	return name[0] != '.' && strcmp(name, "schema.json") != 0 &&
	    (view_has_suffix(v, ".yaml") || view_has_suffix(v, ".yml") ||
		view_has_suffix(v, ".json"));
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list_files(const char *dir, struct strv *names, struct gg_error *err)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int sys;

	if (d == NULL)
		return gg_fail(err, GG_E_SYS, "policy directory %s", dir);
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (is_policy_name(e->d_name))
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
	return ruleset_parse(rs, file, buf_view(&text), err);
}

int
ruleset_load(const char *dir, struct ruleset **out, struct strv *warnings,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	GG_AUTO(ruleset) rs = ruleset_new();
	int rc;

	if ((rc = list_files(dir, &names, err)) < 0)
		return rc;
	for (size_t i = 0; i < names.n; i++)
		if ((rc = load_file(rs, dir, names.v[i], err)) < 0)
			return rc;
	if (warnings != NULL)
		ruleset_warn(rs, warnings);
	*out = gg_take(rs);
	return 0;
}
