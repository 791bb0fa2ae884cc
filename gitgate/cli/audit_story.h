/* What gitgate audit verify says of the entries together (audit/story.h). */
#ifndef GITGATE_CLI_AUDIT_STORY_H
#define GITGATE_CLI_AUDIT_STORY_H

#include "audit/story.h"
#include "base/strv.h"

/* So many are printed; all are counted. */
#define STORY_SHOWN_MAX 1000

struct told {
	struct story *story;
	uint64_t n[STORY_KINDS];
	json_t *shown; /* [{"kind","entry","text"}] */
};
void told_init(struct told *t);
void told_release(struct told *t);
GG_DEFINE_AUTO_RELEASE(told);
/* An auditlog_each; ctx: the struct told. */
void told_entry(void *ctx, uint64_t index, const json_t *entry);
/* There are no more. How many findings there are, notes not counted. */
uint64_t told_end(struct told *t);
void told_say(const struct told *t);
/* Adds "findings" and their number by kind. */
void told_report(const struct told *t, json_t *report);

#endif
