/*
 * Names inside trees that some file system would take for another name.
 */
#ifndef GITGATE_PACK_ENTRY_NAME_H
#define GITGATE_PACK_ENTRY_NAME_H

#include "base/error.h"
#include "base/view.h"

#include <stdbool.h>

/*
 * Refuses "", ".", "..", names with '/', and every form of ".git" that a
 * file system folds into it: other case; HFS+, which ignores some code
 * points; NTFS, which drops trailing dots and spaces, has streams
 * (".git::$INDEX_ALLOCATION"), short names ("git~1"), and takes '\' for a
 * separator. A symlink may not be named .gitmodules in any such form.
 * 0 or GG_E_PEER.
 */
GG_MUST_USE int
entry_name_check(struct view name, bool symlink, struct gg_error *err);

/* Does a file system fold name into dotted (lower case, ".git")? */
bool entry_name_folds_to(struct view name, const char *dotted);

#endif
