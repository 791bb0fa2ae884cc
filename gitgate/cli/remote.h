/* What the commands over the API have in common (cmd_holds.c). */
#ifndef GITGATE_CLI_REMOTE_H
#define GITGATE_CLI_REMOTE_H

#include "cli/cli.h"

/* GET of a list ("holds", "pushes") with the usual filters. */
GG_MUST_USE int
remote_list(struct cli *cli, int argc, char **argv, const char *what,
    void (*print)(const json_t *answer), struct gg_error *err);
/* GET of one by its id, and its details. */
GG_MUST_USE int remote_show(struct cli *cli, int argc, char **argv,
    const char *what, struct gg_error *err);
/* The exit code of a command that ended with rc. */
int remote_exit(int rc, const struct gg_error *err);
/* Holds or pushes as a table; next: the cursor or null. */
void remote_table(const json_t *rows, const json_t *next);
void remote_details(const json_t *o);
void remote_updates(const json_t *updates);
/* "hold ID STATE: message" */
void remote_state(const json_t *hold);
GG_MUST_USE int remote_check_id(const char *id, struct gg_error *err);

#endif
