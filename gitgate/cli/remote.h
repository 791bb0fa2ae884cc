/* What the commands over the API have in common. */
#ifndef GITGATE_CLI_REMOTE_H
#define GITGATE_CLI_REMOTE_H

#include "cli/cli.h"

/* An answer, for a person; with --json it is printed as it is. */
typedef void remote_print(const json_t *answer);

/*
 * A whole command: GET of a list ("holds", "grants"). The options are the
 * filters (names, NULL behind the last) beside --limit and --cursor. Its exit
 * code.
 */
int remote_list(struct cli *cli, int argc, char **argv, const char *what,
    const char *const *filters, remote_print *print);
/* So, too: GET of one, by the id on the command line. */
int remote_show(struct cli *cli, int argc, char **argv, const char *what,
    remote_print *print);
/* So, too: "ID [--comment TEXT]", POST of a verb ("approve") to one. */
int remote_act(struct cli *cli, int argc, char **argv, const char *what,
    const char *verb, remote_print *print);
/* POST; body is taken, NULL (words that are no UTF-8) is GG_E_INPUT. */
GG_MUST_USE int remote_post(struct cli *cli, const char *path, json_t *body,
    remote_print *print, struct gg_error *err);
/* The exit code of a command that ended with rc; GG_E_INPUT: of its line. */
int remote_exit(int rc, const struct gg_error *err);
/* Says how to go on, where a list has more. */
void remote_more(const json_t *answer);
GG_MUST_USE int remote_check_id(const char *id, struct gg_error *err);

/* -- cmd_holds.c -- */
/* Holds or pushes as a table. */
void remote_table(const json_t *answer, const char *what);
void remote_details(const json_t *o);
void remote_updates(const json_t *updates);
/* remote_provenance.c: a push's options, each behind the label, and what is
 * claimed of its commits; nothing where nothing is. */
void remote_claimed(const char *label, const json_t *push);
void remote_provenance(const json_t *all);
/* "hold ID STATE: message" */
void remote_state(const json_t *hold);

#endif
