/* Names of refs and of repositories. */
#ifndef GITGATE_MODEL_REFNAME_H
#define GITGATE_MODEL_REFNAME_H

#include "base/view.h"
#include "config/repo_name.h" /* repository_is_valid() */

#define REFNAME_MAX_BYTES 1024

/*
 * Is it a full, valid refname ("refs/..."), by the rules of
 * git-check-ref-format(1), at most REFNAME_MAX_BYTES? Also refuses bytes
 * that are not UTF-8.
 */
bool refname_is_valid(struct view v);
/*
 * What somebody means who leaves "refs/heads/" out: "main" is a branch, "HEAD"
 * itself. The caller's to free.
 */
char *refname_meant(const char *word);

#endif
