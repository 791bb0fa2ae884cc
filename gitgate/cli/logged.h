/* What the audit log itself says of a push: from its files, not from the
 * database's copy of them. On the gate's machine. */
#ifndef GITGATE_CLI_LOGGED_H
#define GITGATE_CLI_LOGGED_H

#include "cli/cli.h"

/*
 * The entries of one type of a push, oldest first, the caller's. The index
 * finds them; each is read from the log's files. One that the files do not
 * have yet (it is a moment old) is the index's; one of which the index says
 * something else than the log is a sentence in faults.
 */
GG_MUST_USE int logged_entries(const struct config *c, struct store *s,
    const char *type, const char *push, json_t **entries, struct strv *faults,
    struct gg_error *err);

#endif
