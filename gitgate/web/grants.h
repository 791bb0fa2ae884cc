/* Grants, as API and pages show them (docs/identity.md, "Grants"). */
#ifndef GITGATE_WEB_GRANTS_H
#define GITGATE_WEB_GRANTS_H

#include "web/web_priv.h"

/* May the caller see it: who has it, who asked, who may approve, auditors. */
bool grant_may_see(const struct web_call *c, const struct stored_grant *g);
/* Of c->id. GG_E_NOTFOUND also for what the caller may not see. */
GG_MUST_USE int grant_load(const struct web_call *c, struct stored_grant *g,
    struct gg_error *err);
/* Those that the caller may see, newest first, by the query's principal,
 * state, cursor and limit; state overrides where it is not NULL. */
GG_MUST_USE int grant_list(const struct web_call *c, const char *state,
    json_t *items, char next[ULID_SIZE], struct gg_error *err);
json_t *json_of_grant(const struct web_call *c, const struct stored_grant *g);
/* Ask for the caller: "30m" and the rest as the request has it. */
GG_MUST_USE int grant_ask(struct web_call *c, const char *principal,
    const struct grant_scope *scope, const char *how_long, const char *reason,
    char id[ULID_SIZE], struct gg_error *err);
/* Approve, reject or revoke c->id, as c->verb says. */
GG_MUST_USE int
grant_do(struct web_call *c, const char *comment, struct gg_error *err);

#endif
