/*
 * What is claimed of how a push's commits were made, put together: what their
 * messages say, and the records that any push of the repository brought for
 * them, before or after (store/provenance.h). All of it is claimed; what the
 * token of a pusher names, too, is verified.
 */
#ifndef GITGATE_WEB_PROVENANCE_H
#define GITGATE_WEB_PROVENANCE_H

#include "model/report.h"
#include "web/web_priv.h"

/* Commits of a push that are looked at, and records that are given. */
#define PROVENANCE_COMMITS 200
#define PROVENANCE_RECORDS 200

/*
 * {"commits": [{"commit", "level", "claims": [{"kind", "value", "from",
 * "verified"}], "records": [index], "more"}], "records": [...], "brought":
 * [index], "brought_all", "complete", "limit"} (docs/formats.md, "Provenance"); a new reference.
 * r: the push's report, NULL where it is gone. What the store cannot say is
 * missing, and "complete" is false.
 */
json_t *json_of_provenance(const struct web_call *c,
    const struct stored_push *p, const struct change_report *r);
/* A commit's part of it, or NULL; borrowed. */
const json_t *
provenance_of_commit(const json_t *provenance, const struct oid *commit);
/* Does the credential of a push with this identity name the session? */
bool identity_proves(const json_t *identity, const char *session);

/* In words for people: "session verified", "prompt sent along", ... */
const char *provenance_level_words(const char *level);

/* -- provenance_view.c -- */
/* What is claimed of one commit; nothing where nothing is. */
void view_commit_provenance(struct buf *b, const json_t *provenance,
    const json_t *commit);
/* What the push brought for commits wherever they are; nothing likewise. */
void view_brought(struct buf *b, const json_t *provenance);

#endif
