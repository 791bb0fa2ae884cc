/* Names of refs and of repositories. */
#ifndef GITGATE_MODEL_REFNAME_H
#define GITGATE_MODEL_REFNAME_H

#include "base/view.h"

#define REFNAME_MAX_BYTES    1024
#define REPOSITORY_MAX_BYTES 255

/*
 * Is it a full, valid refname ("refs/..."), by the rules of
 * git-check-ref-format(1), at most REFNAME_MAX_BYTES? Also refuses bytes
 * that are not UTF-8.
 */
bool refname_is_valid(struct view v);

/*
 * Is it a repository's path as gitgate names it: components of
 * [A-Za-z0-9._-] joined by '/', none empty, none beginning with '.' or '-',
 * none ending in ".git" or ".lock", at most REPOSITORY_MAX_BYTES?
 */
bool repository_is_valid(struct view v);

#endif
