#include "role/hook_check.h"

#include "base/auto.h"
#include "base/fd.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static int
check_one(const char *dir, const char *name, const char *who,
    struct gg_error *err)
{
	GG_AUTO_MEM char *path = path_f("%s/%s", dir, name);
	struct stat st;

	if (stat(path, &st) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s the program %s, which is not there: %s", who, name,
		    path);
	/* not access(): to root that says yes for any bit */
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0 ||
	    access(path, X_OK) != 0)
		return gg_fail(err, GG_E_INPUT,
		    "%s the program %s, which is not executable: %s", who, name,
		    path);
	return 0;
}

int
hooks_check(const struct config *c, const struct ruleset *rs,
    struct gg_error *err)
{
	GG_AUTO_RELEASE(strv) names = STRV_INIT;
	int rc = 0;

	ruleset_hooks(rs, &names);
	if (names.n > 0 && c->hooks_dir == NULL)
		return gg_fail(err, GG_E_INPUT,
		    "a rule asks the hook %s, but hooks-dir is not configured",
		    names.v[0]);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = check_one(c->hooks_dir, names.v[i], "a rule asks", err);
	for (size_t i = 0; rc == 0 && i < c->n_notices; i++)
		if (c->notices[i].kind == NOTICE_PROGRAM)
			rc = check_one(c->hooks_dir, c->notices[i].program,
			    "a notice runs", err);
	return rc;
}
