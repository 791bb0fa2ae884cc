/* Names of repositories, as in requests, in the config and in policies. */
#ifndef GITGATE_CONFIG_REPO_NAME_H
#define GITGATE_CONFIG_REPO_NAME_H

#include "base/view.h"

#define REPOSITORY_MAX_BYTES 255

/*
 * Is it a repository's path as gitgate names it: components of
 * [A-Za-z0-9._-] joined by '/', none empty, none beginning with '.' or '-',
 * none ending in ".git" or ".lock", at most REPOSITORY_MAX_BYTES?
 */
bool repository_is_valid(struct view v);
/* Is it one such component? */
bool repository_component_is_valid(struct view c);

#endif
