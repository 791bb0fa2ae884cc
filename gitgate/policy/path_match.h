/*
 * Paths as file systems see them. A checkout may put "Migrations",
 * "migrations." or "MIGRAT~1" where a rule protects "migrations": those twins
 * count as the protected path. Folding only ever makes more paths match.
 */
#ifndef GITGATE_POLICY_PATH_MATCH_H
#define GITGATE_POLICY_PATH_MATCH_H

#include "base/auto.h"
#include "base/view.h"

/* One form of a glob; dir is it without a "/" and double star at its end,
 * NULL where it does not end so. */
struct glob_form {
	char *glob;
	char *dir;
};

struct path_glob {
	bool away;              /* it had a leading '!' */
	struct glob_form exact; /* as written */
	/* case-folded (Unicode, full), NFC, without what HFS+ ignores */
	struct glob_form folded;
	struct glob_form trimmed; /* and without what NTFS drops at the end */
};

struct path_forms {
	struct view exact; /* borrowed */
	char *folded;
	char *trimmed;   /* NTFS: no streams, no dots or spaces at the end, a
			    backslash is a slash; NULL: as folded */
	bool short_name; /* a component may be one of NTFS's short names */
};

/* glob may begin with '!'. Dies without memory (bounded by the file). */
void path_glob_init(struct path_glob *g, const char *glob);
void path_glob_release(struct path_glob *g);

/* path must outlive the forms. */
void path_forms_init(struct path_forms *f, struct view path);
void path_forms_release(struct path_forms *f);
GG_DEFINE_AUTO_RELEASE(path_forms);

/* Whatever g->away says: with it only the exact bytes count, for nobody may
 * fold a path into an exclusion. */
bool path_glob_match(const struct path_glob *g, const struct path_forms *f);
/* The list of a rule: the last one that matches decides. */
bool path_globs_match(const struct path_glob *g, size_t n,
    const struct path_forms *f);

/*
 * Do glob and path (both folded) match, where a component of path may be an
 * NTFS short name of the component that stands in the glob? (MIGRAT~1 for
 * migrations, MI3F4A~1 after a few collisions.) A glob that has a double
 * star inside a component is not looked at.
 */
bool short_name_match(const char *glob, struct view path);

#endif
